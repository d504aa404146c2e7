/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* http1.c - HTTP/1.x on one connection: start lines, the walk over each call's bytes, gaps and
 * ends. */
#include "proto/http1.h"

#include <stdlib.h>
#include <string.h>

/* ---- what goes out ---- */

void h1_emit(struct h1_call *x, struct h1_dir *dir, struct msg *m, uint64_t pos)
{
	if (!dir->open)
		return;
	m->conn = x->c;
	m->index = dir->index;
	m->request = h1_is_request(x->h, dir);
	m->pos = pos;
	m->ts = x->ts;
	m->chunk = x->ch;
	m->late = dir->late;
	x->out->emit(x->out->ctx, m);
}

void h1_flag(struct h1_call *x, struct h1_dir *dir, uint32_t mask, uint64_t pos)
{
	mask &= ~dir->seen;
	dir->seen |= mask;
	while (mask) {
		struct msg m = { .kind = MSG_ANOMALY };

		m.note.name = h1_anomaly_name[__builtin_ctz(mask)];
		mask &= mask - 1;
		h1_emit(x, dir, &m, pos);
	}
}

/* About the response of the oldest waiting exchange, of which nothing was seen yet. */
void h1_emit_waiting(struct h1_call *x, struct msg *m, uint64_t pos)
{
	struct h1_dir *res = h1_response_dir(x->h);

	if (res->open) {
		h1_emit(x, res, m, pos);
	} else if (x->h->fifo_len) {
		res->index = x->h->next_index - x->h->fifo_len;
		res->late = false;
		res->open = true;
		h1_emit(x, res, m, pos);
		res->open = false;
	}
}

void h1_complete(struct h1_call *x, uint64_t pos)
{
	struct h1_dir *dir = x->dir;
	struct msg m = { .kind = MSG_END };

	dir->pos = pos;
	dir->state = H1_START;
	dir->seek = H1_SEEK_IDLE;
	dir->unsolicited = false;
	if (h1_is_request(x->h, dir)) {
		h1_emit(x, dir, &m, pos);
		dir->open = false;
	} else {
		h1_end_response(x, x->ts);
	}
}

void h1_lose_step(struct h1_call *x, enum h1_seek mode, enum gap_kind kind, bool missed)
{
	struct h1_dir *dir = x->dir;
	struct msg m = { .kind = MSG_SIZE_UNKNOWN };

	if (mode != H1_SEEK_IDLE && dir->state != H1_SEEK && !dir->interim)
		h1_emit(x, dir, &m, dir->pos);
	dir->state = H1_SEEK;
	dir->seek = (uint8_t)mode;
	dir->gap_kind = (uint8_t)kind;
	if (missed) {
		dir->gap = true;
		x->h->gapped = x->h->owed = true;
	}
}

/* ---- the row's functions ---- */

static void call_init(struct h1_call *x, struct conn *c, enum direction d, const struct chunk *ch,
		      uint64_t ts, const struct msg_sink *out)
{
	struct http1 *h = c->proto;

	*x = (struct h1_call){
		.c = c, .h = h, .out = out, .ch = ch, .ts = ts, .d = d, .dir = &h->dir[d]
	};
	if (h->req_dir < 0 && c->role != CONN_UNKNOWN)
		h->req_dir = c->role == CONN_SERVER ? DIR_READ : DIR_WRITE;
}

/*
 * Is there no body where one should be, and do the bytes begin the next response? So it is where
 * the request was HEAD and nobody saw it: its reply went to another request, or to none. Requests
 * that wait behind a body which has not ended say that the client knows better.
 */
static bool no_body(const struct h1_call *x, const uint8_t *p, size_t n)
{
	const struct h1_dir *dir = x->dir;

	if (!dir->open || !x->call_start || h1_is_request(x->h, dir))
		return false;
	switch (dir->state) {
	case H1_BODY_CLOSE:
		if ((dir->late || x->h->fifo_len > 1) && h1_start_line_here(x, p, n))
			return true;
		break;
	case H1_BODY_LENGTH:
	case H1_CHUNK_SIZE:
		if (x->h->gapped && x->h->fifo_len > 1 && h1_start_line_here(x, p, n))
			return true;
		break;
	default:
		return false;
	}
	return dir->late && dir->empty && n >= 3 && h1_status_prefix(p, n) != PROTO_NO;
}

/* Of this direction: is there something before them that was not seen? */
static void first_bytes(struct h1_call *x, uint64_t pos)
{
	struct h1_dir *dir = x->dir;

	dir->state = H1_START;
	if (!pos && !x->c->late)
		return;
	/* met late, nothing is known to be missing from the replies to what will be asked */
	h1_lose_step(x, H1_SEEK_IDLE, GAP_LOST, h1_is_request(x->h, dir) || !x->c->late);
}

static bool http1_bytes(struct conn *c, enum direction d, uint64_t pos, const uint8_t *p, size_t n,
			const struct chunk *ch, const struct msg_sink *out)
{
	struct h1_call x;
	struct h1_dir *dir;

	if (!n)
		return true;
	if (!c->proto) {
		struct http1 *h = calloc(1, sizeof(*h));

		if (!h)
			return false;
		h->req_dir = -1;
		c->proto = h;
	}
	call_init(&x, c, d, ch, ch ? ch->ts : c->dir[d].last_ts, out);
	dir = x.dir;
	if (dir->state == H1_INIT)
		first_bytes(&x, pos);
	x.call_start = !(dir->mid_call && x.ts == dir->last_ts);
	dir->mid_call = false;
	if (dir->guess && dir->state == H1_CHUNK_DATA && x.call_start &&
	    h1_start_line_here(&x, p, n))
		h1_lose_step(&x, H1_SEEK_CHUNKED, (enum gap_kind)dir->gap_kind, true);
	if (no_body(&x, p, n)) {
		h1_end_response(&x, dir->last_ts);
		h1_lose_step(&x, H1_SEEK_IDLE, GAP_LOST, x.h->gapped);
	}
	while (n) {
		bool unsolicited = dir->unsolicited && dir->state < H1_SEEK;
		size_t k;

		switch (dir->state) {
		case H1_START:
			k = h1_start(&x, pos, p, n);
			break;
		case H1_START_REST:
			k = h1_start_rest(&x, p, n);
			break;
		case H1_FIELDS:
		case H1_TRAILERS:
			k = h1_fields(&x, pos, p, n);
			break;
		case H1_SEEK:
			k = h1_seek(&x, pos, p, n);
			break;
		case H1_DEAD:
			x.h->ignored += n;
			k = n;
			break;
		default:
			k = h1_body(&x, pos, p, n);
		}
		if (k)
			x.call_start = false;
		if (unsolicited)
			x.h->skipped += k;
		pos += k;
		p += k;
		n -= k;
	}
	dir->pos = pos;
	dir->last_ts = x.ts;
	dir->after_bytes = true;
	return true;
}

/* A gap between responses: any of the exchanges that wait may have had its response in it. */
static void lose_waiting(struct h1_call *x, struct msg *m, uint64_t pos)
{
	struct h1_dir *res = h1_response_dir(x->h);
	const struct h1_dir was = *res;

	if (was.open)
		h1_emit(x, res, m, pos);
	for (uint64_t i = x->h->next_index - x->h->fifo_len; i < x->h->next_index; i++) {
		if (was.open && !was.late && i == was.index)
			continue;
		res->index = i;
		res->late = false;
		res->open = true;
		h1_emit(x, res, m, pos);
	}
	res->index = was.index;
	res->late = was.late;
	res->open = was.open;
	x->h->told_index = x->h->next_index;
}

static void gap_between(struct h1_call *x, uint64_t pos, uint64_t n, enum gap_kind kind)
{
	struct msg m = { .kind = MSG_LOSS };

	h1_pass_over_kept(x);
	h1_lose_step(x, H1_SEEK_IDLE, kind, true);
	if (x->h->req_dir != (int)!x->d)
		return;
	m.body.p = NULL;
	m.body.n = n;
	m.body.gap = kind;
	lose_waiting(x, &m, pos);
}

static void http1_gap(struct conn *c, enum direction d, uint64_t pos, uint64_t n,
		      enum gap_kind kind, const struct chunk *ch, const struct msg_sink *out)
{
	struct h1_call x;
	struct h1_dir *dir;
	uint64_t k;

	if (!c->proto || !n)
		return;
	call_init(&x, c, d, ch, ch ? ch->ts : c->dir[d].last_ts, out);
	dir = x.dir;
	x.h->gap_bytes = n;
	x.h->gap_kind = (uint8_t)kind;
	if (dir->state == H1_SEEK)
		h1_pass_over_kept(&x); /* may end the message */
	switch (dir->state) {
	case H1_INIT:
	case H1_START:
		if (kind != GAP_OMITTED || !h1_cut_by_gap(&x)) {
			gap_between(&x, pos, n, kind);
			break;
		}
		/* fall through */
	case H1_START_REST:
	case H1_FIELDS:
	case H1_TRAILERS:
		h1_fields_flush(&x);
		h1_line_drop(dir);
		h1_lose_step(&x, H1_SEEK_HEAD, kind, true);
		h1_emit_gap(&x, dir, MSG_LOSS, pos, n, kind);
		break;
	case H1_SEEK:
		if (dir->seek == H1_SEEK_IDLE) {
			gap_between(&x, pos, n, kind);
			break;
		}
		h1_lose_step(&x, (enum h1_seek)dir->seek, kind, true);
		h1_emit_gap(&x, dir, dir->seek == H1_SEEK_HEAD ? MSG_LOSS : MSG_BODY_GAP, pos, n,
			    kind);
		break;
	case H1_DEAD:
		x.h->ignored += n;
		break;
	default:
		k = h1_body_gap(&x, pos, n, kind);
		if (k < n)
			gap_between(&x, pos + k, n - k, kind);
	}
	dir->pos = pos + n;
	/* a jump that the next call shows comes with that call's time, and stands before its bytes
	 */
	dir->mid_call = dir->after_bytes && x.ts == dir->last_ts;
	dir->after_bytes = false;
	dir->last_ts = x.ts;
}

static enum msg_abort closed_by(const struct conn *c, enum msg_abort otherwise)
{
	if (c->closer == CLOSED_NOT)
		return otherwise;
	return c->closer == CLOSED_BY_PEER ? ABORT_BY_PEER : ABORT_BY_TARGET;
}

/* The request that was in work is as complete as it will ever be. */
static void request_over(struct h1_call *x)
{
	struct h1_dir *req = h1_request_dir(x->h);
	bool sought = req->state == H1_SEEK && req->seek != H1_SEEK_IDLE;

	h1_line_drop(req);
	req->state = H1_DEAD;
	if (req->open && (sought || !h1_pair_waits(x->h, req->index)))
		h1_end_side(x, req, x->ts);
}

/*
 * May a body of unknown length end so? Not by a reset, unless the request is not over: what was
 * left unread of it makes a reset of any close.
 */
static bool may_end(struct http1 *h, const struct conn *c)
{
	const uint8_t state = h1_request_dir(h)->state;

	return !c->reset || (state > H1_START && state < H1_DEAD) || h1_request_pending(h);
}

static void http1_eof(struct conn *c, enum direction d, uint64_t ts, const struct msg_sink *out)
{
	struct h1_call x;

	if (!c->proto)
		return;
	call_init(&x, c, d, NULL, ts, out);
	if (x.h->req_dir < 0) {
		if (!x.dir->line) /* what is kept may be the beginning of a request, as below */
			x.dir->state = H1_DEAD;
	} else if (x.h->req_dir == (int)d) {
		if (!h1_request_pending(x.h)) /* what is there of a request may be answered yet */
			request_over(&x);
	} else {
		h1_finish(&x, may_end(x.h, c),
			  closed_by(c, d == DIR_WRITE ? ABORT_BY_TARGET : ABORT_BY_PEER));
	}
}

static void http1_end(struct conn *c, uint64_t ts, bool agent_stop, const struct msg_sink *out)
{
	struct h1_call x;
	enum msg_abort why = ABORT_EVICTED;
	bool answered_first;

	if (!c->proto)
		return;
	call_init(&x, c, DIR_READ, NULL, ts, out);
	if (x.h->req_dir < 0)
		return;
	/* whoever answers may end a body of unknown length by closing; nobody else may */
	answered_first =
		!agent_stop && may_end(x.h, c) &&
		c->closer == (x.h->req_dir == DIR_READ ? CLOSED_BY_TARGET : CLOSED_BY_PEER);
	if (agent_stop)
		why = ABORT_AGENT_STOP;
	else if (!c->evicted)
		why = closed_by(c, ABORT_EVICTED);
	h1_finish(&x, answered_first, why);
	request_over(&x);
}

static void http1_stalled(struct conn *c, uint64_t ts, const struct msg_sink *out)
{
	struct msg m = { .kind = MSG_STALL };
	struct h1_call x;

	if (!c->proto)
		return;
	call_init(&x, c, DIR_WRITE, NULL, ts, out);
	if (x.h->req_dir == DIR_READ)
		h1_emit_waiting(&x, &m, x.dir->pos);
	else
		h1_emit(&x, x.dir, &m, x.dir->pos);
}

static void http1_free(void *state)
{
	struct http1 *h = state;

	if (!h)
		return;
	h1_line_drop(&h->dir[0]);
	h1_line_drop(&h->dir[1]);
	free(h);
}

static const uint8_t *skip_empty_lines(const uint8_t *p, size_t *n)
{
	while (*n && (*p == '\r' || *p == '\n')) {
		p++;
		--*n;
	}
	return p;
}

static enum proto_verdict http1_detect(const struct conn *c, enum direction d, const uint8_t *p,
				       size_t n)
{
	bool full = n >= PROTO_PREFIX;
	enum proto_verdict v;
	struct h1_request_line r;
	const uint8_t *lf;

	(void)c;
	(void)d;
	p = skip_empty_lines(p, &n);
	if (!n)
		return full ? PROTO_NO : PROTO_MAYBE;
	v = h1_status_prefix(p, n);
	if (v == PROTO_YES || (v == PROTO_MAYBE && !full))
		return v;
	v = h1_request_prefix(p, n, true);
	if (v == PROTO_NO || (n >= 4 && !memcmp(p, "PRI ", 4))) /* HTTP/2's preface */
		return PROTO_NO;
	lf = memchr(p, '\n', n);
	if (lf)
		return h1_parse_request(p, (size_t)(lf - p), &r) == PROTO_YES ? PROTO_YES
									      : PROTO_NO;
	if (!full)
		return PROTO_MAYBE;
	/* a long target: only the forms that HTTP alone has */
	if (v != PROTO_YES || h1_parse_request(p, n, &r) == PROTO_NO)
		return PROTO_NO;
	return r.target[0] == '/' || (r.target_len > 7 && (h1_is(r.target, 4, "http", 4)))
		       ? PROTO_YES
		       : PROTO_NO;
}

static bool http1_is_request(const uint8_t *p, size_t n)
{
	p = skip_empty_lines(p, &n);
	return n && h1_status_prefix(p, n) == PROTO_NO;
}

static uint64_t http1_outside(const void *state)
{
	const struct http1 *h = state;

	return h->ignored + h->skipped;
}

const struct proto proto_http1 = {
	.name = "http",
	.detect = http1_detect,
	.bytes = http1_bytes,
	.gap = http1_gap,
	.eof = http1_eof,
	.end = http1_end,
	.stalled = http1_stalled,
	.free = http1_free,
	.is_request = http1_is_request,
	.outside = http1_outside,
};
