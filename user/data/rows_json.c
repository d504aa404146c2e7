/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows_json.c - one line of JSON as a row: a plain document, or an exchange of modelsnoop's own. */
#include <string.h>

#include "base/json.h"
#include "data/rows_impl.h"

/* The first value begins the row: what is no JSON makes none. */
struct row {
	struct rows *r;
	bool begun;
};

static void row_value(void *ctx, const struct feature_value *v)
{
	struct row *row = ctx;

	if (!row->begun)
		row->r->sink.begin(row->r->sink.ctx);
	row->begun = true;
	row->r->sink.value(row->r->sink.ctx, v);
}

static void row_end(struct row *row)
{
	if (!row->begun)
		return;
	row->r->sink.end(row->r->sink.ctx);
	row->r->stats.rows++;
}

static void document(struct rows *r, const char *p, size_t n)
{
	struct row row = { .r = r };
	const struct feature_sink sink = { .ctx = &row, .value = row_value };

	if (features_from_json("", p, n, &sink) <= 0)
		r->stats.bad++;
	row_end(&row);
}

/* The value of a key, JSON text as it stands. */
struct span {
	const char *p;
	size_t n;
	enum json_type type;
	bool escaped;
};

static bool is(const struct span *s, const char *word)
{
	return s->type == JSON_STR && s->n == strlen(word) && !memcmp(s->p, word, s->n);
}

struct event {
	struct span ts, type, role, outcome, request, response;
};

static struct span *slot(struct event *e, const struct json_token *key)
{
	const struct {
		const char *key;
		struct span *span;
	} slots[] = {
		{ "ts", &e->ts },
		{ "type", &e->type },
		{ "exchange.role", &e->role },
		{ "exchange.outcome", &e->outcome },
		{ "request.body", &e->request },
		{ "response.body", &e->response },
	};

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		if (key->n == strlen(slots[i].key) && !memcmp(key->p, slots[i].key, key->n))
			return slots[i].span;
	return NULL;
}

/* Returns false for what is no whole JSON object. */
static bool read_event(const char *p, size_t n, struct event *e)
{
	struct json_reader r;
	struct json_token t;

	memset(e, 0, sizeof(*e));
	e->ts.type = e->type.type = e->role.type = e->outcome.type = JSON_NULL;
	e->request.type = e->response.type = JSON_NULL;
	json_open(&r, p, n);
	if (json_next(&r, &t) != JSON_OBJ)
		return false;
	while (json_next(&r, &t) == JSON_KEY) {
		struct span *s = slot(e, &t), ignored;
		size_t from;

		if (!s)
			s = &ignored;
		json_next(&r, &t);
		*s = (struct span){ t.p, t.n, t.type, t.escaped };
		if (t.type != JSON_OBJ && t.type != JSON_ARR)
			continue;
		from = r.off - 1;
		json_skip(&r);
		*s = (struct span){ p + from, r.off - from, t.type, false };
	}
	return t.type == JSON_OBJ_END;
}

/* A body is text in a string as a rule; an object may also stand as one ({"base64":…} is no JSON).
 */
static void body(struct rows *r, const char *prefix, const struct span *s,
		 const struct feature_sink *sink)
{
	if (s->type == JSON_STR) {
		buf_clear(&r->text);
		json_unescape(&r->text, s->p, s->n);
		features_from_json(prefix, r->text.p ? r->text.p : "", r->text.len, sink);
	} else if (s->type == JSON_ARR ||
		   (s->type == JSON_OBJ && !(s->n >= 10 && !memcmp(s->p, "{\"base64\":", 10)))) {
		features_from_json(prefix, s->p, s->n, sink);
	}
}

static void exchange(struct rows *r, const char *p, size_t n)
{
	struct row row = { .r = r };
	const struct feature_sink sink = { .ctx = &row, .value = row_value };
	struct event e;

	if (!read_event(p, n, &e)) {
		r->stats.bad++;
		return;
	}
	if (is(&e.type, "exchange") && is(&e.outcome, "ok") && !is(&e.role, "client")) {
		body(r, "request.body", &e.request, &sink);
		body(r, "response.body", &e.response, &sink);
	}
	if (!row.begun)
		r->stats.skipped++;
	else if (!r->stats.rows && e.ts.type == JSON_STR && e.ts.n < sizeof(r->stats.since))
		memcpy(r->stats.since, e.ts.p, e.ts.n);
	row_end(&row);
}

void rows_json_line(struct rows *r, const char *p, size_t n)
{
	while (n && (p[n - 1] == '\r' || p[n - 1] == ' '))
		n--;
	if (!n)
		return;
	if (r->kind == ROWS_EVENTS)
		exchange(r, p, n);
	else
		document(r, p, n);
}
