// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ends.c - the traps that end badly: broken off by either side, unread, stopped, dead in the
 * middle. */
#include "cases.h"
#include "trap.h"

#include <signal.h>
#include <stdlib.h>

/* A reply that the server breaks off: what came of it is the truth. */
static void broken_off(struct client_setup *s, enum client_where where, const char *name,
		       const char *query, const char *outcome)
{
	struct client *c = case_open(s, where);
	struct client_call q = { .query = query, .outcome = outcome, .bounds = -1 };

	client_path(&q, name);
	client_exchange(c, &q);
	client_close(c, false);
}

void case_server_aborts(struct client_setup *s)
{
	static const char by_server[] = "aborted_by_server";

	broken_off(s, CLIENT_V4, "cut", "n=5000&cut=1000", by_server);
	broken_off(s, CLIENT_V4, "cut", "n=5000&cut=0", by_server);
	broken_off(s, CLIENT_V4, "cut-reset", "n=5000&cut=1000&linger=40&reset=1", by_server);
	broken_off(s, CLIENT_V4, "cut-chunked", "n=5000&frame=chunked&chunk=1000&cut=2500",
		   by_server);
	broken_off(s, CLIENT_V4, "mute", "mute=1&pause=20", by_server);
	broken_off(s, CLIENT_V4, "mute", "mute=1&pause=20&reset=1", by_server);
}

/* Leaves in the middle; how much the server wrote is not the client's to know, only bounds. */
static void leave(struct client_setup *s, struct client_call *q, long after_ms, bool reset)
{
	struct client *c = case_open(s, CLIENT_V4);
	struct client_reply r;

	client_path(q, "leave");
	q->bounds = -1;
	client_send(c, q, &r);
	if (q->read_only > 0)
		client_receive(c, q, &r);
	trap_sleep_ms(after_ms);
	client_truth(c, q, &r);
	client_close(c, reset);
	trap_sleep_ms(after_ms);
}

void case_client_aborts(struct client_setup *s)
{
	static const char by_client[] = "aborted_by_client";
	static const char part[] = "http.response.status_code=200\thttp.response.body.size>99999"
				   "\thttp.response.body.size<10485760";
	struct client_call mid = { .query = "how=blocking&n=10485760",
				   .read_only = 100000,
				   .outcome = by_client,
				   .reply = part };
	struct client_call thinking = { .query = "pause=100", .outcome = by_client };
	struct client_call patient = { .query = "pause=60",
				       .outcome = "ok|aborted_by_client",
				       .reply = "http.response.status_code=200" };
	struct client_call half = {
		.method = "POST", .body = 50000, .send_only = 20000, .outcome = by_client
	};

	leave(s, &mid, 20, false);
	leave(s, &mid, 20, true);
	leave(s, &thinking, 30, true);
	leave(s, &patient, 30, false);
	leave(s, &half, 30, false);
	leave(s, &half, 30, true);
}

/* The server answers, closes and never reads the body. */
void case_unread_body(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_V4);
	struct client_call q = { .method = "POST",
				 .body = 100000,
				 .query = "refuse=1&status=413&n=11" };
	struct client_reply r = { 0 };
	char head[1024];

	client_path(&q, "unread");
	r.first_send_ns = client_now();
	client_send_bytes(c, head, client_head(&q, head, sizeof(head)), 0);
	r.sent_ns = client_now();
	client_receive(c, &q, &r);
	client_truth(c, &q, &r);
	client_close(c, false);
}

static void truth_of_death(struct client_setup *s, const char *signal, const char *path,
			   const char *more)
{
	fprintf(s->truth, "lifecycle\texit.signal=%s\tlifecycle.event=crash\tin_flight~%s%s\n",
		signal, path, more);
}

static void deadly(struct client_setup *s, const char *name, const char *query, const char *signal)
{
	struct client *c = case_open(s, CLIENT_FORKED);
	struct client_call q = { .query = query, .outcome = "unfinished", .bounds = -1 };

	client_path(&q, name);
	client_exchange(c, &q);
	client_close(c, false);
	truth_of_death(s, signal, q.path, "");
	trap_sleep_ms(50);
}

/* SIGKILL while the worker waits inside one long write. */
static void killed_in_send(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_FORKED);
	struct client_call q = { .query = "how=blocking&n=67108864",
				 .read_only = 1,
				 .outcome = "unfinished",
				 .bounds = -1 };
	struct client_reply r;

	client_path(&q, "killed");
	client_send(c, &q, &r);
	client_receive(c, &q, &r);
	trap_sleep_ms(100);
	if (r.pid > 0)
		kill(r.pid, SIGKILL);
	client_read_until_end(c, &r);
	client_truth(c, &q, &r);
	client_close(c, false);
	truth_of_death(s, "SIGKILL", q.path, "\texit.killed_by~trapserver");
	trap_sleep_ms(50);
}

void case_deaths(struct client_setup *s)
{
	struct client *c = case_open(s, CLIENT_FORKED);

	case_ask(c, "worker", NULL);
	client_close(c, false);
	deadly(s, "segv", "mute=1&die=segv&pause=30", "SIGSEGV");
	deadly(s, "abrt", "n=5000&cut=1000&die=abrt", "SIGABRT");
	broken_off(s, CLIENT_FORKED, "exit", "mute=1&die=exit&code=3&pause=10",
		   "unfinished|aborted_by_server");
	fprintf(s->truth, "lifecycle\tprocess.exit.code=3\tlifecycle.event=exit\n");
	killed_in_send(s);
	c = case_open(s, CLIENT_FORKED);
	case_ask(c, "worker", NULL);
	client_close(c, false);
}

/* Requests wait while the server is stopped: on an open connection and on one not yet accepted. */
void case_stopped(struct client_setup *s)
{
	struct client *c[2] = { case_open(s, CLIENT_V4), NULL };
	struct client_call q[2] = { 0 };
	struct client_reply r[2], first;

	client_path(&q[0], "before-stop");
	client_send(c[0], &q[0], &first);
	client_receive(c[0], &q[0], &first);
	client_truth(c[0], &q[0], &first);
	if (first.pid <= 0 || kill(first.pid, SIGSTOP) < 0)
		return;
	trap_sleep_ms(10);
	c[1] = case_open(s, CLIENT_V4);
	for (int i = 0; i < 2; i++) {
		client_path(&q[i], "stopped");
		client_send(c[i], &q[i], &r[i]);
	}
	trap_sleep_ms(150);
	kill(first.pid, SIGCONT);
	for (int i = 0; i < 2; i++) {
		client_receive(c[i], &q[i], &r[i]);
		client_truth(c[i], &q[i], &r[i]);
		client_close(c[i], false);
	}
}
