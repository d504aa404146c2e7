/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_http1_tap.h - a connection to feed and a sink that puts the messages of the HTTP/1 parser
 * together again, one row an exchange, and holds them against the rules that every consumer relies
 * on. Shared by the unit tests and the fuzz target; a broken rule is text in `broken`.
 */
#ifndef TEST_HTTP1_TAP_H
#define TEST_HTTP1_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http1.h"

#define TAP_MAX 100000 /* more exchanges than this on one connection: the parser went wild */

struct tap_text {
	char *p;
	size_t n, cap;
};
struct tap_side {
	bool begun, headers_end, end, size_unknown;
	struct tap_text head, body; /* body: bytes as they came; gaps are counted */
	uint64_t gap[2], loss[2]; /* by enum gap_kind */
	uint64_t begin_ts, begin_wait, begin_pos, end_ts, end_pos;
};
struct tap_x {
	struct tap_side req, res;
	char method[40], target[256];
	int minor, status, interim[4], interims;
	bool late, cut, aborted, upgraded;
	enum msg_abort abort;
	unsigned stalls;
	char upgrade[16];
	struct tap_text anomalies;
};
struct tap {
	struct conn c;
	struct msg_sink sink;
	struct tap_x *x;
	size_t n, cap;
	uint64_t ts, messages;
	unsigned strays; /* anomalies of no exchange */
	bool jumped[2];
	char broken[160];
};

static inline void tap_add(struct tap_text *t, const void *p, size_t n)
{
	if (t->n + n + 1 > t->cap) {
		t->cap = (t->n + n + 1) * 2;
		t->p = realloc(t->p, t->cap);
		if (!t->p)
			abort();
	}
	if (n)
		memcpy(t->p + t->n, p, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static inline void tap_break(struct tap *t, const char *rule, const struct msg *m)
{
	if (!t->broken[0])
		snprintf(t->broken, sizeof(t->broken), "%s (kind %d, index %llu, %s)", rule,
			 (int)m->kind, (unsigned long long)m->index,
			 m->request ? "request" : "response");
}

static inline bool tap_done(const struct tap_x *x)
{
	return x->aborted || ((x->req.end || !x->req.begun) && x->res.end);
}

static inline void tap_emit(void *ctx, const struct msg *m)
{
	struct tap *t = ctx;
	struct tap_side *s;
	struct tap_x *x;

	t->messages++;
	if (m->conn != &t->c)
		tap_break(t, "another connection", m);
	if (m->index == MSG_NO_EXCHANGE) {
		if (m->kind != MSG_ANOMALY)
			tap_break(t, "message about no exchange", m);
		t->strays++;
		return;
	}
	if (m->index > t->n || m->index >= TAP_MAX) {
		tap_break(t, "index out of order", m);
		return;
	}
	if (m->index >= t->cap) {
		t->x = realloc(t->x, t->cap * 2 * sizeof(*t->x));
		if (!t->x)
			abort();
		memset(t->x + t->cap, 0, t->cap * sizeof(*t->x));
		t->cap *= 2;
	}
	x = &t->x[m->index];
	if (m->index == t->n) {
		if (m->kind != MSG_REQUEST_LINE && !(m->kind == MSG_STATUS_LINE && m->late))
			tap_break(t, "an exchange begins with its start line", m);
		t->n++;
		x->late = m->late;
	} else if (m->kind == MSG_REQUEST_LINE) {
		tap_break(t, "an exchange begins twice", m);
	}
	if (tap_done(x))
		tap_break(t, "message after the end", m);
	if (m->late != x->late)
		tap_break(t, "late changes", m);
	s = m->request ? &x->req : &x->res;
	if (s->end && m->kind != MSG_ABORT)
		tap_break(t, "message after the end of its side", m);
	if (!s->begun && m->kind != MSG_REQUEST_LINE && m->kind != MSG_STATUS_LINE &&
	    m->kind != MSG_ABORT && m->kind != MSG_STALL &&
	    (m->request || (m->kind != MSG_LOSS && m->kind != MSG_ANOMALY)))
		tap_break(t, "message before the start line", m);

	switch (m->kind) {
	case MSG_REQUEST_LINE:
		if (!m->request || s->begun)
			tap_break(t, "request line out of place", m);
		s->begun = true;
		s->begin_ts = m->ts;
		s->begin_pos = m->pos;
		s->begin_wait = m->chunk ? m->chunk->wait_ns : WAIT_UNKNOWN;
		if (m->request_line.method_len > H1_METHOD_MAX ||
		    (!m->request_line.method_len && !m->request_line.cut))
			tap_break(t, "method length", m);
		snprintf(x->method, sizeof(x->method), "%.*s", (int)m->request_line.method_len,
			 m->request_line.method);
		snprintf(x->target, sizeof(x->target), "%.*s",
			 (int)(m->request_line.target_len < 250 ? m->request_line.target_len : 250),
			 m->request_line.target);
		if (memchr(m->request_line.target, '\n', m->request_line.target_len))
			tap_break(t, "line end in a target", m);
		x->minor = m->request_line.minor;
		x->cut = m->request_line.cut;
		break;
	case MSG_STATUS_LINE:
		if (m->request || (s->begun && x->status / 100 != 1))
			tap_break(t, "status line out of place", m);
		if (!s->begun) {
			s->begin_ts = m->ts;
			s->begin_pos = m->pos;
		}
		s->begun = true;
		s->headers_end = false;
		x->status = m->status_line.status;
		if (x->status / 100 == 1 && x->status != 101 && x->interims < 4)
			x->interim[x->interims++] = x->status;
		break;
	case MSG_HEADER:
		if (m->header.trailer != s->headers_end)
			tap_break(t, "header out of place", m);
		if (!m->header.name_len)
			tap_break(t, "header without a name", m);
		tap_add(&s->head, m->header.name, m->header.name_len);
		tap_add(&s->head, m->header.trailer ? "~ " : ": ", 2);
		tap_add(&s->head, m->header.value, m->header.value_len);
		tap_add(&s->head, "\n", 1);
		break;
	case MSG_HEADERS_END:
		if (s->headers_end)
			tap_break(t, "head ends twice", m);
		s->headers_end = true;
		break;
	case MSG_BODY:
		if (!s->headers_end || !m->body.n)
			tap_break(t, "body out of place", m);
		tap_add(&s->body, m->body.p, (size_t)m->body.n);
		break;
	case MSG_BODY_GAP:
		if (!s->headers_end || !m->body.n || m->body.p)
			tap_break(t, "body gap out of place", m);
		s->gap[m->body.gap] += m->body.n;
		break;
	case MSG_LOSS:
		s->loss[m->body.gap] += m->body.n;
		break;
	case MSG_END:
		s->end = true;
		s->end_ts = m->ts;
		s->end_pos = m->pos;
		break;
	case MSG_UPGRADE:
		x->upgraded = true;
		snprintf(x->upgrade, sizeof(x->upgrade), "%s", m->note.name);
		break;
	case MSG_ABORT:
		if (m->abort == ABORT_NONE)
			tap_break(t, "abort without a reason", m);
		x->aborted = true;
		x->abort = m->abort;
		break;
	case MSG_ANOMALY:
		tap_add(&x->anomalies, m->note.name, strlen(m->note.name));
		tap_add(&x->anomalies, " ", 1);
		break;
	case MSG_STALL:
		x->stalls++;
		break;
	case MSG_SIZE_UNKNOWN:
		s->size_unknown = true;
		break;
	}
}

static inline void tap_init(struct tap *t, enum conn_role role, bool late)
{
	memset(t, 0, sizeof(*t));
	t->x = calloc(t->cap = 8, sizeof(*t->x));
	if (!t->x)
		abort();
	t->c.role = role;
	t->c.late = late;
	t->sink.ctx = t;
	t->sink.emit = tap_emit;
	t->ts = 1000;
}

static inline void tap_free(struct tap *t)
{
	proto_http1.free(t->c.proto);
	for (size_t i = 0; i < t->cap; i++) {
		struct tap_side *s[2] = { &t->x[i].req, &t->x[i].res };

		for (int k = 0; k < 2; k++) {
			free(s[k]->head.p);
			free(s[k]->body.p);
		}
		free(t->x[i].anomalies.p);
	}
	free(t->x);
	t->x = NULL;
}

static inline void tap_piece(struct tap *t, enum direction d, const void *p, size_t n)
{
	struct chunk ch = { .ts = t->ts, .wait_ns = t->ts / 10 };
	/* in memory of their own, so that a read beyond them is seen */
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	if (!proto_http1.bytes(&t->c, d, t->c.dir[d].pos, copy, n, &ch, &t->sink))
		abort();
	t->c.dir[d].pos += n;
	t->c.dir[d].last_ts = ch.ts;
	memset(copy, 0xa5, n);
	free(copy);
}

static inline void tap_hole(struct tap *t, enum direction d, uint64_t n, enum gap_kind kind)
{
	struct chunk ch = { .ts = t->ts, .wait_ns = WAIT_UNKNOWN };

	proto_http1.gap(&t->c, d, t->c.dir[d].pos, n, kind, &ch, &t->sink);
	t->c.dir[d].pos += n;
}

/* One call. */
static inline void tap_bytes(struct tap *t, enum direction d, const void *p, size_t n)
{
	if (!t->jumped[d])
		t->ts += 10;
	t->jumped[d] = false;
	tap_piece(t, d, p, n);
}

/* A jump between calls: as conn has it, it is met with the next call and has that call's time. */
static inline void tap_gap(struct tap *t, enum direction d, uint64_t n, enum gap_kind kind)
{
	t->ts += 10;
	t->jumped[d] = true;
	tap_hole(t, d, n, kind);
}

/* One call with a gap in its middle. */
static inline void tap_cut_call(struct tap *t, enum direction d, const void *head, size_t head_n,
				uint64_t gap, enum gap_kind kind, const void *tail, size_t tail_n)
{
	tap_bytes(t, d, head, head_n);
	tap_hole(t, d, gap, kind);
	tap_piece(t, d, tail, tail_n);
}

static inline void tap_eof(struct tap *t, enum direction d)
{
	t->c.dir[d].eof = true;
	proto_http1.eof(&t->c, d, t->ts += 10, &t->sink);
}

static inline void tap_end(struct tap *t, enum conn_closer closer, bool reset, bool agent_stop)
{
	if (t->c.closer == CLOSED_NOT)
		t->c.closer = closer;
	t->c.reset |= reset;
	proto_http1.end(&t->c, t->ts += 10, agent_stop, &t->sink);
	for (size_t i = 0; i < t->n; i++)
		if (!tap_done(&t->x[i]) && !t->broken[0])
			snprintf(t->broken, sizeof(t->broken), "exchange %zu is open after the end",
				 i);
}

/* Everything but times and positions, as text: equal texts, equal messages. */
static inline void tap_dump(const struct tap *t, struct tap_text *out)
{
	char line[512];

	out->n = 0;
	tap_add(out, "", 0);
	for (size_t i = 0; i < t->n; i++) {
		const struct tap_x *x = &t->x[i];
		const struct tap_side *s[2] = { &x->req, &x->res };

		snprintf(line, sizeof(line),
			 "#%zu %s %s 1.%d -> %d (%d interim)%s%s%s abort %d [%s]\n", i, x->method,
			 x->target, x->minor, x->status, x->interims, x->late ? " late" : "",
			 x->upgraded ? " upgrade " : "", x->upgrade, (int)x->abort,
			 x->anomalies.p ? x->anomalies.p : "");
		tap_add(out, line, strlen(line));
		for (int k = 0; k < 2; k++) {
			snprintf(line, sizeof(line),
				 " %s head %d end %d gap %llu+%llu loss %llu+%llu body %zu:\n",
				 k ? "res" : "req", s[k]->headers_end, s[k]->end,
				 (unsigned long long)s[k]->gap[0], (unsigned long long)s[k]->gap[1],
				 (unsigned long long)s[k]->loss[0],
				 (unsigned long long)s[k]->loss[1], s[k]->body.n);
			tap_add(out, line, strlen(line));
			tap_add(out, s[k]->head.p, s[k]->head.n);
			tap_add(out, s[k]->body.p, s[k]->body.n);
			tap_add(out, "\n", 1);
		}
	}
}

#endif
