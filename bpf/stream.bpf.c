/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stream.bpf.c - what a descriptor of the current task means, and the announcement of a stream. */
#include "stream.bpf.h"
#include "submit.bpf.h"

/* w->fd in the current task's table. Returns enum ev_proto. */
__noinline int fd_resolve(__u32 copy)
{
	struct work *w = work_get(copy);
	struct endpoint e;
	struct file *file;

	if (!w)
		return EV_PROTO_NONE;
	file = file_of_fd(w->fd);
	if (!file)
		return EV_PROTO_NONE;
	endpoint_of_file(&e, file);
	w->proto = e.proto;
	w->inode = e.inode;
	w->sk = e.sk;
	return e.proto;
}

/*
 * EV_CONN for the stream of w, with the positions from before the bytes of w->t. It goes ahead of
 * the first data; a failed one is tried again with the next.
 */
__noinline int stream_announce(__u32 copy)
{
	struct series *cs = series_get(SERIES_CALL + (copy & 1));
	struct work *w = work_get(copy);
	struct endpoint e;
	struct positions p;
	struct stream *s;
	struct ev_conn *c;
	__u32 moved, flags;
	__u64 seq;

	if (!cs || !w)
		return 0;
	e.inode = w->inode;
	e.sk = w->sk;
	e.proto = w->proto;
	s = stream_get(&e, &w->fresh);
	seq = data_seq_next(cs);
	if (!s) {
		count_lost(cs, EV_COUNT_CONN, EV_LOST_TABLE_FULL);
		return 0;
	}
	flags = w->conn_flags;
	if (flags & EV_F_ACCEPTED)
		s->flags |= STREAM_ACCEPTED | STREAM_BASED;
	if (flags & EV_F_CONNECTED)
		s->flags |= STREAM_CONNECTED | STREAM_BASED | STREAM_ACTIVE;
	stream_positions(s, (void *)e.sk, &p);
	if (w->t.ret > 0 && !(w->t.msg_flags & MSG_PEEK) && !(s->flags & STREAM_COUNTED)) {
		moved = (__u32)w->t.ret + w->t.after;
		if (w->t.dir == EV_READ) {
			p.rx -= moved;
			p.rx_seq -= moved;
		} else {
			p.tx -= moved;
			p.tx_seq -= moved;
		}
	}
	if (s->flags & STREAM_ACCEPTED)
		flags |= EV_F_ACCEPTED;
	else if (s->flags & STREAM_CONNECTED)
		flags |= EV_F_CONNECTED;
	else if (s->flags & STREAM_COUNTED || p.rx || p.tx)
		flags |= EV_F_LATE;
	if (s->flags & STREAM_COUNTED)
		flags |= EV_F_COUNTED;

	c = bpf_ringbuf_reserve(&data_ring, sizeof(*c), 0);
	if (!c) {
		count_lost(cs, EV_COUNT_CONN, EV_LOST_RING_FULL);
		return 0;
	}
	__builtin_memset(c, 0, sizeof(*c));
	hdr_fill(&c->h, EV_CONN, sizeof(*c), flags, seq);
	hdr_who(&c->h, w->ts, w->pid_tgid, w->start);
	c->inode = e.inode;
	c->fd = w->fd;
	c->rx_pos = p.rx;
	c->tx_pos = p.tx;
	c->rx_seq32 = p.rx_seq;
	c->tx_seq32 = p.tx_seq;
	conn_endpoints(c, (void *)e.sk, e.proto);
	bpf_ringbuf_submit(c, data_wake());
	count_sent(cs, EV_COUNT_CONN);
	s->flags |= STREAM_ANNOUNCED;
	stream_used(s, w);
	return 1;
}
