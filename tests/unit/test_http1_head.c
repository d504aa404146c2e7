/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_http1_head.c - detection and the grammar of single lines. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "test_http1_tap.h"

static const struct {
	const char *bytes;
	enum proto_verdict verdict;
} firsts[] = {
	{ "GET / HTTP/1.1\r\n", PROTO_YES },
	{ "GET / HTTP/1.0\n", PROTO_YES },
	{ "\r\nGET / HTTP/1.1\r\n", PROTO_YES },
	{ "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n{}", PROTO_YES },
	{ "PURGE /x HTTP/1.1\r\n", PROTO_YES },
	{ "VERSION-CONTROL /x HTTP/1.1\r\n", PROTO_YES },
	{ "CONNECT [::1]:443 HTTP/1.1\r\n", PROTO_YES },
	{ "OPTIONS * HTTP/1.1\r\n", PROTO_YES },
	{ "GET http://h/ HTTP/1.1\r\n", PROTO_YES },
	{ "HTTP/1.1 200 OK\r\n", PROTO_YES },
	{ "HTTP/1.", PROTO_YES },
	{ "", PROTO_MAYBE },
	{ "\r\n", PROTO_MAYBE },
	{ "P", PROTO_MAYBE },
	{ "GET", PROTO_MAYBE },
	{ "GET ", PROTO_MAYBE },
	{ "GET /a/long/target", PROTO_MAYBE },
	{ "H", PROTO_MAYBE },
	{ "HTTP/", PROTO_MAYBE },
	{ "PRI", PROTO_MAYBE },
	{ "GET /0123456789012345678901234567890123456789012345678901234567890", PROTO_YES },
	{ "GET http://host.example/678901234567890123456789012345678901234567890", PROTO_YES },
	{ "GET key0123456789012345678901234567890123456789012345678901234567890", PROTO_NO },
	{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PROTO_NO },
	{ "PRI ", PROTO_NO },
	{ "GET / HTTP/2.0\r\n", PROTO_NO },
	{ "GET /\r\n", PROTO_NO },
	{ "GET key\r\n", PROTO_NO },
	{ "get /x HTTP/1.1\r\n", PROTO_NO },
	{ "CONNECT {\"verbose\":false}\r\n", PROTO_NO },
	{ "OPTIONS sip:a@b SIP/2.0\r\n", PROTO_NO },
	{ "SETUP rtsp://h/ RTSP/1.0\r\n", PROTO_NO },
	{ "HTTP/2 200", PROTO_NO },
	{ "*1\r\n$4\r\nPING\r\n", PROTO_NO },
	{ "\x16\x03\x01\x02", PROTO_NO },
	{ "{\"a\":1}", PROTO_NO },
	{ "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ", PROTO_NO },
	{ "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"
	  "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
	  PROTO_NO },
};

static enum proto_verdict detect(const char *s, size_t n)
{
	struct conn c = { 0 };
	uint8_t *copy = malloc(n ? n : 1);
	enum proto_verdict v;

	assert_non_null(copy);
	memcpy(copy, s, n);
	v = proto_http1.detect(&c, DIR_READ, copy, n);
	free(copy);
	return v;
}

static void test_detect(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		size_t n = strlen(firsts[i].bytes);

		if (detect(firsts[i].bytes, n) != firsts[i].verdict)
			fail_msg("%s: %d", firsts[i].bytes, (int)detect(firsts[i].bytes, n));
		/* a verdict never changes with what follows, and never stays open past the limit */
		for (size_t k = 0; k < n; k++) {
			enum proto_verdict v = detect(firsts[i].bytes, k);

			if (v != PROTO_MAYBE && firsts[i].verdict != PROTO_MAYBE &&
			    k < PROTO_PREFIX)
				assert_int_equal(v, firsts[i].verdict);
			if (k >= PROTO_PREFIX)
				assert_int_not_equal(v, PROTO_MAYBE);
		}
	}
}

static void test_is_request(void **state)
{
	(void)state;
	assert_true(proto_http1.is_request((const uint8_t *)"\r\nGET / HTTP/1.1\r\n", 18));
	assert_false(proto_http1.is_request((const uint8_t *)"HTTP/1.1 200 OK\r\n", 17));
}

static void test_request_lines(void **state)
{
	struct h1_request_line r;
	static const struct {
		const char *line, *target;
		enum proto_verdict v;
		int minor;
		uint32_t an;
	} rows[] = {
		{ "GET / HTTP/1.1\r", "/", PROTO_YES, 1, 0 },
		{ "GET / HTTP/1.0", "/", PROTO_YES, 0, H1_BIT(H1_AN_BARE_LF) },
		{ "GET /\xc3\xa9 HTTP/1.1\r", "/\xc3\xa9", PROTO_YES, 1, 0 },
		{ "GET /a HTTP/1.1 HTTP/1.1\r", "/a HTTP/1.1", PROTO_YES, 1,
		  H1_BIT(H1_AN_BAD_TARGET) },
		{ "GET /\ta HTTP/1.1\r", "/\ta", PROTO_YES, 1, H1_BIT(H1_AN_BAD_TARGET) },
		{ "GET  / HTTP/1.1\r", "/", PROTO_YES, 1, H1_BIT(H1_AN_BAD_REQUEST_LINE) },
		{ "GET / HTTP/1.10\r", "/ HTTP/1.10", PROTO_MAYBE, 0,
		  H1_BIT(H1_AN_BAD_REQUEST_LINE) | H1_BIT(H1_AN_BAD_TARGET) },
		{ "GET HTTP/1.1\r", "HTTP/1.1", PROTO_MAYBE, 0, H1_BIT(H1_AN_BAD_REQUEST_LINE) },
		{ "GET  HTTP/1.1\r", "", PROTO_MAYBE, 1, H1_BIT(H1_AN_BAD_REQUEST_LINE) },
		{ "GET \r", "", PROTO_MAYBE, 0, H1_BIT(H1_AN_BAD_REQUEST_LINE) },
		{ "GET\r", NULL, PROTO_NO, 0, 0 },
		{ " / HTTP/1.1\r", NULL, PROTO_NO, 0, 0 },
		{ "G(T / HTTP/1.1\r", NULL, PROTO_NO, 0, 0 },
		{ "", NULL, PROTO_NO, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].line);

		assert_int_equal(h1_parse_request((const uint8_t *)rows[i].line, n, &r), rows[i].v);
		if (rows[i].v == PROTO_NO)
			continue;
		assert_int_equal(r.target_len, strlen(rows[i].target));
		assert_memory_equal(r.target, rows[i].target, r.target_len);
		assert_int_equal(r.minor, rows[i].minor);
		assert_int_equal(r.anomalies, rows[i].an);
	}
}

static void test_status_lines(void **state)
{
	static const char *const good[] = { "HTTP/1.1 200 OK\r", "HTTP/1.0 999", "HTTP/1.1 200 ",
					    "HTTP/1.1 200\r" };
	static const char *const bad[] = {
		"HTTP/1.1 20",     "HTTP/1.1 2000 OK", "HTTP/1.1  200",
		"HTTP/2.0 200 OK", "HTTP/1.1 0200",    "HTTP/1.1 020 X",
		"HTTP/1.x 200 OK", "HTTP/1.1 2x0 OK",  "http/1.1 200 OK"
	};
	int status, minor;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(h1_parse_status((const uint8_t *)good[i], strlen(good[i]), &status,
					    &minor));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(
			h1_parse_status((const uint8_t *)bad[i], strlen(bad[i]), &status, &minor));
	assert_true(h1_parse_status((const uint8_t *)"HTTP/1.0 418 x", 14, &status, &minor));
	assert_int_equal(status, 418);
	assert_int_equal(minor, 0);
}

/* The word-wise search for control bytes against a plain loop: every byte at every place. */
static void test_control_bytes(void **state)
{
	char line[40];
	struct h1_field f;

	(void)state;
	for (size_t len = 3; len < sizeof(line) - 1; len++) {
		for (size_t at = 2; at < len; at++) {
			for (int b = 0; b < 256; b++) {
				uint32_t want = 0;

				memset(line, 'x', sizeof(line));
				line[1] = ':';
				line[at] = (char)b;
				line[len] = '\r';
				if (b == 0)
					want = H1_BIT(H1_AN_NUL);
				else if (b == '\r')
					want = H1_BIT(H1_AN_BARE_CR);
				else if ((b < 0x20 && b != '\t') || b == 0x7f)
					want = H1_BIT(H1_AN_CONTROL_BYTE);
				assert_true(h1_parse_field((const uint8_t *)line, len + 1, &f));
				assert_int_equal(f.anomalies, want);
			}
		}
	}
}

static void test_framing_fields(void **state)
{
	static const struct {
		const char *line[3];
		uint32_t an;
		uint64_t length;
		bool has, bad, coding, chunked;
	} rows[] = {
		{ { "Content-Length: 0\r" }, 0, 0, true, false, false, false },
		{ { "CONTENT-LENGTH:007\r" }, 0, 7, true, false, false, false },
		{ { "Content-Length: 922337203685477579\r" },
		  0,
		  922337203685477579,
		  true,
		  false,
		  false,
		  false },
		{ { "Content-Length: 9223372036854775808\r" },
		  H1_BIT(H1_AN_BAD_LENGTH),
		  0,
		  false,
		  true,
		  false,
		  false },
		{ { "Content-Length: 1 2\r" },
		  H1_BIT(H1_AN_BAD_LENGTH),
		  0,
		  false,
		  true,
		  false,
		  false },
		{ { "Content-Length: 0x1\r" },
		  H1_BIT(H1_AN_BAD_LENGTH),
		  0,
		  false,
		  true,
		  false,
		  false },
		{ { "Content-Length: -1\r" },
		  H1_BIT(H1_AN_BAD_LENGTH),
		  0,
		  false,
		  true,
		  false,
		  false },
		{ { "Content-Length: 5,\r" },
		  H1_BIT(H1_AN_BAD_LENGTH),
		  5,
		  true,
		  true,
		  false,
		  false },
		{ { "Content-Length: 5 ,\t5\r" },
		  H1_BIT(H1_AN_DUPLICATE_LENGTH),
		  5,
		  true,
		  false,
		  false,
		  false },
		{ { "Content-Length: 5\r", "Content-Length: 6\r" },
		  H1_BIT(H1_AN_CONFLICTING_LENGTH),
		  5,
		  true,
		  true,
		  false,
		  false },
		{ { "Content-Lengt: 5\r", "XContent-Length: 5\r" },
		  0,
		  0,
		  false,
		  false,
		  false,
		  false },
		{ { "Transfer-Encoding: chunked\r" }, 0, 0, false, false, true, true },
		{ { "transfer-encoding: GZIP ,, ChunkeD\r" }, 0, 0, false, false, true, true },
		{ { "Transfer-Encoding: gzip\r", "Transfer-Encoding: chunked\r" },
		  0,
		  0,
		  false,
		  false,
		  true,
		  true },
		{ { "Transfer-Encoding: chunked, gzip\r" },
		  H1_BIT(H1_AN_BAD_TRANSFER_CODING),
		  0,
		  false,
		  false,
		  true,
		  false },
		{ { "Transfer-Encoding: \"chunked\"\r" },
		  H1_BIT(H1_AN_BAD_TRANSFER_CODING),
		  0,
		  false,
		  false,
		  true,
		  false },
		{ { "Transfer-Encoding: chunked;q=1\r" },
		  H1_BIT(H1_AN_BAD_TRANSFER_CODING),
		  0,
		  false,
		  false,
		  true,
		  false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct h1_framing f = { 0 };
		uint32_t an = 0;

		for (int k = 0; k < 3 && rows[i].line[k]; k++) {
			const char *l = rows[i].line[k];
			struct h1_field field;

			assert_true(h1_parse_field((const uint8_t *)l, strlen(l), &field));
			an |= h1_framing_field(&f, &field);
		}
		if (an != rows[i].an || f.has_length != rows[i].has ||
		    f.bad_length != rows[i].bad || f.length != rows[i].length ||
		    f.coding != rows[i].coding || f.chunked_last != rows[i].chunked)
			fail_msg("row %zu: %s", i, rows[i].line[0]);
	}
}

static void test_chunk_plausible(void **state)
{
	static const char *const good[] = { "5\r\nhello\r\n",   "5\r\nhel",  "1a2B\r\n",
					    "5;x=y\r\nhello\r", "0\r\n\r\n", "0\r\n",
					    "0\r\n\r" };
	static const char *const bad[] = { "5",      "5\r",           "5\n",        "x\r\n",
					   "",       "123456789\r\n", "2\r\nhello", "5 \r\n",
					   "0\r\nX", "5\r\nhello\rX" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(h1_chunk_plausible((const uint8_t *)good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(h1_chunk_plausible((const uint8_t *)bad[i], strlen(bad[i])));
}

static void test_anomalies_have_names(void **state)
{
	(void)state;
	for (int i = 0; i < H1_ANOMALIES; i++)
		assert_non_null(h1_anomaly_name[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detect),          cmocka_unit_test(test_is_request),
		cmocka_unit_test(test_request_lines),   cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_control_bytes),   cmocka_unit_test(test_framing_fields),
		cmocka_unit_test(test_chunk_plausible), cmocka_unit_test(test_anomalies_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
