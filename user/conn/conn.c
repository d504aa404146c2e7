// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* conn.c - the connection table: who opens, uses and closes a socket or pipe, and when it is over.
 */
#include "conn/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn/entry.h"

#define LISTENING_MAX 4096
/*
 * A reset can be seen before the record of a read that a thread has just finished on another CPU,
 * and what had arrived before it can still be read. The socket's end tells that nothing more comes;
 * where its owner takes longer to close it, this much time does.
 */
#define STRAGGLERS_NS 20000000ull

static struct entry *of_order(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, order));
}

static struct entry *of_closing(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, closing));
}

static struct entry *of_idle(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, c.lru));
}

static bool is_counted(const struct entry *e)
{
	return e->c.transport != TRANSPORT_TCP;
}

/* ---- life of an entry ---- */

/* Tell the sink that it is over. The entry stays, so that stragglers are known for what they are.
 */
static void end(struct conn_table *t, struct entry *e, uint64_t ts, bool agent_stop)
{
	if (e->ended)
		return;
	t->sink.end(t->sink.ctx, &e->c, ts, agent_stop);
	e->ended = true;
	lru_remove(&e->closing);
	t->stats.closed++;
	t->live--;
	t->live_counted -= is_counted(e);
}

static void drop(struct conn_table *t, struct entry *e)
{
	table_del(&t->by_inode, e->c.inode);
	if (e->c.sk && table_get(&t->by_sk, e->c.sk) == e)
		table_del(&t->by_sk, e->c.sk);
	lru_remove(&e->closing);
	lru_remove(&e->order);
	lru_remove(&e->c.lru);
	free(e->c.path);
	free(e);
}

static void end_and_drop(struct conn_table *t, struct entry *e, uint64_t ts)
{
	end(t, e, ts, false);
	drop(t, e);
}

static void closed_by(struct entry *e, enum conn_closer who, uint64_t ts)
{
	if (e->c.closer != CLOSED_NOT)
		return;
	e->c.closer = who;
	e->c.closed_ts = ts;
}

static void make_room(struct conn_table *t, uint64_t ts)
{
	struct lru_node *oldest = lru_oldest(&t->idle);
	struct entry *e;

	if (!oldest)
		return;
	e = of_idle(oldest);
	if (!e->ended) {
		e->c.evicted = true;
		t->stats.evicted++;
	}
	end_and_drop(t, e, ts);
}

static struct entry *open_entry(struct conn_table *t, const struct event *ev, uint64_t inode,
				uint64_t sk, enum transport transport)
{
	struct entry *e;

	if (t->by_inode.len >= t->max)
		make_room(t, ev->ts);
	e = calloc(1, sizeof(*e));
	if (!e || table_put(&t->by_inode, inode, e)) {
		t->stats.table_full++;
		free(e);
		return NULL;
	}
	e->c.inode = inode;
	e->c.sk = sk;
	e->c.transport = transport;
	e->c.open_ts = e->c.last_ts = ev->ts;
	e->c.fd = -1;
	e->serial = t->serial++;
	/* Without it states without an inode are missed, no more. */
	if (sk && transport == TRANSPORT_TCP)
		table_put(&t->by_sk, sk, e);
	e->counted = ev->counted || is_counted(e);
	for (int d = 0; d < 2; d++) {
		e->dir[d].mark = t->holes.count;
		e->dir[d].ts = ev->ts;
	}
	lru_touch(&t->order, &e->order);
	lru_touch(&t->idle, &e->c.lru);
	t->stats.opened++;
	t->live++;
	t->live_counted += is_counted(e);
	return e;
}

/* The entry of an inode, unless the inode is another socket's by now. */
static struct entry *find(struct conn_table *t, uint64_t inode, uint64_t sk, uint64_t ts)
{
	struct entry *e = table_get(&t->by_inode, inode);

	if (e && e->c.sk && sk && e->c.sk != sk) {
		end_and_drop(t, e, ts);
		return NULL;
	}
	return e;
}

/* ---- who uses it ---- */

static void use(struct entry *e, const struct event *ev, int32_t fd)
{
	e->c.tgid = ev->tgid;
	e->c.tid = ev->tid;
	e->c.start = ev->start;
	e->c.fd = fd;
	if (!is_counted(e) || !ev->tgid)
		return;
	for (unsigned i = 0; i < e->users; i++)
		if (e->user[i].tgid == ev->tgid) {
			e->user[i].fd = fd;
			return;
		}
	if (e->users < ENTRY_USERS)
		e->user[e->users++] = (struct entry_user){ .tgid = ev->tgid, .fd = fd };
	else
		e->users_more = true;
}

/* True if nobody known is left. fd -1: whatever its descriptor. */
static bool disuse(struct entry *e, uint32_t tgid, int32_t fd)
{
	for (unsigned i = 0; i < e->users; i++)
		if (e->user[i].tgid == tgid && (fd < 0 || e->user[i].fd == fd)) {
			e->user[i] = e->user[--e->users];
			return !e->users && !e->users_more;
		}
	return false;
}

/* ---- events ---- */

static uint64_t listening_key(uint32_t netns, uint16_t port)
{
	return (uint64_t)netns << 16 | port;
}

static void on_listen(struct conn_table *t, const struct event *ev)
{
	const struct event_conn *c = &ev->conn;

	/* When full, the request's direction still tells who serves. */
	if (c->transport == TRANSPORT_TCP)
		table_put(&t->listening, listening_key(c->netns, c->local_port), t);
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
	e = find(t, ec->inode, ec->sk, ev->ts);
	if (e && begins_anew(e, ev)) {
		end_and_drop(t, e, ev->ts);
		e = NULL;
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
	e = open_entry(t, ev, ec->inode, ec->sk, ec->transport);
	if (!e)
		return;
	use(e, ev, ec->fd);
	set_endpoints(e, ec);
	settle_role(t, e, ev);
	e->late_flag = ev->late;
	/* In SYN_SENT there are no numbers yet. */
	numbered = ec->transport != TRANSPORT_TCP || ec->tcp_state != TCPS_SYN_SENT;
	stream_meet(t, e, DIR_READ, ec->rx_pos, ec->rx_seq32, numbered, ev->ts);
	stream_meet(t, e, DIR_WRITE, ec->tx_pos, ec->tx_seq32, numbered, ev->ts);
	e->c.late = ev->late || ec->rx_pos || ec->tx_pos;
	if (ec->transport == TRANSPORT_TCP && ec->tcp_state == TCPS_CLOSE_WAIT) {
		e->peer_fin = true;
		closed_by(e, CLOSED_BY_PEER, ev->ts);
	}
}

/* Once nothing can come in either direction the exchange need not wait for the socket's end. */
static void end_if_both(struct conn_table *t, struct entry *e, uint64_t ts)
{
	if (!e->c.dir[DIR_READ].eof || !e->c.dir[DIR_WRITE].eof)
		return;
	end(t, e, ts, false);
	/* Of a TCP socket more is to come: its states, its last count. */
	if (is_counted(e))
		drop(t, e);
}

static void on_data(struct conn_table *t, const struct event *ev)
{
	const struct event_data *d = &ev->data;
	struct entry *e;

	if (ev->source != SOURCE_SYSCALL || d->transport == TRANSPORT_NONE || !d->inode || ev->peek)
		return;
	e = find(t, d->inode, d->sk, ev->ts);
	if (!e) {
		if (d->ret <= 0)
			return;
		e = open_entry(t, ev, d->inode, d->sk, d->transport);
		if (!e)
			return;
		e->c.late = true;
	}
	if (e->ended) {
		stream_on_data(t, e, ev);
		return;
	}
	lru_touch(&t->idle, &e->c.lru);
	use(e, ev, d->fd);
	if (d->ret >= 0) {
		stream_on_data(t, e, ev);
		if (ev->eof && d->dir == DIR_READ && !d->ret)
			closed_by(e, CLOSED_BY_PEER, ev->ts);
	} else if (ev->blocked && d->dir == DIR_WRITE) {
		t->sink.stalled(t->sink.ctx, &e->c, ev->ts);
	}
	if (ev->ts > e->c.last_ts)
		e->c.last_ts = ev->ts;
	end_if_both(t, e, ev->ts);
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
	end_and_drop(t, e, ts);
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
		closed_by(e, own ? CLOSED_BY_TARGET : CLOSED_BY_PEER, ev->ts);
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

static void end_stragglers(struct conn_table *t, uint64_t now)
{
	struct lru_node *n;

	while ((n = lru_oldest(&t->closing))) {
		struct entry *e = of_closing(n);

		if (now < e->close_ts || now - e->close_ts < STRAGGLERS_NS)
			return;
		settle(t, e, e->final_pos[DIR_READ], e->final_pos[DIR_WRITE], e->close_ts);
		end(t, e, e->close_ts, false);
	}
}

static void on_state(struct conn_table *t, const struct event *ev)
{
	const struct event_state *s = &ev->state;
	struct entry *e;

	/* An orphaned socket has no inode any more, only its address. */
	e = s->inode ? find(t, s->inode, s->sk, ev->ts) : table_get(&t->by_sk, s->sk);
	if (!e || e->c.transport != TRANSPORT_TCP)
		return;
	if (s->destroyed) {
		on_destroyed(t, e, ev);
		return;
	}
	switch (s->new_state) {
	case TCPS_CLOSE_WAIT:
		e->peer_fin = true;
		closed_by(e, CLOSED_BY_PEER, ev->ts);
		break;
	case TCPS_CLOSING:
	case TCPS_TIME_WAIT:
		e->peer_fin = true;
		break;
	case TCPS_FIN_WAIT1:
	case TCPS_LAST_ACK:
		closed_by(e, s->new_state == TCPS_LAST_ACK ? CLOSED_BY_PEER : CLOSED_BY_TARGET,
			  ev->ts);
		/* The state changes before the FIN gets its number. */
		stream_reconcile(t, e, DIR_WRITE, told_pos(e, ev, DIR_WRITE), ev->ts);
		e->local_fin = true;
		stream_eof(t, e, DIR_WRITE, ev->ts);
		end_if_both(t, e, ev->ts);
		break;
	case TCPS_CLOSE:
		on_closed(t, e, ev);
		break;
	}
}

static void on_close(struct conn_table *t, const struct event *ev)
{
	const struct event_close *cl = &ev->close;
	struct entry *e = table_get(&t->by_inode, cl->inode);

	if (!e || !is_counted(e))
		return;
	if (cl->how < 0) {
		if (disuse(e, ev->tgid, cl->fd)) {
			closed_by(e, CLOSED_BY_TARGET, ev->ts);
			end_and_drop(t, e, ev->ts);
		}
		return;
	}
	if (cl->how != SHUT_RD) {
		closed_by(e, CLOSED_BY_TARGET, ev->ts);
		stream_eof(t, e, DIR_WRITE, ev->ts);
	}
	if (cl->how != SHUT_WR)
		stream_eof(t, e, DIR_READ, ev->ts);
	end_if_both(t, e, ev->ts);
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
		struct entry *e = of_order(n);

		next = n->next;
		if (!is_counted(e) || !disuse(e, ev->tgid, -1))
			continue;
		closed_by(e, CLOSED_BY_TARGET, ev->ts);
		end_and_drop(t, e, ev->ts);
	}
}

void conn_on_event(struct conn_table *t, const struct event *ev)
{
	uint64_t from_ts;

	end_stragglers(t, ev->ts);
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
		on_state(t, ev);
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
		struct entry *e = of_order(n);

		if (!e->ended && e->is_closing) {
			settle(t, e, e->final_pos[DIR_READ], e->final_pos[DIR_WRITE], e->close_ts);
			end(t, e, e->close_ts, false);
		}
		end(t, e, ts, true);
		drop(t, e);
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
