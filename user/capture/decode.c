// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* decode.c - checks raw event records once, at the edge, and unpacks them into struct event. */
#include "capture/decode.h"

#include <errno.h>
#include <string.h>

#include "bpf/event.h"

_Static_assert((int)SOURCE_PROC == (int)EV_SRC_PROC, "sources agree");
_Static_assert((int)TRANSPORT_PIPE == (int)EV_PROTO_PIPE, "transports agree");
_Static_assert((int)DIR_WRITE == (int)EV_WRITE, "directions agree");
_Static_assert(EVENT_COUNT_KINDS == EV_COUNT_KINDS, "count kinds agree");

const char *const event_count_name[EVENT_COUNT_KINDS] = { "data", "conn", "state", "close",
							  "life" };

/*
 * Records lie at any alignment in a capture, so each is copied to a struct of its own first: one or
 * two cache lines, which cost nothing next to the rest.
 */
static int decode_data(struct event *ev, const uint8_t *p, size_t n)
{
	struct event_data *d = &ev->data;
	struct ev_data r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	if (r.dir > EV_WRITE || r.proto > EV_PROTO_PIPE || r.ret > INT32_MAX)
		return -EINVAL;
	if ((uint64_t)r.head_len + r.tail_len > n - sizeof(r))
		return -EINVAL;
	/* No call shows more bytes than it moved. */
	if ((r.head_len || r.tail_len) && (int64_t)((uint64_t)r.head_len + r.tail_len) > r.ret)
		return -EINVAL;
	d->ts_enter = r.ts_enter;
	d->ts_sent = r.ts_sent;
	d->inode = r.inode;
	d->sk = r.sk;
	d->ret = r.ret;
	d->wait = r.wait;
	d->seq32 = r.seq32;
	d->fd = r.fd;
	d->msg_flags = r.msg_flags;
	d->syscall = r.syscall;
	d->transport = (enum transport)r.proto;
	d->dir = (enum direction)r.dir;
	d->head = p + sizeof(r);
	d->head_len = r.head_len;
	d->tail = d->head + r.head_len;
	d->tail_len = r.tail_len;
	return 0;
}

static int decode_conn(struct event *ev, const uint8_t *p, size_t n)
{
	struct event_conn *c = &ev->conn;
	struct ev_conn r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	if (r.proto > EV_PROTO_PIPE)
		return -EINVAL;
	c->inode = r.inode;
	c->sk = r.sk;
	c->rx_pos = r.rx_pos;
	c->tx_pos = r.tx_pos;
	c->rx_seq32 = r.rx_seq32;
	c->tx_seq32 = r.tx_seq32;
	c->netns = r.netns;
	c->backlog = r.backlog;
	c->fd = r.fd;
	c->family = r.family;
	c->local_port = r.local_port;
	c->peer_port = r.peer_port;
	c->transport = (enum transport)r.proto;
	c->tcp_state = r.tcp_state;
	memcpy(c->local, r.local, sizeof(c->local));
	memcpy(c->peer, r.peer, sizeof(c->peer));
	memcpy(c->path, r.path, sizeof(r.path));
	c->path[sizeof(r.path)] = '\0';
	return 0;
}

static int decode_state(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_state r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	ev->state = (struct event_state){
		.inode = r.inode,
		.sk = r.sk,
		.rx_pos = r.rx_pos,
		.tx_pos = r.tx_pos,
		.old_state = r.old_state,
		.new_state = r.new_state,
		.destroyed = r.new_state == EV_STATE_DESTROY,
		.own_abort = (r.h.flags & EV_F_OWN_ABORT) != 0,
	};
	return 0;
}

static int decode_close(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_close r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	ev->close = (struct event_close){ .inode = r.inode, .fd = r.fd, .how = r.how };
	return 0;
}

static int decode_life(struct event *ev, const uint8_t *p, size_t n)
{
	struct event_life *l = &ev->life;
	struct ev_life r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	l->ppid = r.ppid;
	l->ppid_start = r.ppid_start;
	l->cgroup = r.cgroup;
	l->exit_code = r.exit_code;
	l->uid = r.uid;
	l->nspid = r.nspid;
	l->oom_total_vm = r.oom_total_vm;
	l->oom_rss = r.oom_rss;
	memcpy(l->comm, r.comm, sizeof(r.comm));
	l->comm[sizeof(r.comm)] = '\0';
	memcpy(l->path, r.path, sizeof(r.path));
	l->path[sizeof(r.path)] = '\0';
	return 0;
}

static int decode_signal(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_signal r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	ev->signal.target = r.target;
	ev->signal.sig = r.sig;
	ev->signal.code = r.code;
	memcpy(ev->signal.comm, r.comm, sizeof(r.comm));
	ev->signal.comm[sizeof(r.comm)] = '\0';
	return 0;
}

static int decode_clock(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_clock r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	ev->clock = (struct event_clock){ .realtime = r.realtime, .boottime = r.boottime };
	return 0;
}

static int decode_counters(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_counters r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	if (r.cpus > (n - sizeof(r)) / sizeof(struct ev_cpu_counts))
		return -EINVAL;
	ev->counters = (struct event_counters){ .cpus = r.cpus,
						.final = r.final != 0,
						.raw = p + sizeof(r) };
	return 0;
}

static int decode_text(struct event *ev, const uint8_t *p, size_t n)
{
	struct ev_text r;

	if (n < sizeof(r))
		return -EINVAL;
	memcpy(&r, p, sizeof(r));
	if (r.text_len > n - sizeof(r))
		return -EINVAL;
	ev->text = (struct event_text){ .p = (const char *)p + sizeof(r),
					.n = r.text_len,
					.kind = r.kind };
	return 0;
}

/* By enum ev_type; a row without a function is a type that this version does not know. */
static const struct {
	enum event_type type;
	int (*decode)(struct event *ev, const uint8_t *p, size_t n);
} row[] = {
	[EV_DATA] = { EVENT_DATA, decode_data },
	[EV_CONN] = { EVENT_CONN, decode_conn },
	[EV_LISTEN] = { EVENT_LISTEN, decode_conn },
	[EV_STATE] = { EVENT_STATE, decode_state },
	[EV_CLOSE] = { EVENT_CLOSE, decode_close },
	[EV_FORK] = { EVENT_FORK, decode_life },
	[EV_EXEC] = { EVENT_EXEC, decode_life },
	[EV_EXIT] = { EVENT_EXIT, decode_life },
	[EV_OOM] = { EVENT_OOM, decode_life },
	[EV_TASK] = { EVENT_TASK, decode_life },
	[EV_SIGNAL] = { EVENT_SIGNAL, decode_signal },
	[EV_CLOCK] = { EVENT_CLOCK, decode_clock },
	[EV_COUNTERS] = { EVENT_COUNTERS, decode_counters },
	[EV_TARGET] = { EVENT_TARGET, decode_text },
	[EV_PROC] = { EVENT_PROC, decode_text },
	[EV_HOST] = { EVENT_HOST, decode_text },
	[EV_AGENT] = { EVENT_AGENT, decode_text },
	[EV_STOP] = { EVENT_STOP, decode_text },
};

static void decode_flags(struct event *ev, uint32_t f)
{
	ev->late = (f & EV_F_LATE) != 0;
	ev->peek = (f & EV_F_PEEK) != 0;
	ev->trunc = (f & EV_F_TRUNC) != 0;
	ev->copy_fault = (f & EV_F_COPY_FAULT) != 0;
	ev->blocked = (f & EV_F_BLOCKED) != 0;
	ev->unordered = (f & EV_F_UNORDERED) != 0;
	ev->omitted = (f & EV_F_OMITTED) != 0;
	ev->accepted = (f & EV_F_ACCEPTED) != 0;
	ev->connected = (f & EV_F_CONNECTED) != 0;
	ev->eof = (f & EV_F_EOF) != 0;
	ev->from_iter = (f & EV_F_ITER) != 0;
	ev->reading = (f & EV_F_READING) != 0;
	ev->wait_ticks = (f & EV_F_WAIT_TICKS) != 0;
	ev->counted = (f & EV_F_COUNTED) != 0;
}

int decode_event(struct event *ev, const void *raw, size_t n)
{
	struct ev_hdr h;

	if (n < sizeof(h))
		return -EINVAL;
	memcpy(&h, raw, sizeof(h));
	if (h.len < sizeof(h) || h.len > n)
		return -EINVAL;
	if (h.version != EV_VERSION)
		return -ENOMSG;
	n = h.len; /* rings may round up */
	ev->source = (enum event_source)h.source;
	ev->cpu = h.cpu;
	ev->cpu_seq = h.cpu_seq;
	ev->ts = h.ts;
	ev->tgid = h.tgid;
	ev->tid = h.tid;
	ev->start = h.start;
	decode_flags(ev, h.flags);
	if (h.type >= sizeof(row) / sizeof(row[0]) || !row[h.type].decode)
		return -ENOMSG;
	if (h.source > EV_SRC_PROC)
		return -EINVAL;
	ev->type = row[h.type].type;
	return row[h.type].decode(ev, raw, n);
}

void decode_counts(const struct event_counters *c, uint32_t cpu, int kind, struct event_count *out)
{
	struct ev_count r;

	memset(out, 0, sizeof(*out));
	if (cpu >= c->cpus || kind < 0 || kind >= EVENT_COUNT_KINDS)
		return;
	memcpy(&r, c->raw + (size_t)cpu * sizeof(struct ev_cpu_counts) + (size_t)kind * sizeof(r),
	       sizeof(r));
	out->seen = r.seen;
	out->submitted = r.submitted;
	out->lost_ring_full = r.lost[EV_LOST_RING_FULL];
	out->lost_table_full = r.lost[EV_LOST_TABLE_FULL];
	out->lost_copy_fault = r.lost[EV_LOST_COPY_FAULT];
	out->bytes_seen = r.bytes_seen;
	out->bytes_lost = r.bytes_lost;
}
