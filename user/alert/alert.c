/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert.c - open alerts: what joins which, when it is told again, when it is over. */
#include "alert/alert.h"

#include <stdlib.h>
#include <string.h>

#include "alert/alert_state.h"
#include "base/hash.h"

#define SECOND ((uint64_t)1000000000)
#define MAX_OPEN 128 /* alerts at a time; more are counted as refused */
#define MAX_MOVED 256 /* features of one alert */
#define REFRESH_NS (60 * SECOND) /* a changed effect alone is told this often at most */
#define DEATH_OVER_NS (600 * SECOND) /* a death that was not repeated for so long is over */

struct alert_ctx {
	struct record_sink records;
	struct hook *hook;
	struct alert *open[MAX_OPEN];
	unsigned n;
	uint64_t refused;
	struct record rec;
	struct buf scratch, webhook;
};

struct alert_ctx *alert_new(const struct record_sink *records, struct hook *hook)
{
	struct alert_ctx *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->records = *records;
	a->hook = hook;
	return a;
}

static void alert_drop(struct alert *al)
{
	for (unsigned i = 0; i < al->n_moved; i++)
		free(al->moved[i]);
	free(al->moved);
	free(al->service);
	free(al->host);
	free(al->proc);
	free(al);
}

void alert_free(struct alert_ctx *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < a->n; i++)
		alert_drop(a->open[i]);
	buf_free(&a->scratch);
	buf_free(&a->webhook);
	free(a);
}

unsigned alert_firing(const struct alert_ctx *a)
{
	return a->n;
}

uint64_t alert_refused(const struct alert_ctx *a)
{
	return a->refused;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

static void tell(struct alert_ctx *a, struct alert *al)
{
	al->told++;
	al->told_ts = al->now;
	al->changed = al->grown = false;
	record_init(&a->rec, RECORD_ALERT, al->now);
	alert_record(al, &a->rec, &a->scratch);
	a->records.emit(a->records.ctx, &a->rec);
	if (!a->hook)
		return;
	buf_clear(&a->webhook);
	alert_webhook(al, &a->rec, &a->webhook);
	if (!a->webhook.overflow)
		hook_submit(a->hook, a->webhook.p, a->webhook.len);
}

/*
 * Features of one cause cross one after the other within moments. The first is told at once, then
 * what joined, ever less often: at most three updates in the first half minute, one a minute later.
 */
static uint64_t update_gap(const struct alert *al)
{
	static const uint64_t gap[] = { 1 * SECOND, 5 * SECOND, 20 * SECOND };

	if (!al->grown || al->told > sizeof(gap) / sizeof(gap[0]))
		return REFRESH_NS;
	return gap[al->told - 1];
}

static void tell_if_due(struct alert_ctx *a, struct alert *al)
{
	if (al->changed && al->now >= al->told_ts + update_gap(al))
		tell(a, al);
}

static void close_alert(struct alert_ctx *a, unsigned i)
{
	struct alert *al = a->open[i];

	al->resolved = true;
	tell(a, al);
	a->open[i] = a->open[--a->n];
	alert_drop(al);
}

/* ---- opening -----------------------------------------------------------------------------------
 */

static size_t bytes_of(const struct kv *kv)
{
	const bool text = kv->type == KV_STR || kv->type == KV_HEX || kv->type == KV_JSON;

	return strlen(kv->key) + 1 + (text ? kv->s.n : 0);
}

/* A scope that outlives the process it is about; one block. NULL for NULL or without memory. */
static struct scope *scope_copy(const struct scope *s)
{
	struct scope *c;
	size_t size;
	char *p;

	if (!s)
		return NULL;
	size = sizeof(*c) + s->n * sizeof(*c->kv) + s->json_len;
	for (size_t i = 0; i < s->n; i++)
		size += bytes_of(&s->kv[i]);
	c = malloc(size);
	if (!c)
		return NULL;
	c->kv = (struct kv *)(c + 1);
	c->n = s->n;
	p = (char *)(c->kv + s->n);
	c->json = p;
	c->json_len = s->json_len;
	if (s->json_len)
		p = (char *)memcpy(p, s->json, s->json_len) + s->json_len;
	for (size_t i = 0; i < s->n; i++) {
		const size_t key = strlen(s->kv[i].key) + 1, text = bytes_of(&s->kv[i]) - key;

		c->kv[i] = s->kv[i];
		c->kv[i].key = memcpy(p, s->kv[i].key, key);
		p += key;
		if (!text)
			continue;
		c->kv[i].s.p = memcpy(p, s->kv[i].s.p, text);
		p += text;
	}
	return c;
}

/*
 * cause: what any agent that sees it knows of it, so that all of them call the alert the same; no
 * time, since theirs differ by microseconds.
 */
static struct alert *open_alert(struct alert_ctx *a, enum alert_kind kind, const char *service,
				const uint8_t cause[16], uint64_t since, const struct scope *host,
				const struct scope *proc)
{
	struct alert *al;
	struct id_hash h;

	if (a->n == MAX_OPEN)
		return NULL;
	al = calloc(1, sizeof(*al));
	if (!al)
		return NULL;
	al->kind = kind;
	al->opened_ts = since;
	al->service = strdup(service);
	al->host = scope_copy(host);
	al->proc = scope_copy(proc);
	if (!al->service) {
		alert_drop(al);
		return NULL;
	}
	id_start(&h, "alert.id");
	id_bytes(&h, service, strlen(service));
	id_u64(&h, (uint64_t)kind);
	id_bytes(&h, cause, 16);
	id_finish(&h, al->id);
	a->open[a->n++] = al;
	return al;
}

static bool is_drift(const struct alert *al)
{
	return al->kind == ALERT_DATA_DRIFT || al->kind == ALERT_PREDICTION_DRIFT;
}

static void keep_examples(struct alert *al, const uint8_t (*examples)[16], size_t n)
{
	if (!n)
		return;
	al->n_examples = n < DRIFT_MAX_EXAMPLES ? n : DRIFT_MAX_EXAMPLES;
	memcpy(al->example, examples + (n - al->n_examples), al->n_examples * 16);
}

/* ---- drift -------------------------------------------------------------------------------------
 */

static struct moved *find_moved(const struct alert *al, const char *feature)
{
	for (unsigned i = 0; i < al->n_moved; i++)
		if (!strcmp(al->moved[i]->name, feature))
			return al->moved[i];
	return NULL;
}

static struct moved *add_moved(struct alert *al, const char *feature)
{
	struct moved **list = NULL, *m;

	if (al->n_moved < MAX_MOVED)
		list = realloc(al->moved, (al->n_moved + 1) * sizeof(*list));
	if (!list)
		return NULL;
	al->moved = list;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	strncpy(m->name, feature, FEATURE_MAX_NAME);
	list[al->n_moved++] = m;
	al->grown = true;
	return m;
}

/* Evidence in units of the feature's own threshold: weights may differ. */
static int by_evidence(const void *pa, const void *pb)
{
	const struct moved *a = *(struct moved *const *)pa, *b = *(struct moved *const *)pb;
	const double ea = a->evidence / a->threshold, eb = b->evidence / b->threshold;

	if (a->recovered != b->recovered)
		return a->recovered ? 1 : -1;
	if (ea != eb)
		return ea < eb ? 1 : -1;
	return strcmp(a->name, b->name);
}

static bool all_recovered(const struct alert *al)
{
	for (unsigned i = 0; i < al->n_moved; i++)
		if (!al->moved[i]->recovered)
			return false;
	return true;
}

static unsigned find_drift(const struct alert_ctx *a, const char *service)
{
	unsigned i = 0;

	while (i < a->n && !(is_drift(a->open[i]) && !strcmp(a->open[i]->service, service)))
		i++;
	return i;
}

static void update_moved(struct alert *al, struct moved *m, const struct drift_change *c)
{
	const bool recovered = c->state == DRIFT_RECOVERED;

	/* What is over keeps what it was at its worst. */
	if (!recovered) {
		m->evidence = c->evidence;
		m->threshold = c->threshold;
		m->effect = c->effect;
		m->since_ts = c->since_ts;
		keep_examples(al, c->examples, c->n_examples);
	}
	m->response = c->response;
	m->baseline = c->baseline;
	m->recovered = recovered;
	/* Inputs explain outputs, whichever crossed first. */
	if (!c->response)
		al->kind = ALERT_DATA_DRIFT;
	al->changed = true;
	al->now = c->ts;
	qsort(al->moved, al->n_moved, sizeof(*al->moved), by_evidence);
}

void alert_on_drift(struct alert_ctx *a, const struct drift_change *c)
{
	unsigned i = find_drift(a, c->service);
	struct alert *al = i < a->n ? a->open[i] : NULL;
	struct moved *m;

	if (c->state != DRIFT_DRIFT && c->state != DRIFT_RECOVERED)
		return;
	if (!al && c->state == DRIFT_RECOVERED)
		return;
	if (!al)
		al = open_alert(a, c->response ? ALERT_PREDICTION_DRIFT : ALERT_DATA_DRIFT,
				c->service, c->exchange, c->since_ts, c->host, c->proc);
	if (!al) {
		a->refused++;
		return;
	}
	m = find_moved(al, c->feature);
	if (!m && c->state == DRIFT_DRIFT)
		m = add_moved(al, c->feature);
	if (!m) {
		a->refused += c->state == DRIFT_DRIFT;
		return;
	}
	update_moved(al, m, c);
	if (all_recovered(al))
		close_alert(a, i);
	else if (!al->told)
		tell(a, al);
	else
		tell_if_due(a, al);
}

/* ---- deaths ------------------------------------------------------------------------------------
 */

/* Of the process that died. Its creation time is no fact: clocks say it a little differently. */
static void death_cause(const struct scope *proc, const char *summary, uint8_t cause[16])
{
	const struct kv *kv = proc ? proc->kv : NULL;
	struct id_hash h;

	id_start(&h, "death");
	for (size_t i = 0; proc && i < proc->n; i++, kv++) {
		if (!strcmp(kv->key, "service.instance.id") && kv->type == KV_STR)
			id_bytes(&h, kv->s.p, kv->s.n);
		else if (!strcmp(kv->key, "process.pid") && kv->type == KV_U64)
			id_u64(&h, kv->u);
	}
	/* It names the pid, too. */
	if (!proc)
		id_bytes(&h, summary, strlen(summary));
	id_finish(&h, cause);
}

void alert_on_death(struct alert_ctx *a, const char *service, bool oom, const char *summary,
		    uint64_t ts, const struct scope *host, const struct scope *proc,
		    const uint8_t (*examples)[16], size_t n_examples)
{
	const enum alert_kind kind = oom ? ALERT_OOM : ALERT_CRASH;
	struct alert *al = NULL;
	uint8_t cause[16];

	for (unsigned i = 0; i < a->n && !al; i++)
		if (a->open[i]->kind == kind && !strcmp(a->open[i]->service, service))
			al = a->open[i];
	if (!al) {
		death_cause(proc, summary, cause);
		al = open_alert(a, kind, service, cause, ts, host, proc);
	}
	if (!al) {
		a->refused++;
		return;
	}
	al->deaths++;
	al->now = ts;
	al->changed = al->grown = true;
	strncpy(al->death, summary, sizeof(al->death) - 1);
	keep_examples(al, examples, n_examples);
	if (!al->told)
		tell(a, al);
	else
		tell_if_due(a, al);
}

void alert_on_time(struct alert_ctx *a, uint64_t ts)
{
	for (unsigned i = 0; i < a->n;) {
		struct alert *al = a->open[i];
		const uint64_t before = al->now;

		if (!is_drift(al) && ts > before + DEATH_OVER_NS) {
			al->now = ts;
			close_alert(a, i);
			continue;
		}
		if (al->changed && ts > before) {
			al->now = ts;
			tell_if_due(a, al);
			/* A death's own time decides when it is over. */
			if (!is_drift(al))
				al->now = before;
		}
		i++;
	}
}
