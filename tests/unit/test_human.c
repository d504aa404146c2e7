// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_human.c - units and text for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "output/human.h"

static void is(struct buf *b, const char *want)
{
	buf_putc(b, '\0');
	assert_string_equal(b->p, want);
	buf_clear(b);
}

static void durations(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} t[] = {
		{ 0, "0 s" },
		{ 1, "1 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 µs" },
		{ 12345, "12.3 µs" },
		{ 999999, "999 µs" },
		{ 1234567, "1.23 ms" },
		{ 12300000, "12.3 ms" },
		{ 999999999, "999 ms" },
		{ 1500000000, "1.50 s" },
		{ -1500000000, "-1.50 s" },
		{ 119999999999, "119 s" },
		{ 125000000000, "2m05s" },
		{ 7199000000000, "119m59s" },
		{ 11220000000000, "3h07m" },
		{ 352800000000000, "4d02h" },
		{ INT64_MAX, "106751d23h" },
		{ INT64_MIN, "-106751d23h" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		human_duration(&b, t[i].ns);
		is(&b, t[i].want);
	}
	buf_free(&b);
}

static void sizes(void **state)
{
	static const struct {
		uint64_t n;
		const char *want;
	} t[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "0.97 KiB" },
		{ 1024, "1.00 KiB" },
		{ 1536, "1.50 KiB" },
		{ 102399, "99.9 KiB" },
		{ 102400, "100 KiB" },
		{ 1048576, "1.00 MiB" },
		{ 10485760, "10.0 MiB" },
		{ UINT64_MAX, "15.9 EiB" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		human_bytes(&b, t[i].n);
		is(&b, t[i].want);
	}
	human_number(&b, 12);
	is(&b, "12");
	human_number(&b, 0.123456);
	is(&b, "0.1235");
	human_number(&b, 1e30);
	is(&b, "1e+30");
	buf_free(&b);
}

static void text(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_int_equal(human_text(&b, "plain", 5, 0), 5);
	is(&b, "plain");
	assert_int_equal(human_text(&b, "a\x1b[31m\x7f\n", 8, 0), 15);
	is(&b, "a\\x1b[31m\\x7f\\n");
	assert_int_equal(human_text(&b, "\xc2\x9b\xe2\x80\xae", 5, 0), 12);
	is(&b, "\\u009b\\u202e");
	assert_int_equal(human_text(&b, "\xff\xe2\x82", 3, 0), 3);
	is(&b, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	assert_int_equal(human_text(&b, "caf\xc3\xa9 au lait", 13, 6), 7);
	is(&b, "caf\xc3\xa9 a…");
	assert_int_equal(human_text(&b, "exactly", 7, 7), 7);
	is(&b, "exactly");
	assert_int_equal(human_text(&b, NULL, 0, 7), 0);
	is(&b, "");
	buf_free(&b);
}

static void any_bytes_are_safe(void **state)
{
	uint64_t s = 12;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		struct buf b = { 0 };
		char in[32];

		for (size_t k = 0; k < sizeof(in); k++) {
			s = s * 6364136223846793005 + 1442695040888963407;
			in[k] = (char)(s >> 56);
		}
		human_text(&b, in, s >> 40 & 31, s >> 32 & 15);
		assert_true(utf8_valid(b.p, b.len));
		for (size_t k = 0; k < b.len; k++) {
			assert_true((unsigned char)b.p[k] >= 0x20 && b.p[k] != 0x7f);
			/* no C1 control either */
			assert_false((unsigned char)b.p[k] == 0xc2 &&
				     (unsigned char)b.p[k + 1] < 0xa0);
		}
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(text),
		cmocka_unit_test(any_bytes_are_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
