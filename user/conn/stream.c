// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * stream.c - turns the calls on one socket into two byte streams: where each call's bytes stand,
 * which bytes no record showed, and why.
 *
 * Invariant, at any time and for each direction: pos = parsed + omitted + lost. All changes to
 * these go through account().
 */
#include "conn/entry.h"

#include <string.h>

#define BLOCKING_WRITE_MIN \
	65536 /* shorter writes fit into a socket's buffer: their exit time is right */
#define MSG_DONTWAIT_FLAG 0x40u
#define STUCK_CALLS 8 /* far more than threads get out of order */

static void account(struct conn_table *t, struct stream *s, uint64_t parsed, uint64_t omitted,
		    uint64_t lost)
{
	s->pos += parsed + omitted + lost;
	s->parsed += parsed;
	s->omitted += omitted;
	s->lost += lost;
	t->stats.parsed += parsed;
	t->stats.omitted += omitted;
	t->stats.lost += lost;
}

/* Take n bytes that were accounted as `kind` off again, or make lost ones of omitted ones. */
static void unaccount(struct conn_table *t, struct stream *s, uint64_t n, enum gap_kind kind)
{
	uint64_t *sum = kind == GAP_LOST ? &s->lost : &s->omitted;
	uint64_t *all = kind == GAP_LOST ? &t->stats.lost : &t->stats.omitted;

	if (n > *sum)
		n = *sum;
	*sum -= n;
	*all -= n;
	s->pos -= n;
}

static void omitted_to_lost(struct conn_table *t, struct stream *s, uint64_t n)
{
	if (n > s->omitted)
		n = s->omitted;
	s->omitted -= n;
	s->lost += n;
	t->stats.omitted -= n;
	t->stats.lost += n;
}

/* Nothing comes after an end, whatever a thread's record that is late by a little says. */
static bool is_heard(const struct entry *e, enum direction d)
{
	return !e->ended && !e->c.dir[d].eof;
}

static void give_gap(struct conn_table *t, struct entry *e, enum direction d, uint64_t n,
		     enum gap_kind kind, const struct chunk *ch)
{
	struct stream *s = &e->c.dir[d];
	const uint64_t pos = s->pos;

	if (!n)
		return;
	account(t, s, 0, kind == GAP_OMITTED ? n : 0, kind == GAP_LOST ? n : 0);
	if (is_heard(e, d))
		t->sink.gap(t->sink.ctx, &e->c, d, pos, n, kind, ch);
}

static void give_bytes(struct conn_table *t, struct entry *e, enum direction d, const uint8_t *p,
		       size_t n, const struct chunk *ch)
{
	struct stream *s = &e->c.dir[d];
	const uint64_t pos = s->pos;
	const bool heard = is_heard(e, d);

	if (!n)
		return;
	/* After its end nobody looks at bytes any more: left out, not lost. */
	account(t, s, heard ? n : 0, heard ? 0 : n, 0);
	s->last_ts = ch->ts;
	if (heard)
		t->sink.bytes(t->sink.ctx, &e->c, d, pos, p, n, ch);
}

/* Bytes that moved without a record: against our will if records went missing meanwhile. */
static void give_jump(struct conn_table *t, struct entry *e, enum direction d, uint64_t n,
		      const struct chunk *ch, uint64_t ts)
{
	struct entry_dir *ed = &e->dir[d];

	if (holes_suspect(&t->holes, ed->mark, ts)) {
		give_gap(t, e, d, n, GAP_LOST, ch);
		return;
	}
	holes_note_jump(&t->holes, &(struct jump){
					   .inode = e->c.inode,
					   .serial = e->serial,
					   .pos = e->c.dir[d].pos,
					   .n = n,
					   .from_ts = ed->ts,
					   .to_ts = ts,
					   .dir = d,
				   });
	give_gap(t, e, d, n, GAP_OMITTED, ch);
}

/* The position of a direction is known as of now. */
static void told(struct conn_table *t, struct entry_dir *ed, uint64_t ts)
{
	ed->mark = t->holes.count;
	ed->ts = ts;
}

void stream_meet(struct conn_table *t, struct entry *e, enum direction d, uint64_t pos,
		 uint32_t seq32, bool seq_valid, uint64_t ts)
{
	struct stream *s = &e->c.dir[d];
	struct entry_dir *ed = &e->dir[d];

	/* What moved before: not seen because we were not there, or because records were lost. */
	ed->base_kind = !e->late_flag && t->holes.count ? GAP_LOST : GAP_OMITTED;
	ed->base = pos;
	ed->base_known = true;
	ed->fresh = true;
	account(t, s, 0, ed->base_kind == GAP_OMITTED ? pos : 0,
		ed->base_kind == GAP_LOST ? pos : 0);
	s->seq32 = seq32;
	s->known = seq_valid;
	told(t, ed, ts);
}

void stream_recount(struct entry *e, enum direction d, uint32_t seq32)
{
	struct stream *s = &e->c.dir[d];

	if (!s->known || (int32_t)(seq32 - s->seq32) < 0)
		s->seq32 = seq32;
	s->known = true;
}

/* ---- one call ---- */

static void make_chunk(const struct conn_table *t, const struct entry *e, const struct event *ev,
		       struct chunk *ch)
{
	const struct event_data *d = &ev->data;

	*ch = (struct chunk){
		.ts = ev->ts,
		.ts_enter = d->ts_enter,
		.wait_ns = WAIT_UNKNOWN,
		.tgid = ev->tgid,
		.tid = ev->tid,
		.start = ev->start,
		.blocked = ev->blocked,
	};
	if (d->dir == DIR_WRITE) {
		/* The stack's own time is this call's only if nothing of the connection came after.
		 */
		const uint64_t before = ev->ts == e->c.last_ts ? e->before_ts : e->c.last_ts;

		if (d->ts_sent > before && d->ts_sent <= ev->ts)
			ch->ts = d->ts_sent;
		ch->blocking = d->ret > BLOCKING_WRITE_MIN && !d->ts_enter && !ev->blocked &&
			       !(d->msg_flags & MSG_DONTWAIT_FLAG);
	} else if (!ev->wait_ticks) {
		ch->wait_ns = d->wait;
	} else if (t->hz && d->wait <= UINT64_MAX / 1000000000u) {
		ch->wait_ns = d->wait * 1000000000u / t->hz;
	}
}

/* The call's bytes but the first `skip`, which are accounted for already. */
static void deliver(struct conn_table *t, struct entry *e, const struct event *ev, uint64_t skip,
		    const struct chunk *ch)
{
	const struct event_data *d = &ev->data;
	const uint64_t n = (uint64_t)d->ret;
	const uint64_t tail_at = n - d->tail_len;
	uint64_t at = skip;

	if (ev->omitted || ev->trunc) {
		give_gap(t, e, d->dir, n - skip, GAP_OMITTED, ch);
		return;
	}
	if (at < d->head_len) {
		give_bytes(t, e, d->dir, d->head + at, d->head_len - at, ch);
		at = d->head_len;
	}
	if (at < tail_at) {
		give_gap(t, e, d->dir, tail_at - at, ev->copy_fault ? GAP_LOST : GAP_OMITTED, ch);
		at = tail_at;
	}
	give_bytes(t, e, d->dir, d->tail + (at - tail_at), n - at, ch);
}

/*
 * A record whose bytes lie before our position. Either we met the stream in the middle of this very
 * call (its EV_CONN tells the position after it), or two threads moved it and their records came in
 * the other order. Returns how many bytes of the call are accounted for already.
 */
static uint64_t step_back(struct conn_table *t, struct entry *e, enum direction d, uint64_t back,
			  uint64_t n)
{
	struct stream *s = &e->c.dir[d];
	struct entry_dir *ed = &e->dir[d];
	const uint64_t overlap = back < n ? back : n;

	if (ed->fresh && back <= n && back <= ed->base) {
		unaccount(t, s, back, ed->base_kind);
		ed->base -= back;
		if (!e->late_flag && !e->dir[DIR_READ].base && !e->dir[DIR_WRITE].base)
			e->c.late = false;
		return 0;
	}
	t->stats.unordered++;
	/* They fell into a jump that was taken for omission; in truth we drop them here. */
	if (back <= s->pos) {
		const uint64_t from = s->pos - back, to = from + overlap;

		for (unsigned i = 0; i < HOLES_JUMPS; i++) {
			struct jump *j = &t->holes.jump[i];
			uint64_t lo, hi;

			if (!j->n || j->inode != e->c.inode || j->serial != e->serial ||
			    j->dir != d)
				continue;
			lo = from > j->pos ? from : j->pos;
			hi = to < j->pos + j->n ? to : j->pos + j->n;
			if (lo < hi) {
				omitted_to_lost(t, s, hi - lo);
				j->n = 0; /* once is enough for an estimate on the safe side */
			}
		}
	}
	return overlap;
}

/*
 * Positions are to count bytes only. Should a FIN have slipped into one, it shows as a step of
 * exactly one where a FIN can be: no byte, unless records were lost.
 */
static bool is_fin(const struct conn_table *t, const struct entry *e, enum direction d,
		   uint64_t step, bool possible, uint64_t ts)
{
	return step == 1 && possible && e->c.transport == TRANSPORT_TCP && !e->counted &&
	       !e->dir[d].fin && !holes_suspect(&t->holes, e->dir[d].mark, ts);
}

static void on_bytes(struct conn_table *t, struct entry *e, const struct event *ev, int32_t jump)
{
	const enum direction d = ev->data.dir;
	const uint64_t n = (uint64_t)ev->data.ret;
	struct stream *s = &e->c.dir[d];
	struct entry_dir *ed = &e->dir[d];
	uint32_t after = s->seq32 + (uint32_t)jump + (uint32_t)n;
	uint64_t skip = 0;
	struct chunk ch;

	make_chunk(t, e, ev, &ch);
	if (jump == -1 && d == DIR_READ && n > 1 && e->c.transport == TRANSPORT_TCP &&
	    !e->counted) {
		/* A FIN that came in meanwhile was taken off before it had been counted. */
		after++;
	} else if (jump > 0) {
		if (is_fin(t, e, d, (uint64_t)jump, d == DIR_READ && e->peer_fin, ev->ts))
			ed->fin = true;
		else
			give_jump(t, e, d, (uint64_t)jump, &ch, ev->ts);
	} else if (jump < 0) {
		skip = step_back(t, e, d, (uint64_t)(-(int64_t)jump), n);
		/* Not the odd inversion: whatever we took for the position is wrong. */
		if (skip == n && ++ed->stuck >= STUCK_CALLS)
			skip = 0;
	}
	if (skip < n) {
		s->seq32 = after;
		ed->stuck = 0;
		deliver(t, e, ev, skip, &ch);
	}
	ed->fresh = false;
	told(t, ed, ev->ts);
}

static void on_eof(struct conn_table *t, struct entry *e, const struct event *ev, int32_t jump)
{
	struct entry_dir *ed = &e->dir[DIR_READ];
	struct chunk ch;

	if (jump > 0) {
		make_chunk(t, e, ev, &ch);
		if (is_fin(t, e, DIR_READ, (uint64_t)jump, true, ev->ts))
			ed->fin = true;
		else
			give_jump(t, e, DIR_READ, (uint64_t)jump, &ch, ev->ts);
		e->c.dir[DIR_READ].seq32 += (uint32_t)jump;
	}
	told(t, ed, ev->ts);
	stream_eof(t, e, DIR_READ, ev->ts);
}

void stream_on_data(struct conn_table *t, struct entry *e, const struct event *ev)
{
	const struct event_data *d = &ev->data;
	struct stream *s = &e->c.dir[d->dir];
	/* Where the call began, were nothing else in its sequence. */
	uint32_t before = d->seq32 - (uint32_t)d->ret;

	if (!s->known) {
		s->known = true;
		s->seq32 = before;
		told(t, &e->dir[d->dir], ev->ts);
	}
	if (e->counted && !d->seq32)
		before = s->seq32; /* the kernel side had no room to count */
	if (d->ret > 0)
		on_bytes(t, e, ev, (int32_t)(before - s->seq32));
	else if (ev->eof && d->dir == DIR_READ)
		on_eof(t, e, ev, (int32_t)(before - s->seq32));
}

/* ---- ends ---- */

void stream_eof(struct conn_table *t, struct entry *e, enum direction d, uint64_t ts)
{
	if (e->c.dir[d].eof)
		return;
	e->c.dir[d].eof = true;
	if (!e->ended)
		t->sink.eof(t->sink.ctx, &e->c, d, ts);
}

void stream_reconcile(struct conn_table *t, struct entry *e, enum direction d, uint64_t true_pos,
		      uint64_t ts)
{
	struct stream *s = &e->c.dir[d];
	struct entry_dir *ed = &e->dir[d];
	const struct chunk ch = {
		.ts = ts,
		.wait_ns = WAIT_UNKNOWN,
		.tgid = e->c.tgid,
		.tid = e->c.tid,
		.start = e->c.start,
	};
	uint64_t missing;

	if (true_pos <= s->pos)
		return;
	missing = true_pos - s->pos;
	if (is_fin(t, e, d, missing, d == DIR_READ ? e->peer_fin : e->local_fin, ts))
		ed->fin = true;
	if (ed->fin && --missing == 0)
		return;
	if (ed->base_known) {
		give_jump(t, e, d, missing, &ch, ts);
	} else {
		/* Met without its EV_CONN: most of this lies before where we came in. */
		account(t, s, 0, 0, missing);
		ed->base_known = true;
	}
	s->seq32 += (uint32_t)missing;
	told(t, ed, ts);
}

void stream_on_hole(struct conn_table *t, uint64_t from_ts, uint64_t to_ts)
{
	for (unsigned i = 0; i < HOLES_JUMPS; i++) {
		struct jump *j = &t->holes.jump[i];
		struct entry *e;

		if (!j->n || j->from_ts > to_ts || j->to_ts < from_ts)
			continue;
		e = table_get(&t->by_inode, j->inode);
		if (e && e->serial == j->serial) {
			omitted_to_lost(t, &e->c.dir[j->dir], j->n);
		} else {
			const uint64_t n = j->n < t->stats.omitted ? j->n : t->stats.omitted;

			t->stats.omitted -= n;
			t->stats.lost += n;
		}
		j->n = 0;
	}
}
