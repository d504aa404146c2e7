/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert_record.c - an alert as a record and as the body of an Alertmanager webhook. */
#include <math.h>
#include <string.h>

#include "alert/alert_state.h"
#include "base/hash.h"
#include "base/json.h"

#define MAX_LISTED 32 /* features in one record */

static unsigned listed(const struct alert *a)
{
	return a->n_moved < MAX_LISTED ? a->n_moved : MAX_LISTED;
}

static void put_features(const struct alert *a, struct buf *b)
{
	json_arr(b);
	for (unsigned i = 0; i < listed(a); i++)
		json_cstr(b, a->moved[i]->name);
	json_arr_end(b);
}

static void put_number(struct buf *b, const char *key, double v)
{
	if (!isfinite(v))
		return;
	json_key(b, key);
	json_f64(b, v);
}

static void put_time(struct buf *b, const char *key, uint64_t ts)
{
	json_key(b, key);
	buf_putc(b, '"');
	buf_rfc3339(b, ts);
	buf_putc(b, '"');
}

static void put_effects(const struct alert *a, struct buf *b)
{
	json_arr(b);
	for (unsigned i = 0; i < listed(a); i++) {
		const struct moved *m = a->moved[i];

		json_obj(b);
		json_key(b, "feature");
		json_cstr(b, m->name);
		json_key(b, "state");
		json_cstr(b, m->recovered ? "recovered" : "drift");
		put_time(b, "since", m->since_ts);
		json_key(b, "n");
		json_u64(b, m->effect.n);
		put_number(b, "evidence", m->evidence);
		put_number(b, "threshold", m->threshold);
		put_number(b, "mean_shift_sigma", m->effect.mean_shift_sigma);
		put_number(b, "ks", m->effect.ks);
		put_number(b, "psi", m->effect.psi);
		put_number(b, "reference_median", m->effect.ref_median);
		put_number(b, "median", m->effect.new_median);
		json_key(b, "early");
		json_bool(b, m->effect.early);
		json_obj_end(b);
	}
	json_arr_end(b);
}

static void put_examples(const struct alert *a, struct buf *b)
{
	json_arr(b);
	for (size_t i = 0; i < a->n_examples; i++) {
		buf_puts(b, i ? ",\"" : "\"");
		buf_hex(b, a->example[i], 16);
		buf_putc(b, '"');
	}
	json_arr_end(b);
}

static void make_id(const struct alert *a, uint8_t id[16])
{
	struct id_hash h;

	id_start(&h, "alert");
	id_bytes(&h, a->id, sizeof(a->id));
	id_u64(&h, a->told);
	id_finish(&h, id);
}

void alert_record(const struct alert *a, struct record *r, struct buf *scratch)
{
	void (*const part[])(const struct alert *, struct buf *) = { alert_summary, put_features,
								     put_effects, put_examples };
	enum { SUMMARY, FEATURES, EFFECTS, EXAMPLES, PARTS };
	size_t at[PARTS + 1] = { 0 };
	const struct advice advice = alert_advice(a);
	const char *p;

	/* All text first: scratch may move while it grows. A line feed ends a part for the writer.
	 */
	buf_clear(scratch);
	for (unsigned i = 0; i < PARTS; i++) {
		part[i](a, scratch);
		buf_putc(scratch, '\n');
		at[i + 1] = scratch->len;
	}
	if (scratch->overflow)
		return;
	p = scratch->p;
#define PART(i) p + at[i], at[(i) + 1] - at[i] - 1
	make_id(a, r->id);
	r->host = a->host;
	r->proc = a->proc;
	record_cstr(r, "alert.kind", alert_kind_name[a->kind]);
	record_hex(r, "alert.id", a->id, sizeof(a->id));
	record_cstr(r, "alert.state", a->resolved ? "resolved" : "firing");
	record_time(r, "alert.since", a->opened_ts);
	record_cstr(r, "severity", alert_severity(a));
	record_str(r, "summary", PART(SUMMARY));
	if (a->n_moved) {
		record_json(r, "features", PART(FEATURES));
		record_f64(r, "evidence", a->moved[0]->evidence);
		record_f64(r, "threshold", a->moved[0]->threshold);
		record_json(r, "effects", PART(EFFECTS));
	}
	if (a->n_examples)
		record_json(r, "examples", PART(EXAMPLES));
	record_cstr(r, "recommendation", advice.action);
	record_cstr(r, "recommendation.rule", advice.rule);
#undef PART
}

static void put_labels(const struct alert *a, struct buf *b, bool all)
{
	json_obj(b);
	json_key(b, "alertname");
	json_cstr(b, alert_kind_name[a->kind]);
	json_key(b, "service");
	json_cstr(b, a->service);
	if (all) {
		json_key(b, "severity");
		json_cstr(b, alert_severity(a));
		if (a->n_moved) {
			json_key(b, "feature");
			json_cstr(b, a->moved[0]->name);
		}
	}
	json_obj_end(b);
}

static void put_annotations(const struct alert *a, const struct record *r, struct buf *b)
{
	const struct kv *summary = record_get(r, "summary");
	const struct advice advice = alert_advice(a);

	json_obj(b);
	json_key(b, "summary");
	json_str(b, summary ? summary->s.p : "", summary ? summary->s.n : 0);
	json_key(b, "recommendation");
	json_cstr(b, advice.action);
	json_key(b, "recommendation_rule");
	json_cstr(b, advice.rule);
	json_obj_end(b);
}

static void put_alert(const struct alert *a, const struct record *r, struct buf *b)
{
	json_obj(b);
	json_key(b, "status");
	json_cstr(b, a->resolved ? "resolved" : "firing");
	json_key(b, "labels");
	put_labels(a, b, true);
	json_key(b, "annotations");
	put_annotations(a, r, b);
	put_time(b, "startsAt", a->opened_ts);
	json_key(b, "endsAt");
	if (a->resolved) {
		buf_putc(b, '"');
		buf_rfc3339(b, a->now);
		buf_putc(b, '"');
	} else {
		json_cstr(b, "0001-01-01T00:00:00Z");
	}
	json_key(b, "generatorURL");
	json_cstr(b, "");
	json_key(b, "fingerprint");
	buf_putc(b, '"');
	buf_hex(b, a->id, 8);
	buf_putc(b, '"');
	json_obj_end(b);
}

/* The record as it stands in jsonl. */
static void put_record(const struct record *r, struct buf *b)
{
	json_obj(b);
	put_time(b, "ts", r->ts);
	json_key(b, "type");
	json_cstr(b, record_type_name[r->type]);
	json_key(b, "id");
	buf_putc(b, '"');
	buf_hex(b, r->id, sizeof(r->id));
	buf_putc(b, '"');
	json_key(b, "seq");
	json_u64(b, r->seq);
	if (r->host)
		buf_put(b, r->host->json, r->host->json_len);
	if (r->proc)
		buf_put(b, r->proc->json, r->proc->json_len);
	for (size_t i = 0; i < r->n; i++)
		kv_write_json(b, &r->kv[i]);
	json_obj_end(b);
}

void alert_webhook(const struct alert *a, const struct record *r, struct buf *b)
{
	json_obj(b);
	json_key(b, "version");
	json_cstr(b, "4");
	json_key(b, "groupKey");
	buf_putc(b, '"');
	buf_hex(b, a->id, sizeof(a->id));
	buf_putc(b, '"');
	json_key(b, "truncatedAlerts");
	json_u64(b, 0);
	json_key(b, "status");
	json_cstr(b, a->resolved ? "resolved" : "firing");
	json_key(b, "receiver");
	json_cstr(b, "modelsnoop");
	json_key(b, "groupLabels");
	put_labels(a, b, false);
	json_key(b, "commonLabels");
	put_labels(a, b, true);
	json_key(b, "commonAnnotations");
	put_annotations(a, r, b);
	json_key(b, "externalURL");
	json_cstr(b, "");
	json_key(b, "alerts");
	json_arr(b);
	put_alert(a, r, b);
	json_arr_end(b);
	json_key(b, "modelsnoop");
	put_record(r, b);
	json_obj_end(b);
	buf_putc(b, '\n');
}
