/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_shape.c - a known shape changes nothing but the time: values, names and counts are those of
 * a walk, whatever the bodies. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "data/feature.h"
#include "data/shape.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* "name=value" a line each, values to the bit. */
static void note(void *ctx, const struct feature_value *v)
{
	struct buf *out = ctx;

	buf_put(out, v->name, v->name_len);
	buf_printf(out, "=%d %a ", (int)v->kind, v->kind == FEATURE_NUMERIC ? v->num : 0);
	if (v->kind == FEATURE_CATEGORICAL)
		buf_put(out, v->str, v->str_len);
	buf_putc(out, '\n');
}

static void same(struct shape *s, const char *prefix, const char *body, size_t n)
{
	struct buf walked = { 0 }, fitted = { 0 };
	uint64_t left_out[2] = { 0, 0 };
	const struct feature_sink by_walk = { &walked, note, &left_out[0] },
				  by_shape = { &fitted, note, &left_out[1] };
	/* An allocation of the exact size lets the sanitizer see a read past the end. */
	char *copy = malloc(n ? n : 1);

	memcpy(copy, body, n);
	assert_int_equal(features_by_shape(s, prefix, copy, n, &by_shape),
			 features_from_json(prefix, copy, n, &by_walk));
	assert_int_equal(left_out[0], left_out[1]);
	assert_int_equal(walked.len, fitted.len);
	if (walked.len)
		assert_memory_equal(walked.p, fitted.p, walked.len);
	free(copy);
	buf_free(&walked);
	buf_free(&fitted);
}

static void put_scalar(struct buf *b, uint64_t *s)
{
	static const char *const some[] = {
		"true",
		"false",
		"null",
		"NaN",
		"-Infinity",
		"0",
		"-0.0",
		"1e9",
		"\"\"",
		"\"a\"",
		"\"\\u00e9\\n\"",
		"3.25",
		"12345678901234567890",
		"\"x y z\"",
	};

	if (rng(s) % 8 == 0) { /* text, which is no value */
		buf_putc(b, '"');
		for (size_t n = rng(s) % 150; n; n--)
			buf_putc(b, (char)('a' + n % 26));
		buf_putc(b, '"');
		return;
	}
	buf_puts(b, some[rng(s) % (sizeof(some) / sizeof(some[0]))]);
}

/* The structure comes from one seed, the values from another. */
static void put_value(struct buf *b, uint64_t *structure, uint64_t *values, int depth)
{
	static const char *const keys[] = { "\"a\":",      "\"predictions\":", "\"outputs\" : ",
					    "\"data\":",   "\"\\u0061b\":",    "\"score\":",
					    "\"labels\":", "\"b.c\":" };
	const unsigned n = (unsigned)(rng(structure) % 4);
	const uint64_t kind = rng(structure) % (depth > 4 ? 2 : 4);

	if (kind < 2) {
		put_scalar(b, values);
		return;
	}
	buf_puts(b, kind == 2 ? "{" : "[ ");
	for (unsigned i = 0; i < n; i++) {
		if (i)
			buf_putc(b, ',');
		if (kind == 2)
			buf_puts(b, keys[rng(structure) % 8]);
		put_value(b, structure, values, depth + 1);
	}
	buf_puts(b, kind == 2 ? "}" : "]");
}

static void document(struct buf *b, uint64_t structure, uint64_t *values)
{
	buf_clear(b);
	buf_puts(b, "{\"r\":[");
	for (int i = 0; i < 3; i++) {
		if (i)
			buf_putc(b, ',');
		put_value(b, &structure, values, 0);
	}
	buf_puts(b, "]}\n");
}

static void any_body_gives_what_a_walk_gives(void **state)
{
	uint64_t seed = 5, values = 9;
	struct buf b = { 0 };
	unsigned fits = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		const uint64_t structure = rng(&seed);
		const char *prefix = i % 2 ? "response.body" : "request.body";
		struct json_token t[SHAPE_MAX_VALUES];
		struct shape s = { 0 };

		for (int k = 0; k < 20; k++) {
			document(&b, structure, &values);
			fits += shape_fits(&s, b.p, b.len, t);
			same(&s, prefix, b.p, b.len);
			same(&s, prefix, b.p, rng(&seed) % (b.len + 1)); /* cut */
			b.p[rng(&seed) % b.len] = "\"{}[]:,\\0x \n"[rng(&seed) % 12];
			same(&s, prefix, b.p, b.len);
		}
		shape_free(&s);
	}
	assert_true(fits > 1000); /* else nothing was tested */
	buf_free(&b);
}

static bool known(struct shape *s, const char *body)
{
	struct json_token t[SHAPE_MAX_VALUES];

	return shape_fits(s, body, strlen(body), t);
}

static void a_new_shape_is_learned(void **state)
{
	static const char first[] = "{\"a\":1,\"b\":\"x\"}", other[] = "{\"a\":1,\"c\":\"x\"}";
	struct shape s = { 0 };

	(void)state;
	same(&s, "request.body", first, strlen(first));
	assert_true(known(&s, first));
	assert_true(known(&s, "{\"a\":\"long\",\"b\":null}"));
	assert_false(known(&s, "{\"a\":1,\"b\":{}}"));
	assert_false(known(&s, "{\"a\":1,\"b\":2} "));
	assert_false(known(&s, "{\"a\":01,\"b\":2}"));
	assert_false(known(&s, "{\"a\":1,\"b\":"));
	assert_false(known(&s, ""));
	for (int i = 0; i < 8 && !known(&s, other); i++)
		same(&s, "request.body", other, strlen(other));
	assert_true(known(&s, other));
	assert_false(known(&s, first));
	shape_free(&s);
}

static void what_is_too_large_is_not_learned(void **state)
{
	struct shape s = { 0 };
	struct buf b = { 0 };

	(void)state;
	for (int large = 0; large < 3; large++) {
		buf_clear(&b);
		buf_puts(&b, "{\"k\":0");
		if (large == 1)
			for (int i = 0; i < SHAPE_MAX_VALUES; i++)
				buf_printf(&b, ",\"k%d\":%d", i, i);
		if (large == 2)
			buf_printf(&b, ",\"%0*d\":1", SHAPE_MAX_BYTES, 0);
		buf_puts(&b, "}");
		same(&s, "request.body", b.p, b.len);
		assert_int_equal(s.known, !large);
		shape_free(&s);
	}
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_body_gives_what_a_walk_gives),
		cmocka_unit_test(a_new_shape_is_learned),
		cmocka_unit_test(what_is_too_large_is_not_learned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
