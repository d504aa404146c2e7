/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * http1_pair.c - which response belongs to which request: first come, first answered (RFC 9112
 * section 9.3.2), and what becomes of it where a gap may have swallowed whole messages.
 */
#include "proto/http1.h"

/* So many requests in a row that came after their predecessor's answer clear a client of
 * pipelining. */
#define PIPELINING 8

static enum h1_kind kind_at(const struct http1 *h, unsigned i)
{
	unsigned at = (h->fifo_head + i) % H1_OPEN_MAX;

	return (enum h1_kind)(h->fifo_kind[at / 4] >> (at % 4 * 2) & 3);
}

static void set_kind(struct http1 *h, unsigned at, enum h1_kind kind)
{
	unsigned shift = at % 4 * 2;

	h->fifo_kind[at / 4] =
		(uint8_t)((h->fifo_kind[at / 4] & ~(3u << shift)) | (unsigned)kind << shift);
}

static void push(struct http1 *h, enum h1_kind kind)
{
	set_kind(h, (h->fifo_head + h->fifo_len++) % H1_OPEN_MAX, kind);
}

enum h1_kind h1_pair_kind(const struct http1 *h)
{
	return h->fifo_len ? kind_at(h, 0) : H1_PLAIN;
}

static void pop(struct http1 *h)
{
	if (!h->fifo_len)
		return;
	h->fifo_head = (uint8_t)((h->fifo_head + 1) % H1_OPEN_MAX);
	h->fifo_len--;
}

bool h1_pair_waits(const struct http1 *h, uint64_t index)
{
	return index < h->next_index && h->next_index - index <= h->fifo_len;
}

void h1_end_side(struct h1_call *x, struct h1_dir *dir, uint64_t ts)
{
	struct h1_call y = *x;
	struct msg m = { .kind = MSG_END };

	y.ts = ts;
	if (ts != x->ts)
		y.ch = NULL;
	h1_emit(&y, dir, &m, dir->pos);
	dir->open = false;
}

static void abort_one(struct h1_call *x, uint64_t index, bool late, enum msg_abort why)
{
	struct h1_dir *req = h1_request_dir(x->h), *res = h1_response_dir(x->h);
	bool begun = res->open && res->index == index;
	struct msg m = { .kind = MSG_ABORT, .conn = x->c, .index = index, .ts = x->ts };

	m.request = !begun;
	m.chunk = x->ch;
	m.late = late;
	m.pos = begun ? res->pos : req->pos;
	/* Not paired because of a gap elsewhere: without a word it would pass for whole. */
	if (why == ABORT_LOST_SYNC && !begun && x->h->gap_bytes && index >= x->h->told_index) {
		m.kind = MSG_LOSS;
		m.request = false;
		m.body.n = x->h->gap_bytes;
		m.body.gap = (enum gap_kind)x->h->gap_kind;
		x->out->emit(x->out->ctx, &m);
		m.kind = MSG_ABORT;
		m.request = true;
	}
	m.abort = why;
	if (begun)
		res->open = false;
	if (req->open && req->index == index)
		req->open = false;
	x->out->emit(x->out->ctx, &m);
}

/*
 * The size of a chunk could not be read although every byte was there: whatever follows and whoever
 * closes, it was the one who answers that broke the response off.
 */
static bool broken_off(const struct h1_dir *res)
{
	return res->seen & H1_BIT(H1_AN_BAD_CHUNK) && !res->guess;
}

static void break_off(struct h1_call *x)
{
	struct h1_dir *res = h1_response_dir(x->h);

	abort_one(x, res->index, res->late,
		  x->h->req_dir == DIR_READ ? ABORT_BY_TARGET : ABORT_BY_PEER);
	if (!res->late)
		pop(x->h);
}

void h1_end_response(struct h1_call *x, uint64_t ts)
{
	struct h1_dir *req = h1_request_dir(x->h), *res = h1_response_dir(x->h);

	if (!res->open)
		return;
	if (broken_off(res)) {
		break_off(x);
		return;
	}
	h1_end_side(x, res, ts);
	if (!res->late)
		pop(x->h);
	/* a request that ended in its middle can only end with its response */
	if (req->open && req->index == res->index && req->state == H1_DEAD)
		h1_end_side(x, req, ts);
}

void h1_abort_all(struct h1_call *x, enum msg_abort why)
{
	struct h1_dir *res = h1_response_dir(x->h);

	if (res->open && res->late)
		abort_one(x, res->index, true, why);
	while (x->h->fifo_len) {
		uint64_t index = x->h->next_index - x->h->fifo_len;

		pop(x->h);
		abort_one(x, index, false, why);
	}
}

void h1_finish(struct h1_call *x, bool complete, enum msg_abort why)
{
	struct h1_dir *res = h1_response_dir(x->h);

	if (res->open && !res->interim) {
		if (complete && (res->state == H1_BODY_CLOSE ||
				 (res->state == H1_SEEK && res->seek != H1_SEEK_IDLE))) {
			h1_end_response(x, x->ts);
		} else if (broken_off(res) && (why == ABORT_BY_PEER || why == ABORT_BY_TARGET)) {
			break_off(x);
		} else {
			bool late = res->late;

			abort_one(x, res->index, late, why);
			if (!late)
				pop(x->h);
		}
	}
	h1_abort_all(x, res->gap && why != ABORT_AGENT_STOP ? ABORT_LOST_SYNC : why);
	h1_line_drop(res);
	res->state = H1_DEAD;
}

/*
 * A request after a gap in the responses. A client that does not pipeline asks again only when it
 * was answered: so what waited has had its response in the gap, and pairing starts afresh. False:
 * it does pipeline, or the response in work is in step; then nothing can be concluded.
 */
static bool direction_change(struct h1_call *x)
{
	struct http1 *h = x->h;
	struct h1_dir *res = h1_response_dir(h);

	if (h->fifo_len > 1 || h->pipelining ||
	    (res->open && res->state != H1_SEEK && !res->interim))
		return false;
	if (res->open && res->seek != H1_SEEK_IDLE && !res->interim)
		h1_end_response(x, res->last_ts);
	h1_abort_all(x, ABORT_LOST_SYNC);
	if (res->state == H1_SEEK) {
		h1_line_drop(res);
		res->seek = H1_SEEK_IDLE;
	}
	res->gap = false;
	return true;
}

uint32_t h1_pair_request(struct h1_call *x, enum h1_kind kind)
{
	struct http1 *h = x->h;
	struct h1_dir *req = x->dir, *res = h1_response_dir(h);
	uint32_t an = 0;
	bool gap;

	/*
	 * The response to a request that nobody saw may have been one to HEAD, and its length mean
	 * nothing. A new request says that it is over. (If the client pipelines after all, the rest
	 * of one body is passed over; a length that is believed in vain would cost all that
	 * follows.)
	 */
	if ((res->unsolicited || (res->open && res->late)) && !res->interim &&
	    res->state != H1_DEAD) {
		h1_end_response(x, res->last_ts);
		h1_line_drop(res);
		res->state = H1_SEEK;
		res->seek = H1_SEEK_IDLE;
		res->unsolicited = false;
	}
	gap = req->gap || res->gap;
	if (res->gap && !direction_change(x))
		kind = H1_UNSURE;
	if (req->gap && (h->fifo_len || h->pipelining))
		kind = H1_UNSURE;
	if (h->fifo_len)
		h->pipelining = PIPELINING;
	else if (!gap && h->pipelining)
		h->pipelining--;
	/* more come before the first after a gap is answered: others, lost, may be due before it */
	if (h->fifo_len && h->doubt && !res->open)
		set_kind(h, h->fifo_head, H1_UNSURE);
	h->doubt = h->fifo_len ? h->doubt : req->gap;
	req->gap = false;
	if (h->fifo_len == H1_OPEN_MAX) {
		an = H1_BIT(H1_AN_TOO_MANY_PIPELINED);
		h1_abort_all(x, ABORT_LOST_SYNC);
		kind = H1_UNSURE;
	}
	if (!h->fifo_len && !h->pipelining && !res->open)
		h->owed = false; /* whoever does not pipeline was answered */
	push(h, kind);
	req->index = h->next_index++;
	req->open = true;
	return an;
}

/*
 * Nobody asked: servers say 408 and the like to a connection that has been idle, and close it. What
 * is no error was asked for, by a request that was lost; the gap shows when the next one comes.
 */
static void unsolicited(struct h1_call *x)
{
	struct msg m = { .kind = MSG_ANOMALY,
			 .conn = x->c,
			 .index = MSG_NO_EXCHANGE,
			 .ts = x->ts,
			 .chunk = x->ch };

	m.note.name = h1_anomaly_name[H1_AN_RESPONSE_WITHOUT_REQUEST];
	m.pos = x->dir->pos;
	x->dir->unsolicited = true;
	x->out->emit(x->out->ctx, &m);
}

uint32_t h1_pair_response(struct h1_call *x)
{
	struct http1 *h = x->h;
	struct h1_dir *res = x->dir;

	if (res->gap || h1_pair_kind(h) == H1_UNSURE) {
		h1_abort_all(x, ABORT_LOST_SYNC);
		res->gap = false;
	}
	if (res->open) /* after an interim response */
		return 0;
	res->late = !h->fifo_len;
	if (res->late && !x->c->late && !h->owed && res->status >= 400) {
		unsolicited(x);
		return 0;
	}
	res->open = true;
	if (!res->late) {
		res->index = h->next_index - h->fifo_len;
		return 0;
	}
	res->index = h->next_index++;
	return x->c->late || (h->owed && h->gap_bytes) ? 0 : H1_BIT(H1_AN_RESPONSE_WITHOUT_REQUEST);
}
