/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cases.h - the traps, one function each, and what they are made of. */
#ifndef TRAP_CASES_H
#define TRAP_CASES_H

#include "client.h"

/* The program ends when it cannot connect. A request has a path /name/N. */
struct client *case_open(struct client_setup *s, enum client_where where);
void case_ask(struct client *c, const char *name, const char *query);
void case_post(struct client *c, const char *name, const char *query, size_t body, size_t piece);

void case_keepalive(struct client_setup *s);
void case_reuse(struct client_setup *s);
void case_ipv6(struct client_setup *s);
void case_unix(struct client_setup *s);
void case_nothing(struct client_setup *s);
void case_halfclose(struct client_setup *s);
void case_pipelined(struct client_setup *s);
void case_messages(struct client_setup *s);
void case_big(struct client_setup *s);
void case_reads(struct client_setup *s);
void case_writes(struct client_setup *s);
void case_slow_client(struct client_setup *s);
void case_descriptors(struct client_setup *s);
void case_server_aborts(struct client_setup *s);
void case_client_aborts(struct client_setup *s);
void case_unread_body(struct client_setup *s);
void case_deaths(struct client_setup *s);
void case_stopped(struct client_setup *s);

#endif
