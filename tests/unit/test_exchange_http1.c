// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_exchange_http1.c - bytes of HTTP/1 in, exchange records out: however the calls were split.
 */
#include "exchange/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define T0 1000000000ull

struct world {
	struct redactor *red;
	struct origin *o;
	struct exchange_ctx *x;
	struct msg_sink sink;
	struct record rec;
	struct buf scratch, out;
	struct conn conn;
	size_t n;
	bool render;
};

static void ignore_record(void *ctx, struct record *r)
{
	(void)ctx;
	(void)r;
}

static void on_done(void *ctx, const struct exchange *x)
{
	struct world *w = ctx;

	buf_clear(&w->scratch);
	exchange_to_record(x, w->o, w->red, true, &w->rec, &w->scratch);
	w->n++;
	if (!w->render)
		return;
	assert_false(w->rec.overflow);
	for (size_t i = 0; i < w->rec.n; i++)
		kv_write_json(&w->out, &w->rec.kv[i]);
	buf_putc(&w->out, '\n');
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	const struct record_sink records = { ignore_record, NULL };
	const struct exchange_sink sink = { w, on_done };
	const struct exchange_opts xo = { .sample_bytes = 256,
					  .sample_rate = 1,
					  .max_in_flight = 64 };
	struct origin_opts oo = { .run_id = "r", .boot_id = "b" };
	struct err e;

	assert_non_null(w);
	w->red = redactor_new(PAYLOAD_REDACTED, NULL, 0, &e);
	assert_non_null(w->red);
	oo.redactor = w->red;
	w->o = origin_new(&oo, &records);
	w->x = exchange_new(&xo, w->o, w->red, &sink);
	assert_true(w->o && w->x);
	w->sink = exchange_msg_sink(w->x);
	w->render = true;
	return w;
}

static void world_free(struct world *w)
{
	exchange_free(w->x);
	origin_free(w->o);
	redactor_free(w->red);
	buf_free(&w->scratch);
	buf_free(&w->out);
	free(w);
}

static void conn_open(struct world *w, uint64_t inode)
{
	w->conn = (struct conn){ .inode = inode,
				 .transport = TRANSPORT_TCP,
				 .role = CONN_SERVER,
				 .endpoints_known = true,
				 .family = AF_INET,
				 .local_port = 80,
				 .peer_port = 999,
				 .tgid = 40,
				 .proto_row = &proto_http1 };
}

static void conn_close(struct world *w, enum conn_closer who)
{
	w->conn.closer = who;
	proto_http1.end(&w->conn, T0 + 99, false, &w->sink);
	proto_http1.free(w->conn.proto);
	w->conn.proto = NULL;
}

/* step: bytes of one call; 0: all at once. */
static void feed(struct world *w, enum direction d, uint64_t ts, const char *p, size_t n,
		 size_t step)
{
	struct chunk ch = { .ts = ts, .wait_ns = 5, .tgid = 40, .tid = 41 };

	while (n) {
		const size_t k = step && step < n ? step : n;

		assert_true(proto_http1.bytes(&w->conn, d, w->conn.dir[d].pos, (const uint8_t *)p,
					      k, &ch, &w->sink));
		w->conn.dir[d].pos += k;
		p += k;
		n -= k;
	}
}

static const char ask[] = "POST /predict?v=1 HTTP/1.1\r\nHost: x\r\nContent-Type: "
			  "application/json\r\nContent-Length: 29\r\n"
			  "User-Agent: t\r\n\r\n{\"features\": [5.1, 3.5, 1.4]}";
static const char answer[] =
	"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: application/json\r\n"
	"transfer-encoding: chunked\r\n\r\n8\r\n{\"y\": 1,\r\n9\r\n \"p\": "
	"0.9\r\n1\r\n}\r\n0\r\n\r\n";
static const char big_answer_head[] =
	"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1000\r\n\r\n";

static void script(struct world *w, size_t in_step, size_t out_step)
{
	char big[1000];

	memset(big, 'z', sizeof(big));
	conn_open(w, 7);
	feed(w, DIR_READ, T0, ask, sizeof(ask) - 1, in_step);
	feed(w, DIR_WRITE, T0 + 50, answer, sizeof(answer) - 1, out_step);
	/* Two pipelined, then an answer that is larger than the sample. */
	feed(w, DIR_READ, T0 + 60, "GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\n\r\n", 39, in_step);
	feed(w, DIR_WRITE, T0 + 70, big_answer_head, sizeof(big_answer_head) - 1, out_step);
	feed(w, DIR_WRITE, T0 + 70, big, sizeof(big), out_step);
	feed(w, DIR_WRITE, T0 + 80, big_answer_head, sizeof(big_answer_head) - 1, out_step);
	/* One that is cut off. */
	feed(w, DIR_READ, T0 + 90, "GET /c HTTP/1.1\r\n\r\n", 19, in_step);
	conn_close(w, CLOSED_BY_PEER);
	buf_putc(&w->out, '\0');
}

static void any_split_gives_the_same(void **state)
{
	struct world *whole = world_new();

	(void)state;
	script(whole, 0, 0);
	assert_int_equal(whole->n, 4);
	assert_non_null(
		strstr(whole->out.p, "\"response.body\":\"{\\\"y\\\": 1, \\\"p\\\": 0.9}\""));
	assert_non_null(strstr(whole->out.p, "\"http.response.body.size\":18,"));
	assert_non_null(strstr(whole->out.p, "\"http.response.body.size\":1000,"));
	assert_non_null(strstr(whole->out.p, "\"exchange.outcome\":\"aborted_by_client\""));
	for (size_t in = 1; in < 40; in += 3)
		for (size_t out = 1; out < 200; out += 7) {
			struct world *w = world_new();

			script(w, in, out);
			assert_string_equal(w->out.p, whole->out.p);
			world_free(w);
		}
	world_free(whole);
}

static int lossless_lines(const char *p)
{
	int n = 0;

	for (; (p = strstr(p, "\"exchange.loss\":0,")); p++)
		n++;
	return n;
}

/* A gap of any length at any place: no crash, no exchange without a request, loss is told. */
static void any_gap_is_told(void **state)
{
	(void)state;
	for (size_t at = 1; at < sizeof(answer) - 1; at += 3)
		for (size_t len = 1; len < 60 && at + len < sizeof(answer) - 1; len += 5) {
			struct world *w = world_new();
			struct chunk ch = { .ts = T0, .wait_ns = 5, .tgid = 40 };

			conn_open(w, 7);
			feed(w, DIR_READ, T0, ask, sizeof(ask) - 1, 0);
			feed(w, DIR_WRITE, T0, answer, at, 0);
			proto_http1.gap(&w->conn, DIR_WRITE, at, len, GAP_LOST, &ch, &w->sink);
			w->conn.dir[DIR_WRITE].pos += len;
			feed(w, DIR_WRITE, T0, answer + at + len, sizeof(answer) - 1 - at - len, 0);
			feed(w, DIR_READ, T0, ask, sizeof(ask) - 1, 0);
			conn_close(w, CLOSED_BY_TARGET);
			buf_putc(&w->out, '\0');
			assert_int_equal(w->n, 2);
			assert_true(lossless_lines(w->out.p) < 2);
			world_free(w);
		}
}

/* With the protocol still to be found out: ask, told and then the close of the one who answers. */
static uint64_t converse(struct world *w, enum conn_role role, const char *asked, size_t n,
			 const char *told, size_t step)
{
	struct proto_ctx px = { .out = w->sink };
	struct stream_sink s = proto_stream_sink(&px);
	const size_t m = strlen(told);

	conn_open(w, 7);
	w->conn.proto_row = NULL;
	w->conn.role = role;
	for (size_t i = 0, k; i < n + m; i += k) {
		const enum direction d = i < n ? DIR_READ : DIR_WRITE;
		const size_t left = i < n ? n - i : n + m - i;
		struct chunk ch = { .ts = T0 + i, .wait_ns = 5, .tgid = 40, .tid = 41 };

		k = step < left ? step : left;
		s.bytes(s.ctx, &w->conn, d, w->conn.dir[d].pos,
			(const uint8_t *)(i < n ? asked + i : told + i - n), k, &ch);
		w->conn.dir[d].pos += k;
	}
	w->conn.closer = CLOSED_BY_TARGET;
	s.eof(s.ctx, &w->conn, DIR_WRITE, T0 + n + m);
	s.end(s.ctx, &w->conn, T0 + n + m, false);
	buf_putc(&w->out, '\0');
	return px.stats.anomalies;
}

static const char timeout[] =
	"HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";

static void answered_in_the_head_is_one(void **state)
{
	const size_t head = 128;

	(void)state;
	for (size_t n = 1; n < head; n++)
		for (size_t step = 1; step <= n; step++) {
			const bool known = step % 2;
			struct world *w = world_new();
			uint64_t anomalies;

			anomalies = converse(w, known ? CONN_SERVER : CONN_UNKNOWN, ask, n, timeout,
					     step);
			assert_int_equal(w->n, 1);
			assert_int_equal(anomalies, 0);
			assert_non_null(strstr(w->out.p, "\"exchange.role\":\"server\""));
			assert_non_null(strstr(w->out.p, "\"http.response.status_code\":408"));
			assert_non_null(strstr(w->out.p, "\"exchange.outcome\":\"client_error\""));
			assert_null(strstr(w->out.p, "exchange.late"));
			assert_null(strstr(w->out.p, "exchange.anomaly"));
			assert_int_equal(!!strstr(w->out.p, "\"http.request.method\":\"POST\""),
					 n > 4);
			assert_int_equal(!!strstr(w->out.p, "\"url.truncated\":true"), n <= 17);
			assert_int_equal(!!strstr(w->out.p, "\"url.path\":\"/predict\""), n > 12);
			world_free(w);
		}
}

static void unsolicited_is_none(void **state)
{
	(void)state;
	for (size_t step = 1; step < sizeof(timeout); step++) {
		struct world *w = world_new();

		assert_int_equal(converse(w, CONN_SERVER, "", 0, timeout, step), 1);
		assert_int_equal(w->n, 0);
		world_free(w);
	}
}

static void broken_chunk_is_no_success(void **state)
{
	static const char told[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				   "2\r\nab\r\nZZ\r\n";

	(void)state;
	for (size_t step = 1; step < sizeof(told); step++) {
		struct world *w = world_new();

		assert_int_equal(converse(w, CONN_SERVER, ask, sizeof(ask) - 1, told, step), 1);
		assert_int_equal(w->n, 1);
		assert_non_null(strstr(w->out.p, "\"exchange.outcome\":\"aborted_by_server\""));
		assert_non_null(strstr(w->out.p, "\"exchange.anomaly\":\"bad-chunk\""));
		world_free(w);
	}
}

/* Not a test of speed: a figure to look at (MODELSNOOP_BENCH=1). */
static void cost_of_one(void **state)
{
	const size_t rounds = getenv("MODELSNOOP_BENCH") ? 300000 : 100;
	struct world *w = world_new();
	struct timespec a, b;
	double ns;

	(void)state;
	w->render = false;
	conn_open(w, 7);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	for (size_t i = 0; i < rounds; i++) {
		feed(w, DIR_READ, T0, ask, sizeof(ask) - 1, 0);
		feed(w, DIR_WRITE, T0 + 50, answer, sizeof(answer) - 1, 0);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	assert_int_equal(w->n, rounds);
	ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
	if (rounds > 1000)
		print_message("%.0f ns an exchange, parsing included\n", ns / (double)rounds);
	conn_close(w, CLOSED_BY_PEER);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(any_gap_is_told),
		cmocka_unit_test(answered_in_the_head_is_one),
		cmocka_unit_test(unsolicited_is_none),
		cmocka_unit_test(broken_chunk_is_no_success),
		cmocka_unit_test(cost_of_one),
	};

	return cmocka_run_group_tests_name("exchange_http1", tests, NULL, NULL);
}
