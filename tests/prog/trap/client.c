// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* client.c - sends requests to the trap server and writes down what a monitor should say of them.
 */
#include "client.h"
#include "trap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define IN_MAX 65536

uint64_t client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int connect_to(const struct client_setup *s, enum client_where where)
{
	int port = where == CLIENT_FORKED ? s->port + 1 : s->port;
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_un path = { .sun_family = AF_UNIX };
	int room = 16 << 20;
	int family = where == CLIENT_V6 ? AF_INET6 : where == CLIENT_UNIX ? AF_UNIX : AF_INET;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), bad;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	if (s->wide)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (where == CLIENT_UNIX) {
		snprintf(path.sun_path, sizeof(path.sun_path), "%s", s->unix_path);
		bad = connect(fd, (struct sockaddr *)&path, sizeof(path));
	} else if (where == CLIENT_V6) {
		bad = connect(fd, (struct sockaddr *)&v6, sizeof(v6));
	} else {
		bad = connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	}
	if (bad < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int own_port(int fd)
{
	struct sockaddr_in6 a = { 0 }; /* its port is where that of sockaddr_in is */
	socklen_t n = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &n);
	return a.sin6_family == AF_UNIX ? 0 : ntohs(a.sin6_port);
}

struct client *client_open(struct client_setup *s, enum client_where where)
{
	int fd = connect_to(s, where), on = 1;
	struct client *c;

	if (fd < 0)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL || (c->in = malloc(IN_MAX)) == NULL)
		abort();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	c->setup = s;
	c->where = where;
	c->fd = fd;
	c->port = own_port(fd);
	return c;
}

void client_close(struct client *c, bool reset)
{
	struct linger l = { 1, 0 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(c->fd);
	free(c->in);
	free(c);
}

void client_path(struct client_call *q, const char *name)
{
	static unsigned n;

	snprintf(q->path, sizeof(q->path), "/%s/%u", name, n++);
}

/* ---- out ----------------------------------------------------------------------------------------
 */

size_t client_head(const struct client_call *q, char *out, size_t max)
{
	size_t n = (size_t)snprintf(out, max,
				    "%s %s%s%s HTTP/1.1\r\nHost: trap\r\nUser-Agent: trap/1\r\n",
				    q->method == NULL ? "GET" : q->method, q->path,
				    q->query == NULL ? "" : "?", q->query == NULL ? "" : q->query);

	if (q->chunked)
		n += (size_t)snprintf(out + n, max - n, "Transfer-Encoding: chunked\r\n");
	else if (q->body > 0)
		n += (size_t)snprintf(out + n, max - n, "Content-Length: %zu\r\n", q->body);
	if (q->expect)
		n += (size_t)snprintf(out + n, max - n, "Expect: 100-continue\r\n");
	return n + (size_t)snprintf(out + n, max - n, "\r\n");
}

bool client_send_bytes(struct client *c, const char *p, size_t n, size_t piece)
{
	while (n > 0) {
		ssize_t sent = send(c->fd, p, piece > 0 && piece < n ? piece : n, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		p += sent;
		n -= (size_t)sent;
		c->wire_out += (uint64_t)sent;
	}
	return true;
}

static bool send_body(struct client *c, const struct client_call *q, struct client_reply *r)
{
	size_t n = q->send_only > 0 ? q->send_only : q->body;
	char *text = malloc(n + 64);
	bool good = true;

	if (text == NULL)
		return false;
	memset(text, 'r', n);
	if (!q->chunked) {
		good = client_send_bytes(c, text, n, q->piece);
		r->sent = n;
	}
	for (size_t at = 0, now; q->chunked && good && at < n; at += now) {
		char size[32];

		now = n - at < 777 ? n - at : 777;
		snprintf(size, sizeof(size), "%zX;x\r\n", now);
		good = client_send_bytes(c, size, strlen(size), q->piece) &&
		       client_send_bytes(c, text, now, q->piece) &&
		       client_send_bytes(c, "\r\n", 2, q->piece);
		r->sent += now;
	}
	if (q->chunked && q->send_only == 0)
		good = good && client_send_bytes(c, "0\r\nX-End: 1\r\n\r\n", 15, q->piece);
	free(text);
	return good;
}

/* ---- in -----------------------------------------------------------------------------------------
 */

/*
 * When bytes came in: the stack's own stamp where the socket has one, so that a client that had to
 * wait for a CPU does not put its own delay on the monitor's account.
 */
static void stamp(struct msghdr *m, struct client_reply *r)
{
	struct timespec real, mono, in;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	r->read_ns = (uint64_t)mono.tv_sec * 1000000000u + (uint64_t)mono.tv_nsec;
	r->arrived_ns = r->read_ns;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&in, CMSG_DATA(h), sizeof(in));
		r->arrived_ns -= (uint64_t)((real.tv_sec - in.tv_sec) * 1000000000 +
					    (real.tv_nsec - in.tv_nsec));
	}
}

static bool fill(struct client *c, struct client_reply *r)
{
	char control[128];
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t got;

	if (c->at > 0) {
		memmove(c->in, c->in + c->at, c->have - c->at);
		c->have -= c->at;
		c->at = 0;
	}
	iov.iov_base = c->in + c->have;
	iov.iov_len = IN_MAX - c->have;
	got = recvmsg(c->fd, &m, 0);
	if (got <= 0) {
		r->end = true;
		return false;
	}
	stamp(&m, r);
	c->have += (size_t)got;
	c->wire_in += (uint64_t)got;
	return true;
}

static bool read_line(struct client *c, struct client_reply *r, char *line, size_t max)
{
	char *end;

	while ((end = memmem(c->in + c->at, c->have - c->at, "\r\n", 2)) == NULL)
		if (!fill(c, r))
			return false;
	snprintf(line, max, "%.*s", (int)(end - (c->in + c->at)), c->in + c->at);
	c->at = (size_t)(end - c->in) + 2;
	return true;
}

/* Up to n content bytes into nowhere; fewer when the connection or the patience ends first. */
static bool read_content(struct client *c, const struct client_call *q, struct client_reply *r,
			 size_t n)
{
	while (n > 0) {
		size_t here;

		if (c->at == c->have) {
			trap_sleep_ms(q->read_pause_ms);
			if (!fill(c, r))
				return false;
		}
		here = c->have - c->at < n ? c->have - c->at : n;
		c->at += here;
		r->size += here;
		n -= here;
		if (q->read_only > 0 && r->size >= q->read_only)
			return false;
	}
	return true;
}

struct head {
	bool chunked, sized;
	size_t length;
};

static bool read_head(struct client *c, struct client_reply *r, struct head *h)
{
	char line[512];

	memset(h, 0, sizeof(*h));
	r->status = 0;
	if (!read_line(c, r, line, sizeof(line)) || sscanf(line, "HTTP/1.1 %d", &r->status) != 1)
		return false;
	while (read_line(c, r, line, sizeof(line))) {
		if (line[0] == '\0')
			return true;
		if (strncasecmp(line, "content-length:", 15) == 0) {
			h->sized = true;
			r->announced = h->length = strtoul(line + 15, NULL, 10);
		} else if (strncasecmp(line, "transfer-encoding:", 18) == 0) {
			h->chunked = true;
		} else if (strncasecmp(line, "x-pid:", 6) == 0) {
			r->pid = atoi(line + 6);
		}
	}
	return false;
}

static void read_chunks(struct client *c, const struct client_call *q, struct client_reply *r)
{
	char line[256];
	size_t size;

	do {
		if (!read_line(c, r, line, sizeof(line)))
			return;
		size = strtoul(line, NULL, 16);
		if (size > 0 &&
		    !(read_content(c, q, r, size) && read_line(c, r, line, sizeof(line))))
			return;
	} while (size > 0);
	do {
		if (!read_line(c, r, line, sizeof(line)))
			return;
	} while (line[0] != '\0');
	r->complete = true;
}

void client_receive(struct client *c, const struct client_call *q, struct client_reply *r)
{
	struct head h;

	do {
		if (!read_head(c, r, &h))
			return;
	} while (r->status < 200);
	if (r->status == 204 || r->status == 304 ||
	    (q->method != NULL && strcmp(q->method, "HEAD") == 0))
		r->complete = true;
	else if (h.chunked)
		read_chunks(c, q, r);
	else if (h.sized)
		r->complete = read_content(c, q, r, h.length);
	else
		r->complete = !read_content(c, q, r, SIZE_MAX) && r->end;
}

void client_read_until_end(struct client *c, struct client_reply *r)
{
	do {
		r->size += c->have - c->at;
		c->at = c->have;
	} while (fill(c, r));
}

bool client_send(struct client *c, const struct client_call *q, struct client_reply *r)
{
	char head[1024];
	size_t n = client_head(q, head, sizeof(head));
	struct head h;

	memset(r, 0, sizeof(*r));
	r->first_send_ns = client_now();
	if (!client_send_bytes(c, head, n, q->piece))
		return false;
	r->sent_ns = client_now();
	if (q->expect) {
		if (!read_head(c, r, &h))
			return false;
		if (r->status != 100) { /* refused: this is the answer already */
			r->complete = read_content(c, q, r, h.length);
			return false;
		}
	}
	return q->body == 0 || send_body(c, q, r);
}

/* ---- the truth ---- */

static const char *outcome_of(const struct client_call *q, const struct client_reply *r)
{
	if (q->outcome != NULL)
		return q->outcome;
	return r->status >= 500 ? "server_error" : r->status >= 400 ? "client_error" : "ok";
}

static void truth_times(const struct client *c, const struct client_call *q,
			const struct client_reply *r)
{
	const struct client_setup *s = c->setup;
	double read = (double)(r->read_ns - r->first_send_ns) / 1e9;
	double arrived = (double)(int64_t)(r->arrived_ns - r->sent_ns) / 1e9;
	double low = (double)s->low_ns / 1e9;

	if (low < arrived * s->low_share)
		low = arrived * s->low_share;
	if (q->bounds >= 0)
		fprintf(s->truth, "\tsocket.wait_time+duration<%.9f",
			read + (double)s->up_ns / 1e9);
	if (q->bounds == 0 && c->where != CLIENT_UNIX) /* a unix socket does not tell its wait */
		fprintf(s->truth, "\tsocket.wait_time+duration>%.9f", arrived - low);
}

void client_truth(const struct client *c, const struct client_call *q, const struct client_reply *r)
{
	const struct client_setup *s = c->setup;
	FILE *f = s->truth;

	fprintf(f,
		"exchange\turl.path=%s\thttp.request.method=%s\texchange.loss=0\texchange.role="
		"server",
		q->path, q->method == NULL ? "GET" : q->method);
	fprintf(f, "\texchange.outcome=%s\thttp.request.body.size=%zu", outcome_of(q, r), r->sent);
	if (q->reply != NULL)
		fprintf(f, "\t%s", q->reply);
	else if (r->status > 0)
		fprintf(f, "\thttp.response.status_code=%d\thttp.response.body.size%s%zu",
			r->status, q->size_hidden ? "?" : "=", r->size);
	else
		fprintf(f, "\thttp.response.status_code!");
	if (q->query != NULL)
		fprintf(f, "\turl.query=%s", q->query);
	fprintf(f, "\tnetwork.protocol.name=http\tnetwork.protocol.version=1.1\tuser_agent."
		   "original=trap/1");
	if (c->where == CLIENT_UNIX)
		fprintf(f, "\tnetwork.transport=unix\tsocket.wait_time!");
	else
		fprintf(f,
			"\tnetwork.transport=tcp\tclient.address=%s\tclient.port=%d\tserver.port=%"
			"d",
			c->where == CLIENT_V6 ? "::1" : "127.0.0.1", c->port,
			c->where == CLIENT_FORKED ? s->port + 1 : s->port);
	truth_times(c, q, r);
	fputc('\n', f);
	fflush(f);
}

void client_exchange(struct client *c, const struct client_call *q)
{
	struct client_reply r;

	if (client_send(c, q, &r) || !r.complete)
		client_receive(c, q, &r);
	if (q->outcome == NULL && !r.complete) {
		fprintf(stderr, "trapserver: %s: no whole reply (status %d, %zu bytes)\n", q->path,
			r.status, r.size);
		c->setup->wrong++;
	}
	client_truth(c, q, &r);
}
