/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* trap.h - what the parts of the trap server share: a connection, a request, entry points. */
#ifndef TRAP_TRAP_H
#define TRAP_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TRAP_HEAD_MAX 16384

struct trap_conn {
	int fd;
	char read_how[16]; /* set by /mode?read=..., for the requests after it */
	char in[TRAP_HEAD_MAX];
	size_t have; /* bytes in in[] that no request has used yet */
};

struct trap_request {
	char method[16];
	char path[256];
	char query[512];
	long content_length;
	bool chunked, expect;
};

void trap_sleep_ms(long ms);

/* read.c: heads and bodies, read with the system calls that the connection is set to. */
bool trap_read_head(struct trap_conn *c, struct trap_request *q);
bool trap_read_body(struct trap_conn *c, const struct trap_request *q);

/* write.c: head and body, written with the system calls named by how. */
bool trap_send_all(int fd, const char *p, size_t n, int flags);
bool trap_write(int fd, const char *how, char *head, size_t head_n, char *body, size_t body_n,
		long gap_ms);

/* answer.c: what the query string asks for. False: the connection is to be closed. */
long trap_param_num(const struct trap_request *q, const char *name, long dflt);
const char *trap_param(const struct trap_request *q, const char *name, const char *dflt, char *out,
		       size_t max);
bool trap_answer(struct trap_conn *c, const struct trap_request *q);

/* The commands. */
int trap_serve(int argc, char **argv);
int trap_drive(int argc, char **argv);
int trap_check(int argc, char **argv);
int trap_load(int argc, char **argv);

#endif
