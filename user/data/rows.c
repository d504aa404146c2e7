/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows.c - row readers: what a file is, lines out of pieces. */
#include "data/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/rows_impl.h"

/* The string value of a top-level key of a JSON line that may be cut. */
static bool has_key(const char *p, size_t n, const char *key)
{
	struct json_reader r;
	struct json_token t;

	json_open(&r, p, n);
	if (json_next(&r, &t) != JSON_OBJ)
		return false;
	while (json_next(&r, &t) == JSON_KEY) {
		if (t.n == strlen(key) && !memcmp(t.p, key, t.n))
			return true;
		json_next(&r, &t);
		if (t.type == JSON_OBJ || t.type == JSON_ARR)
			json_skip(&r);
	}
	return false;
}

enum rows_kind rows_guess(const void *src, size_t n)
{
	const char *p = src, *end = p + n, *line;

	if (n >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
		p += 3;
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	if (p == end || (*p != '{' && *p != '['))
		return ROWS_CSV;
	line = memchr(p, '\n', (size_t)(end - p));
	n = (size_t)((line ? line : end) - p);
	return has_key(p, n, "type") && has_key(p, n, "seq") ? ROWS_EVENTS : ROWS_JSONL;
}

struct rows *rows_new(enum rows_kind kind, const struct rows_sink *sink)
{
	struct rows *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->kind = kind;
	r->sink = *sink;
	r->row.max = r->text.max = r->header.max = ROWS_MAX_ROW;
	return r;
}

void rows_free(struct rows *r)
{
	if (!r)
		return;
	buf_free(&r->row);
	buf_free(&r->text);
	buf_free(&r->header);
	free(r);
}

const struct rows_stats *rows_stats(const struct rows *r)
{
	return &r->stats;
}

static void line(struct rows *r)
{
	if (r->row.overflow)
		r->stats.bad++;
	else
		rows_json_line(r, r->row.p, r->row.len);
	buf_clear(&r->row);
}

static void lines_feed(struct rows *r, const char *p, size_t n)
{
	const char *end = p + n, *lf;

	while ((lf = memchr(p, '\n', (size_t)(end - p)))) {
		buf_put(&r->row, p, (size_t)(lf - p));
		line(r);
		p = lf + 1;
	}
	buf_put(&r->row, p, (size_t)(end - p));
}

void rows_feed(struct rows *r, const void *p, size_t n)
{
	if (r->kind == ROWS_CSV)
		rows_csv_feed(r, p, n);
	else
		lines_feed(r, p, n);
}

void rows_end(struct rows *r)
{
	if (r->kind == ROWS_CSV)
		rows_csv_end(r);
	else if (r->row.len || r->row.overflow)
		line(r);
}
