/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fuzz_profile.c - any bytes as a profile: what is accepted can be written, read again and used.
 * Any bytes as CSV, lines or events: the same rows however they are cut.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "data/profile.h"
#include "data/rows.h"
#include "drift/edet.h"

static void use(const struct profile *p)
{
	static struct edet_table *table;
	struct edet d;
	struct effect e;

	if (!table)
		table = edet_table_new(0);
	for (unsigned i = 0; i < p->n_features && i < 4; i++) {
		const struct profile_feature *f = p->feature[i];

		assert(profile_find(p, f->name, strlen(f->name)) == f);
		if (f->kind != FEATURE_NUMERIC)
			continue;
		edet_init(&d, table, f, i);
		for (int k = 0; k < 64; k++) {
			const double x = k % 3 && f->n_edges ? f->edge[k % f->n_edges] : 1e9 * k;

			if (edet_update(&d, x, 1, 1e6) == EDET_RECOVERED)
				edet_resume(&d);
		}
		edet_effect(&d, &e);
	}
}

static void profile(const char *text, size_t n)
{
	struct profile *p, *again;
	struct buf out = { 0 };
	struct err e;

	p = profile_parse(text, n, &e);
	if (!p)
		return;
	use(p);
	profile_write(p, &out);
	again = profile_parse(out.p, out.len, &e);
	assert(again && again->n_features == p->n_features);
	profile_free(again);
	profile_free(p);
	buf_free(&out);
}

static void begin(void *ctx)
{
	buf_putc(ctx, '<');
}

static void end(void *ctx)
{
	buf_putc(ctx, '>');
}

static void value(void *ctx, const struct feature_value *v)
{
	assert(v->name_len <= FEATURE_MAX_NAME);
	buf_put(ctx, v->name, v->name_len);
	buf_putc(ctx, '=');
	if (v->kind == FEATURE_CATEGORICAL)
		buf_put(ctx, v->str, v->str_len);
}

static void rows(enum rows_kind kind, const char *text, size_t n, size_t piece)
{
	struct buf out[2] = { { 0 }, { 0 } };

	for (int i = 0; i < 2; i++) {
		const struct rows_sink sink = { &out[i], begin, value, end };
		struct rows *r = rows_new(kind, &sink);
		const size_t step = i ? piece : n + 1;

		for (size_t at = 0; r && at < n; at += step)
			rows_feed(r, text + at, n - at < step ? n - at : step);
		if (r)
			rows_end(r);
		rows_free(r);
	}
	assert(out[0].len == out[1].len);
	assert(!out[0].len || !memcmp(out[0].p, out[1].p, out[0].len));
	buf_free(&out[0]);
	buf_free(&out[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data + 1;

	if (!n)
		return 0;
	if (data[0] % 4 == 3)
		profile(text, n - 1);
	else
		rows((enum rows_kind)(data[0] % 4), text, n - 1, 1 + data[0] / 4);
	return 0;
}
