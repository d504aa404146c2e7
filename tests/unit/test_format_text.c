// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_format_text.c - the lines that people read: columns, colours only where wanted, nothing
 * unsafe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/json.h"
#include "output/output.h"

static struct kv service = { .key = "service.name", .type = KV_STR, .s = { "iris", 4 } };
static const struct scope proc = { .kv = &service, .n = 1 };

static char *line(const struct record *r, bool terminal)
{
	void *state = format_text.open(terminal);
	struct buf b = { 0 };

	format_text.record(state, r, &b);
	format_text.close(state);
	assert_false(b.overflow);
	assert_true(utf8_valid(b.p, b.len));
	assert_ptr_equal(memchr(b.p, '\n', b.len), b.p + b.len - 1);
	b.p[b.len - 1] = '\0';
	return b.p;
}

static void assert_line(const struct record *r, const char *want)
{
	char *got = line(r, false);

	assert_string_equal(got, want);
	free(got);
}

static void start(struct record *r, enum record_type type)
{
	record_init(r, type, 1795558394123456789);
	r->proc = &proc;
}

static void exchange(struct record *r, const char *role)
{
	start(r, RECORD_EXCHANGE);
	record_cstr(r, "exchange.role", role);
	record_cstr(r, "exchange.outcome", "ok");
	record_u64(r, "exchange.loss", 0);
	record_cstr(r, "server.address", "10.0.0.5");
	record_u64(r, "server.port", 8000);
	record_cstr(r, "http.request.method", "POST");
	record_cstr(r, "url.path", "/v1/predict");
	record_u64(r, "http.response.status_code", 200);
	record_u64(r, "http.request.body.size", 87);
	record_u64(r, "http.response.body.size", 1536);
	record_ns(r, "duration", 12345678);
	record_ns(r, "time_to_first_byte", 456789);
}

static void exchanges(void **state)
{
	struct record r;

	(void)state;
	exchange(&r, "server");
	assert_line(
		&r,
		"22:13:14.123  iris                 POST    /v1/predict                       200  "
		"ok             12.3 ms  ttfb   456 µs      87 B  → 1.50 KiB");
	exchange(&r, "client");
	assert_line(
		&r,
		"22:13:14.123  iris              →  POST    /v1/predict                       200  "
		"ok             12.3 ms  ttfb   456 µs      87 B  → 1.50 KiB  to 10.0.0.5:8000");
}

/* What is not known leaves its column empty, so that the others stay aligned. */
static void columns_stay_aligned(void **state)
{
	struct record r;

	(void)state;
	start(&r, RECORD_EXCHANGE);
	record_cstr(&r, "exchange.role", "server");
	record_cstr(&r, "exchange.outcome", "unfinished");
	record_u64(&r, "exchange.loss", 2048);
	record_cstr(&r, "http.request.method", "GET");
	record_cstr(&r, "url.path", "/a/very/long/path/that/goes/on/and/on/and/on");
	record_u64(&r, "http.request.body.size", 0);
	assert_line(
		&r,
		"22:13:14.123  iris                 GET     /a/very/long/path/that/goes/on/…       "
		"unfinished                                  0 B              lost 2.00 KiB");
}

static void colours_are_for_terminals(void **state)
{
	struct record r;
	char *s;

	(void)state;
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	exchange(&r, "server");
	s = line(&r, true);
	assert_non_null(strstr(s, "\033[32mok\033[0m"));
	free(s);
	s = line(&r, false);
	assert_null(strchr(s, '\033'));
	free(s);
	setenv("NO_COLOR", "1", 1);
	s = line(&r, true);
	assert_null(strchr(s, '\033'));
	free(s);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	s = line(&r, true);
	assert_null(strchr(s, '\033'));
	free(s);
}

static void alerts_stand_out(void **state)
{
	struct record r;
	char *s;

	(void)state;
	start(&r, RECORD_ALERT);
	record_cstr(&r, "alert.kind", "data_drift");
	record_cstr(&r, "alert.state", "firing");
	record_cstr(&r, "summary", "petal_len is 2.1 sigma higher than in the reference");
	record_cstr(&r, "recommendation", "retrain");
	assert_line(&r, "22:13:14.123  iris              ALERT    firing      data_drift  "
			"petal_len is 2.1 sigma "
			"higher than in the reference  => retrain");
	setenv("TERM", "xterm", 1);
	s = line(&r, true);
	assert_non_null(strstr(s, "\033[1;31mpetal_len"));
	free(s);
}

static void others(void **state)
{
	struct record r;

	(void)state;
	start(&r, RECORD_LIFECYCLE);
	record_cstr(&r, "lifecycle.event", "crash");
	record_u64(&r, "process.pid", 4711);
	record_cstr(&r, "exit.signal", "SIGSEGV");
	record_ns(&r, "lifecycle.uptime", 125000000000);
	record_json(&r, "in_flight", "[{\"id\":\"a\",\"x\":[1,2]},{}]", 26);
	assert_line(&r, "22:13:14.123  iris              life     crash       pid 4711     killed "
			"by SIGSEGV  "
			"after 2m05s  in flight 2");
	start(&r, RECORD_DRIFT);
	record_cstr(&r, "state", "drift");
	record_cstr(&r, "feature", "request.body.features.petal_len");
	record_f64(&r, "evidence", 1.5e7);
	record_f64(&r, "threshold", 1e7);
	assert_line(&r, "22:13:14.123  iris              drift    drift       "
			"request.body.features.petal_len   "
			"evidence 15000000  of 10000000");
	start(&r, RECORD_SELF);
	record_u64(&r, "modelsnoop.self.exchanges", 1000);
	record_f64(&r, "modelsnoop.self.cpu.time", 0.25);
	record_u64(&r, "modelsnoop.self.memory.usage", 20971520);
	record_cstr(&r, "ignored", "x");
	record_json(&r, "modelsnoop.self.lost", "{\"ring_full\":3,\"parse\":0,\"output\":12}", 38);
	assert_line(&r, "22:13:14.123  iris              self     exchanges 1000      cpu 250 ms   "
			"memory 20.0 MiB  "
			"lost ring_full=3 output=12");
	start(&r, RECORD_CONFIG);
	record_cstr(&r, "config.kind", "host");
	record_cstr(&r, "config.event", "snapshot");
	record_json(&r, "config.data", "{\"kernel\":\"6.1\"}", 16);
	assert_line(&r, "22:13:14.123  iris              config   host        snapshot  "
			"{\"kernel\":\"6.1\"}");
	start(&r, RECORD_LOG);
	record_cstr(&r, "log.iostream", "stderr");
	record_cstr(&r, "body", "evil \x1b]0;title\a line\nnext");
	assert_line(&r, "22:13:14.123  iris              log      stderr  evil \\x1b]0;title\\x07 "
			"line\\nnext");
	start(&r, RECORD_METRIC);
	record_json(&r, "metrics", "[{},{},{}]", 10);
	assert_line(&r, "22:13:14.123  iris              metric               metrics 3");
}

/* Any values under the keys that rows show: one line, valid, no control byte. */
static void any_value_is_safe(void **state)
{
	static const char *const keys[] = { "exchange.role",
					    "http.request.method",
					    "url.path",
					    "error.type",
					    "lifecycle.event",
					    "exit.killed_by",
					    "config.data",
					    "body",
					    "feature",
					    "summary",
					    "effect",
					    "duration",
					    "in_flight",
					    "metrics",
					    "modelsnoop.self.lost",
					    "http.response.status_code",
					    "server.address" };
	uint64_t s = 3;

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		char bytes[64], *p;
		struct record r;

		start(&r, (enum record_type)(i % RECORD_TYPES));
		for (size_t k = 0; k < sizeof(bytes); k++) {
			s = s * 6364136223846793005 + 1442695040888963407;
			bytes[k] = (char)(s >> 56);
		}
		for (size_t k = 0; k < sizeof(keys) / sizeof(*keys); k++) {
			s = s * 6364136223846793005 + 1442695040888963407;
			switch (s >> 60) {
			case 0:
				record_u64(&r, keys[k], s);
				break;
			case 1:
				record_ns(&r, keys[k], (int64_t)s);
				break;
			case 2:
				record_json(&r, keys[k], bytes, s >> 33 & 63);
				break;
			case 3:
				record_f64(&r, keys[k], (double)s * 1e300);
				break;
			default:
				record_str(&r, keys[k], bytes, s >> 33 & 63);
				break;
			}
		}
		p = line(&r, false);
		for (const char *c = p; *c; c++)
			assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges),
		cmocka_unit_test(columns_stay_aligned),
		cmocka_unit_test(colours_are_for_terminals),
		cmocka_unit_test(alerts_stand_out),
		cmocka_unit_test(others),
		cmocka_unit_test(any_value_is_safe),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
