// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcp.c - what the states of a TCP socket tell: who closed first, which side is over, what is
 * missing. */
#include "conn/entry.h"

/*
 * A reset can be seen before the record of a read that a thread has just finished on another CPU,
 * and what had arrived before it can still be read. The socket's end tells that nothing more comes;
 * where its owner takes longer to close it, this much time does.
 */
#define STRAGGLERS_NS 20000000ull

static struct entry *of_closing(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, closing));
}

/* What the socket had counted at a state change; 0, which says nothing, where that is not our
 * count. */
static uint64_t told_pos(const struct entry *e, const struct event *ev, enum direction d)
{
	if (ev->counted != e->counted)
		return 0;
	return d == DIR_READ ? ev->state.rx_pos : ev->state.tx_pos;
}

/* Nothing more comes: settle both directions by what the socket had counted. */
static void settle(struct conn_table *t, struct entry *e, uint64_t rx, uint64_t tx, uint64_t ts)
{
	stream_reconcile(t, e, DIR_READ, rx, ts);
	stream_reconcile(t, e, DIR_WRITE, tx, ts);
}

static void on_destroyed(struct conn_table *t, struct entry *e, const struct event *ev)
{
	uint64_t rx = told_pos(e, ev, DIR_READ), tx = told_pos(e, ev, DIR_WRITE);
	uint64_t ts = ev->ts;

	if (e->is_closing) {
		/* A disconnect clears the socket's counts after TCP_CLOSE; reads may go on till
		 * now. */
		if (e->final_pos[DIR_READ] > rx)
			rx = e->final_pos[DIR_READ];
		tx = e->final_pos[DIR_WRITE];
		ts = e->close_ts;
	}
	settle(t, e, rx, tx, ts);
	entry_end_and_drop(t, e, ts);
}

/* A dead owner reset it: it died with bytes unread. */
static bool owner_is_dead(const struct conn_table *t, const struct conn *c)
{
	for (unsigned i = 0; i < DEAD_REMEMBERED; i++)
		if (t->dead[i].tgid && t->dead[i].tgid == c->tgid && t->dead[i].start == c->start)
			return true;
	return false;
}

static void on_closed(struct conn_table *t, struct entry *e, const struct event *ev)
{
	bool own;

	switch (ev->state.old_state) {
	case TCPS_ESTABLISHED:
	case TCPS_SYN_SENT:
	case TCPS_SYN_RECV:
	case TCPS_FIN_WAIT1:
	case TCPS_CLOSE_WAIT:
		/* Every orderly way leads through another state. */
		e->c.reset = true;
		own = ev->state.own_abort || ev->tgid || owner_is_dead(t, &e->c);
		entry_closed_by(e, own ? CLOSED_BY_TARGET : CLOSED_BY_PEER, ev->ts);
		break;
	case TCPS_LAST_ACK:
	case TCPS_TIME_WAIT:
	case TCPS_CLOSING:
		e->peer_fin = true;
		break;
	}
	if (e->is_closing)
		return;
	e->is_closing = true;
	e->close_ts = ev->ts;
	e->final_pos[DIR_READ] = told_pos(e, ev, DIR_READ);
	e->final_pos[DIR_WRITE] = told_pos(e, ev, DIR_WRITE);
	if (!e->ended)
		lru_touch(&t->closing, &e->closing);
}

void tcp_end_closed(struct conn_table *t, struct entry *e)
{
	if (e->ended)
		return;
	settle(t, e, e->final_pos[DIR_READ], e->final_pos[DIR_WRITE], e->close_ts);
	entry_end(t, e, e->close_ts, false);
}

void tcp_end_stragglers(struct conn_table *t, uint64_t now)
{
	struct lru_node *n;

	while ((n = lru_oldest(&t->closing))) {
		struct entry *e = of_closing(n);

		if (now < e->close_ts || now - e->close_ts < STRAGGLERS_NS)
			return;
		tcp_end_closed(t, e);
	}
}

void tcp_on_state(struct conn_table *t, const struct event *ev)
{
	const struct event_state *s = &ev->state;
	struct entry *e;

	/* An orphaned socket has no inode any more, only its address. */
	e = s->inode ? entry_find(t, s->inode, s->sk, ev->ts) : table_get(&t->by_sk, s->sk);
	if (!e || e->c.transport != TRANSPORT_TCP)
		return;
	if (s->destroyed) {
		on_destroyed(t, e, ev);
		return;
	}
	switch (s->new_state) {
	case TCPS_CLOSE_WAIT:
		e->peer_fin = true;
		entry_closed_by(e, CLOSED_BY_PEER, ev->ts);
		break;
	case TCPS_CLOSING:
	case TCPS_TIME_WAIT:
		e->peer_fin = true;
		break;
	case TCPS_FIN_WAIT1:
	case TCPS_LAST_ACK:
		entry_closed_by(e,
				s->new_state == TCPS_LAST_ACK ? CLOSED_BY_PEER : CLOSED_BY_TARGET,
				ev->ts);
		/* The state changes before the FIN gets its number. */
		stream_reconcile(t, e, DIR_WRITE, told_pos(e, ev, DIR_WRITE), ev->ts);
		e->local_fin = true;
		stream_eof(t, e, DIR_WRITE, ev->ts);
		entry_end_if_both(t, e, ev->ts);
		break;
	case TCPS_CLOSE:
		on_closed(t, e, ev);
		break;
	}
}
