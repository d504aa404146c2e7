/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* drift.c - services and their features: learn or take a reference, then watch. */
#include "drift/drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/table.h"
#include "data/draw.h"
#include "drift/watch.h"

/* Numbers kept while one service is learning: 3 MiB. 64 features of 4,096 exchanges. */
#define LEARN_VALUES ((uint64_t)262144)

#define RARE_EXCHANGES 32
#define MAX_SAID 400 /* bytes of the list of features that are not watched */

struct service {
	char *name;
	uint64_t exchanges;
	uint64_t learn_since; /* realtime ns */
	struct profile_builder *builder; /* while learning */
	struct budget learn; /* what that may hold: a quarter of all */
	struct watch *watch[2 * PROFILE_MAX_FEATURES];
	unsigned n;
	unsigned others; /* of them: not in the baseline; at most PROFILE_MAX_FEATURES */
	unsigned next; /* exchanges have their features in the same order: the likely next one */
	struct strtab by_name;
	struct watch
		*claimed[PROFILE_MAX_FEATURES]; /* who stands for this feature of the baseline */
};

struct drift {
	struct drift_opts o;
	struct record_sink records;
	struct drift_sink alerts;
	struct edet_table *table;
	struct strtab services;
	struct budget room, *mem; /* mem: NULL without a limit */
	struct service *last;
	struct watch *touched[2 * PROFILE_MAX_FEATURES]; /* with a value in this exchange */
	unsigned n_touched;
	struct watch_out out;
	struct drift_stats stats;
	double threshold; /* A */
	unsigned baseline_numeric;
};

struct drift *drift_new(const struct drift_opts *o, const struct record_sink *records,
			const struct drift_sink *alerts)
{
	struct drift *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->o = *o;
	d->records = *records;
	d->out.records = &d->records;
	if (alerts) {
		d->alerts = *alerts;
		d->out.alerts = &d->alerts;
	}
	d->out.baseline = o->baseline;
	d->threshold = 1e6 / fmax(o->false_alarms, 1e-6);
	strtab_init(&d->services, DRIFT_MAX_SERVICES);
	d->room.max = o->max_memory;
	d->mem = o->max_memory ? &d->room : NULL;
	for (unsigned i = 0; o->baseline && i < o->baseline->n_features; i++)
		d->baseline_numeric += o->baseline->feature[i]->kind == FEATURE_NUMERIC;
	d->table = edet_table_new(o->min_effect);
	if (!d->table) {
		free(d);
		return NULL;
	}
	return d;
}

static size_t service_bytes(const char *name)
{
	return budget_block(sizeof(struct service)) + 2 * budget_block(strlen(name) + 1);
}

static void service_free(struct service *s, struct budget *mem)
{
	for (unsigned i = 0; i < s->n; i++)
		watch_free(s->watch[i], mem);
	strtab_free(&s->by_name);
	profile_builder_free(s->builder);
	free(s->name);
	free(s);
}

void drift_free(struct drift *d)
{
	struct service *s;
	size_t i = 0;

	if (!d)
		return;
	while ((s = strtab_next(&d->services, &i, NULL, NULL)))
		service_free(s, d->mem);
	strtab_free(&d->services);
	edet_table_free(d->table);
	buf_free(&d->out.scratch);
	free(d);
}

const struct drift_stats *drift_stats(const struct drift *d)
{
	return &d->stats;
}

size_t drift_memory(const struct drift *d)
{
	return d->room.used;
}

/* Of the random numbers and reservoirs: the same service and feature have the same ones anywhere.
 */
static uint64_t name_key(const char *domain, const char *service, const char *feature, size_t n)
{
	struct id_hash h;
	uint8_t id[16];
	uint64_t key;

	id_start(&h, domain);
	id_bytes(&h, service, strlen(service));
	id_bytes(&h, feature, n);
	id_finish(&h, id);
	memcpy(&key, id, sizeof(key));
	return key;
}

static struct service *service_new(struct drift *d, const char *name, uint64_t ts)
{
	struct service *s = NULL;

	if (d->services.len < DRIFT_MAX_SERVICES && budget_take(d->mem, service_bytes(name)))
		s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->learn = (struct budget){ .max = d->room.max / 4, .up = d->mem };
	strtab_init(&s->by_name, 2 * PROFILE_MAX_FEATURES);
	s->name = strdup(name);
	if (d->o.learn)
		s->builder =
			profile_builder_new(name_key("drift.learn", name, "", 0), LEARN_VALUES);
	if (s->builder)
		profile_builder_budget(s->builder, d->mem ? &s->learn : NULL);
	s->learn_since = ts;
	if (!s->name || (d->o.learn && !s->builder) ||
	    strtab_put(&d->services, name, strlen(name), s)) {
		service_free(s, d->mem);
		budget_give(d->mem, service_bytes(name));
		return NULL;
	}
	return s;
}

static struct service *service_of(struct drift *d, const struct drift_input *in)
{
	if (d->last && !strcmp(d->last->name, in->service))
		return d->last;
	d->last = strtab_get(&d->services, in->service, strlen(in->service));
	if (!d->last)
		d->last = service_new(d, in->service, in->ts);
	return d->last;
}

/*
 * The false-alarm budget of a service: half for the features of the baseline, half for those that
 * are learned beside them; all of it where there is only one kind. Each half in equal parts over
 * features that are counted before the first value is tested.
 */
static double threshold(const struct drift *d, unsigned features)
{
	const bool both = d->o.baseline && d->o.learn;

	return d->threshold * features * (both ? 2 : 1);
}

static void ignore(struct drift *d, struct watch *w, const struct drift_input *in)
{
	if (w->d) {
		if (w->d->alarmed)
			watch_tell(w, &d->out, in, DRIFT_RECOVERED);
		watch_stop(w, d->mem);
		d->stats.features--;
	}
	w->mode = WATCH_IGNORED;
}

static void start(struct drift *d, struct service *s, struct watch *w,
		  const struct profile_feature *ref, double limit, const struct drift_input *in)
{
	const uint64_t key = name_key("drift.rank", s->name, w->name, w->name_len);

	w->mode = WATCH_IGNORED;
	if (ref->kind != FEATURE_NUMERIC)
		return;
	if (watch_start(w, d->table, ref, key, limit, d->mem)) {
		d->stats.refused++;
		return;
	}
	d->stats.features++;
	watch_tell(w, &d->out, in, DRIFT_STABLE);
}

/* Does w stand for a feature of the baseline? A request feature takes it from a response feature.
 */
static bool claim(struct drift *d, struct service *s, struct watch *w, const struct drift_input *in)
{
	const int i = d->o.baseline ? profile_index(d->o.baseline, w->name, w->name_len) : -1;
	struct watch *holder;

	if (i < 0)
		return false;
	holder = s->claimed[i];
	if (holder && (w->response || !holder->response))
		return false;
	if (holder)
		ignore(d, holder, in);
	s->claimed[i] = w;
	w->baseline = i;
	start(d, s, w, d->o.baseline->feature[i], threshold(d, d->baseline_numeric), in);
	return true;
}

/* As in the reference's builder: a name seen once and not lately gives way. */
static bool forget_rare(const struct drift *d, struct service *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct watch *w = s->watch[i];

		if (w->mode != WATCH_LEARNING || w->exchanges > 1 ||
		    w->last_exchange + RARE_EXCHANGES > s->exchanges)
			continue;
		strtab_del(&s->by_name, w->name, w->name_len);
		watch_free(w, d->mem);
		s->watch[i] = s->watch[--s->n];
		s->others--;
		return true;
	}
	return false;
}

/* Names that anybody can send must not push out those of the baseline. */
static bool has_room(const struct drift *d, struct service *s, const struct feature_value *v)
{
	if (s->n == 2 * PROFILE_MAX_FEATURES)
		return false;
	if (!s->builder && !d->o.baseline)
		return false;
	if (s->others < PROFILE_MAX_FEATURES || forget_rare(d, s))
		return true;
	return d->o.baseline && profile_index(d->o.baseline, v->name, v->name_len) >= 0;
}

static struct watch *meet(struct drift *d, struct service *s, const struct drift_input *in,
			  const struct feature_value *v)
{
	struct watch *w;

	if (!has_room(d, s, v))
		return NULL;
	w = watch_new(v->name, v->name_len, d->mem);
	if (!w)
		return NULL;
	if (strtab_put(&s->by_name, v->name, v->name_len, w)) {
		watch_free(w, d->mem);
		return NULL;
	}
	w->key = name_key("drift.choice", s->name, w->name, w->name_len);
	s->watch[s->n++] = w;
	if (claim(d, s, w, in))
		return w;
	s->others++;
	w->ref_since = s->learn_since;
	w->mode = s->builder ? WATCH_LEARNING : WATCH_IGNORED;
	return w;
}

static struct watch *watch_of(struct drift *d, struct service *s, const struct drift_input *in,
			      const struct feature_value *v)
{
	struct watch *w;

	if (s->next < s->n) {
		w = s->watch[s->next];
		if (w->name_len == v->name_len && !memcmp(w->name, v->name, v->name_len)) {
			s->next++;
			return w;
		}
	}
	w = strtab_get(&s->by_name, v->name, v->name_len);
	if (!w)
		w = meet(d, s, in, v);
	if (!w)
		return NULL;
	for (unsigned i = 0; i < s->n; i++)
		if (s->watch[i] == w)
			s->next = i + 1;
	return w;
}

/*
 * Of the values that an exchange has of one feature one counts, for learning and for detection
 * alike. So the unit of the promise, the exchange, is the unit of evidence, and a batch whose
 * values come in the same order every time cannot fall into step with a stride.
 */
static void choose(struct drift *d, const struct service *s, struct watch *w,
		   const struct feature_value *v)
{
	if (w->last_exchange != s->exchanges) {
		w->last_exchange = s->exchanges;
		w->seen = 0;
		d->touched[d->n_touched++] = w;
	}
	if (draw_instead(w->key, s->exchanges, ++w->seen))
		w->value = *v;
}

/* Said at the second sight: keys that are data come once, and in thousands. */
static void learn(struct drift *d, struct service *s, struct watch *w, const struct drift_input *in)
{
	profile_row_add(s->builder, &w->value);
	if (++w->exchanges == 2 && w->value.kind == FEATURE_NUMERIC)
		watch_tell(w, &d->out, in, DRIFT_LEARNING);
}

/* The reference is complete: features that are data get their detectors. */
static void end_learning(struct drift *d, struct service *s, const struct drift_input *in)
{
	struct buf dropped = { 0 };
	struct profile *p = profile_build(s->builder, &dropped);
	unsigned numeric = 0;

	profile_builder_free(s->builder);
	s->builder = NULL;
	d->stats.folded += p ? p->folded : 0;
	for (unsigned i = 0; p && i < p->n_features; i++)
		numeric += p->feature[i]->kind == FEATURE_NUMERIC;
	for (unsigned i = 0; p && i < p->n_features; i++) {
		const struct profile_feature *f = p->feature[i];
		struct watch *w = strtab_get(&s->by_name, f->name, strlen(f->name));

		if (w && w->mode == WATCH_LEARNING)
			start(d, s, w, f, threshold(d, numeric), in);
	}
	for (unsigned i = 0; i < s->n; i++)
		if (s->watch[i]->mode == WATCH_LEARNING)
			s->watch[i]->mode = WATCH_IGNORED;
	if (!p)
		warn_print("drift: %s: out of memory, no feature is watched", s->name);
	else if (dropped.len)
		warn_print("drift: %s: not watched, no data: %.*s%s", s->name,
			   (int)(dropped.len < MAX_SAID ? dropped.len : MAX_SAID), dropped.p,
			   dropped.len < MAX_SAID ? "" : "…");
	buf_free(&dropped);
	profile_free(p);
}

void drift_on_exchange(struct drift *d, const struct drift_input *in)
{
	struct service *s = service_of(d, in);

	d->stats.exchanges++;
	if (!s) {
		d->stats.unwatched++;
		d->stats.folded += in->n;
		return;
	}
	s->exchanges++;
	s->next = 0;
	d->n_touched = 0;
	for (size_t i = 0; i < in->n; i++) {
		const struct feature_value *v = &in->value[i];
		struct watch *w = watch_of(d, s, in, v);

		if (!w)
			d->stats.folded++;
		else if (w->mode != WATCH_IGNORED && v->kind != FEATURE_MISSING)
			choose(d, s, w, v);
	}
	if (s->builder)
		profile_row_begin(s->builder);
	for (unsigned i = 0; i < d->n_touched; i++) {
		struct watch *w = d->touched[i];

		if (w->mode == WATCH_LEARNING)
			learn(d, s, w, in);
		else if (w->mode == WATCH_DETECTING && w->value.kind == FEATURE_NUMERIC)
			watch_value(w, &d->out, in, w->value.num);
	}
	if (s->builder) {
		profile_row_end(s->builder);
		if (profile_rows(s->builder) >= d->o.learn)
			end_learning(d, s, in);
	}
	d->stats.changes = d->out.changes;
}
