// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * load.c - sends a number of requests over keep-alive connections, one open on each, to any server.
 *
 *   trapserver load --port P | --unix PATH [--connections 32] [--requests 1000] [--name load]
 *                   [--query Q] [--body N] [--truth FILE] [--go FILE]
 *
 * Truth is a line for each request: path, status, request size, response size; when its first byte
 * was sent, its last had arrived and was read (monotonic ns); our port. The last line is `wire`,
 * bytes sent, bytes received. With --go, connections are opened before that file exists.
 */
#include "client.h"
#include "trap.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024

struct slot {
	struct client *client;
	struct client_call call;
	struct client_reply reply;
	bool busy;
};

struct load {
	struct client_setup setup;
	enum client_where where;
	unsigned connections, requests, sent, done, broken;
	const char *name, *go;
	struct client_call call;
	struct slot slot[MAX_CONNECTIONS];
	struct pollfd poll[MAX_CONNECTIONS];
};

static void send_next(struct load *l, struct slot *s)
{
	s->busy = l->sent < l->requests;
	if (!s->busy)
		return;
	l->sent++;
	s->call = l->call;
	client_path(&s->call, l->name);
	client_send(s->client, &s->call, &s->reply);
}

static void receive(struct load *l, struct slot *s)
{
	const struct client_reply *r = &s->reply;

	client_receive(s->client, &s->call, &s->reply);
	l->done++;
	l->broken += !r->complete;
	if (l->setup.truth != NULL)
		fprintf(l->setup.truth, "%s\t%d\t%zu\t%zu\t%llu\t%llu\t%llu\t%llu\t%d\n",
			s->call.path, r->status, r->sent, r->size,
			(unsigned long long)r->first_send_ns, (unsigned long long)r->sent_ns,
			(unsigned long long)r->arrived_ns, (unsigned long long)r->read_ns,
			s->client->port);
	if (r->complete && !r->end) {
		send_next(l, s);
		return;
	}
	s->busy = false;
	l->poll[s - l->slot].fd = -1;
}

static int run(struct load *l)
{
	unsigned long long out = 0, in = 0;

	for (unsigned i = 0; i < l->connections; i++) {
		l->slot[i].client = client_open(&l->setup, l->where);
		if (l->slot[i].client == NULL) {
			perror("trapserver: connect");
			return 1;
		}
		l->poll[i] = (struct pollfd){ l->slot[i].client->fd, POLLIN, 0 };
	}
	while (l->go != NULL && access(l->go, F_OK) != 0)
		trap_sleep_ms(5);
	for (unsigned i = 0; i < l->connections; i++)
		send_next(l, &l->slot[i]);
	while (l->done < l->sent) {
		if (poll(l->poll, l->connections, 30000) <= 0)
			return 1;
		for (unsigned i = 0; i < l->connections; i++)
			if (l->poll[i].revents != 0 && l->slot[i].busy)
				receive(l, &l->slot[i]);
	}
	for (unsigned i = 0; i < l->connections; i++) {
		out += l->slot[i].client->wire_out;
		in += l->slot[i].client->wire_in;
		client_close(l->slot[i].client, false);
	}
	if (l->setup.truth != NULL)
		fprintf(l->setup.truth, "wire\t%llu\t%llu\n", out, in);
	return l->broken > 0 || l->done < l->requests;
}

int trap_load(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, 0, 'p' },        { "unix", 1, 0, 'u' },
		{ "connections", 1, 0, 'c' }, { "requests", 1, 0, 'r' },
		{ "name", 1, 0, 'n' },        { "query", 1, 0, 'q' },
		{ "body", 1, 0, 'b' },        { "truth", 1, 0, 't' },
		{ "go", 1, 0, 'g' },          { 0 },
	};
	static struct load l = {
		.setup = { .wide = true }, .connections = 32, .requests = 1000, .name = "load"
	};
	int o, status;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'p':
			l.setup.port = atoi(optarg);
			break;
		case 'u':
			l.setup.unix_path = optarg;
			l.where = CLIENT_UNIX;
			break;
		case 'c':
			l.connections = (unsigned)atoi(optarg);
			break;
		case 'r':
			l.requests = (unsigned)atoi(optarg);
			break;
		case 'n':
			l.name = optarg;
			break;
		case 'q':
			l.call.query = optarg;
			break;
		case 'b':
			l.call.body = (size_t)atol(optarg);
			l.call.method = l.call.body > 0 ? "POST" : "GET";
			break;
		case 't':
			l.setup.truth = fopen(optarg, "w");
			break;
		case 'g':
			l.go = optarg;
			break;
		default:
			return 2;
		}
	}
	if (l.connections > MAX_CONNECTIONS || (l.setup.port == 0 && l.setup.unix_path == NULL))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	status = run(&l);
	if (l.setup.truth != NULL && fclose(l.setup.truth) != 0)
		return 1;
	return status;
}
