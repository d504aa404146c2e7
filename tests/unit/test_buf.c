// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_buf.c - the buffer's ceiling, and numbers and times against the C library. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/buf.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void assert_text(struct buf *b, const char *want)
{
	buf_putc(b, '\0');
	assert_string_equal(b->p, want);
	buf_clear(b);
}

static void ceiling_drops_whole_writes(void **state)
{
	struct buf b = { .max = 10 };

	(void)state;
	buf_put(&b, "12345678", 8);
	assert_false(b.overflow);
	buf_put(&b, "abc", 3);
	assert_true(b.overflow);
	assert_int_equal(b.len, 8);
	buf_put(&b, "ab", 2);
	assert_int_equal(b.len, 10);
	assert_true(b.cap <= 10);
	assert_null(buf_grow(&b, SIZE_MAX));
	buf_clear(&b);
	assert_false(b.overflow);
	buf_put(&b, NULL, 0);
	buf_free(&b);
	assert_null(b.p);
}

static void integers(void **state)
{
	static const uint64_t v[] = { 0,   9,    10,   99,    100,    101,         12345,
				      999, 1000, 9999, 10000, 123456, 4294967296u, UINT64_MAX };
	struct buf b = { 0 };
	uint64_t s = 1;
	char want[32];

	(void)state;
	for (size_t i = 0; i < 10000; i++) {
		uint64_t x = i < sizeof(v) / sizeof(*v) ? v[i] : rng(&s) >> (i % 64);

		snprintf(want, sizeof(want), "%llu", (unsigned long long)x);
		buf_u64(&b, x);
		assert_text(&b, want);
		snprintf(want, sizeof(want), "%lld", (long long)x);
		buf_i64(&b, (int64_t)x);
		assert_text(&b, want);
	}
	buf_i64(&b, INT64_MIN);
	assert_text(&b, "-9223372036854775808");
	buf_free(&b);
}

static void f64_examples(void **state)
{
	static const struct {
		double v;
		const char *want;
	} t[] = {
		{ 0, "0" },
		{ -0.0, "-0" },
		{ 0.1, "0.1" },
		{ -0.25, "-0.25" },
		{ 1e15, "1000000000000000" },
		{ 9007199254740991.0, "9007199254740991" },
		{ 1e22, "1e+22" },
		{ 123456.789, "123456.789" },
		{ 0.000012, "0.000012" },
		{ 0.0000012, "1.2e-06" },
		{ 0.0012, "0.0012" },
		{ 5e-324, "4.94065645841247e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 0.30000000000000004, "0.30000000000000004" },
		{ NAN, "null" },
		{ -INFINITY, "null" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		buf_f64(&b, t[i].v);
		assert_text(&b, t[i].want);
	}
	buf_free(&b);
}

/* Whatever the bits: the text reads back as the same double, and no shorter one by %g does. */
static void f64_reads_back_and_is_short(void **state)
{
	struct buf b = { 0 };
	uint64_t s = 7;

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		uint64_t bits = rng(&s);
		char shorter[512];
		size_t digits = 0;
		double v;

		if (i % 4 == 0)
			memcpy(&v, &bits, sizeof(v));
		else if (i % 4 == 1)
			v = (double)(bits % 1000000000) / pow(10, (double)(bits >> 40 & 7));
		else if (i % 4 == 2)
			v = (double)bits / 18446744073709551616.0;
		else
			v = (double)(float)((double)bits / 1e19);
		if (!isfinite(v))
			continue;
		buf_f64(&b, v);
		buf_putc(&b, '\0');
		assert_true(strtod(b.p, NULL) == v);
		for (const char *p = b.p; *p && *p != 'e'; p++)
			if (*p >= '0' && *p <= '9' && (digits || *p != '0'))
				digits++;
		if (digits > 15) {
			snprintf(shorter, sizeof(shorter), "%.*g", (int)digits - 1, v);
			if (digits <= 17 && !(fabs(v) < 9007199254740992.0 && v == floor(v)))
				assert_true(strtod(shorter, NULL) != v);
		}
		buf_clear(&b);
	}
	buf_free(&b);
}

static void seconds_are_exact(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} t[] = {
		{ 0, "0" },
		{ 1, "0.000000001" },
		{ -1, "-0.000000001" },
		{ 1500000, "0.0015" },
		{ 1000000000, "1" },
		{ 61200000000, "61.2" },
		{ INT64_MAX, "9223372036.854775807" },
		{ INT64_MIN, "-9223372036.854775808" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		buf_seconds(&b, t[i].ns);
		assert_text(&b, t[i].want);
	}
	buf_free(&b);
}

static void rfc3339_agrees_with_gmtime(void **state)
{
	static const uint64_t edge[] = {
		0, 951782400, 951868799, 4107542399, 1709164800, 4102444800
	};
	struct buf b = { 0 };
	uint64_t s = 3;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t sec = i < 6 ? edge[i] : rng(&s) % 18446744073;
		uint64_t ns = rng(&s) % 1000000000;
		time_t t = (time_t)sec;
		char want[64];
		struct tm tm;
		size_t n;

		gmtime_r(&t, &tm);
		n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want + n, sizeof(want) - n, ".%09lluZ", (unsigned long long)ns);
		buf_rfc3339(&b, sec * 1000000000 + ns);
		assert_text(&b, want);
	}
	buf_free(&b);
}

static void hex_and_base64(void **state)
{
	static const char *const want[] = { "",         "Zg==",     "Zm8=",    "Zm9v",
					    "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	struct buf b = { 0 };

	(void)state;
	for (size_t n = 0; n <= 6; n++) {
		buf_base64(&b, "foobar", n);
		assert_text(&b, want[n]);
	}
	buf_base64(&b, "\xff\xfe\xfd\x00", 4);
	assert_text(&b, "//79AA==");
	buf_hex(&b, "\x00\x1f\xff", 3);
	assert_text(&b, "001fff");
	for (unsigned i = 0; i < 256; i++) {
		const uint8_t in[7] = { (uint8_t)i, 0x9a, (uint8_t)~i, (uint8_t)i, 0xf0, 1, 0x0f };
		char want_hex[32];

		snprintf(want_hex, sizeof(want_hex), "%02x9a%02x%02xf0010f", i, ~i & 0xff, i);
		buf_hex(&b, in, sizeof(in));
		assert_text(&b, want_hex);
	}
	buf_printf(&b, "%0300d", 7);
	assert_int_equal(b.len, 300);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ceiling_drops_whole_writes),
		cmocka_unit_test(integers),
		cmocka_unit_test(f64_examples),
		cmocka_unit_test(f64_reads_back_and_is_short),
		cmocka_unit_test(seconds_are_exact),
		cmocka_unit_test(rfc3339_agrees_with_gmtime),
		cmocka_unit_test(hex_and_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
