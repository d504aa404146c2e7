// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * load.c - a fixed number of equal requests over keep-alive connections, one open on each, as fast
 * as the server answers or at a given rate.
 *
 *   load PORT REQUESTS [--connections 16] [--rate PER_SECOND] [--path /predict] [--body TEXT]
 *
 * A reply has a Content-Length. Prints `answers seconds` when every request was answered with 200.
 * At a rate, requests become due every millisecond, and one that finds no connection free waits.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 256
#define REPLY_MAX 8192

struct connection {
	bool busy;
	size_t have;
	char reply[REPLY_MAX + 1];
};

struct load {
	unsigned requests, connections, rate;
	unsigned sent, answered;
	char request[4096];
	size_t request_len;
	struct connection conn[MAX_CONNECTIONS];
	struct pollfd poll[MAX_CONNECTIONS];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int send_request(struct load *l, unsigned i)
{
	l->sent++;
	l->conn[i].busy = true;
	l->conn[i].have = 0;
	return send(l->poll[i].fd, l->request, l->request_len, MSG_NOSIGNAL) ==
			       (ssize_t)l->request_len
		       ? 0
		       : -1;
}

/* Whole length of the reply, 0 while its head is not there, -1 when it is not what we asked for. */
static long reply_length(const struct connection *c)
{
	const char *end = strstr(c->reply, "\r\n\r\n"), *length;

	if (!end)
		return c->have < REPLY_MAX ? 0 : -1;
	length = strcasestr(c->reply, "\r\ncontent-length:");
	if (strncmp(c->reply, "HTTP/1.1 200", 12) || !length || length > end)
		return -1;
	return end + 4 - c->reply + atol(length + 17);
}

static int receive(struct load *l, unsigned i)
{
	struct connection *c = &l->conn[i];
	ssize_t n = recv(l->poll[i].fd, c->reply + c->have, REPLY_MAX - c->have, 0);
	long length;

	if (n <= 0)
		return -1;
	c->have += (size_t)n;
	c->reply[c->have] = '\0';
	length = reply_length(c);
	if (length < 0 || (length && (size_t)length < c->have))
		return -1;
	if (length && (size_t)length == c->have) {
		c->busy = false;
		l->answered++;
	}
	return 0;
}

/* Requests that may have been sent by now. */
static unsigned due(const struct load *l, double start)
{
	double n = l->rate ? (now() - start) * l->rate + 1 : l->requests;

	return n < l->requests ? (unsigned)n : l->requests;
}

static int drive(struct load *l, double start)
{
	while (l->answered < l->requests) {
		unsigned limit = due(l, start);
		bool waits = l->sent < l->requests && limit <= l->sent;

		for (unsigned i = 0; i < l->connections && l->sent < limit; i++)
			if (!l->conn[i].busy && send_request(l, i))
				return -1;
		if (poll(l->poll, l->connections,
			 waits                              ? 1
			 : l->rate && l->sent < l->requests ? 1
							    : 30000) < 0)
			return -1;
		for (unsigned i = 0; i < l->connections; i++)
			if (l->poll[i].revents && receive(l, i))
				return -1;
		if (now() - start > 120)
			return -1;
	}
	return 0;
}

static int connect_all(struct load *l, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	for (unsigned i = 0; i < l->connections; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
			return -1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		l->poll[i] = (struct pollfd){ fd, POLLIN, 0 };
	}
	return 0;
}

static int write_request(struct load *l, const char *path, const char *body)
{
	int n;

	if (body)
		n = snprintf(l->request, sizeof(l->request),
			     "POST %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n"
			     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			     path, strlen(body), body);
	else
		n = snprintf(l->request, sizeof(l->request),
			     "GET %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n\r\n", path);
	l->request_len = (size_t)n;
	return n > 0 && (size_t)n < sizeof(l->request) ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connections", 1, 0, 'c' },
		{ "rate", 1, 0, 'r' },
		{ "path", 1, 0, 'p' },
		{ "body", 1, 0, 'b' },
		{ 0 },
	};
	static struct load l = { .connections = 16 };
	const char *path = "/predict", *body = NULL;
	double start;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			l.connections = (unsigned)atoi(optarg);
		else if (o == 'r')
			l.rate = (unsigned)atoi(optarg);
		else if (o == 'p')
			path = optarg;
		else if (o == 'b')
			body = optarg;
		else
			return 2;
	}
	if (argc - optind != 2 || l.connections < 1 || l.connections > MAX_CONNECTIONS) {
		fprintf(stderr, "usage: load PORT REQUESTS [options]\n");
		return 2;
	}
	l.requests = (unsigned)atoi(argv[optind + 1]);
	if (write_request(&l, path, body) || connect_all(&l, atoi(argv[optind]))) {
		perror("load");
		return 1;
	}
	start = now();
	if (drive(&l, start)) {
		fprintf(stderr, "load: %u of %u requests were answered\n", l.answered, l.requests);
		return 1;
	}
	printf("%u %.6f\n", l.answered, now() - start);
	return 0;
}
