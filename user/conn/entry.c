// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* entry.c - the life of one connection in the table: opened, used by processes, ended, dropped. */
#include "conn/entry.h"

#include <stdlib.h>

/* What a connection costs is promised: with slots, allocator and a protocol's state 1 KiB. */
_Static_assert(sizeof(struct entry) <= 512, "an idle connection is small");

struct entry *entry_of_order(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, order));
}

static struct entry *of_idle(struct lru_node *n)
{
	return (struct entry *)((char *)n - offsetof(struct entry, c.lru));
}

void entry_end(struct conn_table *t, struct entry *e, uint64_t ts, bool agent_stop)
{
	if (e->ended)
		return;
	t->sink.end(t->sink.ctx, &e->c, ts, agent_stop);
	e->ended = true;
	lru_remove(&e->closing);
	t->stats.closed++;
	t->live--;
	t->live_counted -= entry_is_counted(e);
}

void entry_drop(struct conn_table *t, struct entry *e)
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

void entry_end_and_drop(struct conn_table *t, struct entry *e, uint64_t ts)
{
	entry_end(t, e, ts, false);
	entry_drop(t, e);
}

void entry_closed_by(struct entry *e, enum conn_closer who, uint64_t ts)
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
	entry_end_and_drop(t, e, ts);
}

struct entry *entry_open(struct conn_table *t, const struct event *ev, uint64_t inode, uint64_t sk,
			 enum transport transport)
{
	struct entry *e = sk ? table_get(&t->by_sk, sk) : NULL;

	/* The address is another socket's now: the end of the one that had it was not seen. */
	if (e)
		entry_end_and_drop(t, e, ev->ts);
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
	if (sk)
		table_put(&t->by_sk, sk, e);
	e->counted = ev->counted || entry_is_counted(e);
	for (int d = 0; d < 2; d++) {
		e->dir[d].mark = t->holes.count;
		e->dir[d].ts = ev->ts;
	}
	lru_touch(&t->order, &e->order);
	lru_touch(&t->idle, &e->c.lru);
	t->stats.opened++;
	t->live++;
	t->live_counted += entry_is_counted(e);
	return e;
}

struct entry *entry_find(struct conn_table *t, uint64_t inode, uint64_t sk, uint64_t ts)
{
	struct entry *e = table_get(&t->by_inode, inode);

	if (e && e->c.sk && sk && e->c.sk != sk) {
		entry_end_and_drop(t, e, ts);
		return NULL;
	}
	return e;
}

void entry_use(struct entry *e, const struct event *ev, int32_t fd)
{
	e->c.tgid = ev->tgid;
	e->c.tid = ev->tid;
	e->c.start = ev->start;
	e->c.fd = fd;
	if (!entry_is_counted(e) || !ev->tgid)
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

bool entry_disuse(struct entry *e, uint32_t tgid, int32_t fd)
{
	for (unsigned i = 0; i < e->users; i++)
		if (e->user[i].tgid == tgid && (fd < 0 || e->user[i].fd == fd)) {
			e->user[i] = e->user[--e->users];
			return !e->users && !e->users_more;
		}
	return false;
}

/* Once nothing can come in either direction the exchange need not wait for the socket's end. */
void entry_end_if_both(struct conn_table *t, struct entry *e, uint64_t ts)
{
	if (!e->c.dir[DIR_READ].eof || !e->c.dir[DIR_WRITE].eof)
		return;
	entry_end(t, e, ts, false);
	/* Of a TCP socket more is to come: its states, its last count. */
	if (entry_is_counted(e))
		entry_drop(t, e);
}
