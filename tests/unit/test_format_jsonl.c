// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_format_jsonl.c - the envelope's order, and one valid object a line whatever the values are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/json.h"
#include "output/output.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static void envelope_order(void **state)
{
	struct kv hk = { .key = "run.id", .type = KV_STR, .s = { "r", 1 } };
	struct kv pk = { .key = "service.name", .type = KV_STR, .s = { "s", 1 } };
	struct scope host = { .kv = &hk, .n = 1 }, proc = { .kv = &pk, .n = 1 };
	struct buf b = { 0 };
	struct record r;

	(void)state;
	scope_render(&host);
	scope_render(&proc);
	record_init(&r, RECORD_EXCHANGE, 1795558394123456789);
	r.host = &host;
	r.proc = &proc;
	r.seq = 3;
	memset(r.id, 0xab, 16);
	record_cstr(&r, "exchange.outcome", "ok");
	format_jsonl.record(NULL, &r, &b);
	buf_putc(&b, '\0');
	assert_string_equal(
		b.p, "{\"ts\":\"2026-11-24T22:13:14.123456789Z\",\"type\":\"exchange\","
		     "\"id\":\"abababababababababababababababab\",\"seq\":3,\"run.id\":\"r\","
		     "\"service.name\":\"s\",\"exchange.outcome\":\"ok\"}\n");
	buf_free(&b);
	free(host.json);
	free(proc.json);
}

static void any_bytes_make_one_valid_line(void **state)
{
	uint64_t s = 6;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		struct buf b = { 0 };
		struct json_reader jr;
		struct json_token t;
		enum json_type y;
		struct record r;
		char bytes[64];

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (char)rng(&s);
		record_init(&r, (enum record_type)(rng(&s) % RECORD_TYPES), rng(&s));
		record_str(&r, "a", bytes, rng(&s) % 64);
		record_i64(&r, "b", (int64_t)rng(&s));
		record_str(&r, "c", bytes + 32, rng(&s) % 32);
		format_jsonl.record(NULL, &r, &b);
		assert_true(utf8_valid(b.p, b.len));
		assert_ptr_equal(memchr(b.p, '\n', b.len), b.p + b.len - 1);
		assert_null(memchr(b.p, '\r', b.len));
		json_open(&jr, b.p, b.len);
		while ((y = json_next(&jr, &t)) < JSON_DONE)
			;
		assert_int_equal(y, JSON_DONE);
		assert_int_equal(jr.off, b.len);
		buf_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope_order),
		cmocka_unit_test(any_bytes_make_one_valid_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
