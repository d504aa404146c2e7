// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * read.c - reads requests with the system calls that the connection was set to: the traps of a
 * monitor's read side (peeks, truncation, vectors, one byte at a time, bytes that no buffer shows).
 */
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t take_recvmsg(int fd, char *p, size_t n)
{
	size_t half = n / 2;
	struct iovec iov[] = {
		{ NULL, 0 }, { p, half }, { p, 0 }, { p + half, n - half }, { NULL, 0 },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 5 };

	return recvmsg(fd, &m, 0);
}

static ssize_t take_recvmmsg(int fd, char *p, size_t n)
{
	size_t half = n / 2;
	struct iovec iov[2] = { { p, half }, { p + half, n - half } };
	struct mmsghdr m[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	int got = recvmmsg(fd, m, 2, MSG_WAITFORONE, NULL);

	if (got <= 0)
		return got;
	if (got == 1)
		return (ssize_t)m[0].msg_len;
	memmove(p + m[0].msg_len, p + half, m[1].msg_len);
	return (ssize_t)m[0].msg_len + (ssize_t)m[1].msg_len;
}

static ssize_t take_readv(int fd, char *p, size_t n)
{
	size_t first = n < 3 ? n : 3;
	struct iovec iov[] = { { p, first }, { NULL, 0 }, { p + first, n - first } };

	return readv(fd, iov, 3);
}

static ssize_t take_recv(int fd, char *p, size_t n)
{
	return recv(fd, p, n, 0);
}

static ssize_t take_onebyte(int fd, char *p, size_t n)
{
	return read(fd, p, n < 1 ? n : 1);
}

static ssize_t take_small(int fd, char *p, size_t n)
{
	return recv(fd, p, n < 7 ? n : 7, 0);
}

/* Meets EAGAIN whenever nothing is there. */
static ssize_t take_nonblock(int fd, char *p, size_t n)
{
	for (;;) {
		ssize_t got = recv(fd, p, n, MSG_DONTWAIT);
		struct pollfd w = { fd, POLLIN, 0 };

		if (got >= 0 || errno != EAGAIN)
			return got;
		poll(&w, 1, -1);
	}
}

/* Looks twice before it takes. */
static ssize_t take_peek(int fd, char *p, size_t n)
{
	ssize_t got = recv(fd, p, n, MSG_PEEK);

	if (got > 1)
		got = recv(fd, p, (size_t)got / 2, MSG_PEEK);
	return got <= 0 ? got : recv(fd, p, n, 0);
}

static ssize_t take_dup(int fd, char *p, size_t n)
{
	int other = dup(fd);
	ssize_t got = read(other, p, n);

	close(other);
	return got;
}

static ssize_t take(struct trap_conn *c, char *p, size_t n)
{
	static const struct {
		const char *name;
		ssize_t (*take)(int fd, char *p, size_t n);
	} how[] = {
		{ "recv", take_recv },         { "recvmsg", take_recvmsg },
		{ "recvmmsg", take_recvmmsg }, { "readv", take_readv },
		{ "onebyte", take_onebyte },   { "small", take_small },
		{ "nonblock", take_nonblock }, { "peek", take_peek },
		{ "dup", take_dup },
	};

	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++)
		if (strcmp(c->read_how, how[i].name) == 0)
			return how[i].take(c->fd, p, n);
	return read(c->fd, p, n);
}

static ssize_t drop_by_splice(int fd, size_t n)
{
	int pipes[2], null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ssize_t got = -1;

	if (null >= 0 && pipe(pipes) == 0) {
		got = splice(fd, NULL, pipes[1], NULL, n < 65536 ? n : 65536, 0);
		for (ssize_t left = got; left > 0;) {
			ssize_t out = splice(pipes[0], NULL, null, NULL, (size_t)left, 0);

			left = out > 0 ? left - out : 0;
		}
		close(pipes[0]);
		close(pipes[1]);
	}
	close(null);
	return got;
}

/* Body bytes that nobody keeps; MSG_TRUNC and splice move them without showing them. */
static ssize_t drop(struct trap_conn *c, size_t n)
{
	char buffer[65536];

	if (strcmp(c->read_how, "trunc") == 0)
		return recv(c->fd, buffer, n < sizeof(buffer) ? n : sizeof(buffer), MSG_TRUNC);
	if (strcmp(c->read_how, "splice") == 0)
		return drop_by_splice(c->fd, n);
	return take(c, buffer, n < sizeof(buffer) ? n : sizeof(buffer));
}

static void use(struct trap_conn *c, size_t n)
{
	c->have -= n;
	memmove(c->in, c->in + n, c->have);
}

static bool take_more(struct trap_conn *c)
{
	ssize_t got;

	if (c->have == sizeof(c->in))
		return false;
	got = take(c, c->in + c->have, sizeof(c->in) - c->have);
	if (got > 0)
		c->have += (size_t)got;
	return got > 0;
}

static void parse_header(const char *line, struct trap_request *q)
{
	if (strncasecmp(line, "content-length:", 15) == 0)
		q->content_length = atol(line + 15);
	else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0)
		q->chunked = true;
	else if (strncasecmp(line, "expect: 100-continue", 20) == 0)
		q->expect = true;
}

static bool parse_head(const char *head, size_t n, struct trap_request *q)
{
	char text[TRAP_HEAD_MAX + 1], target[768] = "", *mark, *line;

	memset(q, 0, sizeof(*q));
	memcpy(text, head, n);
	text[n] = '\0';
	if (sscanf(text, "%15s %767s", q->method, target) != 2)
		return false;
	mark = strchr(target, '?');
	if (mark != NULL) {
		*mark = '\0';
		snprintf(q->query, sizeof(q->query), "%.*s", (int)sizeof(q->query) - 1, mark + 1);
	}
	snprintf(q->path, sizeof(q->path), "%.*s", (int)sizeof(q->path) - 1, target);
	for (line = strstr(text, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
		parse_header(line + 2, q);
	return true;
}

bool trap_read_head(struct trap_conn *c, struct trap_request *q)
{
	char *end;
	size_t n;

	while ((end = memmem(c->in, c->have, "\r\n\r\n", 4)) == NULL)
		if (!take_more(c))
			return false;
	n = (size_t)(end - c->in) + 4;
	if (!parse_head(c->in, n, q))
		return false;
	use(c, n);
	return true;
}

static bool read_sized(struct trap_conn *c, size_t left)
{
	size_t here = left < c->have ? left : c->have;

	use(c, here);
	left -= here;
	while (left > 0) {
		ssize_t got = drop(c, left);

		if (got <= 0)
			return false;
		left -= (size_t)got;
	}
	return true;
}

static bool read_line(struct trap_conn *c, char *line, size_t max)
{
	char *end;
	size_t n;

	while ((end = memmem(c->in, c->have, "\r\n", 2)) == NULL)
		if (!take_more(c))
			return false;
	n = (size_t)(end - c->in);
	snprintf(line, max, "%.*s", (int)n, c->in);
	use(c, n + 2);
	return true;
}

static bool read_chunked(struct trap_conn *c)
{
	char line[256];
	size_t size;

	do {
		if (!read_line(c, line, sizeof(line)))
			return false;
		size = strtoul(line, NULL, 16);
		if (size > 0 && !(read_sized(c, size) && read_line(c, line, sizeof(line))))
			return false;
	} while (size > 0);
	do {
		if (!read_line(c, line, sizeof(line)))
			return false;
	} while (line[0] != '\0');
	return true;
}

bool trap_read_body(struct trap_conn *c, const struct trap_request *q)
{
	return q->chunked ? read_chunked(c) : read_sized(c, (size_t)q->content_length);
}
