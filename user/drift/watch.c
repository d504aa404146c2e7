/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* watch.c - values of one feature through its detector; state changes as records and to alerts. */
#include "drift/watch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/hash.h"
#include "base/json.h"

#define DETECTOR "rank_sr"
/*
 * A warning: evidence of a hundredth of the threshold that a run has made a hundredfold (with long
 * strides evidence lies at the former for ever). It ends with the run.
 */
#define WARNING_SHARE 1e-2
#define WARNING_GROWTH 100

const char *const drift_state_name[] = { "learning", "stable", "warning", "drift", "recovered" };

#define DETECTOR_BYTES (budget_block((sizeof(struct edet) + 63) / 64 * 64) + 64)

/* With its name, once its own and once in a table of its service. */
static size_t watch_bytes(size_t name_len)
{
	return budget_block(sizeof(struct watch)) + budget_block(name_len + 1) +
	       budget_block(name_len) + 4 * sizeof(struct strtab_slot);
}

struct watch *watch_new(const char *name, size_t n, struct budget *mem)
{
	struct watch *w = budget_take(mem, watch_bytes(n)) ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return NULL;
	w->name = malloc(n + 1);
	if (!w->name) {
		free(w);
		budget_give(mem, watch_bytes(n));
		return NULL;
	}
	memcpy(w->name, name, n);
	w->name[n] = '\0';
	w->name_len = n;
	w->response = !strncmp(w->name, "response.", 9);
	w->baseline = -1;
	return w;
}

void watch_stop(struct watch *w, struct budget *mem)
{
	if (!w->d)
		return;
	free(w->d);
	w->d = NULL;
	budget_give(mem, DETECTOR_BYTES);
}

void watch_free(struct watch *w, struct budget *mem)
{
	if (!w)
		return;
	watch_stop(w, mem);
	budget_give(mem, watch_bytes(w->name_len));
	free(w->name);
	free(w);
}

int watch_start(struct watch *w, const struct edet_table *t, const struct profile_feature *ref,
		uint64_t key, double threshold, struct budget *mem)
{
	if (!budget_take(mem, DETECTOR_BYTES))
		return -ENOMEM;
	w->d = aligned_alloc(64, (sizeof(*w->d) + 63) / 64 * 64);
	if (!w->d) {
		budget_give(mem, DETECTOR_BYTES);
		return -ENOMEM;
	}
	edet_init(w->d, t, ref, key);
	w->threshold = threshold;
	w->mode = WATCH_DETECTING;
	return 0;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

static const char *kind_name(const struct watch *w)
{
	if (w->response)
		return "prediction";
	return !strcmp(w->name, "duration") ? "latency" : "numeric";
}

static void put_number(struct buf *b, const char *key, double v)
{
	if (!isfinite(v))
		return;
	json_key(b, key);
	json_f64(b, v);
}

static void put_effect(struct buf *b, const struct effect *e)
{
	json_obj(b);
	put_number(b, "psi", e->psi);
	put_number(b, "js", e->js);
	put_number(b, "ks", e->ks);
	put_number(b, "wasserstein", e->wasserstein);
	put_number(b, "mean_shift_sigma", e->mean_shift_sigma);
	json_key(b, "early");
	json_bool(b, e->early);
	json_obj_end(b);
	buf_putc(b, '\n');
}

static void put_span(struct buf *b, uint64_t n, uint64_t ts, const char *since)
{
	json_obj(b);
	json_key(b, "n");
	json_u64(b, n);
	if (ts) {
		json_key(b, "since");
		buf_putc(b, '"');
		buf_rfc3339(b, ts);
		buf_putc(b, '"');
	} else if (since && since[0]) {
		json_key(b, "since");
		json_cstr(b, since);
	}
	json_obj_end(b);
	buf_putc(b, '\n');
}

/* The three objects of a record, a line each in scratch; end[] is where each ends. */
static void put_objects(struct watch_out *out, const struct watch *w, const struct effect *e,
			uint64_t ref_n, size_t end[3])
{
	const char *since = w->baseline >= 0 ? out->baseline->since : NULL;
	struct buf *b = &out->scratch;

	buf_clear(b);
	put_effect(b, e);
	end[0] = b->len;
	put_span(b, ref_n, w->ref_since, since);
	end[1] = b->len;
	put_span(b, e->n, w->d->onset_ts, NULL);
	end[2] = b->len;
}

/* An exchange brings a feature into a state once at most. */
static void make_id(const struct watch *w, const struct drift_input *in, uint8_t id[16])
{
	struct id_hash h;

	id_start(&h, "drift");
	id_bytes(&h, in->service, strlen(in->service));
	id_bytes(&h, w->name, w->name_len);
	id_bytes(&h, in->id, 16);
	id_u64(&h, (uint64_t)w->state);
	id_finish(&h, id);
}

static void tell_record(struct watch *w, struct watch_out *out, const struct drift_input *in,
			const struct effect *e, uint64_t ref_n)
{
	struct record *r = &out->rec;
	size_t end[3];

	record_init(r, RECORD_DRIFT, in->ts);
	make_id(w, in, r->id);
	r->host = in->host;
	r->proc = in->proc;
	record_str(r, "feature", w->name, w->name_len);
	record_cstr(r, "feature.kind", kind_name(w));
	record_cstr(r, "detector", DETECTOR);
	record_cstr(r, "state", drift_state_name[w->state]);
	if (w->d) {
		const char *p;

		record_f64(r, "evidence", edet_evidence(w->d));
		record_f64(r, "threshold", w->threshold);
		put_objects(out, w, e, ref_n, end);
		p = out->scratch.p;
		if (w->state != DRIFT_STABLE)
			record_json(r, "effect", p, end[0] - 1);
		record_json(r, "reference", p + end[0], end[1] - end[0] - 1);
		if (w->state != DRIFT_STABLE)
			record_json(r, "window", p + end[1], end[2] - end[1] - 1);
	}
	out->records->emit(out->records->ctx, r);
}

static void tell_alerts(const struct watch *w, struct watch_out *out, const struct drift_input *in,
			const struct effect *e, uint64_t ref_n)
{
	const uint64_t n = w->n_examples < DRIFT_MAX_EXAMPLES ? w->n_examples : DRIFT_MAX_EXAMPLES;
	uint8_t examples[DRIFT_MAX_EXAMPLES][16];
	struct drift_change c = {
		.service = in->service,
		.feature = w->name,
		.response = w->response,
		.baseline = w->baseline >= 0,
		.state = w->state,
		.evidence = edet_evidence(w->d),
		.threshold = w->threshold,
		.effect = *e,
		.ref_n = ref_n,
		.since_ts = w->d->onset_ts,
		.ts = in->ts,
		.exchange = in->id,
		.host = in->host,
		.proc = in->proc,
		.examples = (const uint8_t(*)[16])examples,
		.n_examples = n,
	};

	for (uint64_t i = 0; i < n; i++)
		memcpy(examples[i], w->example[(w->n_examples - n + i) % DRIFT_MAX_EXAMPLES], 16);
	out->alerts->change(out->alerts->ctx, &c);
}

void watch_tell(struct watch *w, struct watch_out *out, const struct drift_input *in,
		enum drift_state state)
{
	struct effect e = { 0 };
	uint64_t ref_n = 0;

	w->state = state;
	out->changes++;
	if (w->d) {
		edet_effect(w->d, &e);
		ref_n = w->d->n - (w->d->growing ? w->d->n_since : 0);
	}
	tell_record(w, out, in, &e, ref_n);
	if (out->alerts && w->d && (state == DRIFT_DRIFT || state == DRIFT_RECOVERED))
		tell_alerts(w, out, in, &e, ref_n);
	w->told_early = state == DRIFT_DRIFT && e.early;
}

/* ---- values ------------------------------------------------------------------------------------
 */

/* The exchanges since the onset, the newest eight of them. */
static void keep_example(struct watch *w, const uint8_t *id)
{
	if (!w->d->alarmed && w->d->n_since <= 1)
		w->n_examples = 0;
	memcpy(w->example[w->n_examples++ % DRIFT_MAX_EXAMPLES], id, 16);
}

static bool is_warning(const struct watch *w)
{
	const struct edet *d = w->d;

	/* A run that has brought one lasts until it is over. */
	if (w->state == DRIFT_WARNING)
		return d->walk > 1;
	return d->evidence >= w->threshold * WARNING_SHARE && d->walk >= WARNING_GROWTH;
}

void watch_value(struct watch *w, struct watch_out *out, const struct drift_input *in, double x)
{
	struct edet *d = w->d;
	enum edet_event event;

	if (isnan(x))
		return;
	event = edet_update(d, x, in->ts, w->threshold);
	keep_example(w, in->id);
	if (event == EDET_ALARM) {
		watch_tell(w, out, in, DRIFT_DRIFT);
	} else if (event == EDET_RECOVERED) {
		watch_tell(w, out, in, DRIFT_RECOVERED);
		edet_resume(d);
	} else if (d->alarmed) {
		if (w->told_early && d->n_since >= EDET_EARLY)
			watch_tell(w, out, in, DRIFT_DRIFT);
	} else if (is_warning(w) != (w->state == DRIFT_WARNING)) {
		watch_tell(w, out, in, w->state == DRIFT_WARNING ? DRIFT_STABLE : DRIFT_WARNING);
	}
}
