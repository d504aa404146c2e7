// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record.c - filling records and scopes, finding keys in them, and a pair's spelling in JSON. */
#include "record/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

const char *const record_type_name[RECORD_TYPES] = {
	[RECORD_CONFIG] = "config",     [RECORD_LIFECYCLE] = "lifecycle",
	[RECORD_EXCHANGE] = "exchange", [RECORD_LOG] = "log",
	[RECORD_METRIC] = "metric",     [RECORD_DRIFT] = "drift",
	[RECORD_ALERT] = "alert",       [RECORD_SELF] = "self",
};

void record_init(struct record *r, enum record_type type, uint64_t ts)
{
	/* Not the array: nobody reads it before it is written. */
	memset(r, 0, offsetof(struct record, kv));
	r->type = type;
	r->ts = ts;
}

static const struct kv *find(const struct kv *kv, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(kv[i].key, key) == 0)
			return &kv[i];
	return NULL;
}

const struct kv *record_get(const struct record *r, const char *key)
{
	return find(r->kv, r->n, key);
}

const struct kv *record_find(const struct record *r, const char *key)
{
	const struct kv *kv = record_get(r, key);

	if (!kv && r->proc)
		kv = find(r->proc->kv, r->proc->n, key);
	if (!kv && r->host)
		kv = find(r->host->kv, r->host->n, key);
	return kv;
}

static void blank_out(char *p, size_t n, char what)
{
	char *end = p + n;

	while ((p = memchr(p, what, (size_t)(end - p))))
		*p++ = ' ';
}

/* A value that is JSON already may be spread over lines; between tokens a blank says the same. */
static void put_one_line(struct buf *b, const char *p, size_t n)
{
	if (!n) {
		buf_put(b, "null", 4);
		return;
	}
	if (!buf_room(b, n))
		return;
	buf_put(b, p, n);
	blank_out(b->p + b->len - n, n, '\n');
	blank_out(b->p + b->len - n, n, '\r');
}

void kv_write_json(struct buf *b, const struct kv *kv)
{
	const size_t n = kv->key_len;
	char *d = buf_room(b, n + 4);

	if (!d)
		return;
	memcpy(d, ",\"", 2);
	memcpy(d + 2, kv->key, n);
	memcpy(d + 2 + n, "\":", 2);
	b->len += n + 4;
	switch (kv->type) {
	case KV_STR:
		json_quoted(b, kv->s.p, kv->s.n);
		break;
	case KV_U64:
		buf_u64(b, kv->u);
		break;
	case KV_I64:
		buf_i64(b, kv->i);
		break;
	case KV_F64:
		buf_f64(b, kv->f);
		break;
	case KV_BOOL:
		if (kv->b)
			buf_put(b, "true", 4);
		else
			buf_put(b, "false", 5);
		break;
	case KV_NS:
		buf_seconds(b, kv->i);
		break;
	case KV_HEX:
		buf_putc(b, '"');
		buf_hex(b, kv->s.p, kv->s.n);
		buf_putc(b, '"');
		break;
	case KV_TIME:
		buf_putc(b, '"');
		buf_rfc3339(b, kv->u);
		buf_putc(b, '"');
		break;
	case KV_JSON:
		put_one_line(b, kv->s.p, kv->s.n);
		break;
	}
}

void scope_render(struct scope *s)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		s->kv[i].key_len = (uint32_t)strlen(s->kv[i].key);
		kv_write_json(&b, &s->kv[i]);
	}
	free(s->json);
	if (b.overflow) {
		buf_free(&b); /* memory is out: better no scope than half a key */
		b.len = 0;
	}
	s->json = b.p;
	s->json_len = b.len;
}

void scope_free(struct scope *s)
{
	free(s->kv);
	free(s->json);
	*s = (struct scope){ 0 };
}
