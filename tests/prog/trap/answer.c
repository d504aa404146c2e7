// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * answer.c - answers one request as its query string says: status, framing, size, pauses, and the
 * end: whole, cut short, reset, or the death of the process. tests/README.md lists the parameters.
 */
#include "trap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char *trap_param(const struct trap_request *q, const char *name, const char *dflt, char *out,
		       size_t max)
{
	size_t n = strlen(name);

	for (const char *p = q->query; *p != '\0';) {
		size_t len = strcspn(p, "&");

		if (len > n && strncmp(p, name, n) == 0 && p[n] == '=') {
			snprintf(out, max, "%.*s", (int)(len - n - 1), p + n + 1);
			return out;
		}
		p += len;
		p += *p == '&';
	}
	snprintf(out, max, "%s", dflt);
	return out;
}

long trap_param_num(const struct trap_request *q, const char *name, long dflt)
{
	char text[32];

	return *trap_param(q, name, "", text, sizeof(text)) == '\0' ? dflt : atol(text);
}

static char *plain_body(size_t content, size_t *n)
{
	char *body = malloc(content + 1);

	for (size_t i = 0; body != NULL && i < content; i++)
		body[i] = (char)(i % 64 == 63 ? '\n' : 'a' + (i / 64 + i) % 26);
	*n = content;
	return body;
}

static char *chunked_body(const struct trap_request *q, size_t content, size_t *n)
{
	size_t piece = (size_t)trap_param_num(q, "chunk", 1000), at = 0;
	const char *extension = trap_param_num(q, "ext", 0) ? ";name=\"va\\\"l;ue\"" : "";
	const char *trailer = trap_param_num(q, "trailer", 0) ? "X-Sum: 1\r\n" : "";
	char *body = malloc(content + (content / piece + 4) * 64);

	for (size_t done = 0; body != NULL && done < content;) {
		size_t now = content - done < piece ? content - done : piece;

		at += (size_t)sprintf(body + at, "%zx%s\r\n", now, extension);
		memset(body + at, 'c', now);
		memcpy(body + at + now, "\r\n", 2);
		at += now + 2;
		done += now;
	}
	if (body != NULL)
		at += (size_t)sprintf(body + at, "0\r\n%s\r\n", trailer);
	*n = at;
	return body;
}

static size_t make_head(const struct trap_request *q, long status, const char *frame, size_t body_n,
			char *head)
{
	size_t n = 0;
	long interim = trap_param_num(q, "interim", 0);

	if (interim > 0)
		n += (size_t)sprintf(head, "HTTP/1.1 %ld Interim\r\nLink: </a>\r\n\r\n", interim);
	n += (size_t)sprintf(head + n, "HTTP/1.1 %ld Status\r\nServer: trap\r\nX-Pid: %d\r\n",
			     status, getpid());
	n += (size_t)sprintf(head + n, "Content-Type: text/plain\r\n");
	if (status == 204)
		n += (size_t)sprintf(head + n, "\r\n");
	else if (strcmp(frame, "chunked") == 0)
		n += (size_t)sprintf(head + n, "Transfer-Encoding: chunked\r\n\r\n");
	else if (strcmp(frame, "close") == 0)
		n += (size_t)sprintf(head + n, "Connection: close\r\n\r\n");
	else
		n += (size_t)sprintf(head + n, "Content-Length: %zu\r\n\r\n", body_n);
	return n;
}

static void reset_on_close(int fd)
{
	struct linger l = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

static void die(const struct trap_request *q)
{
	char how[16];

	trap_param(q, "die", "", how, sizeof(how));
	if (strcmp(how, "segv") == 0)
		raise(SIGSEGV);
	else if (strcmp(how, "abrt") == 0)
		abort();
	else if (strcmp(how, "exit") == 0)
		_exit((int)trap_param_num(q, "code", 3));
}

bool trap_answer(struct trap_conn *c, const struct trap_request *q)
{
	char how[16], frame[16], head[1024];
	long status = trap_param_num(q, "status", 200), cut = trap_param_num(q, "cut", -1);
	size_t content = (size_t)trap_param_num(q, "n", 200), head_n, body_n;
	bool good = true,
	     has_body = status != 204 && status != 304 && strcmp(q->method, "HEAD") != 0;
	char *body;

	trap_param(q, "how", "plain", how, sizeof(how));
	trap_param(q, "frame", "length", frame, sizeof(frame));
	body = strcmp(frame, "chunked") == 0 ? chunked_body(q, content, &body_n)
					     : plain_body(content, &body_n);
	if (body == NULL)
		return false;
	head_n = make_head(q, status, frame, body_n, head);
	if (!has_body)
		body_n = 0;
	if (cut >= 0 && (size_t)cut < body_n)
		body_n = (size_t)cut;
	trap_sleep_ms(trap_param_num(q, "pause", 0));
	if (!trap_param_num(q, "mute", 0))
		good = trap_write(c->fd, how, head, head_n, body, body_n,
				  trap_param_num(q, "gap", 0));
	free(body);
	die(q);
	trap_sleep_ms(trap_param_num(q, "linger", 0));
	if (trap_param_num(q, "reset", 0))
		reset_on_close(c->fd);
	return good && cut < 0 && strcmp(frame, "close") != 0 && !trap_param_num(q, "mute", 0);
}
