// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * drive.c - walks through the traps and writes one line of truth for each request and each death.
 *
 *   trapserver drive --port P --truth FILE [--unix PATH] [--go FILE] [--case NAME]
 *                    [--up-ms N] [--low-ms N] [--low-share X]
 *
 * With --go, connections are opened before that file exists (before the monitor attaches) and used
 * after it. 1: a reply was not as asked for, so that nothing can be said about the monitor.
 */
#include "cases.h"
#include "trap.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- before the monitor ---- */

struct early {
	struct client *used, *fresh, *half;
	struct client_call call; /* whose body is half sent */
};

static void open_early(struct client_setup *s, struct early *e)
{
	struct client_call q = { .query = "n=777" };
	struct client_reply r;
	char head[1024], *body = calloc(1, 20000);

	e->used = case_open(s, CLIENT_V4);
	client_path(&q, "unseen");
	for (int i = 0; i < 5; i++) {
		client_send(e->used, &q, &r);
		client_receive(e->used, &q, &r);
	}
	e->fresh = case_open(s, CLIENT_V4);
	e->half = case_open(s, CLIENT_V4);
	e->call = (struct client_call){ .method = "POST", .query = "n=888", .body = 40000 };
	client_path(&e->call, "half-seen");
	client_send_bytes(e->half, head, client_head(&e->call, head, sizeof(head)), 0);
	client_send_bytes(e->half, body, 20000, 0);
	free(body);
}

static void case_early(struct client_setup *s, struct early *e)
{
	struct client_reply r = { 0 };
	char *body = calloc(1, 20000);

	case_ask(e->used, "early", NULL);
	case_post(e->used, "early", NULL, 5000, 0);
	case_ask(e->fresh, "early", "frame=chunked&n=4000");
	case_ask(e->used, "early", "n=10");
	client_send_bytes(e->half, body, 20000, 0);
	client_receive(e->half, &e->call, &r);
	fprintf(s->truth,
		"exchange\texchange.late=true\thttp.response.status_code=200\thttp.response.body."
		"size=888"
		"\tclient.port=%d\texchange.loss=0\texchange.outcome=ok\n",
		e->half->port);
	case_ask(e->half, "early", "n=20");
	client_close(e->used, false);
	client_close(e->fresh, false);
	client_close(e->half, false);
	free(body);
}

static void wait_for(const char *path)
{
	while (access(path, F_OK) != 0)
		trap_sleep_ms(5);
}

static const struct trap_case {
	const char *name;
	void (*run)(struct client_setup *s);
} cases[] = {
	{ "keepalive", case_keepalive },
	{ "reuse", case_reuse },
	{ "ipv6", case_ipv6 },
	{ "unix", case_unix },
	{ "nothing", case_nothing },
	{ "halfclose", case_halfclose },
	{ "pipelined", case_pipelined },
	{ "messages", case_messages },
	{ "big", case_big },
	{ "reads", case_reads },
	{ "writes", case_writes },
	{ "slow-client", case_slow_client },
	{ "descriptors", case_descriptors },
	{ "server-aborts", case_server_aborts },
	{ "client-aborts", case_client_aborts },
	{ "unread-body", case_unread_body },
	{ "stopped", case_stopped },
	{ "deaths", case_deaths },
};

static int usage(void)
{
	fprintf(stderr, "usage: trapserver drive --port P --truth FILE [--unix PATH] [--go FILE] "
			"[--case NAME]\n"
			"       [--up-ms N] [--low-ms N] [--low-share X]\ncases:");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		fprintf(stderr, " %s", cases[i].name);
	fprintf(stderr, "\n");
	return 2;
}

int trap_drive(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, 0, 'p' },   { "truth", 1, 0, 't' },     { "unix", 1, 0, 'u' },
		{ "go", 1, 0, 'g' },     { "case", 1, 0, 'c' },      { "up-ms", 1, 0, 'a' },
		{ "low-ms", 1, 0, 'b' }, { "low-share", 1, 0, 's' }, { 0 },
	};
	struct client_setup s = { .low_ns = 3000000, .low_share = 0.10 };
	const char *go = NULL, *only = NULL;
	struct early early;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'p':
			s.port = atoi(optarg);
			break;
		case 't':
			s.truth = fopen(optarg, "w");
			break;
		case 'u':
			s.unix_path = optarg;
			break;
		case 'g':
			go = optarg;
			break;
		case 'c':
			only = optarg;
			break;
		case 'a':
			s.up_ns = (uint64_t)(atof(optarg) * 1e6);
			break;
		case 'b':
			s.low_ns = (uint64_t)(atof(optarg) * 1e6);
			break;
		case 's':
			s.low_share = atof(optarg);
			break;
		default:
			return usage();
		}
	}
	if (s.port == 0 || s.truth == NULL)
		return usage();
	signal(SIGPIPE, SIG_IGN);
	if (go != NULL) {
		open_early(&s, &early);
		wait_for(go);
		case_early(&s, &early);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (only == NULL || strcmp(only, cases[i].name) == 0)
			cases[i].run(&s);
	fclose(s.truth);
	return s.wrong > 0;
}
