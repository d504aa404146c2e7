// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_json.c - the tokenizer on whole, cut and broken documents; numbers against strtod; the
 * writer. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* A document as one character a token: { } [ ] k s n t f z, and . for complete, ~ for cut, ! for
 * bad. */
static const char *shape(const char *doc, size_t n, size_t *off)
{
	static const char name[] = "{}[]ksntfz.~!";
	static char out[4096];
	struct json_reader r;
	struct json_token t;
	enum json_type y;
	size_t len = 0;

	json_open(&r, doc, n);
	do {
		y = json_next(&r, &t);
		assert_true(y == t.type);
		assert_true(r.off <= n && len < sizeof(out) - 1);
		out[len++] = name[y];
	} while (y < JSON_DONE);
	assert_true(json_next(&r, &t) == y); /* and again */
	out[len] = '\0';
	if (off)
		*off = r.off;
	return out;
}

static void assert_shape(const char *doc, const char *want)
{
	assert_string_equal(shape(doc, strlen(doc), NULL), want);
}

static void whole_documents(void **state)
{
	(void)state;
	assert_shape("{\"a\":1.5,\"b\":[1,-2,true,null,\"x\\\"y\"],\"c\":{}}", "{kn"
									       "k[nntzs]"
									       "k{}}.");
	assert_shape(" [ ] ", "[].");
	assert_shape("\xef\xbb\xbf{\n \"k\" :\t[ false , [] ]\r\n}", "{k[f[]]}.");
	assert_shape("[NaN,Infinity,-Infinity]", "[nnn].");
	assert_shape("12", "n.");
	assert_shape("\"\"", "s.");
	assert_shape("true", "t.");
	assert_shape("[0,-0,0.5,1e5,1E-5,10]", "[nnnnnn].");
}

static void cut_documents(void **state)
{
	(void)state;
	assert_shape("", "~");
	assert_shape("  ", "~");
	assert_shape("{", "{~");
	assert_shape("{\"a", "{~");
	assert_shape("{\"a\\", "{~");
	assert_shape("{\"a\"", "{k~");
	assert_shape("{\"a\":", "{k~");
	assert_shape("{\"a\":1", "{k~"); /* it may go on: 1 or 12 */
	assert_shape("{\"a\":1,", "{kn~");
	assert_shape("\xef\xbb", "~");
	assert_shape("[1.", "[~");
	assert_shape("\xef\xbb", "~");
	assert_shape("[1e", "[~");
	assert_shape("[-", "[~");
	assert_shape("[tru", "[~");
	assert_shape("[-Inf", "[~");
	assert_shape("[true", "[t~");
	assert_shape("-", "~");
	assert_shape("1.", "~");
	assert_shape("1e+", "~");
}

static void broken_documents(void **state)
{
	(void)state;
	assert_shape("x", "!");
	assert_shape("{1:2}", "{!");
	assert_shape("{\"a\" 1}", "{k!");
	assert_shape("{\"a\":1,}", "{kn!");
	assert_shape("[1,]", "[n!");
	assert_shape("[1}", "[n!");
	assert_shape("{\"a\":1]", "{kn!");
	assert_shape("[01]", "[n!");
	assert_shape("[1.x]", "[!");
	assert_shape("[.5]", "[!");
	assert_shape("[+1]", "[!");
	assert_shape("[1ex]", "[!");
	assert_shape("[truthy]", "[!");
	assert_shape("[\"a\" \"b\"]", "[s!");
	assert_shape(",", "!");
	assert_shape("]", "!");
}

static void bytes_after_the_document(void **state)
{
	const char *lines = "{\"a\":1}\n{\"b\":2}";
	size_t off;

	(void)state;
	assert_string_equal(shape(lines, strlen(lines), &off), "{kn}.");
	assert_int_equal(off, 8);
}

static void where_the_cut_fell(void **state)
{
	size_t off;

	(void)state;
	shape("{\"a\": \"secr", 11, &off);
	assert_int_equal(off, 6); /* the quote of the unfinished string */
	shape("[12, 34", 7, &off);
	assert_int_equal(off, 5);
	shape("[12, ", 5, &off);
	assert_int_equal(off, 5);
}

static void depth_is_bounded(void **state)
{
	char doc[2 * JSON_MAX_DEPTH + 2];
	struct json_reader r;
	struct json_token t;

	(void)state;
	memset(doc, '[', JSON_MAX_DEPTH);
	memset(doc + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	json_open(&r, doc, 2 * JSON_MAX_DEPTH);
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		assert_int_equal(json_next(&r, &t), JSON_ARR);
	for (int i = 0; i < JSON_MAX_DEPTH; i++)
		assert_int_equal(json_next(&r, &t), JSON_ARR_END);
	assert_int_equal(json_next(&r, &t), JSON_DONE);
	memset(doc, '[', sizeof(doc));
	json_open(&r, doc, sizeof(doc));
	json_next(&r, &t);
	assert_int_equal(json_skip(&r), JSON_BAD);
	assert_int_equal(json_next(&r, &t), JSON_BAD);
}

/* A random document of objects, arrays, text with escapes, numbers. */
static void random_value(struct buf *b, uint64_t *s, int depth)
{
	static const char *const text[] = { "",
					    "plain",
					    "say \"hi\"",
					    "back\\slash}]",
					    "[{,",
					    "nine bytes",
					    "caf\xc3\xa9 \xe2\x82\xac",
					    "\x01\x1f\x7f\n" };
	uint64_t kind = rng(s) % (depth > 5 ? 5 : 7);
	unsigned n = (unsigned)(rng(s) % 5);

	switch (kind) {
	case 0:
		json_f64(b, (double)(rng(s) % 100000) / 100);
		break;
	case 1:
		json_i64(b, (int64_t)rng(s));
		break;
	case 2:
		json_bool(b, n & 1);
		break;
	case 3:
		json_null(b);
		break;
	case 4:
		json_cstr(b, text[rng(s) % 8]);
		break;
	case 5:
		json_obj(b);
		while (n--) {
			json_keyn(b, text[n], strlen(text[n]));
			random_value(b, s, depth + 1);
		}
		json_obj_end(b);
		break;
	default:
		json_arr(b);
		while (n--)
			random_value(b, s, depth + 1);
		json_arr_end(b);
		break;
	}
}

/* What the writer wrote is whole; every prefix of it yields a prefix of its tokens, then a cut. */
static void any_cut_yields_a_prefix(void **state)
{
	uint64_t s = 21;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct buf b = { 0 };
		char all[4096];
		size_t n;

		json_arr(&b);
		random_value(&b, &s, 0);
		json_arr_end(&b);
		assert_true(utf8_valid(b.p, b.len));
		strcpy(all, shape(b.p, b.len, NULL));
		assert_int_equal(all[strlen(all) - 1], '.');
		for (size_t cut = 0; cut < b.len && cut < 600; cut++) {
			/* in memory of its own, so that a sanitizer sees a read beyond the cut */
			char *copy = malloc(cut ? cut : 1);
			const char *got;

			memcpy(copy, b.p, cut);
			got = shape(copy, cut, NULL);
			n = strlen(got) - 1;
			assert_int_equal(got[n], '~');
			assert_memory_equal(got, all, n);
			free(copy);
		}
		buf_free(&b);
	}
}

/* Skipping a value leaves the reader where walking it would. */
static void skip_agrees_with_walking(void **state)
{
	uint64_t s = 33;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		struct json_reader walk, skip;
		struct json_token t, u;
		struct buf b = { 0 };
		enum json_type y;
		size_t len;

		json_arr(&b);
		random_value(&b, &s, 0);
		random_value(&b, &s, 0);
		json_arr_end(&b);
		len = i % 2 ? b.len : rng(&s) % (b.len + 1);
		json_open(&walk, b.p, len);
		json_open(&skip, b.p, len);
		json_next(&walk, &t);
		json_next(&skip, &u);
		while ((y = json_next(&walk, &t)) < JSON_DONE) {
			assert_int_equal(json_next(&skip, &u), y);
			if ((y == JSON_OBJ || y == JSON_ARR) && rng(&s) % 2) {
				int depth = walk.depth;

				while (walk.depth >= depth &&
				       (y = json_next(&walk, &t)) < JSON_DONE)
					;
				assert_int_equal(json_skip(&skip), y);
				if (y >= JSON_DONE)
					break;
			}
			assert_int_equal(skip.off, walk.off);
			assert_int_equal(skip.depth, walk.depth);
		}
		assert_int_equal(json_next(&skip, &u), y);
		buf_free(&b);
	}
}

static double read_number(const char *p, size_t n)
{
	struct json_reader r;
	struct json_token t;

	json_open(&r, p, n);
	assert_int_equal(json_next(&r, &t), JSON_NUM);
	assert_int_equal(t.n, n);
	assert_int_equal(json_next(&r, &t), JSON_DONE);
	json_open(&r, p, n);
	json_next(&r, &t);
	return t.num;
}

static void number_examples(void **state)
{
	static const char *const t[] = {
		"0",
		"-0",
		"9007199254740993", /* 2^53 + 1: half to even */
		"9007199254740992.5",
		"9007199254740995",
		"18446744073709551615",
		"18446744073709551616", /* 2^64: a 64-bit product would be 0 */
		"36893488147419103232",
		"0.1",
		"1e22",
		"1e23",
		"8.988465674311579e307",
		"1.7976931348623157e308",
		"1.7976931348623159e308",
		"4.9406564584124654e-324",
		"2.4703282292062327e-324",
		"2.4703282292062328e-324",
		"2.2250738585072011e-308",
		"1e-400",
		"1e400",
		"1e1000000000000",
		"1e-1000000000000",
		"0e1000000000000",
		"0.000000000000000000000000000000000000000000000000000000000000000000001234",
		"100000000000000000000000000000000000000000000000000000000000000000000e-65",
		"0.50000000000000000000000000000000000000000000000000000000000000001",
		"1.00000000000000011102230246251565404236316680908203125", /* exactly half */
		"1.00000000000000011102230246251565404236316680908203124",
		"1.00000000000000011102230246251565404236316680908203126",
	};
	char longer[2000];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		assert_true(read_number(t[i], strlen(t[i])) == strtod(t[i], NULL));
	/* the digit that decides stands beyond those that are kept */
	n = (size_t)snprintf(longer, sizeof(longer),
			     "1.00000000000000011102230246251565404236316680908203125%01200d1", 0);
	assert_true(read_number(longer, n) == strtod(longer, NULL));
	assert_true(read_number(longer, n) == 1.0000000000000002);
	longer[n - 1] = '0';
	assert_true(read_number(longer, n) == 1.0);
	n = (size_t)snprintf(longer, sizeof(longer), "1%01500de-1500", 0);
	assert_true(read_number(longer, n) == 1.0);
}

/* All ways of reading (short, 64-bit exact, strtod) agree with the C library, in any locale. */
static void numbers_agree_with_strtod(void **state)
{
	uint64_t s = 5;

	(void)state;
	for (unsigned i = 0; i < 300000; i++) {
		int digits = (int)(rng(&s) % 22), exp = (int)(rng(&s) % 90) - 45;
		char t[128];
		int n = 0;

		if (i % 3 == 0) {
			uint64_t bits = rng(&s);
			double v;

			memcpy(&v, &bits, sizeof(v));
			if (!isfinite(v))
				continue;
			n = snprintf(t, sizeof(t), "%.*e", digits, v);
		} else if (i % 3 == 1) {
			n = snprintf(t, sizeof(t), "%llu",
				     (unsigned long long)(rng(&s) >> (i % 60)));
			n += snprintf(t + n, sizeof(t) - (size_t)n, "e%d", exp);
		} else {
			n = snprintf(t, sizeof(t), "%s%.*f", i & 8 ? "-" : "", digits,
				     (double)rng(&s) / 3e19 * pow(10, (double)(exp % 12)));
		}
		assert_true(read_number(t, (size_t)n) == strtod(t, NULL));
	}
}

static void comma_locales_change_nothing(void **state)
{
	struct buf b = { 0 };

	(void)state;
	if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
		print_message("no locale with a decimal comma here: only half of this is tested\n");
	}
	assert_true(read_number("1.5e-300", 8) == 15e-301);
	assert_true(read_number("0.12345678901234567890123", 25) > 0.1234);
	buf_f64(&b, 1.0 / 3);
	buf_putc(&b, '\0');
	assert_string_equal(b.p, "0.3333333333333333");
	buf_free(&b);
	setlocale(LC_ALL, "C");
}

static void unescapes(const char *in, const char *want)
{
	struct buf b = { 0 };

	json_unescape(&b, in, strlen(in));
	buf_putc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void unescape_examples(void **state)
{
	(void)state;
	unescapes("plain", "plain");
	unescapes("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t");
	unescapes("\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac");
	unescapes("\\ud83d\\ude00", "\xf0\x9f\x98\x80");
	unescapes("\\ud83d", "\xef\xbf\xbd");
	unescapes("\\ude00x", "\xef\xbf\xbdx");
	unescapes("\\ud83d\\u0041", "\xef\xbf\xbd"
				    "A");
	unescapes("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80");
	unescapes("\xff"
		  "a\xc3",
		  "\xef\xbf\xbd"
		  "a\xef\xbf\xbd");
	unescapes("\\u12", "\\u12");
	unescapes("\\x41\\", "\\x41\\");
}

static void writes(const char *in, size_t n, const char *want)
{
	struct buf b = { 0 };

	json_str(&b, in, n);
	assert_int_equal(b.len, strlen(want));
	assert_memory_equal(b.p, want, b.len);
	buf_free(&b);
}

static void string_examples(void **state)
{
	(void)state;
	writes("", 0, "\"\"");
	writes("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	writes("\0\x1b\n\r\t\x7f", 6, "\"\\u0000\\u001b\\n\\r\\t\\u007f\"");
	writes("\xc2\x9b\xc2\xa0", 4, "\"\\u009b\xc2\xa0\"");
	writes("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"");
	writes("\xf0\x9f\x98", 3, "\"\xef\xbf\xbd\""); /* one for the longest prefix */
	writes("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
	writes("\xc0\xaf\xf5", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Any bytes: valid UTF-8, no control byte, and it reads back as what went in where that was UTF-8.
 */
static void any_bytes_make_valid_json(void **state)
{
	uint64_t s = 77;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		struct buf b = { 0 }, back = { 0 };
		size_t n = rng(&s) % 40;
		struct json_reader r;
		struct json_token t;
		char in[40];

		for (size_t k = 0; k < n; k++) {
			static const char likely[] =
				"\"\\\n\x1f\x20\x7f\x80\x9f\xbf\xc2\xe0\xed\xf0\xf4";

			in[k] = rng(&s) % 3 ? likely[rng(&s) % (sizeof(likely) - 1)]
					    : (char)rng(&s);
		}
		json_str(&b, in, n);
		assert_true(utf8_valid(b.p, b.len));
		for (size_t k = 0; k < b.len; k++)
			assert_true((unsigned char)b.p[k] >= 0x20 && b.p[k] != 0x7f);
		json_open(&r, b.p, b.len);
		assert_int_equal(json_next(&r, &t), JSON_STR);
		json_unescape(&back, t.p, t.n);
		assert_int_equal(json_next(&r, &t), JSON_DONE);
		if (utf8_valid(in, n)) {
			assert_int_equal(back.len, n);
			if (n)
				assert_memory_equal(back.p, in, n);
		}
		assert_true(utf8_valid(back.p, back.len));
		buf_free(&b);
		buf_free(&back);
	}
}

static void commas_come_by_themselves(void **state)
{
	static const char want[] =
		"{\"a\":[1,-2,\"x\",true,null,{},[]],\"b,\":{\"c\":0.5},\"d\":[1]}\n{}";
	struct buf b = { 0 };

	(void)state;
	json_obj(&b);
	json_key(&b, "a");
	json_arr(&b);
	json_u64(&b, 1);
	json_i64(&b, -2);
	json_cstr(&b, "x");
	json_bool(&b, true);
	json_null(&b);
	json_obj(&b);
	json_obj_end(&b);
	json_arr(&b);
	json_arr_end(&b);
	json_arr_end(&b);
	json_keyn(&b, "b,", 2);
	json_obj(&b);
	json_key(&b, "c");
	json_f64(&b, 0.5);
	json_obj_end(&b);
	json_key(&b, "d");
	json_raw(&b, "[1]", 3);
	json_obj_end(&b);
	buf_putc(&b, '\n');
	json_obj(&b);
	json_obj_end(&b);
	buf_putc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void ceilings_hold_inside_strings(void **state)
{
	(void)state;
	for (size_t max = 1; max < 400; max++) {
		struct buf b = { .max = max };

		for (int i = 0; i < 20; i++)
			json_str(&b, "\x01\x02\"\\\xff text that is clean", 24);
		assert_true(b.len <= max && b.overflow);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_documents),
		cmocka_unit_test(cut_documents),
		cmocka_unit_test(broken_documents),
		cmocka_unit_test(bytes_after_the_document),
		cmocka_unit_test(where_the_cut_fell),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(any_cut_yields_a_prefix),
		cmocka_unit_test(skip_agrees_with_walking),
		cmocka_unit_test(number_examples),
		cmocka_unit_test(numbers_agree_with_strtod),
		cmocka_unit_test(comma_locales_change_nothing),
		cmocka_unit_test(unescape_examples),
		cmocka_unit_test(string_examples),
		cmocka_unit_test(any_bytes_make_valid_json),
		cmocka_unit_test(commas_come_by_themselves),
		cmocka_unit_test(ceilings_hold_inside_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
