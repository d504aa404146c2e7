/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_profile.c - references: edges, counts, what is dropped, JSON there and back, names, rows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/profile.h"
#include "data/rows.h"

static uint64_t random_state;

static uint64_t next_random(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static double uniform(void)
{
	return ((double)(next_random() >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static struct profile_builder *builder(void)
{
	struct profile_builder *b = profile_builder_new(7, (uint64_t)1 << 22);

	assert_non_null(b);
	return b;
}

static void add_num(struct profile_builder *b, const char *name, double x)
{
	const struct feature_value v = {
		.name = name, .name_len = strlen(name), .kind = FEATURE_NUMERIC, .num = x
	};

	profile_row_add(b, &v);
}

static void add_str(struct profile_builder *b, const char *name, const char *s)
{
	const struct feature_value v = { .name = name,
					 .name_len = strlen(name),
					 .kind = FEATURE_CATEGORICAL,
					 .str = s,
					 .str_len = strlen(s) };

	profile_row_add(b, &v);
}

static const struct profile_feature *find(const struct profile *p, const char *name)
{
	return profile_find(p, name, strlen(name));
}

static struct profile *build(struct profile_builder *b, struct buf *dropped)
{
	struct profile *p = profile_build(b, dropped);

	assert_non_null(p);
	profile_builder_free(b);
	return p;
}

static struct profile *of_numbers(const double *x, size_t n)
{
	struct profile_builder *b = builder();

	for (size_t i = 0; i < n; i++) {
		profile_row_begin(b);
		add_num(b, "x", x[i]);
		profile_row_end(b);
	}
	return build(b, NULL);
}

static int by_value(const void *a, const void *b)
{
	return (*(const double *)a > *(const double *)b) -
	       (*(const double *)a < *(const double *)b);
}

/* Edges and counts against a slow computation of what they are. */
static void check_counts(const struct profile_feature *f, const double *x, size_t n)
{
	double *sorted = malloc(n * sizeof(*sorted));
	uint64_t below = 0, sum = 0;

	memcpy(sorted, x, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), by_value);
	for (unsigned k = 0; k < f->n_edges; k++) {
		uint64_t less = 0, equal = 0;
		bool is_quantile = false;

		for (size_t i = 0; i < n; i++) {
			less += x[i] < f->edge[k];
			equal += x[i] == f->edge[k];
		}
		for (unsigned q = 1; q < PROFILE_BINS; q++)
			is_quantile |= sorted[q * n / PROFILE_BINS] == f->edge[k];
		assert_true(is_quantile);
		below += f->count[2 * k];
		assert_int_equal(below, less);
		assert_int_equal(f->count[2 * k + 1], equal);
		below += equal;
		assert_true(k == 0 || f->edge[k] > f->edge[k - 1]);
	}
	for (unsigned s = 0; s < 2 * f->n_edges + 1; s++)
		sum += f->count[s];
	assert_int_equal(sum, n);
	free(sorted);
}

static void test_edges_and_counts(void **state)
{
	enum { N = 3000 };
	static double x[N];

	(void)state;
	random_state = 1;
	for (int kind = 0; kind < 6; kind++)
		for (size_t n = 1; n <= N; n = n < 10 ? n + 1 : n * 3) {
			struct profile *p;

			for (size_t i = 0; i < n; i++) {
				const double z = normal();

				x[i] = kind == 0   ? z
				       : kind == 1 ? floor(3 * z)
				       : kind == 2 ? 4
				       : kind == 3 ? (z < 0 ? -0.0 : exp(z))
				       : kind == 4 ? (z > 1.5  ? INFINITY
						      : z < -1 ? -INFINITY
							       : z)
						   : 1e308 * z;
			}
			p = of_numbers(x, n);
			if (p->n_features && p->feature[0]->stride == 1)
				check_counts(p->feature[0], x, n);
			profile_free(p);
		}
}

static void test_moments(void **state)
{
	const double x[] = { 1, 2, 4, 2, INFINITY, 1, NAN, 6, 2, 1, 2, 4 };
	struct profile *p = of_numbers(x, 12);
	const struct profile_feature *f = find(p, "x");

	(void)state;
	assert_non_null(f);
	assert_int_equal(f->n, 11);
	assert_int_equal(f->missing, 1);
	assert_true(fabs(f->mean - 2.5) < 1e-12 && fabs(f->m2 - 24.5) < 1e-9);
	assert_true(f->min == 1 && f->max == INFINITY);
	profile_free(p);
}

static void test_minus_zero(void **state)
{
	double x[40];
	struct profile *p;
	const struct profile_feature *f;

	(void)state;
	for (int i = 0; i < 40; i++)
		x[i] = i % 3 ? 0.0 : -0.0;
	p = of_numbers(x, 40);
	f = find(p, "x");
	assert_non_null(f);
	assert_int_equal(f->n_edges, 1);
	assert_false(signbit(f->edge[0]));
	assert_int_equal(f->count[1], 40);
	profile_free(p);
}

/* Sokal's tau of AR(1) ranks: about (1 + phi) / (1 - phi). */
static void test_tau(void **state)
{
	enum { N = 20000 };
	static double x[N];
	const double phi[] = { 0, 0.5, 0.9, 0.97 };

	(void)state;
	random_state = 2;
	for (int k = 0; k < 4; k++) {
		const double want = (1 + phi[k]) / (1 - phi[k]);
		double tau;

		x[0] = normal();
		for (int i = 1; i < N; i++)
			x[i] = phi[k] * x[i - 1] + sqrt(1 - phi[k] * phi[k]) * normal();
		tau = profile_tau(x, N);
		print_message("           AR(%.2f): tau %.2f, in theory %.2f\n", phi[k], tau, want);
		assert_true(tau > 0.75 * want && tau < 1.35 * want);
	}
	assert_true(profile_tau(x, 3) == 1);
	for (int i = 0; i < N; i++)
		x[i] = 5;
	assert_true(profile_tau(x, N) == 1);
	assert_int_equal(profile_stride(1.2, 1000), 1);
	assert_int_equal(profile_stride(1.21, 100), 3);
	assert_int_equal(profile_stride(1.21, 1000), 2);
	assert_int_equal(profile_stride(19, 1000), 38);
	assert_int_equal(profile_stride(19, 10000), 29);
}

/* What comes again and again is no persistence: periods count up to where they turn. */
static void test_tau_of_periods(void **state)
{
	enum { N = 1000 };
	static double x[N], row[150];

	(void)state;
	random_state = 12;
	for (int i = 0; i < N; i++)
		x[i] = i % 2;
	assert_true(profile_tau(x, N) == 1);
	for (int i = 0; i < N; i++)
		x[i] = (double[]){ 0.1, 0.7, 0.2 }[i % 3];
	assert_true(profile_tau(x, N) == 1);
	/* 150 rows in order: about a fifth of the period, however often it comes. */
	for (int i = 0; i < N; i++)
		x[i] = i % 150;
	assert_true(profile_tau(x, N) > 20 && profile_tau(x, N) < 60);
	/* Drawn once, then always the same: next to nothing. */
	for (int i = 0; i < 150; i++)
		row[i] = normal();
	for (int i = 0; i < N; i++)
		x[i] = row[i % 150];
	assert_true(profile_tau(x, N) < 2.5);
	/* Two clients that take turns, each following its own past: that is persistence. */
	for (int i = 0; i < N; i++)
		x[i] = (i >= 2 ? 0.9 * x[i - 2] : 0) + normal();
	assert_true(profile_tau(x, N) > 8);
}

/*
 * Dependent data: every stride-th value on average is in the pool, at uneven distances. The edges
 * are those of all values.
 */
static void test_thinned(void **state)
{
	enum { N = 4000 };
	static double x[N];
	const struct profile_feature *f;
	struct profile *p;
	uint64_t sum = 0;

	(void)state;
	random_state = 3;
	for (int i = 1; i < N; i++)
		x[i] = 0.9 * x[i - 1] + normal();
	p = of_numbers(x, N);
	f = find(p, "x");
	assert_non_null(f);
	assert_true(f->stride >= 20 && f->stride <= 50);
	for (unsigned s = 0; s < 2 * f->n_edges + 1; s++)
		sum += f->count[s];
	assert_true(fabs((double)sum * f->stride / N - 1) < 0.15);
	assert_int_equal(f->n_edges, PROFILE_MAX_EDGES);
	profile_free(p);
	/* Steps of an even stride would fall into step with these rows: all in one place. */
	for (int i = 0; i < N; i++)
		x[i] = i / 10 % 10;
	p = of_numbers(x, N);
	f = find(p, "x");
	assert_true(f->stride >= 20 && f->stride <= 100);
	sum = 0;
	for (unsigned s = 0; s < 2 * f->n_edges + 1; s++)
		sum += f->count[s] > 0;
	assert_true(sum >= 8);
	profile_free(p);
}

/* Of several values in one row one counts, and each has the same chance. */
static void test_one_value_a_row(void **state)
{
	enum { ROWS = 6000 };
	struct profile_builder *b = builder();
	const struct profile_feature *f;
	struct profile *p;

	(void)state;
	for (int i = 0; i < ROWS; i++) {
		char text[16];

		profile_row_begin(b);
		for (int k = 0; k < 3; k++) {
			/* Text does not outlive the call. */
			snprintf(text, sizeof(text), "s%d", k);
			add_str(b, "label", text);
			memset(text, 'X', sizeof(text));
			add_num(b, "prediction", k);
			add_num(b, "missing", NAN);
		}
		add_num(b, "alone", i % 5);
		profile_row_end(b);
	}
	p = build(b, NULL);
	assert_int_equal(p->n_features, 3);
	f = find(p, "alone");
	assert_int_equal(f->n, ROWS);
	f = find(p, "prediction");
	assert_int_equal(f->n, ROWS);
	assert_int_equal(f->missing, 0);
	assert_int_equal(f->n_edges, 3);
	assert_int_equal(f->stride, 1);
	/* A third each, within five standard deviations. */
	for (int k = 0; k < 3; k++)
		assert_true(llabs((long long)f->count[2 * k + 1] - ROWS / 3) < 5 * 37);
	f = find(p, "label");
	assert_int_equal(f->n, ROWS);
	assert_int_equal(f->n_categories, 3);
	for (int k = 0; k < 3; k++)
		assert_true(llabs((long long)f->category[k].count - ROWS / 3) < 5 * 37);
	profile_free(p);
}

static void test_dropped(void **state)
{
	struct profile_builder *b = builder();
	struct buf dropped = { 0 };
	struct profile *p;
	char text[32];

	(void)state;
	random_state = 4;
	for (int i = 0; i < 200; i++) {
		profile_row_begin(b);
		add_num(b, "id", 1000 + 3 * i);
		add_num(b, "clock", i / 20);
		add_num(b, "constant", 7);
		add_num(b, "value", normal());
		snprintf(text, sizeof(text), "u-%d", i);
		add_str(b, "user", text);
		add_str(b, "color", i % 3 ? "red" : "blue");
		add_num(b, "step", i >= 100); /* rises once: may be chance */
		if (i == 50)
			add_num(b, "odd", 1);
		profile_row_end(b);
	}
	p = build(b, &dropped);
	buf_putc(&dropped, '\0');
	assert_string_equal(dropped.p,
			    "id (only rises), clock (only rises), user (all values differ), "
			    "odd (too few values)");
	assert_int_equal(p->n_features, 4);
	assert_null(find(p, "id"));
	assert_int_equal(find(p, "constant")->n_edges, 1);
	assert_int_equal(find(p, "constant")->stride, 1);
	assert_int_equal(find(p, "color")->n_categories, 2);
	assert_string_equal(find(p, "color")->category[0].value, "red");
	assert_int_equal(find(p, "color")->category[0].count, 133);
	buf_free(&dropped);
	profile_free(p);
}

/* Far more values than are kept: the sample is a fair one, and the same every time. */
static void test_reservoir(void **state)
{
	const uint64_t n = 4 * (uint64_t)PROFILE_MAX_VALUES;
	struct buf text[2] = { { 0 }, { 0 } };

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct profile_builder *b = builder();
		const struct profile_feature *f;
		struct profile *p;
		uint64_t sum = 0;

		random_state = 5;
		/* The second half lies higher: a prefix would not be fair. */
		for (uint64_t i = 0; i < n; i++) {
			profile_row_begin(b);
			add_num(b, "x", uniform() + (i >= n / 2));
			profile_row_end(b);
		}
		p = build(b, NULL);
		f = find(p, "x");
		assert_int_equal(f->n, n);
		for (unsigned s = 0; s < 2 * f->n_edges + 1; s++)
			sum += f->count[s];
		assert_true(10 * sum * f->stride > 9 * PROFILE_MAX_VALUES &&
			    sum <= PROFILE_MAX_VALUES);
		assert_true(fabs(f->edge[31] - 1) < 0.03);
		assert_true(fabs(f->mean - 1) < 0.01);
		profile_write(p, &text[round]);
		profile_free(p);
	}
	assert_int_equal(text[0].len, text[1].len);
	assert_memory_equal(text[0].p, text[1].p, text[0].len);
	buf_free(&text[0]);
	buf_free(&text[1]);
}

/* Memory is bounded by the builder's own limit and its tables, whatever comes. */
static void test_bounds(void **state)
{
	struct profile_builder *b = profile_builder_new(1, 1000);
	struct profile *p;
	char name[32];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		profile_row_begin(b);
		for (int k = 0; k < 10; k++) {
			snprintf(name, sizeof(name), "f%d", k < 9 ? k : i);
			add_num(b, name, sin(i * (k + 1)));
			add_str(b, "text", name);
		}
		profile_row_end(b);
	}
	p = build(b, NULL);
	assert_true(p->n_features <= PROFILE_MAX_FEATURES);
	assert_true(p->folded > 2000);
	for (unsigned i = 0; i < p->n_features; i++) {
		uint64_t sum = 0;

		for (unsigned s = 0; s < PROFILE_MAX_SYMBOLS; s++)
			sum += p->feature[i]->count[s];
		assert_true(sum <= 1000);
	}
	profile_free(p);
}

static struct profile *mixed(void)
{
	struct profile_builder *b = builder();
	char text[32];

	random_state = 6;
	for (int i = 0; i < 500; i++) {
		profile_row_begin(b);
		add_num(b, "petal_len", normal());
		add_num(b, "features.depth", i % 7 ? exp(normal()) : INFINITY);
		add_num(b, "tiny", 1e-310 * (i % 13));
		snprintf(text, sizeof(text), "c\"%d\n", (int)(normal() * 40));
		if (i % 5)
			add_str(b, "color", text);
		profile_row_end(b);
	}
	return build(b, NULL);
}

static void test_json(void **state)
{
	struct buf once = { 0 }, twice = { 0 };
	struct profile *p = mixed(), *q;
	struct err e;

	(void)state;
	snprintf(p->source, sizeof(p->source), "train \"1\".csv");
	snprintf(p->since, sizeof(p->since), "2026-11-24T10:00:00.000000000Z");
	profile_write(p, &once);
	q = profile_parse(once.p, once.len, &e);
	assert_non_null(q);
	profile_write(q, &twice);
	assert_int_equal(once.len, twice.len);
	assert_memory_equal(once.p, twice.p, once.len);
	assert_int_equal(q->n_features, p->n_features);
	for (unsigned i = 0; i < p->n_features; i++) {
		const struct profile_feature *a = p->feature[i], *b = q->feature[i];

		assert_string_equal(a->name, b->name);
		assert_memory_equal(a->edge, b->edge, sizeof(a->edge));
		assert_memory_equal(a->count, b->count, sizeof(a->count));
		assert_true(a->mean == b->mean && a->m2 == b->m2 && a->tau == b->tau);
		assert_int_equal(a->stride, b->stride);
		assert_int_equal(a->n_categories, b->n_categories);
		assert_int_equal(a->other, b->other);
		assert_int_equal(a->missing, b->missing);
	}
	profile_free(q);
	/* Every cut is refused, and so is damage that breaks its promises. */
	for (size_t n = 0; n + 2 < once.len; n += n < 300 ? 1 : 37)
		assert_null(profile_parse(once.p, n, &e));
	profile_free(p);
	buf_free(&once);
	buf_free(&twice);
}

static void test_json_flips(void **state)
{
	struct profile *p = mixed();
	struct buf text = { 0 };
	struct err e;

	(void)state;
	profile_write(p, &text);
	for (size_t i = 0; i < text.len; i += 1 + next_random() % 8) {
		const char was = text.p[i];
		struct profile *q;

		text.p[i] = (char)(was ^ (1 << (next_random() % 8)));
		q = profile_parse(text.p, text.len, &e);
		for (unsigned k = 0; q && k < q->n_features; k++) {
			const struct profile_feature *f = q->feature[k];

			for (unsigned j = 1; j < f->n_edges; j++)
				assert_true(f->edge[j] > f->edge[j - 1]);
			assert_true(f->stride >= 1 && f->name[0]);
		}
		profile_free(q);
		text.p[i] = was;
	}
	profile_free(p);
	buf_free(&text);
}

static void test_json_refused(void **state)
{
	static const char *const text[] = {
		"",
		"[]",
		"{}",
		"{\"modelsnoop.profile\":2}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"name\":\"a\",\"kind\":\"numeric\","
		"\"edges\":[1,1],"
		"\"counts\":[0,0,0,0,0]}]}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"name\":\"a\",\"kind\":\"numeric\","
		"\"edges\":[1],"
		"\"counts\":[0,0]}]}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"name\":\"a\",\"kind\":\"numeric\","
		"\"edges\":[],"
		"\"counts\":[-1]}]}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"kind\":\"numeric\",\"edges\":[],"
		"\"counts\":[1]}]}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"name\":\"a\",\"kind\":\"numeric\","
		"\"edges\":[NaN],"
		"\"counts\":[0,0,0]}]}",
		"{\"modelsnoop.profile\":1,\"features\":[{\"name\":\"a\",\"kind\":\"categorical\","
		"\"categories\":[[\"x\"]]}]}",
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		memset(&e, 0, sizeof(e));
		assert_null(profile_parse(text[i], strlen(text[i]), &e));
		assert_int_equal(e.status, EXIT_USAGE);
		assert_true(e.what[0] && e.why[0]);
	}
}

static void name_is(const struct profile *p, const char *live, const char *want)
{
	const struct profile_feature *f = find(p, live);

	if (want) {
		assert_non_null(f);
		assert_string_equal(f->name, want);
	} else {
		assert_null(f);
	}
}

static void test_find(void **state)
{
	static const char *const name[] = { "petal_len", "features.age",   "a.size", "b.size",
					    "age",       "request.body.x", "[2]" };
	struct profile *p = profile_new();

	(void)state;
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		strcpy(profile_add(p)->name, name[i]);
	name_is(p, "petal_len", "petal_len");
	name_is(p, "request.body.petal_len", "petal_len");
	name_is(p, "request.body.features.petal_len", "petal_len");
	name_is(p, "request.body.instances[].petal_len", "petal_len");
	name_is(p, "request.body.sepal_petal_len", NULL);
	name_is(p, "request.body.features.age", "features.age");
	name_is(p, "request.body.other.age", "age");
	name_is(p, "request.body.a.size", "a.size");
	name_is(p, "request.body.c.size", NULL); /* a.size or b.size: not clear */
	name_is(p, "request.body.x", "request.body.x");
	name_is(p, "request.body.features.x", "request.body.x");
	name_is(p, "response.body.x", NULL); /* the profile says on which side it was */
	name_is(p, "request.body.features[2]", "[2]");
	name_is(p, "request.body.features[12]", NULL);
	name_is(p, "", NULL);
	profile_free(p);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static void row_begin(void *ctx)
{
	buf_putc(ctx, '<');
}

static void row_end(void *ctx)
{
	buf_puts(ctx, ">\n");
}

static void row_value(void *ctx, const struct feature_value *v)
{
	buf_put(ctx, v->name, v->name_len);
	if (v->kind == FEATURE_NUMERIC)
		buf_printf(ctx, "=%g ", v->num);
	else if (v->kind == FEATURE_MISSING)
		buf_puts(ctx, "=? ");
	else
		buf_printf(ctx, "='%.*s' ", (int)v->str_len, v->str);
}

static struct rows_stats read_rows(enum rows_kind kind, const char *text, size_t piece,
				   struct buf *out)
{
	const struct rows_sink sink = { out, row_begin, row_value, row_end };
	const size_t n = strlen(text);
	struct rows *r = rows_new(kind, &sink);
	struct rows_stats stats;

	buf_clear(out);
	for (size_t at = 0; at < n; at += piece)
		rows_feed(r, text + at, n - at < piece ? n - at : piece);
	rows_end(r);
	stats = *rows_stats(r);
	rows_free(r);
	buf_putc(out, '\0');
	return stats;
}

static void expect_rows(enum rows_kind kind, const char *text, const char *want)
{
	struct buf out = { 0 };

	for (size_t piece = 1; piece < strlen(text) + 2; piece++) {
		read_rows(kind, text, piece, &out);
		assert_string_equal(out.p, want);
	}
	assert_int_equal(rows_guess(text, strlen(text)), kind);
	buf_free(&out);
}

static void test_csv(void **state)
{
	struct rows_stats s;
	struct buf out = { 0 };

	(void)state;
	expect_rows(ROWS_CSV, "a,b c,d\n1,x,\n-2.5e3,\"y, \"\"z\"\"\nw\",3\n",
		    "<a=1 b c='x' d=? >\n<a=-2500 b c='y, \"z\"\nw' d=3 >\n");
	expect_rows(ROWS_CSV,
		    "\xef\xbb\xbf"
		    "a;b\r\n1;2,5\r\n\r\nNA;inf",
		    "<a=1 b='2,5' >\n<a=? b=inf >\n");
	expect_rows(ROWS_CSV, "\n\"a\tb\"\tc\n0x10\t 4 \n\"\"\t\"NA\"\n",
		    "<a\tb='0x10' c=4 >\n<a\tb='' c='NA' >\n");
	expect_rows(ROWS_CSV, "a\n", "");
	s = read_rows(ROWS_CSV, "a,b\n1\n1,2,3\n4,5\n", 100, &out);
	assert_int_equal(s.rows, 3);
	assert_int_equal(s.ragged, 2);
	assert_false(s.no_header);
	assert_string_equal(out.p, "<a=1 >\n<a=1 b=2 >\n<a=4 b=5 >\n");
	assert_true(read_rows(ROWS_CSV, "5.1,3.5\n4,3\n", 3, &out).no_header);
	buf_free(&out);
}

static void test_jsonl(void **state)
{
	struct rows_stats s;
	struct buf out = { 0 };

	(void)state;
	expect_rows(ROWS_JSONL, "{\"a\":1,\"b\":{\"c\":\"x\"}}\r\n\n[2,3]\nnonsense\n{\"a\":null}",
		    "<a=1 b.c='x' >\n<[0]=2 [1]=3 >\n<a=? >\n");
	s = read_rows(ROWS_JSONL, "{\"a\":1}\nnonsense\n{}\n", 5, &out);
	assert_int_equal(s.rows, 1);
	assert_int_equal(s.bad, 2);
	buf_free(&out);
}

static void test_events(void **state)
{
	static const char text[] =
		"{\"ts\":\"2026-11-24T10:00:00.1Z\",\"type\":\"config\",\"id\":\"x\",\"seq\":1,"
		"\"config.data\":{}}\n"
		"{\"ts\":\"2026-11-24T10:00:01.5Z\",\"type\":\"exchange\",\"id\":\"y\",\"seq\":2,"
		"\"exchange.role\":\"server\",\"exchange.outcome\":\"ok\",\"tags\":{\"a\":[1]},"
		"\"request.body\":\"{\\\"x\\\":1.5,\\\"s\\\":\\\"a\\\\nb\\\"}\","
		"\"response.body\":{\"predictions\":[1]}}\n"
		"{\"ts\":\"2026-11-24T10:00:02Z\",\"type\":\"exchange\",\"seq\":3,\"exchange."
		"outcome\":\"server_error\","
		"\"request.body\":\"{\\\"x\\\":9}\"}\n"
		"{\"ts\":\"2026-11-24T10:00:02Z\",\"type\":\"exchange\",\"seq\":4,\"exchange."
		"outcome\":\"ok\","
		"\"exchange.role\":\"client\",\"request.body\":\"{\\\"x\\\":9}\"}\n"
		"{\"ts\":\"2026-11-24T10:00:03Z\",\"type\":\"exchange\",\"seq\":5,\"exchange."
		"outcome\":\"ok\","
		"\"response.body\":{\"base64\":\"AAAA\"}}\n"
		"{\"ts\":\"2026-11-24T10:00:03Z\",\"type\":\"excha";
	struct buf out = { 0 };
	struct rows_stats s;

	(void)state;
	expect_rows(ROWS_EVENTS, text,
		    "<request.body.x=1.5 request.body.s='a\nb' response.body.predictions[]=1 >\n");
	s = read_rows(ROWS_EVENTS, text, 7, &out);
	assert_int_equal(s.rows, 1);
	assert_int_equal(s.skipped, 4);
	assert_int_equal(s.bad, 1);
	assert_string_equal(s.since, "2026-11-24T10:00:01.5Z");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges_and_counts),
		cmocka_unit_test(test_moments),
		cmocka_unit_test(test_minus_zero),
		cmocka_unit_test(test_tau),
		cmocka_unit_test(test_tau_of_periods),
		cmocka_unit_test(test_thinned),
		cmocka_unit_test(test_one_value_a_row),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_reservoir),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_flips),
		cmocka_unit_test(test_json_refused),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_jsonl),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
