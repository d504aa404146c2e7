/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_feature.c - names and values out of JSON bodies; any cut gives a prefix; speed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"
#include "data/feature.h"

/* "name=value" a line each. */
static void note(void *ctx, const struct feature_value *v)
{
	struct buf *out = ctx;

	buf_put(out, v->name, v->name_len);
	switch (v->kind) {
	case FEATURE_NUMERIC:
		buf_printf(out, "=%.12g\n", v->num);
		break;
	case FEATURE_CATEGORICAL:
		buf_puts(out, "='");
		buf_put(out, v->str, v->str_len);
		buf_puts(out, "'\n");
		break;
	case FEATURE_MISSING:
		buf_puts(out, "=?\n");
		break;
	}
}

static int walk(const char *prefix, const char *body, size_t n, struct buf *out)
{
	const struct feature_sink sink = { .ctx = out, .value = note };
	/* An allocation of the exact size lets the sanitizer see a read past the end. */
	char *copy = malloc(n ? n : 1);
	int ret;

	memcpy(copy, body, n);
	buf_clear(out);
	ret = features_from_json(prefix, copy, n, &sink);
	buf_putc(out, '\0');
	free(copy);
	return ret;
}

static void expect(const char *prefix, const char *body, const char *want)
{
	struct buf out = { 0 };
	int lines = 0;

	for (const char *p = want; *p; p++)
		lines += *p == '\n';
	assert_int_equal(walk(prefix, body, strlen(body), &out), lines);
	assert_string_equal(out.p, want);
	buf_free(&out);
}

static void test_names(void **state)
{
	(void)state;
	expect("request.body",
	       "{\"features\":{\"petal_len\":1.5,\"ok\":true,\"s\":\"red\"},\"n\":null}",
	       "request.body.features.petal_len=1.5\nrequest.body.features.ok='true'\n"
	       "request.body.features.s='red'\nrequest.body.n=?\n");
	expect("request.body", "{\"features\":[5.1,3.5,\"x\"]}",
	       "request.body.features[0]=5.1\nrequest.body.features[1]=3.5\n"
	       "request.body.features[2]='x'\n");
	expect("request.body", "{\"instances\":[{\"age\":3},{\"age\":4,\"b\":[1,2]}],\"z\":0}",
	       "request.body.instances[].age=3\nrequest.body.instances[].age=4\n"
	       "request.body.instances[].b[0]=1\nrequest.body.instances[].b[1]=2\n"
	       "request.body.z=0\n");
	expect("request.body", "{\"instances\":[[1,2],[3,4]]}",
	       "request.body.instances[][0]=1\nrequest.body.instances[][1]=2\n"
	       "request.body.instances[][0]=3\nrequest.body.instances[][1]=4\n");
	expect("request.body", "[[[1,2]],[]]", "request.body[][][0]=1\nrequest.body[][][1]=2\n");
	expect("", "{\"a\":1,\"b\":{\"c\":2}}", "a=1\nb.c=2\n");
	expect("", "[7,8]", "[0]=7\n[1]=8\n");
	expect("request.body", "3", "request.body=3\n");
	expect("request.body", "{}", "");
	expect("request.body", "{\"a\":[],\"b\":{},\"c\":[[]],\"d\":1}", "request.body.d=1\n");
	expect("request.body", "{\"a\":[1,{\"x\":2},3]}",
	       "request.body.a[]=1\nrequest.body.a[].x=2\nrequest.body.a[]=3\n");
	expect("request.body", "{\"a\":NaN,\"b\":-Infinity}",
	       "request.body.a=?\nrequest.body.b=-inf\n");
}

static void test_outputs(void **state)
{
	(void)state;
	expect("response.body", "{\"predictions\":[0,1,1],\"model\":\"iris\"}",
	       "response.body.predictions[]=0\nresponse.body.predictions[]=1\n"
	       "response.body.predictions[]=1\nresponse.body.model='iris'\n");
	expect("response.body", "{\"predictions\":[[0.1,0.9],[0.8,0.2]]}",
	       "response.body.predictions[][0]=0.1\nresponse.body.predictions[][1]=0.9\n"
	       "response.body.predictions[][0]=0.8\nresponse.body.predictions[][1]=0.2\n");
	expect("response.body", "{\"outputs\":[{\"shape\":[2,1],\"data\":[4,5]}],\"data\":[1]}",
	       "response.body.outputs[].shape[0]=2\nresponse.body.outputs[].shape[1]=1\n"
	       "response.body.outputs[].data[]=4\nresponse.body.outputs[].data[]=5\n"
	       "response.body.data[0]=1\n");
	expect("request.body", "{\"predictions\":[0,1]}",
	       "request.body.predictions[0]=0\nrequest.body.predictions[1]=1\n");
	expect("response.body", "{\"probabilities\":[0.2,0.8]}",
	       "response.body.probabilities[0]=0.2\nresponse.body.probabilities[1]=0.8\n");
}

static void test_long_arrays(void **state)
{
	struct buf body = { 0 }, out = { 0 };

	(void)state;
	for (unsigned n = FEATURE_MAX_COLUMNS - 1; n <= FEATURE_MAX_COLUMNS + 2; n++) {
		buf_clear(&body);
		buf_puts(&body, "{\"x\":[");
		for (unsigned i = 0; i < n; i++)
			buf_printf(&body, "%s%u", i ? "," : "", i);
		buf_puts(&body, "],\"y\":1}");
		assert_int_equal(walk("request.body", body.p, body.len, &out), n + 1);
		assert_int_equal(strstr(out.p, "request.body.x[]=") != NULL,
				 n > FEATURE_MAX_COLUMNS);
		assert_int_equal(strstr(out.p, "request.body.x[63]=63") != NULL,
				 n == FEATURE_MAX_COLUMNS);
		assert_non_null(strstr(out.p, "request.body.y=1\n"));
	}
	/* A batch may hold objects after its plain values. */
	buf_clear(&body);
	buf_puts(&body, "[");
	for (unsigned i = 0; i < 70; i++)
		buf_puts(&body, "1,");
	buf_puts(&body, "{\"a\":2},3]");
	assert_int_equal(walk("r", body.p, body.len, &out), 72);
	assert_non_null(strstr(out.p, "r[].a=2\nr[]=3\n"));
	buf_free(&body);
	buf_free(&out);
}

static void test_strings(void **state)
{
	char text[FEATURE_MAX_STR + 64];
	struct buf out = { 0 };

	(void)state;
	expect("request.body", "{\"a\":\"caf\\u00e9 \\\"x\\\"\",\"k\\u00e9y\":1}",
	       "request.body.a='caf\xc3\xa9 \"x\"'\nrequest.body.k\xc3\xa9y=1\n");
	for (int n = FEATURE_MAX_STR - 1; n <= FEATURE_MAX_STR + 1; n++) {
		snprintf(text, sizeof(text), "{\"a\":\"%0*d\"}", n, 0);
		assert_int_equal(walk("", text, strlen(text), &out), n <= FEATURE_MAX_STR);
	}
	buf_free(&out);
}

static void test_long_names(void **state)
{
	struct buf body = { 0 }, out = { 0 };

	(void)state;
	for (int n = FEATURE_MAX_NAME - 20; n < FEATURE_MAX_NAME + 8; n++) {
		buf_clear(&body);
		buf_puts(&body, "{\"");
		for (int i = 0; i < n; i++)
			buf_putc(&body, 'k');
		buf_puts(&body, "\":{\"a\":[1,2],\"b\":[{\"c\":3}]},\"z\":5}");
		assert_true(walk("", body.p, body.len, &out) >= 1);
		/* Whatever did not fit, what follows has its right name. */
		assert_non_null(strstr(out.p, "z=5\n"));
		for (char *p = out.p, *eq; (eq = strchr(p, '=')); p = strchr(eq, '\n') + 1)
			assert_true(eq - p <= FEATURE_MAX_NAME);
	}
	buf_free(&body);
	buf_free(&out);
}

static void test_not_json(void **state)
{
	static const char *const text[] = { "",     "hello", "12 monkeys", "a,b\n1,2", "<html>",
					    "\xff", "}",     "nul",        "\"open" };
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		assert_int_equal(walk("r", text[i], strlen(text[i]), &out), -1);
	buf_free(&out);
}

static const char document[] =
	"{\"id\":\"a1\",\"features\":{\"sepal_len\":5.1,\"sepal_wid\":3.5,\"petal_len\":1.4,"
	"\"petal_wid\":0.2,\"fresh\":true},\"options\":{\"explain\":false,\"top\":[1,2,3],"
	"\"note\":\"none\"},\"instances\":[[1,2],[3,4]],\"predictions\":[1,2]}";

/* What a cut document yields is a prefix of what the whole yields. */
static void test_any_cut(void **state)
{
	const char *const prefix[] = { "request.body", "response.body" };
	struct buf whole = { 0 }, part = { 0 };

	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		const int all = walk(prefix[k], document, sizeof(document) - 1, &whole);
		int last = 0;

		assert_true(all > 12);
		for (size_t n = 1; n < sizeof(document); n++) {
			const int got = walk(prefix[k], document, n, &part);

			assert_true(got >= last && got <= all);
			assert_memory_equal(whole.p, part.p, part.len - 1);
			last = got;
		}
		assert_int_equal(last, all);
	}
	buf_free(&whole);
	buf_free(&part);
}

/* Any byte changed: no crash, and names stay within bounds (the sanitizer looks on). */
static void test_any_flip(void **state)
{
	char text[sizeof(document)];
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(document); i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			memcpy(text, document, sizeof(document));
			text[i] = (char)(text[i] ^ (1 << bit));
			assert_true(walk("response.body", text, sizeof(text) - 1, &out) <= 40);
		}
	buf_free(&out);
}

static void test_bounds(void **state)
{
	struct buf body = { 0 }, out = { 0 };

	(void)state;
	buf_puts(&body, "[");
	for (int i = 0; i < FEATURE_MAX_VALUES + 1000; i++)
		buf_printf(&body, "%s%d", i ? "," : "", i);
	buf_puts(&body, "]");
	assert_int_equal(walk("r", body.p, body.len, &out), FEATURE_MAX_VALUES);
	buf_clear(&body);
	for (int i = 0; i < 200; i++)
		buf_puts(&body, "{\"a\":[");
	assert_int_equal(walk("r", body.p, body.len, &out), 0);
	buf_free(&body);
	buf_free(&out);
}

static void count(void *ctx, const struct feature_value *v)
{
	*(double *)ctx += v->num + (double)v->name_len;
}

static void test_speed(void **state)
{
	static const char body[] =
		"{\"sepal_length\": 5.1, \"sepal_width\": 3.5, \"petal_length\": 1.4, "
		"\"petal_width\": "
		"0.2, \"region\": \"north\", \"member\": true, \"age\": 41, \"income\": 51234.5, "
		"\"score\": 0.8715, \"visits\": 12}";
	double sum = 0;
	const struct feature_sink sink = { .ctx = &sum, .value = count };
	struct timespec a, b;
	const int rounds = 100000;

	(void)state;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < rounds; i++)
		assert_int_equal(features_from_json("request.body", body, sizeof(body) - 1, &sink),
				 10);
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("           %zu bytes, 10 values: %.0f ns\n", sizeof(body) - 1,
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / rounds);
	assert_true(sum > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),       cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_long_arrays), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_long_names),  cmocka_unit_test(test_not_json),
		cmocka_unit_test(test_any_cut),     cmocka_unit_test(test_any_flip),
		cmocka_unit_test(test_bounds),      cmocka_unit_test(test_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
