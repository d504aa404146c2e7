// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* proto.c - finds out which protocol a connection speaks and hands its streams to that row of the
 * table. */
#include "proto/proto.h"

#include <stdlib.h>
#include <string.h>

/*
 * A connection met in its middle may begin with the middle of a message: it is looked at again
 * where calls begin, this many times in each direction. One direction alone proves nothing: a long
 * upload or a stream of tokens was under way.
 */
#define TRIES 8

const struct proto *const proto_table[] = { &proto_http1, NULL };

/* Holds the place of a row in connections that speak nothing known. */
static const struct proto unknown = { .name = "unknown" };

static bool is_ours(const struct conn *c)
{
	return c->proto_row && c->proto_row != &unknown;
}

/* conn.proto while conn.proto_row is NULL; made only when the first bytes do not settle it. */
struct undecided {
	struct {
		struct chunk ch; /* of the call that brought the first of the bytes kept */
		uint64_t pos;
		uint8_t n;
		uint8_t tries;
		uint8_t b[PROTO_PREFIX];
	} dir[2];
	bool missed; /* a gap came before anything was recognised: as good as met late */
};

static struct undecided *undecided_get(struct conn *c)
{
	if (!c->proto)
		c->proto = calloc(1, sizeof(struct undecided));
	return c->proto;
}

static void give_up(struct proto_ctx *px, struct conn *c)
{
	struct undecided *u = c->proto;

	if (u)
		px->stats.bytes_unknown += (uint64_t)u->dir[0].n + u->dir[1].n;
	free(u);
	c->proto = NULL;
	c->proto_row = &unknown;
	px->stats.conns_unknown++;
}

/* What rows emit passes here to be counted. */
static void emit_counted(void *ctx, const struct msg *m)
{
	struct proto_ctx *px = ctx;

	px->stats.anomalies += m->kind == MSG_ANOMALY;
	px->stats.resyncs += m->kind == MSG_ABORT && m->abort == ABORT_LOST_SYNC;
	px->out.emit(px->out.ctx, m);
}

static struct msg_sink sink_of(struct proto_ctx *px)
{
	return (struct msg_sink){ px, emit_counted, px->room.max ? &px->room : NULL };
}

static void row_bytes(struct proto_ctx *px, struct conn *c, enum direction d, uint64_t pos,
		      const uint8_t *p, size_t n, const struct chunk *ch)
{
	const struct msg_sink out = sink_of(px);

	if (c->proto_row->bytes(c, d, pos, p, n, ch, &out))
		return;
	/* No memory, or past a bound of the row: what is open ends, the rest is only counted. */
	c->proto_row->end(c, ch->ts, false, &out);
	c->proto_row->free(c->proto);
	c->proto = NULL;
	px->stats.bytes_unknown += n;
	give_up(px, c);
}

static enum proto_verdict ask(struct proto_ctx *px, const struct conn *c, enum direction d,
			      const uint8_t *p, size_t n, const struct proto **row)
{
	const struct proto *const *r = px->table ? px->table : proto_table;
	enum proto_verdict best = PROTO_NO;

	for (; *r; r++) {
		enum proto_verdict v = (*r)->detect(c, d, p, n);

		if (v == PROTO_YES) {
			*row = *r;
			return v;
		}
		if (v == PROTO_MAYBE)
			best = v;
	}
	return best;
}

static void keep(struct proto_ctx *px, struct conn *c, enum direction d, uint64_t pos,
		 const uint8_t *p, size_t n, const struct chunk *ch)
{
	struct undecided *u = undecided_get(c);

	if (!u) {
		px->stats.bytes_unknown += n;
		give_up(px, c);
		return;
	}
	if (!u->dir[d].n) {
		u->dir[d].pos = pos;
		u->dir[d].ch = *ch;
	}
	memcpy(u->dir[d].b + u->dir[d].n, p, n);
	u->dir[d].n = (uint8_t)(u->dir[d].n + n);
}

static void recognised(struct proto_ctx *px, struct conn *c, enum direction d,
		       const struct proto *row, const uint8_t *seen, size_t n_seen)
{
	struct undecided *u = c->proto;
	enum direction first = d;

	c->proto_row = row;
	if (c->role == CONN_UNKNOWN && row->is_request)
		c->role = row->is_request(seen, n_seen) == (d == DIR_READ) ? CONN_SERVER
									   : CONN_CLIENT;
	if (!u)
		return;
	/* The row makes its own state; what was kept goes to it in the order in which it came. */
	c->proto = NULL;
	if (u->dir[!d].n && (!u->dir[d].n || u->dir[!d].ch.ts < u->dir[d].ch.ts))
		first = !d;
	for (int i = 0; i < 2; i++) {
		enum direction k = i ? !first : first;

		if (u->dir[k].n && c->proto_row == row)
			row_bytes(px, c, k, u->dir[k].pos, u->dir[k].b, u->dir[k].n, &u->dir[k].ch);
		else
			px->stats.bytes_unknown += u->dir[k].n;
	}
	free(u);
}

/* These bytes are none of ours; may those of a later call be? */
static void not_recognised(struct proto_ctx *px, struct conn *c, enum direction d, uint64_t n)
{
	struct undecided *u = c->proto;

	px->stats.bytes_unknown += n + (u ? u->dir[d].n : 0);
	if (u)
		u->dir[d].n = 0;
	if (!c->late && !(u && u->missed)) {
		give_up(px, c); /* it began as something else */
		return;
	}
	u = undecided_get(c);
	if (!u) {
		give_up(px, c);
		return;
	}
	if (u->dir[d].tries < TRIES)
		u->dir[d].tries++;
	if (u->dir[0].tries + u->dir[1].tries == 2 * TRIES)
		give_up(px, c);
}

static void on_undecided(struct proto_ctx *px, struct conn *c, enum direction d, uint64_t pos,
			 const uint8_t *p, size_t n, const struct chunk *ch)
{
	struct undecided *u = c->proto;
	const struct proto *row = NULL;
	uint8_t joined[PROTO_PREFIX];
	const uint8_t *seen = p;
	size_t n_seen = n;

	if (u && u->dir[d].n) {
		const size_t had = u->dir[d].n,
			     more = n < sizeof(joined) - had ? n : sizeof(joined) - had;

		memcpy(joined, u->dir[d].b, had);
		memcpy(joined + had, p, more);
		seen = joined;
		n_seen = had + more;
	}
	switch (ask(px, c, d, seen, n_seen, &row)) {
	case PROTO_YES:
		recognised(px, c, d, row, seen, n_seen);
		if (c->proto_row == row)
			row_bytes(px, c, d, pos, p, n, ch);
		else
			px->stats.bytes_unknown += n;
		break;
	case PROTO_MAYBE:
		if (n_seen < PROTO_PREFIX) {
			keep(px, c, d, pos, p, n, ch);
			break;
		}
		/* fall through */
	case PROTO_NO:
		not_recognised(px, c, d, n);
		break;
	}
}

/* ---- the stream sink ---- */

static void on_bytes(void *ctx, struct conn *c, enum direction d, uint64_t pos, const uint8_t *p,
		     size_t n, const struct chunk *ch)
{
	struct proto_ctx *px = ctx;

	if (c->transport == TRANSPORT_PIPE)
		return;
	if (is_ours(c))
		row_bytes(px, c, d, pos, p, n, ch);
	else if (!c->proto_row)
		on_undecided(px, c, d, pos, p, n, ch);
	else
		px->stats.bytes_unknown += n;
}

static void on_gap(void *ctx, struct conn *c, enum direction d, uint64_t pos, uint64_t n,
		   enum gap_kind kind, const struct chunk *ch)
{
	struct proto_ctx *px = ctx;
	struct undecided *u;

	if (c->transport == TRANSPORT_PIPE)
		return;
	if (is_ours(c)) {
		const struct msg_sink out = sink_of(px);

		c->proto_row->gap(c, d, pos, n, kind, ch, &out);
		return;
	}
	px->stats.bytes_unknown += n;
	if (c->proto_row)
		return;
	u = undecided_get(c);
	if (!u) {
		give_up(px, c);
		return;
	}
	px->stats.bytes_unknown += u->dir[d].n;
	u->dir[d].n = 0;
	u->missed = true;
}

static void on_eof(void *ctx, struct conn *c, enum direction d, uint64_t ts)
{
	struct proto_ctx *px = ctx;
	const struct msg_sink out = sink_of(px);

	if (is_ours(c))
		c->proto_row->eof(c, d, ts, &out);
}

static void on_end(void *ctx, struct conn *c, uint64_t ts, bool agent_stop)
{
	struct proto_ctx *px = ctx;
	const struct msg_sink out = sink_of(px);

	if (is_ours(c)) {
		c->proto_row->end(c, ts, agent_stop, &out);
		if (c->proto_row->outside && c->proto)
			px->stats.bytes_outside += c->proto_row->outside(c->proto);
		c->proto_row->free(c->proto);
		c->proto = NULL;
	} else if (c->proto) {
		give_up(px, c);
	}
	c->proto_row = NULL;
}

static void on_stalled(void *ctx, struct conn *c, uint64_t ts)
{
	struct proto_ctx *px = ctx;
	const struct msg_sink out = sink_of(px);

	if (is_ours(c))
		c->proto_row->stalled(c, ts, &out);
}

struct stream_sink proto_stream_sink(struct proto_ctx *px)
{
	lru_init(&px->room.parts);
	return (struct stream_sink){
		.ctx = px,
		.bytes = on_bytes,
		.gap = on_gap,
		.eof = on_eof,
		.end = on_end,
		.stalled = on_stalled,
	};
}
