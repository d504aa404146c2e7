// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* format_jsonl.c - one JSON object a line, the envelope first, flat dotted keys. */
#include "output/output.h"

/* The pieces between which the envelope's values stand. */
static const char *const type_piece[RECORD_TYPES] = {
	[RECORD_CONFIG] = "\",\"type\":\"config\",\"id\":\"",
	[RECORD_LIFECYCLE] = "\",\"type\":\"lifecycle\",\"id\":\"",
	[RECORD_EXCHANGE] = "\",\"type\":\"exchange\",\"id\":\"",
	[RECORD_LOG] = "\",\"type\":\"log\",\"id\":\"",
	[RECORD_METRIC] = "\",\"type\":\"metric\",\"id\":\"",
	[RECORD_DRIFT] = "\",\"type\":\"drift\",\"id\":\"",
	[RECORD_ALERT] = "\",\"type\":\"alert\",\"id\":\"",
	[RECORD_SELF] = "\",\"type\":\"self\",\"id\":\"",
};

static void jsonl_record(void *state, const struct record *r, struct buf *out)
{
	(void)state;
	buf_put(out, "{\"ts\":\"", 7);
	buf_rfc3339(out, r->ts);
	buf_puts(out, type_piece[r->type]);
	buf_hex(out, r->id, sizeof(r->id));
	buf_put(out, "\",\"seq\":", 8);
	buf_u64(out, r->seq);
	if (r->host)
		buf_put(out, r->host->json, r->host->json_len);
	if (r->proc)
		buf_put(out, r->proc->json, r->proc->json_len);
	for (size_t i = 0; i < r->n; i++)
		kv_write_json(out, &r->kv[i]);
	buf_put(out, "}\n", 2);
}

const struct format format_jsonl = { .name = "jsonl", .record = jsonl_record };
