// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_conn.c - the connection table against a small imitation of the kernel side (evbuild.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conn/conn.h"
#include "evbuild.h"

#define STREAM_MAX (1u << 20)
#define SEC 1000000000ull

/* Everything that the sink was told, checked on the way. */
struct tap {
	struct conn_table *t;
	struct evsim sim;
	uint64_t next[2]; /* position that must come next */
	bool begun[2];
	uint64_t bytes[2], omitted[2], lost[2];
	unsigned gaps[2], eofs[2], ends, stalls, opened;
	bool stop_end;
	struct chunk chunk; /* of the newest bytes */
	uint64_t gap_pos, gap_n;
	enum gap_kind gap_kind;
	struct conn last; /* as it was at its end */
	uint64_t end_ts;
	uint64_t end_order[64]; /* inodes */
};

/* The truth: what stands at a position. */
static uint8_t byte_at(enum direction d, uint64_t pos)
{
	return (uint8_t)((pos * 2654435761u) >> 13 ^ pos ^ (d ? 0x55 : 0));
}

static void check_sum(const struct conn *c)
{
	for (int d = 0; d < 2; d++)
		assert_int_equal(c->dir[d].pos,
				 c->dir[d].parsed + c->dir[d].omitted + c->dir[d].lost);
}

static void follow(struct tap *tap, struct conn *c, enum direction d, uint64_t pos, uint64_t n)
{
	if (tap->begun[d])
		assert_int_equal(pos, tap->next[d]);
	tap->begun[d] = true;
	tap->next[d] = pos + n;
	assert_false(c->dir[d].eof);
	assert_true(n > 0);
	check_sum(c);
}

static void on_bytes(void *ctx, struct conn *c, enum direction d, uint64_t pos, const uint8_t *p,
		     size_t n, const struct chunk *ch)
{
	struct tap *tap = ctx;

	follow(tap, c, d, pos, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], byte_at(d, pos + i));
	tap->bytes[d] += n;
	tap->chunk = *ch;
}

static void on_gap(void *ctx, struct conn *c, enum direction d, uint64_t pos, uint64_t n,
		   enum gap_kind kind, const struct chunk *ch)
{
	struct tap *tap = ctx;

	assert_non_null(ch);
	follow(tap, c, d, pos, n);
	*(kind == GAP_LOST ? &tap->lost[d] : &tap->omitted[d]) += n;
	tap->gaps[d]++;
	tap->gap_pos = pos;
	tap->gap_n = n;
	tap->gap_kind = kind;
}

static void on_eof(void *ctx, struct conn *c, enum direction d, uint64_t ts)
{
	struct tap *tap = ctx;

	(void)ts;
	assert_true(c->dir[d].eof);
	tap->eofs[d]++;
}

static void on_end(void *ctx, struct conn *c, uint64_t ts, bool agent_stop)
{
	struct tap *tap = ctx;

	check_sum(c);
	if (tap->ends < 64)
		tap->end_order[tap->ends] = c->inode;
	tap->ends++;
	tap->stop_end = agent_stop;
	tap->last = *c;
	tap->end_ts = ts;
}

static void on_stalled(void *ctx, struct conn *c, uint64_t ts)
{
	(void)c;
	(void)ts;
	((struct tap *)ctx)->stalls++;
}

static void feed(void *ctx, const void *raw, size_t n)
{
	struct tap *tap = ctx;
	struct event ev;

	assert_int_equal(decode_event(&ev, raw, n), 0);
	conn_on_event(tap->t, &ev);
}

static struct tap *tap_new(size_t max)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	const struct stream_sink sink = {
		.ctx = tap,
		.bytes = on_bytes,
		.gap = on_gap,
		.eof = on_eof,
		.end = on_end,
		.stalled = on_stalled,
	};

	assert_non_null(tap);
	tap->sim = evsim_new(feed, tap);
	tap->t = conn_table_new(max, 250, &sink);
	assert_non_null(tap->t);
	return tap;
}

static void tap_free(struct tap *tap)
{
	conn_table_free(tap->t);
	free(tap);
}

/* The next connection of the same tap begins at position 0 again. */
static void tap_next(struct tap *tap)
{
	tap->begun[0] = tap->begun[1] = false;
}

static void call(struct tap *tap, struct evsock *s, enum direction d, size_t n,
		 const struct evdata *o)
{
	static uint8_t b[EV_COPY_MAX];

	for (size_t i = 0; i < n && i < sizeof(b); i++)
		b[i] = byte_at(d, s->pos[d] + i);
	evsim_data(&tap->sim, s, d, n <= sizeof(b) ? b : NULL, (int64_t)n, o);
}

/* Bytes move and no record tells. */
static void silent(struct evsock *s, enum direction d, uint64_t n)
{
	s->pos[d] += n;
}

static void peer_closes(struct tap *tap, struct evsock *s)
{
	evsim_state(&tap->sim, s, 8, false);
	evsim_eof(&tap->sim, s);
	evsim_state(&tap->sim, s, 9, false);
	evsim_state(&tap->sim, s, 7, true);
	evsim_destroy(&tap->sim, s);
}

static void target_closes(struct tap *tap, struct evsock *s)
{
	evsim_state(&tap->sim, s, 4, false);
	evsim_state(&tap->sim, s, 5, true);
	evsim_state(&tap->sim, s, 7, true);
	evsim_destroy(&tap->sim, s);
}

static void check_totals(const struct tap *tap, const struct evsock *s)
{
	for (int d = 0; d < 2; d++) {
		assert_int_equal(tap->last.dir[d].pos, s->pos[d]);
		assert_int_equal(tap->last.dir[d].parsed + tap->last.dir[d].omitted +
					 tap->last.dir[d].lost,
				 s->pos[d]);
	}
}

/* ---- plain life --------------------------------------------------------------------------------
 */

static void one_exchange_peer_closes(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	assert_int_equal(conn_lookup(tap->t, 11)->role, CONN_SERVER);
	assert_int_equal(conn_lookup(tap->t, 11)->local_port, 8000);
	assert_false(conn_lookup(tap->t, 11)->late);
	call(tap, &s, DIR_READ, 100, NULL);
	call(tap, &s, DIR_WRITE, 3000, NULL);
	peer_closes(tap, &s);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->bytes[DIR_READ], 100);
	assert_int_equal(tap->bytes[DIR_WRITE], 3000);
	assert_int_equal(tap->gaps[0] + tap->gaps[1], 0);
	assert_int_equal(tap->eofs[DIR_READ], 1);
	assert_int_equal(tap->eofs[DIR_WRITE], 1);
	assert_int_equal(tap->last.closer, CLOSED_BY_PEER);
	assert_false(tap->last.reset);
	check_totals(tap, &s);
	assert_null(conn_lookup(tap->t, 11));
	assert_int_equal(conn_count(tap->t), 0);
	assert_int_equal(conn_stats(tap->t)->closed, 1);
	assert_int_equal(conn_stats(tap->t)->parsed, 3100);
	tap_free(tap);
}

static void target_closes_first(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	call(tap, &s, DIR_WRITE, 20, NULL);
	target_closes(tap, &s);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->eofs[DIR_WRITE], 1);
	assert_int_equal(tap->last.closer, CLOSED_BY_TARGET);
	assert_false(tap->last.reset);
	check_totals(tap, &s);
	tap_free(tap);
}

/* An answer is still written after the peer has closed its side. */
static void half_close_by_peer(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_state(&tap->sim, &s, 8, false);
	assert_int_equal(tap->eofs[DIR_READ], 0); /* not read yet */
	evsim_eof(&tap->sim, &s);
	evsim_eof(&tap->sim, &s);
	assert_int_equal(tap->eofs[DIR_READ], 1);
	assert_int_equal(tap->ends, 0);
	call(tap, &s, DIR_WRITE, 20, NULL);
	assert_int_equal(tap->bytes[DIR_WRITE], 20);
	evsim_state(&tap->sim, &s, 9, false);
	assert_int_equal(tap->ends, 1); /* both sides are over: no need to wait for the last ACK */
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->ends, 1);
	tap_free(tap);
}

static void half_close_by_target(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_CONNECTED);
	assert_int_equal(conn_lookup(tap->t, 11)->role, CONN_CLIENT);
	call(tap, &s, DIR_WRITE, 20, NULL);
	evsim_state(&tap->sim, &s, 4, false);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 10);
	evsim_state(&tap->sim, &s, 5, false);
	evsim_state(&tap->sim, &s, 7, false);
	evsim_eof(&tap->sim, &s);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->last.closer, CLOSED_BY_TARGET);
	evsim_destroy(&tap->sim, &s);
	tap_free(tap);
}

/* Another thread's read is told after the end of file: accounted for, and the sink is spared it. */
static void bytes_after_the_end(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	evsim_eof(&tap->sim, &s);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 0);
	evsim_destroy(&tap->sim, &s);
	check_totals(tap, &s);
	assert_int_equal(conn_stats(tap->t)->omitted, 10);
	tap_free(tap);
}

static void resets(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_state(&tap->sim, &s, 7, false);
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->ends, 1);
	assert_true(tap->last.reset);
	assert_int_equal(tap->last.closer, CLOSED_BY_PEER);

	/* its owner died with bytes unread: the kernel resets it then */
	s = evsock_tcp(12);
	tap_next(tap);
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_life(&tap->sim, EV_EXIT, 9);
	assert_int_equal(tap->ends, 1);
	evsim_state(&tap->sim, &s, 7, false);
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->ends, 2);
	assert_true(tap->last.reset);
	assert_int_equal(tap->last.closer, CLOSED_BY_TARGET);
	tap_free(tap);
}

/* The peer went away before it was accepted. */
static void gone_at_accept(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	s.state = 8;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->last.closer, CLOSED_BY_PEER);
	assert_false(tap->last.reset);
	tap_next(tap);
	s = evsock_tcp(12);
	s.state = 7;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->last.closer, CLOSED_BY_PEER);
	assert_true(tap->last.reset);
	tap_free(tap);
}

static void own_abort(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	struct ev_state st = { .inode = 11, .old_state = 1, .new_state = 7 };

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	st.h = evsim_hdr(&tap->sim, EV_STATE, sizeof(st), EV_F_OWN_ABORT);
	st.h.tgid = 0;
	evsim_out(&tap->sim, &st, sizeof(st));
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->last.closer, CLOSED_BY_TARGET);
	tap_free(tap);
}

/* A read's record comes after that of the reset which raced with it, and nothing is lost. */
static void stragglers(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11), other = evsock_tcp(12);
	uint64_t closed;

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	silent(&s, DIR_READ, 10); /* moved already, its record is yet to come */
	evsim_state(&tap->sim, &s, 7, false);
	closed = tap->sim.ts;
	s.pos[DIR_READ] -= 10;
	assert_int_equal(tap->ends, 0);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 10);
	assert_int_equal(tap->gaps[DIR_READ], 0);
	/* its owner does not close it: a while later it is over all the same */
	tap->sim.ts += SEC;
	evsim_conn(&tap->sim, &other, EV_F_ACCEPTED);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->end_ts, closed);
	/* later reads are accounted for, and nobody is told */
	call(tap, &s, DIR_READ, 5, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 10);
	assert_int_equal(conn_stats(tap->t)->omitted, 5);
	assert_int_equal(conn_count(tap->t), 1);
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->ends, 1);
	tap_free(tap);
}

/* ---- positions ----------------------------------------------------------------------------------
 */

static void planned_gap_in_a_call(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	tap->sim.copy_head = 100;
	tap->sim.copy_tail = 20;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 120, NULL);
	assert_int_equal(tap->gaps[DIR_READ], 0);
	call(tap, &s, DIR_READ, 121, NULL);
	assert_int_equal(tap->gap_pos, 220);
	assert_int_equal(tap->gap_n, 1);
	assert_int_equal(tap->gap_kind, GAP_OMITTED);
	call(tap, &s, DIR_READ, 10000, NULL);
	assert_int_equal(tap->omitted[DIR_READ], 1 + 9880);
	assert_int_equal(tap->next[DIR_READ], s.pos[DIR_READ]);
	tap_free(tap);
}

static void unseen_bytes(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	struct evdata o = { .flags = EV_F_OMITTED, .wait = ~0ull };

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_WRITE, 10, NULL);
	evsim_data(&tap->sim, &s, EV_WRITE, NULL, 1 << 20, &o); /* sendfile */
	assert_int_equal(tap->omitted[DIR_WRITE], 1 << 20);
	o.flags = EV_F_TRUNC;
	evsim_data(&tap->sim, &s, EV_READ, NULL, 77, &o);
	assert_int_equal(tap->omitted[DIR_READ], 77);
	o.flags = EV_F_COPY_FAULT;
	evsim_data(&tap->sim, &s, EV_READ, NULL, 33, &o);
	assert_int_equal(tap->lost[DIR_READ], 33);
	o.flags = EV_F_PEEK;
	call(tap, &s, DIR_READ, 500, &o);
	assert_int_equal(tap->bytes[DIR_READ], 0);
	call(tap, &s, DIR_READ, 5, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 5);
	/* io_uring: a jump, and no record was lost */
	silent(&s, DIR_WRITE, 4000);
	call(tap, &s, DIR_WRITE, 7, NULL);
	assert_int_equal(tap->omitted[DIR_WRITE], (1 << 20) + 4000);
	assert_int_equal(tap->lost[DIR_WRITE], 0);
	/* … and at the end, where no call follows */
	silent(&s, DIR_WRITE, 3);
	target_closes(tap, &s);
	check_totals(tap, &s);
	assert_int_equal(tap->omitted[DIR_WRITE], (1 << 20) + 4003);
	assert_int_equal(conn_stats(tap->t)->lost, 33);
	tap_free(tap);
}

static void lost_records(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	tap->sim.drop = true;
	call(tap, &s, DIR_READ, 90, NULL);
	call(tap, &s, DIR_WRITE, 50, NULL);
	tap->sim.drop = false;
	/* the hole shows at this record, in the other direction */
	call(tap, &s, DIR_READ, 5, NULL);
	assert_int_equal(tap->lost[DIR_READ], 90);
	assert_int_equal(tap->gap_pos, 10);
	/* each direction remembers for itself that it happened */
	tap->sim.ts += 10 * SEC;
	call(tap, &s, DIR_WRITE, 5, NULL);
	assert_int_equal(tap->lost[DIR_WRITE], 50);
	assert_int_equal(tap->omitted[DIR_WRITE], 0);
	/* long after, a jump is omission again */
	tap->sim.ts += 10 * SEC;
	silent(&s, DIR_WRITE, 8);
	call(tap, &s, DIR_WRITE, 5, NULL);
	assert_int_equal(tap->omitted[DIR_WRITE], 8);
	/* the last records are lost: the socket's own count tells */
	tap->sim.drop = true;
	call(tap, &s, DIR_WRITE, 60, NULL);
	tap->sim.drop = false;
	call(tap, &s, DIR_READ, 1, NULL);
	target_closes(tap, &s);
	assert_int_equal(tap->lost[DIR_WRITE], 110);
	check_totals(tap, &s);
	tap_free(tap);
}

/* The hole comes to light only after the jump that it explains: the account is put right. */
static void hole_known_late(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	tap->sim.cpu = 1;
	call(tap, &s, DIR_WRITE, 10, NULL);
	tap->sim.drop = true;
	call(tap, &s, DIR_WRITE, 40, NULL);
	tap->sim.drop = false;
	tap->sim.cpu = 0;
	call(tap, &s, DIR_WRITE, 10, NULL); /* CPU 0 has no hole */
	assert_int_equal(conn_stats(tap->t)->omitted, 40);
	tap->sim.cpu = 1;
	call(tap, &s, DIR_READ, 1, NULL);
	assert_int_equal(conn_stats(tap->t)->omitted, 0);
	assert_int_equal(conn_stats(tap->t)->lost, 40);
	assert_int_equal(conn_lookup(tap->t, 11)->dir[DIR_WRITE].lost, 40);
	target_closes(tap, &s);
	check_totals(tap, &s);
	tap_free(tap);
}

/* State records have a series of numbers of their own: that is no hole. */
static void lanes(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_CONNECTED);
	evsim_state(&tap->sim, &s, 8, false);
	call(tap, &s, DIR_WRITE, 10, NULL);
	silent(&s, DIR_WRITE, 8);
	call(tap, &s, DIR_WRITE, 10, NULL);
	assert_int_equal(tap->lost[DIR_WRITE], 0);
	tap->sim.drop = true;
	evsim_state(&tap->sim, &s, 8, false);
	tap->sim.drop = false;
	evsim_state(&tap->sim, &s, 8, false);
	silent(&s, DIR_WRITE, 8);
	call(tap, &s, DIR_WRITE, 10, NULL);
	assert_int_equal(tap->lost[DIR_WRITE], 8);
	tap_free(tap);
}

static void sequence_wraps(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	const struct evdata o = { .flags = EV_F_OMITTED, .wait = ~0ull };
	uint64_t total = 0;

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	for (int i = 0; i < 12; i++) {
		evsim_data(&tap->sim, &s, EV_WRITE, NULL, 0x40000000, &o);
		call(tap, &s, DIR_WRITE, 100, NULL);
		silent(&s, DIR_WRITE, 0x20000000);
		call(tap, &s, DIR_WRITE, 100, NULL);
		total += 0x60000000ull + 200;
		assert_int_equal(tap->next[DIR_WRITE], total);
	}
	call(tap, &s, DIR_READ, 100, NULL); /* begins just below 2^32 */
	call(tap, &s, DIR_READ, 100, NULL);
	assert_int_equal(tap->gaps[DIR_READ], 0);
	target_closes(tap, &s);
	check_totals(tap, &s);
	tap_free(tap);
}

/* A kernel side whose sequence counts the peer's FIN: it is no byte, with data or by itself. */
static void fin_is_no_byte(void **state)
{
	(void)state;
	for (int with_data = 0; with_data < 2; with_data++) {
		struct tap *tap = tap_new(8);
		struct evsock s = evsock_tcp(11);

		s.fin_counts = true;
		evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
		call(tap, &s, DIR_READ, 10, NULL);
		evsim_state(&tap->sim, &s, 8, false);
		s.fin_read = with_data;
		call(tap, &s, DIR_READ, 10, NULL);
		evsim_eof(&tap->sim, &s);
		evsim_state(&tap->sim, &s, 9, false);
		evsim_destroy(&tap->sim, &s);
		assert_int_equal(tap->gaps[DIR_READ], 0);
		assert_int_equal(tap->bytes[DIR_READ], 20);
		check_totals(tap, &s);
		assert_int_equal(conn_stats(tap->t)->parsed, 20);
		assert_int_equal(conn_stats(tap->t)->omitted + conn_stats(tap->t)->lost, 0);
		tap_free(tap);
	}
}

/* A FIN arriving during the read was taken off a sequence that did not count it yet. */
static void fin_taken_off_early(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, NULL);
	s.isn[EV_READ]--;
	call(tap, &s, DIR_READ, 10, NULL);
	s.isn[EV_READ]++;
	peer_closes(tap, &s);
	assert_int_equal(tap->bytes[DIR_READ], 20);
	check_totals(tap, &s);
	tap_free(tap);
}

static void met_late(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	s.pos[DIR_READ] = 1000;
	s.pos[DIR_WRITE] = 5000000000;
	evsim_conn(&tap->sim, &s, EV_F_LATE | EV_F_ITER);
	assert_true(conn_lookup(tap->t, 11)->late);
	assert_int_equal(conn_lookup(tap->t, 11)->dir[DIR_WRITE].pos, 5000000000);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->next[DIR_READ], 1010);
	call(tap, &s, DIR_WRITE, 10, NULL);
	assert_int_equal(tap->gaps[0] + tap->gaps[1], 0);
	peer_closes(tap, &s);
	check_totals(tap, &s);
	assert_int_equal(conn_stats(tap->t)->omitted, 5000001000);
	assert_int_equal(conn_stats(tap->t)->lost, 0);
	tap_free(tap);
}

/* EV_CONN was made after the first call had moved the position: the call's bytes are not dropped.
 */
static void met_by_its_first_call(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	silent(&s, DIR_READ, 60);
	evsim_conn(&tap->sim, &s, 0);
	assert_true(conn_lookup(tap->t, 11)->late);
	silent(&s, DIR_READ, -60ull);
	call(tap, &s, DIR_READ, 60, NULL);
	assert_int_equal(tap->bytes[DIR_READ], 60);
	assert_int_equal(tap->next[DIR_READ], 60);
	assert_false(conn_lookup(tap->t, 11)->late);
	peer_closes(tap, &s);
	check_totals(tap, &s);
	assert_int_equal(conn_stats(tap->t)->omitted, 0);
	tap_free(tap);
}

static void met_without_announcement(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	const struct conn *c;

	(void)state;
	tap->sim.drop = true;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	silent(&s, DIR_READ, 0);
	tap->sim.drop = false;
	/* the first ten bytes are unknown to us: a connection relative to where we met it */
	s.pos[DIR_READ] = 0;
	call(tap, &s, DIR_READ, 10, NULL);
	c = conn_lookup(tap->t, 11);
	assert_non_null(c);
	assert_true(c->late);
	assert_false(c->endpoints_known);
	/* told at last */
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	assert_true(c->endpoints_known);
	assert_int_equal(c->role, CONN_SERVER);
	silent(&s, DIR_WRITE, 500);
	tap->sim.drop = true;
	evsim_stall(&tap->sim, &s);
	tap->sim.drop = false;
	peer_closes(tap, &s);
	check_totals(tap, &s);
	assert_int_equal(tap->last.dir[DIR_WRITE].lost, 500);
	tap_free(tap);
}

static void out_of_order(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_WRITE, 100, NULL);
	/* the record of [120, 150) comes before that of [100, 120) */
	s.pos[DIR_WRITE] = 120;
	call(tap, &s, DIR_WRITE, 30, NULL);
	assert_int_equal(tap->omitted[DIR_WRITE], 20);
	s.pos[DIR_WRITE] = 100;
	call(tap, &s, DIR_WRITE, 20, NULL);
	assert_int_equal(tap->bytes[DIR_WRITE], 130);
	assert_int_equal(conn_stats(tap->t)->unordered, 1);
	assert_int_equal(conn_stats(tap->t)->lost, 20); /* seen, but too late to be of use */
	/* a record that overlaps what came before it */
	s.pos[DIR_WRITE] = 140;
	call(tap, &s, DIR_WRITE, 60, NULL);
	assert_int_equal(tap->bytes[DIR_WRITE], 180);
	assert_int_equal(tap->next[DIR_WRITE], 200);
	call(tap, &s, DIR_WRITE, 1, NULL);
	target_closes(tap, &s);
	check_totals(tap, &s);
	tap_free(tap);
}

/* A wrong idea of the position must not make us blind for good. */
static void gets_unstuck(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_unix(11);
	unsigned i;

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 50000, NULL);
	s.isn[EV_READ] -= 50000; /* the kernel side forgot, and its new announcement was lost */
	for (i = 0; i < 20; i++)
		evsim_data(&tap->sim, &s, EV_READ, NULL, 10, NULL);
	assert_in_range(tap->omitted[DIR_READ], 100, 200);
	tap_free(tap);
}

/* ---- chunks ------------------------------------------------------------------------------------
 */

static void times(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	struct evdata o = { .wait = 3, .flags = EV_F_WAIT_TICKS };

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 10, &o);
	assert_int_equal(tap->chunk.wait_ns, 12000000); /* 3 ticks at 250 Hz */
	assert_int_equal(tap->chunk.ts, tap->sim.ts);
	assert_int_equal(tap->chunk.tid, 101);
	o = (struct evdata){ .wait = 12345 };
	call(tap, &s, DIR_READ, 10, &o);
	assert_int_equal(tap->chunk.wait_ns, 12345);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->chunk.wait_ns, WAIT_UNKNOWN);

	o = (struct evdata){ .ts_sent = tap->sim.ts + 400, .wait = ~0ull };
	call(tap, &s, DIR_WRITE, 10, &o);
	assert_int_equal(tap->chunk.ts, o.ts_sent);
	o.ts_sent = tap->sim.ts - 1; /* an earlier transmission */
	call(tap, &s, DIR_WRITE, 10, &o);
	assert_int_equal(tap->chunk.ts, tap->sim.ts);
	o.ts_sent = tap->sim.ts + 5000; /* from the future */
	call(tap, &s, DIR_WRITE, 10, &o);
	assert_int_equal(tap->chunk.ts, tap->sim.ts);

	assert_false(tap->chunk.blocking);
	tap->sim.copy_head = 100;
	evsim_write(&tap->sim, &s, (uint8_t[1]){ byte_at(DIR_WRITE, s.pos[DIR_WRITE]) }, 1);
	assert_false(tap->chunk.blocking || tap->chunk.blocked);
	o = (struct evdata){ .flags = EV_F_BLOCKED, .wait = ~0ull };
	call(tap, &s, DIR_WRITE, 10, &o);
	assert_true(tap->chunk.blocked);
	evsim_stall(&tap->sim, &s);
	assert_int_equal(tap->stalls, 1);
	tap_free(tap);
}

static void long_blocking_write(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	static uint8_t b[100];
	struct ev_data d = {
		.inode = 11, .ret = 70000, .head_len = 100, .proto = EV_PROTO_TCP, .dir = EV_WRITE
	};

	(void)state;
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = byte_at(DIR_WRITE, i);
	for (int known = 0; known < 2; known++) {
		evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
		d.sk = s.sk;
		d.seq32 = s.isn[EV_WRITE] + 70000;
		d.ts_enter = known ? tap->sim.ts : 0;
		d.h = evsim_hdr(&tap->sim, EV_DATA, sizeof(d) + sizeof(b), 0);
		memcpy(tap->sim.raw, &d, sizeof(d));
		memcpy(tap->sim.raw + sizeof(d), b, sizeof(b));
		evsim_out(&tap->sim, tap->sim.raw, sizeof(d) + sizeof(b));
		assert_int_equal(tap->chunk.blocking, !known);
		evsim_destroy(&tap->sim, &s);
		tap_next(tap);
	}
	tap_free(tap);
}

/* ---- roles, identity ----------------------------------------------------------------------------
 */

static void role_by_listener(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock l = evsock_tcp(5), s = evsock_tcp(11), o = evsock_tcp(12);

	(void)state;
	evsim_listen(&tap->sim, &l);
	evsim_conn(&tap->sim, &s, EV_F_LATE);
	assert_int_equal(conn_lookup(tap->t, 11)->role, CONN_SERVER);
	o.netns++;
	evsim_conn(&tap->sim, &o, EV_F_LATE);
	assert_int_equal(conn_lookup(tap->t, 12)->role, CONN_UNKNOWN);
	tap_free(tap);
}

static void inode_comes_back(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock a = evsock_tcp(11), b = evsock_tcp(11);

	(void)state;
	/* same address, from the start again */
	evsim_conn(&tap->sim, &a, EV_F_ACCEPTED);
	call(tap, &a, DIR_READ, 10, NULL);
	evsim_conn(&tap->sim, &b, EV_F_ACCEPTED);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->last.closer, CLOSED_NOT);
	tap_next(tap);
	call(tap, &b, DIR_READ, 10, NULL);
	assert_int_equal(tap->next[DIR_READ], 10);
	/* another address, known by its data only */
	tap_next(tap);
	b = evsock_tcp(11);
	b.sk += 64;
	call(tap, &b, DIR_READ, 10, NULL);
	assert_int_equal(tap->ends, 2);
	assert_int_equal(conn_count(tap->t), 1);
	assert_true(conn_lookup(tap->t, 11)->late);
	/* the address is another inode's now: the socket that had it is gone */
	a = evsock_tcp(13);
	a.sk = b.sk;
	tap_next(tap);
	evsim_conn(&tap->sim, &a, EV_F_ACCEPTED);
	assert_int_equal(tap->ends, 3);
	assert_null(conn_lookup(tap->t, 11));
	evsim_destroy(&tap->sim, &a);
	assert_null(conn_lookup(tap->t, 13));
	assert_int_equal(tap->ends, 4);
	tap_free(tap);
}

static void told_twice(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_LATE | EV_F_ITER);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_conn(&tap->sim, &s, EV_F_LATE | EV_F_ITER);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->ends, 0);
	assert_int_equal(tap->next[DIR_READ], 20);
	assert_int_equal(tap->gaps[DIR_READ], 0);
	tap_free(tap);
}

static void connecting(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);

	(void)state;
	s.state = 2; /* SYN_SENT: the numbers of the record mean nothing */
	s.isn[0] = s.isn[1] = 0;
	evsim_conn(&tap->sim, &s, EV_F_CONNECTED);
	s.isn[0] = 0x12345678;
	s.isn[1] = 0x9abcdef0;
	evsim_state(&tap->sim, &s, 1, false);
	call(tap, &s, DIR_WRITE, 10, NULL);
	call(tap, &s, DIR_READ, 20, NULL);
	assert_int_equal(tap->gaps[0] + tap->gaps[1], 0);
	peer_closes(tap, &s);
	check_totals(tap, &s);
	assert_false(tap->last.late);
	tap_free(tap);
}

/* ---- unix sockets and pipes ---------------------------------------------------------------------
 */

static void unix_ends(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_unix(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	assert_string_equal(conn_lookup(tap->t, 11)->path, "/run/server.sock");
	call(tap, &s, DIR_READ, 10, NULL);
	call(tap, &s, DIR_WRITE, 10, NULL);
	evsim_eof(&tap->sim, &s);
	assert_int_equal(conn_lookup(tap->t, 11)->closer, CLOSED_BY_PEER);
	evsim_close(&tap->sim, &s, -1);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->last.closer, CLOSED_BY_PEER);
	check_totals(tap, &s);

	/* two processes: the one that accepted hands it on and closes its own descriptor */
	s = evsock_unix(12);
	tap_next(tap);
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	tap->sim.tgid = 200;
	call(tap, &s, DIR_READ, 10, NULL);
	tap->sim.tgid = 100;
	evsim_close(&tap->sim, &s, -1);
	assert_int_equal(tap->ends, 1);
	/* another descriptor of the user's is not this one */
	tap->sim.tgid = 200;
	s.fd = 99;
	evsim_close(&tap->sim, &s, -1);
	assert_int_equal(tap->ends, 1);
	evsim_life(&tap->sim, EV_EXIT, 9);
	assert_int_equal(tap->ends, 2);
	assert_int_equal(tap->last.closer, CLOSED_BY_TARGET);

	/* shutdown */
	s = evsock_unix(13);
	tap_next(tap);
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_WRITE, 10, NULL);
	evsim_close(&tap->sim, &s, 1);
	assert_int_equal(tap->ends, 2);
	call(tap, &s, DIR_READ, 10, NULL);
	evsim_eof(&tap->sim, &s);
	assert_int_equal(tap->ends, 3);
	assert_int_equal(conn_count(tap->t), 0);
	tap_free(tap);
}

static void unix_recount(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_unix(11);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	call(tap, &s, DIR_READ, 1000, NULL);
	s.isn[EV_READ] -= 1000;
	evsim_conn(&tap->sim, &s, EV_F_LATE);
	call(tap, &s, DIR_READ, 10, NULL);
	assert_int_equal(tap->next[DIR_READ], 1010);
	assert_int_equal(tap->gaps[DIR_READ], 0);
	assert_int_equal(tap->ends, 0);
	tap_free(tap);
}

static void pipes(void **state)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_pipe(21);

	(void)state;
	evsim_conn(&tap->sim, &s, EV_F_LATE);
	call(tap, &s, DIR_WRITE, 1000, NULL);
	call(tap, &s, DIR_READ, 1000, NULL);
	assert_int_equal(conn_stats(tap->t)->parsed, 2000);
	evsim_life(&tap->sim, EV_EXIT, 0);
	assert_int_equal(tap->ends, 1);
	tap_free(tap);
}

/* ---- bounds ------------------------------------------------------------------------------------
 */

static void eviction(void **state)
{
	struct tap *tap = tap_new(4);
	struct evsock s[6];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		s[i] = evsock_tcp(11 + i);
		evsim_conn(&tap->sim, &s[i], EV_F_ACCEPTED);
	}
	call(tap, &s[0], DIR_READ, 10, NULL); /* 12 is idle for longest now */
	s[4] = evsock_tcp(15);
	evsim_conn(&tap->sim, &s[4], EV_F_ACCEPTED);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(tap->last.inode, 12);
	assert_true(tap->last.evicted);
	assert_int_equal(conn_stats(tap->t)->evicted, 1);
	assert_int_equal(conn_count(tap->t), 4);
	/* one that ended already makes room in silence */
	evsim_state(&tap->sim, &s[2], 8, false);
	evsim_eof(&tap->sim, &s[2]);
	evsim_state(&tap->sim, &s[2], 9, false);
	assert_int_equal(tap->ends, 2);
	tap_next(tap);
	call(tap, &s[3], DIR_READ, 10, NULL);
	tap_next(tap);
	call(tap, &s[0], DIR_READ, 10, NULL);
	tap_next(tap);
	call(tap, &s[4], DIR_READ, 10, NULL);
	s[5] = evsock_tcp(16);
	evsim_conn(&tap->sim, &s[5], EV_F_ACCEPTED);
	assert_int_equal(tap->ends, 2);
	assert_int_equal(conn_stats(tap->t)->evicted, 1);
	tap_free(tap);
}

static void stop_in_order(void **state)
{
	struct tap *tap = tap_new(64);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		struct evsock s = evsock_tcp(1000 - i * 7);

		evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
	}
	conn_stop(tap->t, 77);
	assert_int_equal(tap->ends, 40);
	assert_true(tap->stop_end);
	assert_int_equal(tap->end_ts, 77);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(tap->end_order[i], 1000 - i * 7);
	assert_int_equal(conn_count(tap->t), 0);
	conn_stop(tap->t, 78);
	assert_int_equal(tap->ends, 40);
	tap_free(tap);
}

/* ---- properties --------------------------------------------------------------------------------
 */

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

enum { MAY_DROP = 1, MAY_HIDE = 2, MAY_CUT = 4, MAY_FAULT = 8, ALL = 15 };

/* A random life of one connection; whatever happens, every byte is accounted for exactly once. */
static void random_life(uint32_t seed, unsigned may)
{
	struct tap *tap = tap_new(8);
	struct evsock s = evsock_tcp(11);
	uint32_t x = seed * 2654435761u + 1;
	unsigned calls = 1 + next_random(&x) % 60;

	s.isn[0] = next_random(&x);
	s.isn[1] = next_random(&x);
	s.fin_counts = !(may & (MAY_DROP | MAY_HIDE)) && next_random(&x) % 4 == 0;
	if (may & MAY_CUT && next_random(&x) % 2) {
		tap->sim.copy_head = 1 + next_random(&x) % 500;
		tap->sim.copy_tail = next_random(&x) % 200;
	}
	if (next_random(&x) % 3 == 0) {
		s.pos[0] = next_random(&x);
		s.pos[1] = (uint64_t)next_random(&x) << 3;
		evsim_conn(&tap->sim, &s, EV_F_LATE);
	} else {
		evsim_conn(&tap->sim, &s, next_random(&x) % 2 ? EV_F_ACCEPTED : EV_F_CONNECTED);
	}
	for (unsigned i = 0; i < calls; i++) {
		enum direction d = next_random(&x) % 2 ? DIR_WRITE : DIR_READ;
		struct evdata o = { .wait = ~0ull };
		size_t n = 1 + next_random(&x) % (next_random(&x) % 5 ? 300 : 5000);

		tap->sim.cpu = next_random(&x) % EVSIM_CPUS;
		tap->sim.drop = may & MAY_DROP && next_random(&x) % 5 == 0;
		switch (next_random(&x) % 12) {
		case 0:
			o.flags = EV_F_PEEK;
			if (d == DIR_READ)
				call(tap, &s, d, n, &o);
			break;
		case 1:
			if (may & MAY_HIDE)
				silent(&s, d, n > 1 ? n : 2); /* 1 cannot be told from a FIN */
			break;
		case 2:
			o.flags = next_random(&x) % 2 ? EV_F_OMITTED : EV_F_TRUNC;
			if (may & MAY_HIDE)
				evsim_data(&tap->sim, &s, d, NULL, (int64_t)n, &o);
			break;
		case 3:
			o.flags = EV_F_COPY_FAULT;
			if (may & MAY_FAULT)
				evsim_data(&tap->sim, &s, d, NULL, (int64_t)n, &o);
			break;
		case 4:
			evsim_stall(&tap->sim, &s);
			break;
		default:
			call(tap, &s, d, n, NULL);
		}
	}
	switch (next_random(&x) % 4) {
	case 0:
		evsim_state(&tap->sim, &s, 8, false);
		if (next_random(&x) % 2) {
			s.fin_read = true;
			call(tap, &s, DIR_READ, 50, NULL);
		}
		evsim_eof(&tap->sim, &s);
		call(tap, &s, DIR_WRITE, 50, NULL);
		evsim_state(&tap->sim, &s, 9, false);
		evsim_state(&tap->sim, &s, 7, true);
		break;
	case 1:
		evsim_state(&tap->sim, &s, 4, false);
		call(tap, &s, DIR_READ, 50, NULL);
		evsim_state(&tap->sim, &s, 5, true);
		evsim_state(&tap->sim, &s, 7, true);
		break;
	case 2:
		evsim_state(&tap->sim, &s, 7, false);
		break;
	}
	tap->sim.drop = false;
	evsim_destroy(&tap->sim, &s);
	assert_int_equal(tap->ends, 1);
	assert_int_equal(conn_stats(tap->t)->parsed + conn_stats(tap->t)->omitted +
				 conn_stats(tap->t)->lost,
			 s.pos[0] + s.pos[1]);
	if (!tap->sim.dropped && !(may & MAY_FAULT))
		assert_int_equal(conn_stats(tap->t)->lost, 0);
	if (may == 0)
		assert_int_equal(tap->gaps[0] + tap->gaps[1], 0);
	tap_free(tap);
}

static void every_byte_once(void **state)
{
	(void)state;
	for (uint32_t seed = 0; seed < 4000; seed++)
		random_life(seed, seed & ALL);
}

/* Any cut of the same bytes into calls gives the same stream. */
static void any_split(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed < 300; seed++) {
		struct tap *tap = tap_new(8);
		struct evsock s = evsock_tcp(11);
		uint32_t x = seed;

		evsim_conn(&tap->sim, &s, EV_F_ACCEPTED);
		while (s.pos[DIR_READ] < 2000) {
			size_t n = 1 + next_random(&x) % 64;

			if (n > 2000 - s.pos[DIR_READ])
				n = 2000 - s.pos[DIR_READ];
			call(tap, &s, DIR_READ, n, NULL);
		}
		assert_int_equal(tap->bytes[DIR_READ], 2000);
		assert_int_equal(tap->next[DIR_READ], 2000);
		assert_int_equal(tap->gaps[DIR_READ], 0);
		tap_free(tap);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_exchange_peer_closes),
		cmocka_unit_test(target_closes_first),
		cmocka_unit_test(half_close_by_peer),
		cmocka_unit_test(half_close_by_target),
		cmocka_unit_test(bytes_after_the_end),
		cmocka_unit_test(resets),
		cmocka_unit_test(gone_at_accept),
		cmocka_unit_test(own_abort),
		cmocka_unit_test(stragglers),
		cmocka_unit_test(planned_gap_in_a_call),
		cmocka_unit_test(unseen_bytes),
		cmocka_unit_test(lost_records),
		cmocka_unit_test(hole_known_late),
		cmocka_unit_test(lanes),
		cmocka_unit_test(sequence_wraps),
		cmocka_unit_test(fin_is_no_byte),
		cmocka_unit_test(fin_taken_off_early),
		cmocka_unit_test(met_late),
		cmocka_unit_test(met_by_its_first_call),
		cmocka_unit_test(met_without_announcement),
		cmocka_unit_test(out_of_order),
		cmocka_unit_test(gets_unstuck),
		cmocka_unit_test(times),
		cmocka_unit_test(long_blocking_write),
		cmocka_unit_test(role_by_listener),
		cmocka_unit_test(inode_comes_back),
		cmocka_unit_test(told_twice),
		cmocka_unit_test(connecting),
		cmocka_unit_test(unix_ends),
		cmocka_unit_test(unix_recount),
		cmocka_unit_test(pipes),
		cmocka_unit_test(eviction),
		cmocka_unit_test(stop_in_order),
		cmocka_unit_test(every_byte_once),
		cmocka_unit_test(any_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
