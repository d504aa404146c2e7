/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_http1_sync.c - connections met in their middle, gaps, and pairing that must not shift. */
#include "test_http1_script.h"

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define OK0 "HTTP/1.1 204 OK\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define GET(x) ">GET /" x " HTTP/1.1\r\n\r\n"

/* clang-format off */
static const struct script scripts[] = {
	/* met late */
	{ "late, idle", { GET("a"), "<" OK5 }, "GET /a []. 200 [hello].", LATE },
	{ "late, in a request body", { ">end of a body", "<" OK5, GET("b"), "<" OK5 }, "200 [hello]. late | GET /b []. 200 [hello].", LATE | ONCE },
	{ "late, in a reply", { "<rest of it", "<more", GET("b"), "<" OK5 }, "GET /b []. 200 [hello].", LATE | ONCE },
	{ "late, reply due", { "<" OK5, GET("b"), "<" OK5 }, "200 [hello]. late | GET /b []. 200 [hello].", LATE },
	{ "late, words that look like a request", { ">GET lost\n", ">HELLO world\n", ">POST", ">ING this\n", GET("b"), "<" OK5 }, "GET /b []. 200 [hello].", LATE | ONCE },
	{ "late, request in one-byte calls", { ">b", ">G", ">E", ">T", "> /b HTT", ">P/1.1\r", ">\n\r\n", "<" OK5 }, "GET /b []. 200 [hello].", LATE | ONCE },
	{ "late, start line not at the start of a call", { "<xx" OK5, "<" OK5 }, "200 [hello]. late", LATE | ONCE },
	{ "late, a reply to HEAD", { "<HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", GET("b"), "<" OK5 }, "200 []. late | GET /b []. 200 [hello].", LATE | ONCE },
	{ "late, until close", { "<HTTP/1.0 200 OK\r\n\r\nab", "{" }, "200 [ab]. late", LATE },
	{ "late, ends", { "<HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab", "!t" }, "200 [ab]? target late", LATE | NO_CLIENT },
	{ "late, interim then final", { "<HTTP/1.1 100 Continue\r\n\r\n", "<" OK5 }, "100+200 [hello]. late", LATE },
	/* gaps that are exactly accounted for */
	{ "planned, in a body", { ">POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nab", "(96", ">yz", "<" OK5, GET("b"), "<" OK5 }, "POST / [abyz(gap96)]. 200 [hello]. | GET /b []. 200 [hello].", 0 },
	{ "lost, in a body", { GET("a"), "<HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab", "]96", "<yz", GET("b"), "<" OK5 }, "GET /a []. 200 [abyz(lost96)]. | GET /b []. 200 [hello].", 0 },
	{ "a body that is all gap: sendfile", { GET("a"), "<HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n", ")10485760", GET("b"), "<" OK5 }, "GET /a []. 200 [(gap10485760)]. | GET /b []. 200 [hello].", 0 },
	{ "sendfile until close", { GET("a"), "<HTTP/1.1 200 OK\r\n\r\n", ")1000", "{" }, "GET /a []. 200 [(gap1000)].", 0 },
	{ "sendfile in a chunk", { GET("a"), "<" CHUNKED "3e8\r\n", ")1000", "<\r\n0\r\n\r\n", GET("b"), "<" OK5 }, "GET /a []. 200 [(gap1000)]. | GET /b []. 200 [hello].", 0 },
	{ "inside one chunk", { GET("a"), "<" CHUNKED "a\r\nab", "]6", "<yz\r\n0\r\n\r\n", GET("b"), "<" OK5 }, "GET /a []. 200 [abyz(lost6)]. | GET /b []. 200 [hello].", 0 },
	{ "end of a chunk and CR", { GET("a"), "<" CHUNKED "4\r\nab", "]3", "<\n0\r\n\r\n" }, "GET /a []. 200 [ab(lost2)]-lost1.", 0 },
	{ "end of a chunk and CRLF", { GET("a"), "<" CHUNKED "4\r\nab", "]4", "<0\r\n\r\n" }, "GET /a []. 200 [ab(lost2)]-lost2.", 0 },
	{ "the CRLF of a chunk", { GET("a"), "<" CHUNKED "2\r\nab", "]2", "<0\r\n\r\n" }, "GET /a []. 200 [ab]-lost2.", 0 },
	{ "the LF of a chunk", { GET("a"), "<" CHUNKED "2\r\nab\r", "]1", "<0\r\n\r\n" }, "GET /a []. 200 [ab]-lost1.", 0 },
	{ "whole messages hidden behind a body, planned", { ">POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", "(300", "<" OK5, GET("b"), "<" OK5 }, "POST / [ab(gap2)]. 200 [hello]. | GET /b []. 200 [hello].", ONCE },
	/* framing lost in a chunked body */
	{ "found again by a chunk", { GET("a"), "<" CHUNKED "2\r\nab", "]40", "<3\r\nxyz\r\n", "<0\r\n\r\n", GET("b"), "<" OK5 }, "GET /a []. 200 [abxyz(lost40)+]. | GET /b []. 200 [hello].", ONCE },
	{ "planned gap, rest of the call passed over", { GET("a"), "<" CHUNKED "2\r\nab", "\\40", "<z\r\n", "<3\r\nxyz\r\n0\r\n\r\n" }, "GET /a []. 200 [abxyz(gap43)+].", ONCE },
	{ "found by the last chunk's look", { GET("a"), "<" CHUNKED "2\r\nab", "\\40", "<1\r\nz\r\n1\r\nz\r\n0\r\n\r\n", GET("b"), "<" OK5 }, "GET /a []. 200 [ab(gap57)+]. | GET /b []. 200 [hello].", ONCE },
	{ "found by the next request", { GET("a"), "<" CHUNKED "2\r\nab", "]40", "<what is this", GET("b"), "<" OK5 }, "GET /a []. 200 [ab(lost52)+]. | GET /b []. 200 [hello].", ONCE },
	{ "found by the close", { GET("a"), "<" CHUNKED "2\r\nab", "]40", "{", "!t" }, "GET /a []. 200 [ab(lost40)+].", 0 },
	{ "never found: reset", { GET("a"), "<" CHUNKED "2\r\nab", "]40", "!r" }, "GET /a []. 200 [ab(lost40)+]? peer", NO_CLIENT },
	{ "request body, found by the reply", { ">POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", "[40", "<" OK5, GET("b"), "<" OK5 }, "POST / [ab(lost40)+]. 200 [hello]. | GET /b []. 200 [hello].", 0 },
	{ "request body, found by a chunk", { ">POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", "[40", ">2\r\nyz\r\n0\r\n\r\n", "<" OK5 }, "POST / [abyz(lost40)+]. 200 [hello].", ONCE },
	{ "reply that another request waits behind: no chunk is taken", { GET("a"), "<" CHUNKED "2\r\nab", GET("b"), "]40", "<3\r\nxyz\r\n0\r\n\r\n", "!t" }, "GET /a []. 200 [ab(lost53)+]. | GET /b []. 0 []-lost40? lost-sync", ONCE },
	/* gaps in heads and between messages */
	{ "in a request head", { ">GET /a HTTP/1.1\r\nHost: x\r\n", "[30", ">: y\r\n\r\n", "<" OK5, GET("b"), "<" OK5 }, "GET /a [+]-lost37. 200 [hello]. | GET /b []. 200 [hello].", ONCE },
	{ "in a request line", { ">GET /a HT", "[10", ">: y\r\n\r\n", "<" OK5, GET("b"), "<" OK5 }, "200 [hello]-lost10. late | GET /b []. 200 [hello].", ONCE },
	{ "in a response head", { GET("a"), "<HTTP/1.1 200 OK\r\nServer: x\r\n", "]30", "<: y\r\n\r\nab", GET("b"), "<" OK5 }, "GET /a []. 200 [+]-lost39. | GET /b []. 200 [hello].", ONCE },
	{ "the whole response", { GET("a"), "]200", GET("b"), "<" OK5 }, "GET /a []. 0 []-lost200? lost-sync | GET /b []. 200 [hello].", ONCE },
	{ "the whole response, hidden from us", { GET("a"), ")200", ")50", GET("b"), ")200", "!t" }, "GET /a []. 0 []-gap250? lost-sync | GET /b []. 0 []-gap200? lost-sync", ONCE },
	{ "the response, seen late: cannot be told", { GET("a"), GET("b"), "]45", "<" OK5, GET("c"), "<" OK0 }, "GET /a []. 0 []-lost45? lost-sync | GET /b []. 0 []-lost45? lost-sync | 200 [hello]-lost45. late | GET /c []. 204 [].", ONCE },
	{ "requests lost, then replies without one", { GET("a"), "<" OK5, "<" OK0, "[40", GET("c"), "<" OK5 }, "GET /a []. 200 [hello]. | 204 []. late {response-without-request} | GET /c []. 200 [hello].", ONCE },
	{ "request lost between pipelined ones", { GET("a"), "[20", GET("c"), "<" OK5, "<" OK0, "<" OK5, GET("d"), "<" OK0 }, "GET /a []. 200 [hello]. | GET /c []. 0 []-lost20? lost-sync | 204 []-lost20. late | 200 [hello]-lost20. late | GET /d []. 204 [].", ONCE },
	{ "reply lost in a pipeline", { GET("a"), GET("b"), GET("c"), "<" OK5, "]20", "<" OK0, GET("d"), "<" OK5 }, "GET /a []. 200 [hello]. | GET /b []. 0 []-lost20? lost-sync | GET /c []. 0 []-lost20? lost-sync | 204 []-lost20. late | GET /d []. 200 [hello].", ONCE },
	{ "pipelined on after the gap", { GET("a"), GET("b"), "]20", GET("c"), "<" OK0, "<" OK5, GET("d"), "<" OK0 }, "GET /a []. 0 []-lost20? lost-sync | GET /b []. 0 []-lost20? lost-sync | GET /c []. 0 []-lost20? lost-sync | 204 []-lost20. late | 200 [hello]-lost20. late | GET /d []. 204 [].", ONCE },
	{ "after a 100", { ">POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "<HTTP/1.1 100 C\r\n\r\n", ">x", "]30", "<body?", GET("b"), "<" OK5 }, "POST / [x]. 100+100 []-lost30? lost-sync | GET /b []. 200 [hello].", ONCE },
	{ "in an interim head", { ">POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n", "<HTTP/1.1 100 C\r\nA:", "]3", "<\r\n\r\n", ">x", "<" OK5, GET("b"), "<" OK5 }, "POST / [x]. 100+100 []-lost7? lost-sync | 200 [hello]. late | GET /b []. 200 [hello].", ONCE },
	{ "in the first bytes", { "[17", GET("b"), "<" OK5 }, "GET /b []. 200 [hello].", ONCE },
	{ "in the trailers", { GET("a"), "<" CHUNKED "1\r\na\r\n0\r\nX: y\r\nZ", "]9", "<\r\n\r\n", GET("b"), "<" OK5 }, "GET /a []. 200 [a+]-lost13. | GET /b []. 200 [hello].", ONCE },
	{ "after an upgrade", { ">GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "<HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", "]5", "(7", "<" OK5 }, "GET / []. 101 []. upgrade:websocket", 0 },
	{ "agent stops in doubt", { GET("a"), "]9", "!s" }, "GET /a []. 0 []-lost9? stop", 0 },
};
/* clang-format on */

static void test_scripts(void **state)
{
	(void)state;
	script_run(scripts, sizeof(scripts) / sizeof(scripts[0]));
}

/* A body found to have ended by what came later ended when its last bytes came. */
static void test_resync_end_time(void **state)
{
	struct tap t;

	(void)state;
	tap_init(&t, CONN_SERVER, false);
	script_send(&t, DIR_READ, "GET /a HTTP/1.1\r\n\r\n", SIZE_MAX);
	script_send(&t, DIR_WRITE, CHUNKED "2\r\nab", SIZE_MAX);
	tap_gap(&t, DIR_WRITE, 100, GAP_LOST);
	script_send(&t, DIR_WRITE, "junk", SIZE_MAX);
	t.ts += 5000;
	script_send(&t, DIR_READ, "GET /b HTTP/1.1\r\n\r\n", SIZE_MAX);
	assert_true(t.x[0].res.end);
	assert_int_equal(t.x[0].res.end_ts, 1030);
	assert_int_equal(t.x[0].res.end_pos, sizeof(CHUNKED "2\r\nab") - 1 + 104);
	tap_free(&t);
}

/* The tail of a call with a gap in its middle does not begin a call; what a jump comes before does.
 */
static void test_tail_of_a_call(void **state)
{
	static const char head[] = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab";
	static const char tail[] = "GET /inner HTTP/1.1\r\n\r\n";

	(void)state;
	for (int i = 0; i < 4; i++) {
		const enum gap_kind kind = i & 1 ? GAP_LOST : GAP_OMITTED;
		struct tap t;

		tap_init(&t, CONN_SERVER, false);
		if (i < 2) {
			tap_cut_call(&t, DIR_READ, head, sizeof(head) - 1, 100, kind, tail,
				     sizeof(tail) - 1);
		} else {
			tap_bytes(&t, DIR_READ, head, sizeof(head) - 1);
			tap_gap(&t, DIR_READ, 100, kind);
			tap_bytes(&t, DIR_READ, tail, sizeof(tail) - 1);
		}
		assert_int_equal(t.n, i < 2 ? 1 : 2);
		assert_string_equal(t.broken, "");
		tap_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_resync_end_time),
		cmocka_unit_test(test_tail_of_a_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
