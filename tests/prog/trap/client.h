/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* client.h - the client of the trap server: requests out, replies in, and the truth about both. */
#ifndef TRAP_CLIENT_H
#define TRAP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum client_where { CLIENT_V4, CLIENT_V6, CLIENT_UNIX, CLIENT_FORKED };

struct client_setup {
	int port; /* threads; port + 1: forked workers */
	const char *unix_path;
	FILE *truth; /* lines for `check` */
	uint64_t up_ns, low_ns; /* how much longer or shorter than ours a duration may be */
	double low_share;
	bool wide; /* bytes arrive when they were sent, not when we get round to reading */
	unsigned wrong; /* replies that were not as asked for: the traps themselves are broken */
};

struct client {
	struct client_setup *setup;
	enum client_where where;
	int fd;
	int port; /* our end's; 0 for unix */
	char *in;
	size_t at, have;
	uint64_t wire_out, wire_in; /* bytes, framing included */
};

struct client_call {
	char path[64]; /* made by client_path */
	const char *method; /* NULL: GET */
	const char *query; /* what the server shall do; NULL: nothing special */
	size_t body; /* bytes to send */
	bool chunked; /* the request's body */
	bool expect; /* wait for 100 Continue before the body */
	size_t piece; /* bytes of one send; 0: all at once */
	size_t send_only; /* stop after so many body bytes, if not 0 */
	size_t read_only; /* give up reading the body after so many bytes, if not 0 */
	long read_pause_ms; /* before each read */
	/* the truth that the client cannot see for itself; NULL: by status */
	const char *outcome;
	const char *reply; /* checks of status and size that replace the exact ones */
	bool size_hidden; /* the server writes chunks so that their sizes need not be seen */
	int bounds; /* 0: both, 1: upper only, -1: none */
};

struct client_reply {
	int status; /* 0: none came */
	int pid; /* X-Pid */
	size_t size; /* content bytes received */
	size_t announced; /* Content-Length */
	bool complete, end; /* whole; the connection ended */
	uint64_t first_send_ns, sent_ns; /* before and after the first send */
	uint64_t arrived_ns, read_ns; /* the last byte: in our socket, and in our hands */
	size_t sent; /* content bytes sent */
};

uint64_t client_now(void);
/* NULL when it cannot be had (no IPv6). */
struct client *client_open(struct client_setup *s, enum client_where where);
void client_close(struct client *c, bool reset);
void client_path(struct client_call *q, const char *name); /* /name/N, never the same twice */

/* The bytes of a request's head; of chunked bodies too. */
size_t client_head(const struct client_call *q, char *out, size_t max);
bool client_send(struct client *c, const struct client_call *q, struct client_reply *r);
bool client_send_bytes(struct client *c, const char *p, size_t n, size_t piece);
void client_receive(struct client *c, const struct client_call *q, struct client_reply *r);
void client_read_until_end(struct client *c, struct client_reply *r);
void client_truth(const struct client *c, const struct client_call *q,
		  const struct client_reply *r);
/* Send, receive, write the truth; counts a reply that is not whole unless an outcome was given. */
void client_exchange(struct client *c, const struct client_call *q);

#endif
