// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cases.c - the traps that end well: connections, messages, system calls, descriptors. */
#include "cases.h"
#include "trap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MIB 1048576u

void case_ask(struct client *c, const char *name, const char *query)
{
	struct client_call q = { .query = query };

	client_path(&q, name);
	client_exchange(c, &q);
}

void case_post(struct client *c, const char *name, const char *query, size_t body, size_t piece)
{
	struct client_call q = { .method = "POST", .query = query, .body = body, .piece = piece };

	client_path(&q, name);
	client_exchange(c, &q);
}

/* Many chunks in one long write, or by sendfile: what lies in the part that is not copied is not
 * known. */
static void ask_hidden(struct client *c, const char *name, const char *query)
{
	struct client_call q = { .query = query, .size_hidden = true };

	client_path(&q, name);
	client_exchange(c, &q);
}

struct client *case_open(struct client_setup *s, enum client_where where)
{
	struct client *c = client_open(s, where);

	if (c == NULL) {
		perror("trapserver: connect");
		exit(1);
	}
	return c;
}

/* ---- connections ---- */

void case_keepalive(struct client_setup *s)
{
	struct client *c[8];

	for (int i = 0; i < 8; i++)
		c[i] = case_open(s, CLIENT_V4);
	for (int k = 0; k < 25; k++)
		for (int i = 0; i < 8; i++)
			case_ask(c[i], "keepalive", i % 2 ? "n=200" : "n=1999");
	for (int i = 0; i < 8; i++)
		client_close(c[i], i == 7);
}

/* The same descriptor and, in the kernel, the same socket memory again and again. */
void case_reuse(struct client_setup *s)
{
	for (int i = 0; i < 100; i++) {
		struct client *c = case_open(s, CLIENT_V4);

		case_ask(c, "reuse", NULL);
		client_close(c, i % 10 == 9);
	}
}

void case_ipv6(struct client_setup *s)
{
	struct client *c = client_open(s, CLIENT_V6);

	if (c == NULL)
		return;
	case_ask(c, "ipv6", NULL);
	case_post(c, "ipv6", NULL, 3000, 0);
	client_close(c, false);
}

void case_unix(struct client_setup *s)
{
	struct client *c;

	if (s->unix_path == NULL)
		return;
	c = case_open(s, CLIENT_UNIX);
	for (int i = 0; i < 20; i++)
		case_ask(c, "unix", "n=3000");
	case_post(c, "unix", NULL, 100000, 0);
	case_ask(c, "unix", "frame=chunked&n=5000");
	case_ask(c, "unix", "n=1000000");
	client_close(c, false);
	for (int i = 0; i < 20; i++) {
		c = case_open(s, CLIENT_UNIX);
		case_ask(c, "unix", NULL);
		client_close(c, false);
	}
}

/* Bytes that are no request and connections without any make no exchange. */
void case_nothing(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_V4);

	client_close(c, false);
	c = case_open(s, CLIENT_V4);
	client_send_bytes(c, "\x01\x02\x03\x04\x05\x06\x07\x08\r\n\r\n", 12, 0);
	trap_sleep_ms(20);
	client_close(c, false);
}

void case_halfclose(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_V4);
	struct client_call q = { .query = "pause=30&n=5000" };
	struct client_reply r;

	client_path(&q, "halfclose");
	client_send(c, &q, &r);
	shutdown(c->fd, SHUT_WR);
	client_receive(c, &q, &r);
	client_truth(c, &q, &r);
	client_close(c, false);
}

/* ---- messages ---- */

void case_pipelined(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_V4);
	struct client_call q[20] = { 0 };
	struct client_reply r[20] = { 0 };
	char text[16384];
	size_t n = 0;
	uint64_t start;

	for (int i = 0; i < 20; i++) {
		client_path(&q[i], "pipelined");
		q[i].query = i % 3 ? "n=100" : "frame=chunked&n=2500";
		q[i].method = i % 4 == 2 ? "POST" : i % 4 == 3 ? "HEAD" : "GET";
		q[i].body = i % 4 == 2 ? 321 : 0;
		n += client_head(&q[i], text + n, sizeof(text) - n);
		memset(text + n, 'p', q[i].body);
		n += q[i].body;
	}
	start = client_now();
	client_send_bytes(c, text, n, 0);
	for (int i = 0; i < 20; i++) {
		r[i].first_send_ns = r[i].sent_ns = start;
		r[i].sent = q[i].body;
		client_receive(c, &q[i], &r[i]);
		q[i].bounds = 1;
		client_truth(c, &q[i], &r[i]);
	}
	client_close(c, false);
}

void case_messages(struct client_setup *s)
{
	static const char *const query[] = {
		"n=0",
		"status=204",
		"status=304&n=700",
		"status=404&n=20",
		"status=500&n=20",
		"status=503&frame=chunked",
		"interim=103&n=500",
		"frame=chunked&n=5000&ext=1&trailer=1",
		"frame=chunked&n=0",
		"frame=chunked&n=300&chunk=1",
		"pause=25&gap=25&n=3000",
	};
	struct client *c = case_open(s, CLIENT_V4);
	struct client_call head = { .method = "HEAD", .query = "n=5000" };
	struct client_call chunked = { .method = "POST", .body = 5000, .chunked = true };
	struct client_call pieces = { .method = "PUT", .body = 900, .chunked = true, .piece = 5 };
	struct client_call expect = { .method = "POST", .body = 4000, .expect = true };
	struct client_call refused = {
		.method = "POST", .body = 4000, .expect = true, .query = "refuse=1&status=401&n=9"
	};

	for (size_t i = 0; i < sizeof(query) / sizeof(query[0]); i++)
		case_ask(c, "messages", query[i]);
	ask_hidden(c, "messages", "frame=chunked&n=200000&chunk=70000");
	for (int i = 0; i < 3; i++) {
		client_path(&head, "head");
		client_exchange(c, &head);
	}
	client_path(&chunked, "request-chunked");
	client_exchange(c, &chunked);
	client_path(&pieces, "request-pieces");
	client_exchange(c, &pieces);
	case_post(c, "onebyte", NULL, 60, 1);
	client_path(&expect, "expect");
	client_exchange(c, &expect);
	client_path(&refused, "refused");
	client_exchange(c, &refused);
	client_close(c, false);
	c = case_open(s, CLIENT_V4);
	case_ask(c, "until-close", "frame=close&n=70000");
	client_close(c, false);
}

void case_big(struct client_setup *s)
{
	struct client_setup wide = *s;
	struct client *c;

	wide.wide = true;
	wide.wrong = 0;
	c = case_open(&wide, CLIENT_V4);

	case_ask(c, "big", "n=10485760");
	case_post(c, "big", NULL, 10 * MIB, 0);
	ask_hidden(c, "big", "n=3000000&frame=chunked&chunk=100000");
	case_ask(c, "big", NULL);
	client_close(c, false);
	s->wrong += wide.wrong;
}

/* ---- system calls ---- */

void case_reads(struct client_setup *s)
{
	static const char *const how[] = { "recv",    "recvmsg", "recvmmsg", "readv",
					   "onebyte", "small",   "nonblock", "peek",
					   "dup",     "trunc",   "splice" };

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		struct client *c = case_open(s, CLIENT_V4);
		struct client_call mode = { 0 };
		char query[32], name[32];

		snprintf(query, sizeof(query), "read=%s", how[i]);
		snprintf(name, sizeof(name), "read-%s", how[i]);
		mode.query = query;
		client_path(&mode, "mode");
		client_exchange(c, &mode);
		case_ask(c, name, "n=50");
		case_post(c, name, NULL, 5000, 2000);
		if (strcmp(how[i], "onebyte") != 0 && strcmp(how[i], "small") != 0)
			case_post(c, name, NULL, 300000, 0);
		case_ask(c, name, "n=50");
		client_close(c, false);
	}
}

void case_writes(struct client_setup *s)
{
	static const struct {
		const char *how;
		bool hidden, slow;
	} row[] = {
		{ "plain", false, false },    { "writev", false, false },
		{ "sendmsg", false, false },  { "sendmmsg", false, false },
		{ "onebyte", false, true },   { "sendfile", true, false },
		{ "splice", true, false },    { "cold", false, false },
		{ "zerocopy", false, false }, { "partial", false, false },
		{ "dup", false, false },
	};
	struct client *c = case_open(s, CLIENT_V4);

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char query[64], name[32];

		snprintf(name, sizeof(name), "write-%s", row[i].how);
		snprintf(query, sizeof(query), "how=%s&n=333", row[i].how);
		case_ask(c, name, query);
		snprintf(query, sizeof(query), "how=%s&n=%s&frame=chunked", row[i].how,
			 row[i].slow ? "300" : "3000");
		(row[i].hidden ? ask_hidden : case_ask)(c, name, query);
		snprintf(query, sizeof(query), "how=%s&n=700000", row[i].how);
		if (!row[i].slow)
			case_ask(c, name, query);
	}
	client_close(c, false);
}

void case_slow_client(struct client_setup *s)
{
	static const char *const query[] = { "how=partial&n=800000", "how=blocking&n=800000" };

	for (int i = 0; i < 2; i++) {
		struct client *c = case_open(s, CLIENT_V4);
		struct client_call q = { .query = query[i], .read_pause_ms = 5, .bounds = 1 };
		int size = 16384;

		setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		client_path(&q, "slow-client");
		client_exchange(c, &q);
		case_ask(c, "slow-client", NULL);
		client_close(c, false);
	}
}

void case_descriptors(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_V4);

	case_ask(c, "pass", "handover=1&n=400");
	case_ask(c, "pass", NULL); /* in the process that it was passed to */
	case_post(c, "pass", NULL, 2000, 0);
	client_close(c, false);
	c = case_open(s, CLIENT_V4);
	case_ask(c, "fork", "fork=1&code=7&n=400");
	case_ask(c, "fork", NULL);
	client_close(c, false);
	fprintf(s->truth, "lifecycle\tprocess.exit.code=7\tlifecycle.event=exit\n");
}
