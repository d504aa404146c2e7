// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* conn.c - the connection table: takes each event to the connection that it is about. */
#include "conn/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/entry.h"

#define LISTENING_MAX 4096

static uint64_t listening_key(uint32_t netns, uint16_t port)
{
	return (uint64_t)netns << 16 | port;
}

static void on_listen(struct conn_table *t, const struct event *ev)
{
	const struct event_conn *c = &ev->conn;

	/* When full, the request's direction still tells who serves. */
	if (c->transport == TRANSPORT_TCP &&
	    table_put(&t->listening, listening_key(c->netns, c->local_port), t))
		t->stats.listeners_full++;
}

static void settle_role(const struct conn_table *t, struct entry *e, const struct event *ev)
{
	struct conn *c = &e->c;

	if (ev->accepted)
		c->role = CONN_SERVER;
	else if (ev->connected)
		c->role = CONN_CLIENT;
	else if (c->role == CONN_UNKNOWN && c->transport == TRANSPORT_TCP &&
		 table_get(&t->listening, listening_key(c->netns, c->local_port)))
		c->role = CONN_SERVER;
}

static void set_endpoints(struct entry *e, const struct event_conn *ec)
{
	struct conn *c = &e->c;

	c->family = ec->family;
	c->local_port = ec->local_port;
	c->peer_port = ec->peer_port;
	memcpy(c->local, ec->local, sizeof(c->local));
	memcpy(c->peer, ec->peer, sizeof(c->peer));
	c->netns = ec->netns;
	if (ec->path[0] && !c->path)
		c->path = strdup(ec->path);
	c->endpoints_known = true;
}

/* A record that begins a connection where we hold one of that inode: its close was not seen. */
static bool begins_anew(const struct entry *e, const struct event *ev)
{
	const uint64_t known = e->c.dir[DIR_READ].pos + e->c.dir[DIR_WRITE].pos;

	if (e->ended)
		return true;
	return (ev->accepted || ev->connected) && !ev->late && known && !ev->conn.rx_pos &&
	       !ev->conn.tx_pos;
}

static void on_conn(struct conn_table *t, const struct event *ev)
{
	const struct event_conn *ec = &ev->conn;
	struct entry *e;
	bool numbered;

	if (!ec->inode || ec->transport == TRANSPORT_NONE)
		return;
	e = entry_find(t, ec->inode, ec->sk, ev->ts);
	if (e && begins_anew(e, ev)) {
		entry_end_and_drop(t, e, ev->ts);
		e = NULL;
	}
	if (e && ev->reading) {
		if (!e->counted == !ev->counted && !e->ended) {
			stream_reconcile(t, e, DIR_READ, ec->rx_pos, ev->ts);
			stream_reconcile(t, e, DIR_WRITE, ec->tx_pos, ev->ts);
		}
		return;
	}
	if (e) {
		/* Told again (by an iterator, or after its first record was lost): positions are
		 * left to the calls, whose order is certain. */
		if (!e->c.endpoints_known)
			set_endpoints(e, ec);
		settle_role(t, e, ev);
		if (e->counted && !ev->from_iter) {
			/* The kernel side had forgotten it and counts from the start again. */
			stream_recount(e, DIR_READ, ec->rx_seq32);
			stream_recount(e, DIR_WRITE, ec->tx_seq32);
		}
		return;
	}
	e = entry_open(t, ev, ec->inode, ec->sk, ec->transport);
	if (!e)
		return;
	entry_use(e, ev, ec->fd);
	set_endpoints(e, ec);
	settle_role(t, e, ev);
	e->late_flag = ev->late;
	/* In SYN_SENT there are no numbers yet. */
	numbered = ec->transport != TRANSPORT_TCP || ec->tcp_state != TCPS_SYN_SENT;
	stream_meet(t, e, DIR_READ, ec->rx_pos, ec->rx_seq32, numbered, ev->ts);
	stream_meet(t, e, DIR_WRITE, ec->tx_pos, ec->tx_seq32, numbered, ev->ts);
	e->c.late = ev->late || ec->rx_pos || ec->tx_pos;
	if (ec->transport == TRANSPORT_TCP &&
	    (ec->tcp_state == TCPS_CLOSE_WAIT || ec->tcp_state == TCPS_CLOSE)) {
		/* The peer was gone before it was accepted, or before we came. */
		e->peer_fin = ec->tcp_state == TCPS_CLOSE_WAIT;
		e->c.reset = ec->tcp_state == TCPS_CLOSE;
		entry_closed_by(e, CLOSED_BY_PEER, ev->ts);
	}
}

static void on_data(struct conn_table *t, const struct event *ev)
{
	const struct event_data *d = &ev->data;
	struct entry *e;

	if (ev->source != SOURCE_SYSCALL || d->transport == TRANSPORT_NONE || !d->inode || ev->peek)
		return;
	e = entry_find(t, d->inode, d->sk, ev->ts);
	if (!e) {
		if (d->ret <= 0)
			return;
		e = entry_open(t, ev, d->inode, d->sk, d->transport);
		if (!e)
			return;
		e->c.late = true;
	}
	if (e->ended) {
		stream_on_data(t, e, ev);
		return;
	}
	lru_touch(&t->idle, &e->c.lru);
	entry_use(e, ev, d->fd);
	if (d->ret >= 0) {
		stream_on_data(t, e, ev);
		if (ev->eof && d->dir == DIR_READ && !d->ret)
			entry_closed_by(e, CLOSED_BY_PEER, ev->ts);
	} else if (ev->blocked && d->dir == DIR_WRITE) {
		t->sink.stalled(t->sink.ctx, &e->c, ev->ts);
	}
	if (ev->ts > e->c.last_ts) {
		e->before_ts = e->c.last_ts;
		e->c.last_ts = ev->ts;
	}
	entry_end_if_both(t, e, ev->ts);
}

static void on_close(struct conn_table *t, const struct event *ev)
{
	const struct event_close *cl = &ev->close;
	struct entry *e = table_get(&t->by_inode, cl->inode);

	if (!e || !entry_is_counted(e))
		return;
	if (cl->how < 0) {
		if (entry_disuse(e, ev->tgid, cl->fd)) {
			entry_closed_by(e, CLOSED_BY_TARGET, ev->ts);
			entry_end_and_drop(t, e, ev->ts);
		}
		return;
	}
	if (cl->how != SHUT_RD) {
		entry_closed_by(e, CLOSED_BY_TARGET, ev->ts);
		stream_eof(t, e, DIR_WRITE, ev->ts);
	}
	if (cl->how != SHUT_WR)
		stream_eof(t, e, DIR_READ, ev->ts);
	entry_end_if_both(t, e, ev->ts);
}

static void on_process_exit(struct conn_table *t, const struct event *ev)
{
	struct lru_node *n, *next;

	t->dead[t->next_dead].tgid = ev->tgid;
	t->dead[t->next_dead].start = ev->start;
	t->next_dead = (t->next_dead + 1) % DEAD_REMEMBERED;
	/* TCP sockets tell their end themselves, after their process. */
	if (!t->live_counted)
		return;
	for (n = t->order.head.next; n != &t->order.head; n = next) {
		struct entry *e = entry_of_order(n);

		next = n->next;
		if (!entry_is_counted(e) || !entry_disuse(e, ev->tgid, -1))
			continue;
		entry_closed_by(e, CLOSED_BY_TARGET, ev->ts);
		entry_end_and_drop(t, e, ev->ts);
	}
}

void conn_on_event(struct conn_table *t, const struct event *ev)
{
	uint64_t from_ts;

	tcp_end_stragglers(t, ev->ts);
	switch (ev->type) {
	case EVENT_DATA:
	case EVENT_CONN:
	case EVENT_STATE:
	case EVENT_CLOSE:
		if (holes_on_event(&t->holes, ev, &from_ts))
			stream_on_hole(t, from_ts, ev->ts);
		break;
	default:
		break;
	}
	switch (ev->type) {
	case EVENT_DATA:
		on_data(t, ev);
		break;
	case EVENT_CONN:
		on_conn(t, ev);
		break;
	case EVENT_STATE:
		tcp_on_state(t, ev);
		break;
	case EVENT_CLOSE:
		on_close(t, ev);
		break;
	case EVENT_LISTEN:
		on_listen(t, ev);
		break;
	case EVENT_EXIT:
		on_process_exit(t, ev);
		break;
	default:
		break;
	}
}

/* ---- the table ---- */

struct conn_table *conn_table_new(size_t max, uint32_t hz, const struct stream_sink *sink)
{
	struct conn_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->max = max ? max : 1;
	t->hz = hz;
	t->sink = *sink;
	table_init(&t->by_inode, t->max);
	table_init(&t->by_sk, t->max);
	table_init(&t->listening, LISTENING_MAX);
	lru_init(&t->idle);
	lru_init(&t->order);
	lru_init(&t->closing);
	return t;
}

void conn_stop(struct conn_table *t, uint64_t ts)
{
	struct lru_node *n;

	while ((n = lru_oldest(&t->order))) {
		struct entry *e = entry_of_order(n);

		if (e->is_closing)
			tcp_end_closed(t, e);
		entry_end(t, e, ts, true);
		entry_drop(t, e);
	}
}

void conn_table_free(struct conn_table *t)
{
	if (!t)
		return;
	conn_stop(t, 0);
	table_free(&t->by_inode);
	table_free(&t->by_sk);
	table_free(&t->listening);
	holes_free(&t->holes);
	free(t);
}

const struct conn_stats *conn_stats(const struct conn_table *t)
{
	return &t->stats;
}

struct conn *conn_lookup(const struct conn_table *t, uint64_t inode)
{
	struct entry *e = table_get(&t->by_inode, inode);

	return e && !e->ended ? &e->c : NULL;
}

size_t conn_count(const struct conn_table *t)
{
	return t->live;
}
