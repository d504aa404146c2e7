// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_exchange.c - message sequences in, exchange records out. */
#include "exchange/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define MAX_RECORDS 256
#define MS 1000000ull
#define T0 1000000000ull

struct world {
	struct redactor *red;
	struct origin *o;
	struct exchange_ctx *x;
	struct msg_sink sink;
	struct record rec;
	struct buf scratch;
	bool log_payload;
	char *line[MAX_RECORDS];
	uint8_t id[MAX_RECORDS][16];
	enum outcome outcome[MAX_RECORDS];
	size_t n;
	struct conn conn;
	struct chunk chunk;
};

static void ignore_record(void *ctx, struct record *r)
{
	(void)ctx;
	(void)r;
}

static void on_done(void *ctx, const struct exchange *x)
{
	struct world *w = ctx;
	struct buf b = { 0 };

	buf_clear(&w->scratch);
	exchange_to_record(x, w->o, w->red, w->log_payload, &w->rec, &w->scratch);
	assert_false(w->rec.overflow);
	assert_true(w->n < MAX_RECORDS);
	assert_memory_equal(w->rec.id, x->id, 16);
	buf_puts(&b, "ts=");
	buf_u64(&b, w->rec.ts);
	for (size_t i = 0; i < w->rec.n; i++) {
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(w->rec.kv[i].key, w->rec.kv[k].key);
		kv_write_json(&b, &w->rec.kv[i]);
	}
	buf_puts(&b, ",");
	if (w->rec.proc)
		buf_put(&b, w->rec.proc->json, w->rec.proc->json_len);
	buf_putc(&b, '\0');
	memcpy(w->id[w->n], x->id, 16);
	w->outcome[w->n] = x->outcome;
	w->line[w->n++] = b.p;
}

static struct world *world_new(enum payload_mode mode, size_t sample, size_t max,
			       const char *run_id)
{
	struct world *w = calloc(1, sizeof(*w));
	struct record_sink records = { ignore_record, NULL };
	struct exchange_sink sink = { w, on_done };
	struct exchange_opts xo = { .sample_bytes = sample,
				    .sample_rate = 1,
				    .max_in_flight = max };
	struct origin_opts oo = { .run_id = run_id, .boot_id = "b00t" };
	struct err e;

	assert_non_null(w);
	w->red = redactor_new(mode, NULL, 0, &e);
	assert_non_null(w->red);
	oo.redactor = w->red;
	w->o = origin_new(&oo, &records);
	assert_non_null(w->o);
	w->x = exchange_new(&xo, w->o, w->red, &sink);
	assert_non_null(w->x);
	w->sink = exchange_msg_sink(w->x);
	w->log_payload = true;
	w->conn = (struct conn){ .inode = 77,
				 .transport = TRANSPORT_TCP,
				 .role = CONN_SERVER,
				 .endpoints_known = true,
				 .family = AF_INET,
				 .local_port = 8000,
				 .peer_port = 40000,
				 .local = { 127, 0, 0, 1 },
				 .peer = { 10, 1, 2, 3 },
				 .tgid = 40,
				 .start = 5 };
	w->chunk = (struct chunk){
		.ts = T0, .wait_ns = WAIT_UNKNOWN, .tgid = 40, .tid = 41, .start = 5
	};
	return w;
}

static struct world *simple(void)
{
	return world_new(PAYLOAD_REDACTED, 4096, 64, "run");
}

static void world_free(struct world *w)
{
	exchange_free(w->x);
	origin_free(w->o);
	redactor_free(w->red);
	buf_free(&w->scratch);
	for (size_t i = 0; i < w->n; i++)
		free(w->line[i]);
	free(w);
}

/* ---- messages ---- */

static struct msg message(struct world *w, enum msg_kind kind, bool request, uint64_t ts)
{
	w->chunk.ts = ts;
	return (struct msg){
		.kind = kind, .conn = &w->conn, .request = request, .ts = ts, .chunk = &w->chunk
	};
}

static void give(struct world *w, struct msg m, uint64_t index)
{
	m.index = index;
	w->sink.emit(w->sink.ctx, &m);
}

static void request_line(struct world *w, uint64_t index, const char *method, const char *target,
			 uint64_t ts)
{
	struct msg m = message(w, MSG_REQUEST_LINE, true, ts);

	m.pos = index * 1000;
	m.request_line.method = method;
	m.request_line.method_len = strlen(method);
	m.request_line.target = target;
	m.request_line.target_len = strlen(target);
	m.request_line.minor = 1;
	give(w, m, index);
}

static void status_line(struct world *w, uint64_t index, int status, uint64_t ts)
{
	struct msg m = message(w, MSG_STATUS_LINE, false, ts);

	m.status_line.status = status;
	m.status_line.minor = 1;
	give(w, m, index);
}

static void header(struct world *w, uint64_t index, bool request, const char *name,
		   const char *value, uint64_t ts)
{
	struct msg m = message(w, MSG_HEADER, request, ts);

	m.header.name = name;
	m.header.name_len = strlen(name);
	m.header.value = value;
	m.header.value_len = strlen(value);
	m.header.trailer = false;
	give(w, m, index);
}

static void body(struct world *w, uint64_t index, bool request, const void *p, size_t n,
		 uint64_t ts)
{
	struct msg m = message(w, MSG_BODY, request, ts);

	m.body.p = p;
	m.body.n = n;
	m.body.gap = GAP_OMITTED;
	give(w, m, index);
}

static void gap(struct world *w, enum msg_kind kind, bool request, uint64_t n, enum gap_kind gk,
		uint64_t ts)
{
	struct msg m = message(w, kind, request, ts);

	m.body.p = NULL;
	m.body.n = n;
	m.body.gap = gk;
	give(w, m, 0);
}

static void simple_msg(struct world *w, enum msg_kind kind, uint64_t index, bool request,
		       uint64_t ts)
{
	give(w, message(w, kind, request, ts), index);
}

static void ended(struct world *w, uint64_t index, bool request, uint64_t ts)
{
	simple_msg(w, MSG_END, index, request, ts);
}

static void aborted(struct world *w, uint64_t index, enum msg_abort why, uint64_t ts)
{
	struct msg m = message(w, MSG_ABORT, false, ts);

	m.abort = why;
	m.chunk = NULL;
	give(w, m, index);
}

static void request(struct world *w, uint64_t index, const char *target, uint64_t ts)
{
	request_line(w, index, "GET", target, ts);
	simple_msg(w, MSG_HEADERS_END, index, true, ts);
	ended(w, index, true, ts);
}

static void response(struct world *w, uint64_t index, int status, uint64_t ts)
{
	status_line(w, index, status, ts);
	simple_msg(w, MSG_HEADERS_END, index, false, ts);
	ended(w, index, false, ts);
}

static void expect(const struct world *w, size_t i, const char *s)
{
	if (i >= w->n || !strstr(w->line[i], s)) {
		print_error("record %zu of %zu lacks %s:\n%s\n", i, w->n, s,
			    i < w->n ? w->line[i] : "-");
		fail();
	}
}
static void expect_not(const struct world *w, size_t i, const char *s)
{
	assert_true(i < w->n);
	if (strstr(w->line[i], s)) {
		print_error("record %zu has %s:\n%s\n", i, s, w->line[i]);
		fail();
	}
}

/* ---- tests ---- */

static void one_exchange_in_full(void **state)
{
	static const char in[] = "{\"x\":1}", out[] = "{\"y\":2.5}";
	struct world *w = simple();

	(void)state;
	w->chunk.wait_ns = 3 * MS;
	request_line(w, 0, "POST", "/predict?k=v&n=1", T0);
	header(w, 0, true, "Content-Type", "Application/JSON; charset=utf-8", T0);
	header(w, 0, true, "User-Agent", "curl/8", T0);
	header(w, 0, true, "X-Request-ID", "0123abcd-77", T0);
	header(w, 0, true, "x-stainless-retry-count", "2", T0);
	header(w, 0, true, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	       T0);
	header(w, 0, true, "Authorization", "Bearer secret-key", T0);
	header(w, 0, true, "Cookie", "session=1", T0);
	simple_msg(w, MSG_HEADERS_END, 0, true, T0);
	body(w, 0, true, in, sizeof(in) - 1, T0 + 2 * MS);
	ended(w, 0, true, T0 + 2 * MS);
	assert_int_equal(w->n, 0);
	assert_int_equal(origin_find(w->o, 40)->service->in_flight, 1);
	status_line(w, 0, 200, T0 + 10 * MS);
	header(w, 0, false, "content-type", "application/json", T0 + 10 * MS);
	header(w, 0, false, "Server", "uvicorn", T0 + 10 * MS);
	header(w, 0, false, "X-RateLimit-Remaining", "99", T0 + 10 * MS);
	header(w, 0, false, "set-cookie", "session=1", T0 + 10 * MS);
	simple_msg(w, MSG_HEADERS_END, 0, false, T0 + 10 * MS);
	body(w, 0, false, out, sizeof(out) - 1, T0 + 15 * MS);
	ended(w, 0, false, T0 + 15 * MS);
	assert_int_equal(w->n, 1);
	expect(w, 0, "ts=1000000000,");
	expect(w, 0, "\"thread.id\":41,");
	expect(w, 0, "\"exchange.role\":\"server\"");
	expect(w, 0, "\"exchange.concurrency\":0");
	expect(w, 0, "\"exchange.outcome\":\"ok\"");
	expect(w, 0, "\"exchange.loss\":0,");
	expect(w, 0, "\"exchange.closed_by\":\"none\"");
	expect_not(w, 0, "exchange.late");
	expect_not(w, 0, "error.type");
	expect_not(w, 0, "omitted");
	expect(w, 0,
	       "\"network.protocol.name\":\"http\",\"network.protocol.version\":\"1.1\",\"network."
	       "transport\":\"tcp\"");
	expect(w, 0, "\"tls.established\":false");
	expect(w, 0,
	       "\"client.address\":\"10.1.2.3\",\"client.port\":40000,\"server.address\":\"127.0.0."
	       "1\",\"server.port\":8000");
	expect(w, 0,
	       "\"http.request.method\":\"POST\",\"url.path\":\"/"
	       "predict\",\"url.query\":\"k=v&n=1\"");
	expect(w, 0, "\"http.response.status_code\":200");
	expect(w, 0, "\"http.request.body.size\":7,\"http.response.body.size\":9");
	expect(w, 0, "\"http.request.header.content-type\":\"Application/JSON; charset=utf-8\"");
	expect(w, 0, "\"http.request.header.user-agent\":\"curl/8\"");
	expect(w, 0, "\"user_agent.original\":\"curl/8\"");
	expect(w, 0, "\"http.response.header.server\":\"uvicorn\"");
	expect(w, 0, "\"http.response.header.x-ratelimit-remaining\":\"99\"");
	expect(w, 0, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
	expect(w, 0, "\"parent_span_id\":\"b7ad6b7169203331\"");
	expect_not(w, 0, "\"span_id\":\"b7ad6b7169203331\"");
	expect(w, 0, "\"request.id\":\"0123abcd-77\"");
	expect(w, 0, "\"request.retry_count\":2");
	expect(w, 0, "\"client.key_hash\":\"");
	expect_not(w, 0, "secret-key");
	expect_not(w, 0, "session");
	expect(w, 0, "\"socket.wait_time\":0.003");
	expect(w, 0,
	       "\"duration\":0.015,\"time_to_first_byte\":0.01,\"request.receive_time\":0.002");
	expect_not(w, 0, "upper_bound");
	expect(w, 0, "\"stall.max\":0.005,\"stall.cause\":\"server\"");
	expect(w, 0, "\"api\":\"generic.json\"");
	expect(w, 0, "\"request.body\":\"{\\\"x\\\":1}\"");
	expect(w, 0, "\"response.body\":\"{\\\"y\\\":2.5}\"");
	expect(w, 0, "\"process.pid\":40");
	assert_int_equal(origin_find(w->o, 40)->service->in_flight, 0);
	assert_int_equal(origin_find(w->o, 40)->pins, 0);
	assert_int_equal(exchange_stats(w->x)->begun, 1);
	assert_int_equal(exchange_stats(w->x)->done, 1);
	assert_int_equal(exchange_stats(w->x)->by_outcome[OUTCOME_OK], 1);
	world_free(w);
}

static void a_bare_get(void **state)
{
	struct world *w = simple();

	(void)state;
	request(w, 0, "/", T0);
	response(w, 0, 204, T0 + MS);
	expect(w, 0, "\"http.request.body.size\":0,\"http.response.body.size\":0");
	expect(w, 0, "\"api\":\"other\"");
	expect(w, 0, "\"duration\":0.001,\"time_to_first_byte\":0.001,\"request.receive_time\":0,");
	expect_not(w, 0, "socket.wait_time"); /* not known */
	expect_not(w, 0, "stall");
	expect_not(w, 0, ".body\":");
	expect_not(w, 0, "parent_span_id");
	expect_not(w, 0, "key_hash");
	expect_not(w, 0, "url.query");
	/* request.id and trace_id are made from the id. */
	{
		char hex[64];

		snprintf(hex, sizeof(hex), "\"request.id\":\"%02x%02x%02x%02x", w->id[0][0],
			 w->id[0][1], w->id[0][2], w->id[0][3]);
		expect(w, 0, hex);
		snprintf(hex, sizeof(hex), "\"trace_id\":\"%02x%02x%02x%02x", w->id[0][0],
			 w->id[0][1], w->id[0][2], w->id[0][3]);
		expect(w, 0, hex);
	}
	world_free(w);
}

static const struct {
	const char *target, *path, *query;
} targets[] = {
	{ "/", "/", NULL },
	{ "/a/b?c=d?e", "/a/b", "c=d?e" },
	{ "/a?", "/a", NULL },
	{ "?x=1", NULL, NULL },
	{ "http://host/p?q=1", "/p", "q=1" },
	{ "http://host", "/", NULL },
	{ "http://host?q=1", "/", "q=1" },
	{ "https://host:8080/a/b", "/a/b", NULL },
	{ "host:443", NULL, NULL },
	{ "*", "*", NULL },
	{ "", NULL, NULL },
};

static void targets_are_split(void **state)
{
	struct world *w = simple();
	char want[64], *deep = malloc(6000);

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		request(w, i, targets[i].target, T0);
		response(w, i, 200, T0);
		snprintf(want, sizeof(want), "\"url.path\":\"%s\"",
			 targets[i].path ? targets[i].path : "");
		if (targets[i].path)
			expect(w, i, want);
		else
			expect_not(w, i, "url.path");
		snprintf(want, sizeof(want), "\"url.query\":\"%s\"",
			 targets[i].query ? targets[i].query : "");
		if (targets[i].query)
			expect(w, i, want);
		else
			expect_not(w, i, "url.query");
		expect_not(w, i, "url.truncated");
	}
	assert_non_null(deep);
	memset(deep, 'a', 5999);
	deep[0] = '/';
	deep[5999] = '\0';
	request(w, 50, deep, T0);
	response(w, 50, 200, T0);
	expect(w, w->n - 1, "\"url.truncated\":true");
	free(deep);
	world_free(w);
}

static const struct {
	enum conn_role role;
	int status; /* 0: none was sent */
	bool complete, crashed;
	enum msg_abort abort;
	const char *outcome, *error, *closed_by;
} ends[] = {
	{ CONN_SERVER, 200, true, false, ABORT_NONE, "ok", NULL, "none" },
	{ CONN_SERVER, 101, true, false, ABORT_NONE, "ok", NULL, "none" },
	{ CONN_SERVER, 304, true, false, ABORT_NONE, "ok", NULL, "none" },
	{ CONN_SERVER, 404, true, false, ABORT_NONE, "client_error", "404", "none" },
	{ CONN_SERVER, 499, true, false, ABORT_NONE, "client_error", "499", "none" },
	{ CONN_SERVER, 503, true, false, ABORT_NONE, "server_error", "503", "none" },
	{ CONN_SERVER, 999, true, false, ABORT_NONE, "server_error", "999", "none" },
	{ CONN_SERVER, 0, false, false, ABORT_BY_PEER, "aborted_by_client", "aborted_by_client",
	  "client" },
	{ CONN_SERVER, 200, false, false, ABORT_BY_PEER, "aborted_by_client", "aborted_by_client",
	  "client" },
	{ CONN_SERVER, 500, false, false, ABORT_BY_TARGET, "aborted_by_server", "aborted_by_server",
	  "server" },
	{ CONN_SERVER, 200, false, true, ABORT_BY_TARGET, "unfinished", "unfinished", "server" },
	{ CONN_SERVER, 200, false, false, ABORT_AGENT_STOP, "unfinished", "unfinished", "none" },
	{ CONN_SERVER, 0, false, false, ABORT_LOST_SYNC, "unfinished", "unfinished", "none" },
	{ CONN_SERVER, 0, false, false, ABORT_EVICTED, "unfinished", "unfinished", "none" },
	{ CONN_CLIENT, 200, true, false, ABORT_NONE, "ok", NULL, "none" },
	{ CONN_CLIENT, 502, true, false, ABORT_NONE, "server_error", "502", "none" },
	{ CONN_CLIENT, 0, false, false, ABORT_BY_PEER, "aborted_by_server", "aborted_by_server",
	  "server" },
	{ CONN_CLIENT, 0, false, false, ABORT_BY_TARGET, "aborted_by_client", "aborted_by_client",
	  "client" },
};

static void outcomes(void **state)
{
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct world *w = simple();

		w->conn.role = ends[i].role;
		request(w, 0, "/x", T0);
		if (ends[i].status)
			status_line(w, 0, ends[i].status, T0 + MS);
		origin_find(w->o, 40)->crashed = ends[i].crashed;
		if (ends[i].complete)
			ended(w, 0, false, T0 + 2 * MS);
		else
			aborted(w, 0, ends[i].abort, T0 + 2 * MS);
		assert_int_equal(w->n, 1);
		snprintf(want, sizeof(want), "\"exchange.outcome\":\"%s\"", ends[i].outcome);
		expect(w, 0, want);
		assert_string_equal(outcome_name[w->outcome[0]], ends[i].outcome);
		snprintf(want, sizeof(want), "\"exchange.closed_by\":\"%s\"", ends[i].closed_by);
		expect(w, 0, want);
		snprintf(want, sizeof(want), "\"error.type\":\"%s\"",
			 ends[i].error ? ends[i].error : "");
		if (ends[i].error)
			expect(w, 0, want);
		else
			expect_not(w, 0, "error.type");
		/* Without a reply the time until it was given up. */
		expect(w, 0,
		       ends[i].status && !ends[i].complete ? "\"duration\":0.001,"
							   : "\"duration\":0.002,");
		/* A second end of the same exchange is nobody's. */
		aborted(w, 0, ABORT_BY_PEER, T0 + 3 * MS);
		assert_int_equal(w->n, 1);
		world_free(w);
	}
}

static void answered_before_the_request_was_read(void **state)
{
	struct world *w = simple();

	(void)state;
	/* 401 while the body is still coming; the connection then closes. */
	request_line(w, 0, "POST", "/up", T0);
	simple_msg(w, MSG_HEADERS_END, 0, true, T0);
	body(w, 0, true, "abc", 3, T0);
	response(w, 0, 401, T0 + MS);
	assert_int_equal(w->n, 0);
	aborted(w, 0, ABORT_BY_TARGET, T0 + 2 * MS);
	expect(w, 0, "\"exchange.outcome\":\"client_error\"");
	expect(w, 0, "\"http.request.body.size\":3,");
	expect(w, 0, "\"duration\":0.001,");
	expect_not(w, 0, "request.receive_time");
	/* Or the next request begins. */
	request_line(w, 1, "POST", "/up", T0);
	response(w, 1, 401, T0 + MS);
	request(w, 2, "/next", T0 + 2 * MS);
	assert_int_equal(w->n, 2);
	expect(w, 1, "\"error.type\":\"401\"");
	response(w, 2, 200, T0 + 3 * MS);
	expect(w, 2, "\"url.path\":\"/next\"");
	world_free(w);
}

static void pipelines_keep_their_order(void **state)
{
	struct world *w = simple();
	char want[64];

	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		char target[16];

		snprintf(target, sizeof(target), "/%d", (int)i);
		request(w, i, target, T0 + i);
	}
	assert_int_equal(origin_find(w->o, 40)->in_flight, 20);
	for (uint64_t i = 0; i < 20; i++)
		response(w, i, 200 + (int)i, T0 + 100 + i);
	assert_int_equal(w->n, 20);
	for (int i = 0; i < 20; i++) {
		snprintf(want, sizeof(want), "\"url.path\":\"/%d\"", i);
		expect(w, (size_t)i, want);
		snprintf(want, sizeof(want), "\"http.response.status_code\":%d,", 200 + i);
		expect(w, (size_t)i, want);
		snprintf(want, sizeof(want), "\"exchange.concurrency\":%d,", i);
		expect(w, (size_t)i, want);
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(w->id[i], w->id[k], 16);
	}
	world_free(w);
}

static void interim_responses_are_not_the_response(void **state)
{
	struct world *w = simple();

	(void)state;
	request_line(w, 0, "POST", "/up", T0);
	simple_msg(w, MSG_HEADERS_END, 0, true, T0);
	status_line(w, 0, 100, T0 + MS);
	header(w, 0, false, "server", "early", T0 + MS);
	simple_msg(w, MSG_HEADERS_END, 0, false, T0 + MS);
	body(w, 0, true, "abc", 3, T0 + 2 * MS);
	ended(w, 0, true, T0 + 2 * MS);
	response(w, 0, 201, T0 + 5 * MS);
	expect(w, 0, "\"http.response.status_code\":201");
	expect(w, 0, "\"time_to_first_byte\":0.005");
	expect_not(w, 0, "early");
	expect_not(w, 0, "stall");
	world_free(w);
}

static void gaps_are_counted_by_kind(void **state)
{
	struct world *w = simple();
	char *big = calloc(1, 10000);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', 10000);
	request(w, 0, "/", T0);
	status_line(w, 0, 200, T0);
	header(w, 0, false, "content-type", "text/plain", T0);
	simple_msg(w, MSG_HEADERS_END, 0, false, T0);
	body(w, 0, false, big, 3000, T0);
	gap(w, MSG_BODY_GAP, false, 100000, GAP_OMITTED, T0);
	gap(w, MSG_BODY_GAP, false, 50, GAP_LOST, T0);
	gap(w, MSG_LOSS, false, 2, GAP_OMITTED, T0);
	body(w, 0, false, "the tail", 8, T0);
	ended(w, 0, false, T0);
	expect(w, 0, "\"exchange.loss\":50,\"exchange.omitted\":100002,");
	expect(w, 0, "\"http.response.body.size\":103058");
	expect(w, 0, "\xe2\x80\xa6the tail\"");
	expect(w, 0, "\"response.body.omitted\":100050,\"response.body.truncated\":true");
	/* A hole in the head: how long the body is, nobody knows. */
	request_line(w, 1, "POST", "/", T0);
	{
		struct msg m = message(w, MSG_LOSS, true, T0);

		m.body.n = 7;
		m.body.gap = GAP_LOST;
		give(w, m, 1);
	}
	ended(w, 1, true, T0);
	response(w, 1, 200, T0);
	expect(w, 1, "\"exchange.loss\":7,");
	expect_not(w, 1, "http.request.body.size");
	expect(w, 1, "http.response.body.size");
	/* Framing that went with a gap. */
	request(w, 2, "/", T0);
	status_line(w, 2, 200, T0);
	simple_msg(w, MSG_HEADERS_END, 2, false, T0);
	simple_msg(w, MSG_SIZE_UNKNOWN, 2, false, T0);
	ended(w, 2, false, T0);
	expect_not(w, 2, "http.response.body.size");
	free(big);
	world_free(w);
}

static void stalls_have_a_cause(void **state)
{
	struct world *w = simple();

	(void)state;
	request(w, 0, "/", T0);
	status_line(w, 0, 200, T0);
	body(w, 0, false, "a", 1, T0 + 10 * MS);
	simple_msg(w, MSG_STALL, 0, false, T0 + 11 * MS);
	body(w, 0, false, "b", 1, T0 + 90 * MS);
	body(w, 0, false, "c", 1, T0 + 100 * MS);
	ended(w, 0, false, T0 + 100 * MS);
	expect(w, 0, "\"stall.max\":0.08,\"stall.cause\":\"client_window\"");
	/* A short write says the same; what the server holds back afterwards is its own. */
	request(w, 1, "/", T0);
	w->chunk.blocked = true;
	status_line(w, 1, 200, T0);
	w->chunk.blocked = false;
	body(w, 1, false, "a", 1, T0 + 10 * MS);
	body(w, 1, false, "b", 1, T0 + 90 * MS);
	ended(w, 1, false, T0 + 90 * MS);
	expect(w, 1, "\"stall.max\":0.08,\"stall.cause\":\"server\"");
	request(w, 2, "/", T0);
	w->chunk.blocking = true;
	response(w, 2, 200, T0 + MS);
	expect(w, 2, "\"time_to_first_byte\":0.001,\"time_to_first_byte.upper_bound\":true");
	world_free(w);
}

static void late_replies_are_flagged(void **state)
{
	struct world *w = simple();
	struct msg m = message(w, MSG_STATUS_LINE, false, T0);

	(void)state;
	m.status_line.status = 200;
	m.status_line.minor = 0;
	m.late = true;
	m.pos = 5;
	give(w, m, 0);
	simple_msg(w, MSG_HEADERS_END, 0, false, T0);
	body(w, 0, false, "abc", 3, T0 + MS);
	ended(w, 0, false, T0 + MS);
	assert_int_equal(w->n, 1);
	expect(w, 0, "\"exchange.late\":true");
	expect(w, 0, "\"http.response.body.size\":3");
	expect(w, 0, "\"network.protocol.version\":\"1.0\"");
	expect_not(w, 0, "http.request");
	expect_not(w, 0, "url.path");
	expect_not(w, 0, "duration");
	expect_not(w, 0, "time_to_first_byte");
	/* A reply to nothing, on a connection that was seen from its beginning, is no exchange. */
	m.late = false;
	give(w, m, 1);
	ended(w, 1, false, T0);
	assert_int_equal(w->n, 1);
	world_free(w);
}

static void clients_have_the_ends_swapped(void **state)
{
	struct world *w = simple();

	(void)state;
	w->conn.role = CONN_CLIENT;
	w->chunk.wait_ns = MS;
	request(w, 0, "/", T0);
	response(w, 0, 200, T0);
	expect(w, 0, "\"exchange.role\":\"client\"");
	expect(w, 0,
	       "\"client.address\":\"127.0.0.1\",\"client.port\":8000,\"server.address\":\"10.1.2."
	       "3\",\"server.port\":40000");
	expect_not(w, 0, "concurrency");
	expect_not(w, 0, "socket.wait_time");
	w->conn = (struct conn){ .inode = 78,
				 .transport = TRANSPORT_UNIX,
				 .role = CONN_SERVER,
				 .endpoints_known = true,
				 .family = AF_UNIX,
				 .path = (char *)(uintptr_t) "/run/x.sock",
				 .tgid = 40,
				 .start = 5 };
	request(w, 0, "/", T0);
	response(w, 0, 200, T0);
	expect(w, 1, "\"network.transport\":\"unix\"");
	expect(w, 1, "\"server.address\":\"/run/x.sock\"");
	expect_not(w, 1, ".port\"");
	world_free(w);
}

static void steps_know_their_parent(void **state)
{
	static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	struct world *w = simple();
	struct conn server = w->conn, upstream = w->conn;
	char want[64] = "\"exchange.parent\":\"";

	(void)state;
	upstream.inode = 99;
	upstream.role = CONN_CLIENT;
	/* By the thread: the only one open on it. */
	request(w, 0, "/outer", T0);
	w->conn = upstream;
	request(w, 0, "/inner", T0);
	response(w, 0, 200, T0);
	w->conn = server;
	response(w, 0, 200, T0);
	for (int i = 0; i < 16; i++)
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%02x", w->id[1][i]);
	expect(w, 0, want);
	expect_not(w, 1, "exchange.parent");
	/* Two on one thread: not known, unless the trace says it. */
	request(w, 1, "/a", T0);
	request_line(w, 2, "GET", "/b", T0);
	header(w, 2, true, "traceparent", trace, T0);
	simple_msg(w, MSG_HEADERS_END, 2, true, T0);
	ended(w, 2, true, T0);
	w->conn = upstream;
	request(w, 1, "/inner", T0);
	response(w, 1, 200, T0);
	expect_not(w, 2, "exchange.parent");
	request_line(w, 2, "GET", "/inner", T0);
	header(w, 2, true, "traceparent", trace, T0);
	simple_msg(w, MSG_HEADERS_END, 2, true, T0);
	ended(w, 2, true, T0);
	response(w, 2, 200, T0);
	w->conn = server;
	response(w, 1, 200, T0);
	response(w, 2, 200, T0);
	strcpy(want, "\"exchange.parent\":\"");
	for (int i = 0; i < 16; i++)
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%02x", w->id[5][i]);
	expect(w, 3, want);
	/* Another thread has nothing to do with it. */
	request(w, 3, "/outer", T0);
	w->conn = upstream;
	w->chunk.tid = 42;
	request(w, 3, "/inner", T0);
	response(w, 3, 200, T0);
	expect_not(w, w->n - 1, "exchange.parent");
	world_free(w);
}

static const struct {
	const char *value;
	bool good;
} traces[] = {
	{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true },
	{ "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings", true },
	{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", false },
	{ "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
	{ "00-00000000000000000000000000000000-b7ad6b7169203331-01", false },
	{ "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false },
	{ "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false },
	{ "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false },
	{ "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01", false },
	{ "", false },
};

static void trace_headers(void **state)
{
	struct world *w = simple();

	(void)state;
	for (size_t i = 0; i < sizeof(traces) / sizeof(traces[0]); i++) {
		request_line(w, i, "GET", "/", T0);
		header(w, i, true, "traceparent", traces[i].value, T0);
		ended(w, i, true, T0);
		response(w, i, 200, T0);
		if (traces[i].good)
			expect(w, i, "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"");
		else
			expect_not(w, i, "parent_span_id");
	}
	world_free(w);
}

static void headers_are_few_bounded_and_once(void **state)
{
	struct world *w = simple();
	char name[64], *value = calloc(1, 5001);

	(void)state;
	assert_non_null(value);
	memset(value, 'v', 5000);
	request_line(w, 0, "GET", "/", T0);
	header(w, 0, true, "x-forwarded-for", "10.0.0.1", T0);
	header(w, 0, true, "Accept", "secret", T0);
	header(w, 0, true, "X-Forwarded-For", "10.0.0.2", T0);
	header(w, 0, true, "X-RateLimit-A", "1", T0);
	header(w, 0, true, "x-ratelimit-a", "2", T0);
	header(w, 0, true, "x-ratelimit-\"},{", "evil", T0);
	header(w, 0, true, "x-ratelimit-", "bare", T0);
	header(w, 0, true, "user-agent", value, T0);
	header(w, 0, true, "Sec-WebSocket-Key", "c2VjcmV0", T0);
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "x-ratelimit-n%d", i);
		header(w, 0, true, name, "1", T0);
	}
	ended(w, 0, true, T0);
	response(w, 0, 200, T0);
	expect(w, 0, "\"http.request.header.x-forwarded-for\":\"10.0.0.1, 10.0.0.2\"");
	expect(w, 0, "\"http.request.header.x-ratelimit-a\":\"1, 2\"");
	expect_not(w, 0, "secret");
	expect_not(w, 0, "evil");
	expect_not(w, 0, "bare");
	expect_not(w, 0, "key_hash");
	assert_true(strlen(w->line[0]) < 8000);
	/* The same key with and without its scheme is the same client. */
	{
		char *a, *b;

		request_line(w, 1, "GET", "/", T0);
		header(w, 1, true, "authorization", "Bearer KEY", T0);
		ended(w, 1, true, T0);
		response(w, 1, 200, T0);
		request_line(w, 2, "GET", "/", T0);
		header(w, 2, true, "X-API-Key", "KEY", T0);
		ended(w, 2, true, T0);
		response(w, 2, 200, T0);
		a = strstr(w->line[1], "\"client.key_hash\":");
		b = strstr(w->line[2], "\"client.key_hash\":");
		assert_true(a && b && !strncmp(a, b, 34));
		expect_not(w, 1, "KEY");
	}
	free(value);
	world_free(w);
}

static const struct {
	enum payload_mode mode;
	const char *type, *coding;
	const char *body;
	size_t len;
	const char *want, *api;
} bodies[] = {
	{ PAYLOAD_REDACTED, "application/json", NULL, "{\"a\":1}", 7,
	  "\"request.body\":\"{\\\"a\\\":1}\"", "generic.json" },
	{ PAYLOAD_REDACTED, "application/vnd.x+json", NULL, "{}", 2, "\"request.body\":\"{}\"",
	  "generic.json" },
	{ PAYLOAD_REDACTED, "application/x-www-form-urlencoded", NULL, "a=1&b=2", 7,
	  "\"request.body\":\"a=1&b=2\"", "generic.form" },
	{ PAYLOAD_REDACTED, "multipart/form-data; boundary=x", NULL, "--x", 3,
	  "\"request.body\":\"--x\"", "generic.form" },
	{ PAYLOAD_REDACTED, "text/csv", NULL, "1,2\n", 4, "\"request.body\":\"1,2\\n\"",
	  "generic.csv" },
	{ PAYLOAD_REDACTED, "text/plain", NULL, "hi", 2, "\"request.body\":\"hi\"", "other" },
	{ PAYLOAD_REDACTED, NULL, NULL, "[1]", 3, "\"request.body\":\"[1]\"", "other" },
	{ PAYLOAD_REDACTED, NULL, NULL, "\xff\xfe", 2, NULL, "other" },
	{ PAYLOAD_REDACTED, "image/png", NULL, "abc", 3, NULL, "other" },
	{ PAYLOAD_REDACTED, "application/json", "gzip", "abc", 3, NULL, "generic.json" },
	{ PAYLOAD_REDACTED, "application/json", "identity", "{}", 2, "\"request.body\":\"{}\"",
	  "generic.json" },
	{ PAYLOAD_REDACTED, "text/plain", NULL, "a\0b", 3, NULL, "other" },
	{ PAYLOAD_RAW, "image/png", NULL, "abc", 3, "\"request.body\":{\"base64\":\"YWJj\"}",
	  "other" },
	{ PAYLOAD_RAW, "application/json", "gzip", "abc", 3,
	  "\"request.body\":{\"base64\":\"YWJj\"}", "generic.json" },
	{ PAYLOAD_RAW, "application/json", NULL, "{\"password\":\"x\"}", 16,
	  "\"request.body\":\"{\\\"password\\\":\\\"x\\\"}\"", "generic.json" },
	{ PAYLOAD_FEATURES, "application/json", NULL, "{}", 2, NULL, "generic.json" },
	{ PAYLOAD_NONE, "application/json", NULL, "{}", 2, NULL, "generic.json" },
};

/* As many texts as one record can have: each header brings a key of its own. */
static void every_place_for_a_header_taken(void **state)
{
	struct world *w = simple();
	char name[64];

	(void)state;
	request_line(w, 0, "POST", "/a?b=c", T0);
	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "x-ratelimit-n%d", i);
		header(w, 0, true, name, "1", T0);
	}
	body(w, 0, true, "question", 8, T0);
	ended(w, 0, true, T0);
	status_line(w, 0, 429, T0);
	for (int i = 0; i < 14; i++) {
		snprintf(name, sizeof(name), "x-ratelimit-n%d", i);
		header(w, 0, false, name, "2", T0);
	}
	body(w, 0, false, "answer", 6, T0);
	ended(w, 0, false, T0);
	expect(w, 0, "\"http.request.header.x-ratelimit-n11\":\"1\"");
	expect(w, 0, "\"http.response.header.x-ratelimit-n11\":\"2\"");
	expect(w, 0, "\"exchange.headers_dropped\":2");
	expect(w, 0, "\"request.body\":\"question\"");
	expect(w, 0, "\"response.body\":\"answer\"");
	world_free(w);
}

static void bodies_by_mode_and_type(void **state)
{
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct world *w = world_new(bodies[i].mode, 4096, 64, "run");

		request_line(w, 0, "POST", "/", T0);
		if (bodies[i].type)
			header(w, 0, true, "content-type", bodies[i].type, T0);
		if (bodies[i].coding)
			header(w, 0, true, "content-encoding", bodies[i].coding, T0);
		body(w, 0, true, bodies[i].body, bodies[i].len, T0);
		ended(w, 0, true, T0);
		response(w, 0, 200, T0);
		if (bodies[i].want)
			expect(w, 0, bodies[i].want);
		else
			expect_not(w, 0, "request.body\"");
		snprintf(want, sizeof(want), "\"http.request.body.size\":%zu,", bodies[i].len);
		expect(w, 0, want);
		snprintf(want, sizeof(want), "\"api\":\"%s\"", bodies[i].api);
		expect(w, 0, want);
		expect_not(w, 0, "truncated");
		world_free(w);
	}
}

static void secrets_do_not_leave(void **state)
{
	static const char json[] =
		"{\"password\":\"hunter2hunter2\",\"n\":1,\"mail\":\"jane.doe@example.com\"}";
	struct world *w = simple();

	(void)state;
	request_line(w, 0, "POST", "/p?api_key=hunter2hunter2", T0);
	header(w, 0, true, "content-type", "application/json", T0);
	header(w, 0, true, "user-agent", "x jane.doe@example.com", T0);
	header(w, 0, true, "x-forwarded-for", "sk-hunter2hunter2hunter2", T0);
	header(w, 0, true, "anthropic-version", "x; password=hunter2", T0);
	header(w, 0, true, "traceparent", "jane.doe@example.com", T0);
	header(w, 0, true, "x-stainless-retry-count", "Bearer hunter2hunter2", T0);
	body(w, 0, true, json, sizeof(json) - 1, T0);
	ended(w, 0, true, T0);
	response(w, 0, 200, T0);
	expect_not(w, 0, "hunter2");
	expect_not(w, 0, "jane.doe");
	expect(w, 0, "\"request.body.redactions\":2");
	/* Not sampled: no payload, everything else. */
	w->log_payload = false;
	request_line(w, 1, "POST", "/p", T0);
	body(w, 1, true, json, sizeof(json) - 1, T0);
	ended(w, 1, true, T0);
	response(w, 1, 200, T0);
	expect_not(w, 1, "request.body\"");
	expect(w, 1, "http.request.body.size");
	world_free(w);
}

/* A cut inside a multi-byte character shows neither half of it. */
static void cuts_respect_characters(void **state)
{
	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct world *w = world_new(PAYLOAD_REDACTED, 64, 64, "run");
		struct buf b = { 0 };

		for (size_t i = 0; i < shift; i++)
			buf_putc(&b, 'a');
		for (size_t i = 0; i < 100; i++)
			buf_puts(&b, "\xf0\x9f\x98\x80");
		request_line(w, 0, "POST", "/", T0);
		header(w, 0, true, "content-type", "text/plain", T0);
		body(w, 0, true, b.p, b.len, T0);
		ended(w, 0, true, T0);
		response(w, 0, 200, T0);
		expect(w, 0, "\"request.body.truncated\":true");
		expect(w, 0, "\"request.body.omitted\":");
		expect_not(w, 0, "\xef\xbf\xbd");
		buf_free(&b);
		world_free(w);
	}
}

static void in_flight_lists(void **state)
{
	struct world *w = simple();
	struct buf out = { 0 };
	bool service_scope = true;

	(void)state;
	request_line(w, 0, "GET", "/one?secret=1", T0);
	header(w, 0, true, "x-request-id", "rid-1", T0);
	request(w, 1, "/two", T0 + MS);
	exchange_in_flight(w->x, origin_find(w->o, 40), T0 + 3 * MS, &out, &service_scope);
	buf_putc(&out, '\0');
	assert_false(service_scope);
	assert_non_null(strstr(
		out.p, "\"request.id\":\"rid-1\",\"url.path\":\"/one\",\"age\":0.003},{\"id\":\""));
	assert_non_null(strstr(out.p, "\"url.path\":\"/two\",\"age\":0.002}]"));
	assert_null(strstr(out.p, "secret"));
	/* An engine of the same service owns no socket: it works on the service's. */
	{
		struct event ev = { .type = EVENT_FORK,
				    .tgid = 50,
				    .tid = 50,
				    .start = 9,
				    .ts = T0,
				    .life = { .ppid = 40, .ppid_start = 5 } };

		origin_on_event(w->o, &ev, NULL, 0);
		buf_clear(&out);
		exchange_in_flight(w->x, origin_find(w->o, 50), T0, &out, &service_scope);
		buf_putc(&out, '\0');
		assert_true(service_scope);
		assert_non_null(strstr(out.p, "/one"));
	}
	/* A worker that served and has nothing open did not work on its siblings' requests. */
	origin_find(w->o, 50)->served = true;
	buf_clear(&out);
	exchange_in_flight(w->x, origin_find(w->o, 50), T0, &out, &service_scope);
	assert_false(service_scope);
	assert_int_equal(out.len, 2);
	ended(w, 0, true, T0);
	response(w, 0, 200, T0);
	response(w, 1, 200, T0);
	buf_clear(&out);
	exchange_in_flight(w->x, origin_find(w->o, 40), T0, &out, &service_scope);
	assert_int_equal(out.len, 2);
	assert_memory_equal(out.p, "[]", 2);
	/* At most 100. */
	buf_free(&out);
	world_free(w);
	w = world_new(PAYLOAD_NONE, 64, 1000, "run");
	for (uint64_t i = 0; i < 300; i++)
		request(w, i, "/x", T0 + i);
	exchange_in_flight(w->x, origin_find(w->o, 40), T0, &out, &service_scope);
	buf_putc(&out, '\0');
	{
		int n = 0;

		for (const char *p = out.p; (p = strstr(p, "url.path")); p++)
			n++;
		assert_int_equal(n, 100);
	}
	buf_free(&out);
	world_free(w);
}

static void a_full_table_ends_the_oldest(void **state)
{
	struct world *w = world_new(PAYLOAD_REDACTED, 64, 8, "run");

	(void)state;
	for (uint64_t i = 0; i < 20; i++) {
		w->conn.inode = 100 + i;
		request(w, 0, "/x", T0 + i);
	}
	assert_int_equal(w->n, 12);
	assert_int_equal(exchange_stats(w->x)->table_full, 12);
	for (size_t i = 0; i < 12; i++)
		assert_int_equal(w->outcome[i], OUTCOME_UNFINISHED);
	/* Messages about what has gone are nobody's. */
	w->conn.inode = 100;
	response(w, 0, 200, T0);
	assert_int_equal(w->n, 12);
	w->conn.inode = 119;
	response(w, 0, 200, T0);
	assert_int_equal(w->n, 13);
	assert_int_equal(w->outcome[12], OUTCOME_OK);
	assert_int_equal(origin_find(w->o, 40)->in_flight, 7);
	world_free(w);
}

static void ids_hold_facts_only(void **state)
{
	struct world *a = simple(), *b = world_new(PAYLOAD_NONE, 0, 64, "other run");

	(void)state;
	b->conn.endpoints_known = false; /* not every agent has seen the same of it */
	for (uint64_t i = 0; i < 5; i++) {
		request(a, i, "/a", T0);
		response(a, i, 200, T0);
		request(b, i, "/a", T0 + 12345);
		response(b, i, 200, T0 + 12345);
		assert_memory_equal(a->id[i], b->id[i], 16);
	}
	a->conn.inode++;
	request(a, 0, "/a", T0);
	response(a, 0, 200, T0);
	assert_memory_not_equal(a->id[0], a->id[5], 16);
	a->conn.inode--;
	a->conn.role = CONN_CLIENT;
	request(a, 0, "/a", T0);
	response(a, 0, 200, T0);
	assert_memory_not_equal(a->id[0], a->id[6], 16);
	world_free(a);
	world_free(b);
}

static void upgrades_end_http(void **state)
{
	struct world *w = simple();
	struct msg m;

	(void)state;
	request(w, 0, "/ws", T0);
	status_line(w, 0, 101, T0);
	m = message(w, MSG_UPGRADE, false, T0);
	m.note.name = "websocket";
	give(w, m, 0);
	aborted(w, 0, ABORT_LOST_SYNC, T0);
	expect(w, 0, "\"http.response.status_code\":101");
	expect(w, 0, "\"exchange.outcome\":\"ok\"");
	expect(w, 0, "\"exchange.upgraded\":true");
	request(w, 1, "/x", T0);
	m = message(w, MSG_ANOMALY, true, T0);
	m.note.name = "conflicting-length";
	give(w, m, 1);
	response(w, 1, 200, T0);
	expect(w, 1, "\"exchange.anomaly\":\"conflicting-length\"");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_exchange_in_full),
		cmocka_unit_test(a_bare_get),
		cmocka_unit_test(targets_are_split),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(answered_before_the_request_was_read),
		cmocka_unit_test(pipelines_keep_their_order),
		cmocka_unit_test(interim_responses_are_not_the_response),
		cmocka_unit_test(gaps_are_counted_by_kind),
		cmocka_unit_test(stalls_have_a_cause),
		cmocka_unit_test(late_replies_are_flagged),
		cmocka_unit_test(clients_have_the_ends_swapped),
		cmocka_unit_test(steps_know_their_parent),
		cmocka_unit_test(trace_headers),
		cmocka_unit_test(headers_are_few_bounded_and_once),
		cmocka_unit_test(every_place_for_a_header_taken),
		cmocka_unit_test(bodies_by_mode_and_type),
		cmocka_unit_test(secrets_do_not_leave),
		cmocka_unit_test(cuts_respect_characters),
		cmocka_unit_test(in_flight_lists),
		cmocka_unit_test(a_full_table_ends_the_oldest),
		cmocka_unit_test(ids_hold_facts_only),
		cmocka_unit_test(upgrades_end_http),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
