/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows_csv.c - CSV (RFC 4180) with a header row; fields are numbers, categories or missing. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/rows_impl.h"

static const char *field(const struct buf *b, const size_t *end, unsigned i, size_t *n)
{
	const size_t from = i ? end[i - 1] : 0;

	*n = end[i] - from;
	return (b->p ? b->p : "") + from;
}

static const char *trim(const char *p, size_t *n)
{
	while (*n && (*p == ' ' || *p == '\t'))
		p++, (*n)--;
	while (*n && (p[*n - 1] == ' ' || p[*n - 1] == '\t'))
		(*n)--;
	return p;
}

/* How spreadsheets, pandas and R write "no value". */
static bool is_missing(const char *p, size_t n)
{
	static const char *const word[] = { "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None" };

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (n == strlen(word[i]) && !memcmp(p, word[i], n))
			return true;
	return false;
}

/* A decimal number and nothing else; also inf and infinity. No hex, no locale: nobody sets one. */
static bool is_number(const char *p, size_t n, double *v)
{
	char text[64], *end;

	if (!n || n >= sizeof(text))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!strchr("0123456789+-.eEinftyINFTY", p[i]) || !p[i])
			return false;
	memcpy(text, p, n);
	text[n] = '\0';
	*v = strtod(text, &end);
	return *end == '\0' && end != text && !isnan(*v);
}

static void emit(struct rows *r, unsigned i)
{
	struct feature_value v = { .kind = FEATURE_CATEGORICAL };
	const char *p;
	size_t n;

	p = field(&r->header, r->column_end, i, &n);
	v.name = p;
	v.name_len = n;
	if (!n || n > FEATURE_MAX_NAME)
		return;
	p = field(&r->row, r->field_end, i, &n);
	if (!r->quoted[i])
		p = trim(p, &n);
	if (!r->quoted[i] && is_missing(p, n))
		v.kind = FEATURE_MISSING;
	else if (is_number(p, n, &v.num))
		v.kind = FEATURE_NUMERIC;
	else if (n > FEATURE_MAX_STR)
		return;
	v.str = p;
	v.str_len = n;
	r->sink.value(r->sink.ctx, &v);
}

/* Names are kept without the blanks around them. */
static void take_header(struct rows *r)
{
	unsigned numbers = 0;

	for (unsigned i = 0; i < r->n_fields; i++) {
		size_t n;
		const char *p = field(&r->row, r->field_end, i, &n);

		p = trim(p, &n);
		numbers += is_number(p, n, &(double){ 0 });
		buf_put(&r->header, p, n);
		r->column_end[i] = r->header.len;
	}
	r->n_columns = r->n_fields;
	r->stats.no_header = numbers == r->n_fields;
}

static void end_row(struct rows *r)
{
	const bool empty = r->n_fields == 1 && !r->row.len && !r->quoted[0];

	if (r->row.overflow || r->too_long) {
		r->stats.bad++;
	} else if (!r->n_columns) {
		if (!empty)
			take_header(r);
	} else if (!empty) {
		const unsigned n = r->n_fields < r->n_columns ? r->n_fields : r->n_columns;

		r->stats.ragged += r->n_fields != r->n_columns;
		r->sink.begin(r->sink.ctx);
		for (unsigned i = 0; i < n; i++)
			emit(r, i);
		r->sink.end(r->sink.ctx);
		r->stats.rows++;
	}
	buf_clear(&r->row);
	r->n_fields = 0;
	r->too_long = false;
}

static void end_field(struct rows *r)
{
	if (r->n_fields == ROWS_MAX_COLUMNS) {
		r->too_long = true;
	} else {
		r->field_end[r->n_fields] = r->row.len;
		r->quoted[r->n_fields++] = r->field_quoted;
	}
	r->field_quoted = false;
	r->state = CSV_START;
}

/* Bytes that change nothing in this state. */
static size_t plain_run(const struct rows *r, const char *p, size_t n)
{
	size_t i = 0;

	if (r->state == CSV_QUOTED) {
		const char *q = memchr(p, '"', n);

		return q ? (size_t)(q - p) : n;
	}
	while (i < n && p[i] != r->separator && p[i] != '\n' && p[i] != '"' && p[i] != '\r')
		i++;
	return i;
}

static void byte(struct rows *r, char c)
{
	if (r->state == CSV_QUOTE && c == '"') {
		buf_putc(&r->row, c);
		r->state = CSV_QUOTED;
	} else if (r->state == CSV_QUOTED) {
		if (c == '"')
			r->state = CSV_QUOTE;
		else
			buf_putc(&r->row, c);
	} else if (c == r->separator) {
		end_field(r);
	} else if (c == '\n') {
		end_field(r);
		end_row(r);
	} else if (c == '"' && r->state == CSV_START) {
		r->state = CSV_QUOTED;
		r->field_quoted = true;
	} else if (c != '\r') {
		/* A stray quote, or text after a closing quote: taken as it stands. */
		buf_putc(&r->row, c);
		r->state = CSV_BARE;
	}
}

static void parse(struct rows *r, const char *p, size_t n)
{
	while (n) {
		const size_t run = r->state == CSV_QUOTE ? 0 : plain_run(r, p, n);

		if (run) {
			buf_put(&r->row, p, run);
			if (r->state == CSV_START)
				r->state = CSV_BARE;
		} else {
			byte(r, *p);
		}
		p += run ? run : 1;
		n -= run ? run : 1;
	}
}

/* The separator is the commonest of three in the first line, outside quotes. */
static char choose_separator(const char *p, size_t n)
{
	static const char candidate[] = { ',', ';', '\t' };
	size_t count[sizeof(candidate)] = { 0 }, best = 0;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		quoted ^= p[i] == '"';
		for (size_t k = 0; k < sizeof(candidate); k++)
			count[k] += !quoted && p[i] == candidate[k];
	}
	for (size_t k = 1; k < sizeof(candidate); k++)
		if (count[k] > count[best])
			best = k;
	return candidate[best];
}

/* The first line is gathered as it is until it is complete. */
static void first_line(struct rows *r)
{
	const struct buf raw = r->row;
	const size_t bom = raw.len >= 3 && !memcmp(raw.p, "\xef\xbb\xbf", 3) ? 3 : 0;

	r->separator = choose_separator(raw.p + bom, raw.len - bom);
	r->row = (struct buf){ .max = ROWS_MAX_ROW };
	parse(r, raw.p + bom, raw.len - bom);
	free(raw.p);
}

void rows_csv_feed(struct rows *r, const char *p, size_t n)
{
	if (!r->separator) {
		const char *lf;
		size_t take;

		while (!r->row.len && n && (*p == '\n' || *p == '\r'))
			p++, n--;
		lf = memchr(p, '\n', n);
		take = lf ? (size_t)(lf - p) : n;
		buf_put(&r->row, p, take);
		if (!lf || r->row.overflow)
			return;
		first_line(r);
		p += take;
		n -= take;
	}
	parse(r, p, n);
}

void rows_csv_end(struct rows *r)
{
	if (!r->separator && r->row.len)
		first_line(r);
	if (r->row.len || r->n_fields || r->field_quoted) {
		end_field(r);
		end_row(r);
	}
}
