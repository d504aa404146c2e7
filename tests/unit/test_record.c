// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_record.c - what records and scopes hold and how their pairs are spelled. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "record/record.h"

static void spelled(const struct record *r, size_t i, const char *want)
{
	struct buf b = { 0 };

	kv_write_json(&b, &r->kv[i]);
	buf_putc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_free(&b);
}

static void every_type_is_spelled(void **state)
{
	struct record r;

	(void)state;
	record_init(&r, RECORD_EXCHANGE, 1);
	record_str(&r, "s", "a\"\n\xff", 4);
	record_u64(&r, "u", UINT64_MAX);
	record_i64(&r, "i", -5);
	record_f64(&r, "f", 0.25);
	record_bool(&r, "b", true);
	record_ns(&r, "ns", 1500000);
	record_hex(&r, "h", "\x01\xab", 2);
	record_time(&r, "t", 1000000001);
	record_json(&r, "j", "{\"a\":\n[1,\r\n2]}", 15);
	record_json(&r, "j2", ",[1]", 4);
	record_json(&r, "j3", "", 0);
	spelled(&r, 0, ",\"s\":\"a\\\"\\n\xef\xbf\xbd\"");
	spelled(&r, 1, ",\"u\":18446744073709551615");
	spelled(&r, 2, ",\"i\":-5");
	spelled(&r, 3, ",\"f\":0.25");
	spelled(&r, 4, ",\"b\":true");
	spelled(&r, 5, ",\"ns\":0.0015");
	spelled(&r, 6, ",\"h\":\"01ab\"");
	spelled(&r, 7, ",\"t\":\"1970-01-01T00:00:01.000000001Z\"");
	spelled(&r, 8, ",\"j\":{\"a\": [1,  2]}");
	spelled(&r, 9, ",\"j2\":[1]");
	spelled(&r, 10, ",\"j3\":null");
	assert_int_equal(r.n, 11);
}

static void absent_means_absent(void **state)
{
	struct record r;

	(void)state;
	record_init(&r, RECORD_SELF, 1);
	record_cstr(&r, "a", NULL);
	record_cstr(&r, "b", "");
	record_f64(&r, "c", NAN);
	record_f64(&r, "d", INFINITY);
	assert_int_equal(r.n, 0);
	assert_null(record_get(&r, "a"));
}

static void too_many_keys_set_overflow(void **state)
{
	struct record r;

	(void)state;
	record_init(&r, RECORD_SELF, 1);
	for (int i = 0; i < RECORD_MAX_KV; i++)
		record_u64(&r, "k", 1);
	assert_false(r.overflow);
	record_u64(&r, "k", 1);
	record_cstr(&r, "k", "x");
	assert_true(r.overflow);
	assert_int_equal(r.n, RECORD_MAX_KV);
	record_init(&r, RECORD_SELF, 1);
	assert_false(r.overflow);
	assert_int_equal(r.n, 0);
}

static void scopes(void **state)
{
	struct scope s = { .kv = calloc(2, sizeof(struct kv)), .n = 2 }, none = { 0 };
	struct record r;

	(void)state;
	s.kv[0] = (struct kv){ .key = "host.name", .type = KV_STR, .s = { "h", 1 } };
	s.kv[1] = (struct kv){ .key = "process.pid", .type = KV_U64, .u = 7 };
	scope_render(&s);
	assert_int_equal(s.json_len, 32);
	assert_memory_equal(s.json, ",\"host.name\":\"h\",\"process.pid\":7", 32);
	s.kv[1].u = 8;
	scope_render(&s); /* again, after a change */
	assert_memory_equal(s.json, ",\"host.name\":\"h\",\"process.pid\":8", 32);
	scope_render(&none);
	assert_int_equal(none.json_len, 0);
	record_init(&r, RECORD_SELF, 1);
	r.host = &none;
	r.proc = &s;
	record_u64(&r, "own", 1);
	assert_ptr_equal(record_find(&r, "process.pid"), &s.kv[1]);
	assert_null(record_get(&r, "process.pid"));
	assert_non_null(record_find(&r, "own"));
	assert_null(record_find(&r, "other"));
	scope_free(&s);
	scope_free(&none);
	assert_null(s.kv);
}

static void every_type_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < RECORD_TYPES; i++)
		assert_non_null(record_type_name[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_spelled),      cmocka_unit_test(absent_means_absent),
		cmocka_unit_test(too_many_keys_set_overflow), cmocka_unit_test(scopes),
		cmocka_unit_test(every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
