/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * evbuild.h - a small imitation of the kernel side for tests: sockets that move bytes and the raw
 * records (bpf/event.h) that tell of it, with sequence numbers, losses and all.
 *
 *	struct evsim sim = evsim_new(fn, ctx);	fn gets each raw record
 *	struct evsock s = evsock_tcp(inode);
 *	evsim_conn(&sim, &s, EV_F_ACCEPTED);
 *	evsim_read(&sim, &s, "GET / ", 6);	position moves, record goes out
 *	sim.drop = true;			from here on records are lost: numbers go on
 *
 * Nothing here allocates; records are built in sim.raw.
 */
#ifndef TESTS_EVBUILD_H
#define TESTS_EVBUILD_H

#include <stdbool.h>
#include <string.h>

#include "bpf/event.h"

#define EVSIM_CPUS 4

typedef void (*evsim_fn)(void *ctx, const void *raw, size_t n);

struct evsim {
	evsim_fn fn;
	void *ctx;
	uint64_t data_seq[EVSIM_CPUS], life_seq[EVSIM_CPUS], state_seq[EVSIM_CPUS];
	uint32_t cpu; /* set by the test */
	uint64_t ts, step; /* each record comes `step` ns after the one before */
	uint32_t tgid, tid;
	uint64_t start;
	uint32_t copy_head, copy_tail; /* limits of one call; 0: no limit */
	bool drop; /* records get lost */
	uint64_t dropped;
	uint8_t raw[EV_MAX_LEN];
};

/* A socket or pipe as the kernel has it. Positions are bytes; FINs are not counted. */
struct evsock {
	uint64_t inode, sk;
	uint64_t pos[2]; /* by enum ev_dir */
	uint32_t isn[2];
	uint32_t netns, backlog;
	int32_t fd;
	uint16_t family, local_port, peer_port;
	uint8_t proto, state;
	uint8_t local[16], peer[16];
	const char *path;
	bool counted;
	bool fin_counts; /* an odd kernel side: seq32 counts the peer's FIN */
	bool fin_read;
};

static inline struct evsim evsim_new(evsim_fn fn, void *ctx)
{
	return (struct evsim){
		.fn = fn,
		.ctx = ctx,
		.ts = 1000000000,
		.step = 1000,
		.tgid = 100,
		.tid = 101,
		.start = 5000000000,
	};
}

static inline struct evsock evsock_tcp(uint64_t inode)
{
	return (struct evsock){
		.inode = inode,
		.sk = 0xffff888000000000ull + inode * 64,
		.isn = { 0xfffffff0u, 0x80000000u },
		.netns = 4026531840u,
		.fd = 7,
		.family = 2,
		.local_port = 8000,
		.peer_port = 40000,
		.proto = EV_PROTO_TCP,
		.state = 1,
		.local = { 127, 0, 0, 1 },
		.peer = { 127, 0, 0, 1 },
	};
}

static inline struct evsock evsock_unix(uint64_t inode)
{
	struct evsock s = evsock_tcp(inode);

	s.proto = EV_PROTO_UNIX;
	s.family = 1;
	s.isn[0] = s.isn[1] = 0;
	s.local_port = s.peer_port = 0;
	s.path = "/run/server.sock";
	s.counted = true;
	return s;
}

static inline struct evsock evsock_pipe(uint64_t inode)
{
	struct evsock s = evsock_unix(inode);

	s.proto = EV_PROTO_PIPE;
	s.family = 0;
	s.sk = 0;
	s.path = NULL;
	return s;
}

static inline uint32_t evsock_seq(const struct evsock *s, unsigned dir)
{
	return s->isn[dir] + (uint32_t)s->pos[dir] +
	       (dir == EV_READ && s->fin_counts && s->fin_read ? 1 : 0);
}

static inline struct ev_hdr evsim_hdr(struct evsim *sim, uint16_t type, uint32_t len,
				      uint32_t flags)
{
	uint64_t seq;

	if (type >= EV_USER)
		seq = 0;
	else if (type >= EV_FORK)
		seq = ++sim->life_seq[sim->cpu];
	else if (type == EV_STATE)
		seq = ++sim->state_seq[sim->cpu] | 1ull << 56;
	else
		seq = ++sim->data_seq[sim->cpu];
	sim->ts += sim->step;
	return (struct ev_hdr){
		.len = len,
		.type = type,
		.version = EV_VERSION,
		.source = type >= EV_USER ? EV_SRC_PROC : EV_SRC_SYSCALL,
		.flags = flags,
		.cpu = sim->cpu,
		.cpu_seq = seq,
		.ts = sim->ts,
		.tgid = sim->tgid,
		.tid = sim->tid,
		.start = sim->start,
	};
}

static inline void evsim_out(struct evsim *sim, const void *raw, size_t n)
{
	if (sim->drop)
		sim->dropped++;
	else
		sim->fn(sim->ctx, raw, n);
}

static inline struct ev_conn evsim_conn_record(struct evsim *sim, const struct evsock *s,
					       uint16_t type, uint32_t flags)
{
	struct ev_conn c;

	memset(&c, 0, sizeof(c));
	c.h = evsim_hdr(sim, type, sizeof(c), flags | (s->counted ? EV_F_COUNTED : 0));
	c.inode = s->inode;
	c.sk = s->sk;
	c.rx_pos = s->pos[EV_READ];
	c.tx_pos = s->pos[EV_WRITE];
	c.rx_seq32 = evsock_seq(s, EV_READ);
	c.tx_seq32 = evsock_seq(s, EV_WRITE);
	c.netns = s->netns;
	c.fd = s->fd;
	c.family = s->family;
	c.local_port = s->local_port;
	c.peer_port = s->peer_port;
	c.proto = s->proto;
	c.tcp_state = s->state;
	c.backlog = s->backlog;
	memcpy(c.local, s->local, sizeof(c.local));
	memcpy(c.peer, s->peer, sizeof(c.peer));
	if (s->path)
		strncpy(c.path, s->path, sizeof(c.path) - 1);
	return c;
}

static inline void evsim_conn(struct evsim *sim, const struct evsock *s, uint32_t flags)
{
	struct ev_conn c = evsim_conn_record(sim, s, EV_CONN, flags);

	evsim_out(sim, &c, sizeof(c));
}

static inline void evsim_listen(struct evsim *sim, const struct evsock *s)
{
	struct ev_conn c = evsim_conn_record(sim, s, EV_LISTEN, 0);

	evsim_out(sim, &c, sizeof(c));
}

/* What a test may want to set in a data record before it goes out. */
struct evdata {
	uint64_t ts_enter, ts_sent, wait;
	uint32_t flags, msg_flags;
};

/*
 * One call that moved ret bytes (or failed). p: the ret bytes, of which the copy limits keep a head
 * and a tail; NULL: none are shown. Positions move unless it peeks.
 */
static inline void evsim_data(struct evsim *sim, struct evsock *s, unsigned dir, const void *p,
			      int64_t ret, const struct evdata *o)
{
	static const struct evdata plain = { .wait = ~0ull };
	struct ev_data d;
	size_t head = 0, tail = 0;

	if (!o)
		o = &plain;
	if (ret > 0 && !(o->flags & EV_F_PEEK))
		s->pos[dir] += (uint64_t)ret;
	if (p && ret > 0) {
		head = (size_t)ret;
		if (sim->copy_head && head > (size_t)sim->copy_head + sim->copy_tail) {
			head = sim->copy_head;
			tail = sim->copy_tail;
		}
	}
	memset(&d, 0, sizeof(d));
	d.h = evsim_hdr(sim, EV_DATA, (uint32_t)(sizeof(d) + head + tail),
			o->flags | (s->counted ? EV_F_COUNTED : 0));
	d.ts_enter = o->ts_enter;
	d.ts_sent = o->ts_sent;
	d.inode = s->inode;
	d.sk = s->sk;
	d.ret = ret;
	d.wait = o->wait;
	d.seq32 = evsock_seq(s, dir);
	d.head_len = (uint32_t)head;
	d.tail_len = (uint32_t)tail;
	d.fd = s->fd;
	d.msg_flags = o->msg_flags;
	d.proto = s->proto;
	d.dir = (uint8_t)dir;
	memcpy(sim->raw, &d, sizeof(d));
	if (head)
		memcpy(sim->raw + sizeof(d), p, head);
	if (tail)
		memcpy(sim->raw + sizeof(d) + head, (const uint8_t *)p + ret - tail, tail);
	evsim_out(sim, sim->raw, sizeof(d) + head + tail);
}

static inline void evsim_read(struct evsim *sim, struct evsock *s, const void *p, size_t n)
{
	evsim_data(sim, s, EV_READ, p, (int64_t)n, NULL);
}

static inline void evsim_write(struct evsim *sim, struct evsock *s, const void *p, size_t n)
{
	evsim_data(sim, s, EV_WRITE, p, (int64_t)n, NULL);
}

/* read() == 0 */
static inline void evsim_eof(struct evsim *sim, struct evsock *s)
{
	const struct evdata o = { .flags = EV_F_EOF, .wait = ~0ull };

	s->fin_read = true;
	evsim_data(sim, s, EV_READ, NULL, 0, &o);
}

/* write() == -EAGAIN */
static inline void evsim_stall(struct evsim *sim, struct evsock *s)
{
	const struct evdata o = { .flags = EV_F_BLOCKED, .wait = ~0ull };

	evsim_data(sim, s, EV_WRITE, NULL, -11, &o);
}

/* orphan: no process holds the socket any more, so the record has neither inode nor process */
static inline void evsim_state(struct evsim *sim, struct evsock *s, uint16_t to, bool orphan)
{
	struct ev_state st;

	memset(&st, 0, sizeof(st));
	st.h = evsim_hdr(sim, EV_STATE, sizeof(st), s->counted ? EV_F_COUNTED : 0);
	st.h.tgid = st.h.tid = 0;
	st.h.start = 0;
	st.inode = orphan ? 0 : s->inode;
	st.sk = s->sk;
	st.old_state = s->state;
	st.new_state = to;
	st.rx_pos = s->pos[EV_READ] + (s->fin_counts && s->fin_read);
	st.tx_pos = s->pos[EV_WRITE];
	if (to < 32)
		s->state = (uint8_t)to;
	evsim_out(sim, &st, sizeof(st));
}

static inline void evsim_destroy(struct evsim *sim, struct evsock *s)
{
	evsim_state(sim, s, EV_STATE_DESTROY, true);
}

/* close(2) (how -1) or shutdown(2) of a unix socket */
static inline void evsim_close(struct evsim *sim, const struct evsock *s, int how)
{
	struct ev_close c;

	memset(&c, 0, sizeof(c));
	c.h = evsim_hdr(sim, EV_CLOSE, sizeof(c), 0);
	c.inode = s->inode;
	c.fd = s->fd;
	c.how = how;
	evsim_out(sim, &c, sizeof(c));
}

static inline void evsim_life(struct evsim *sim, uint16_t type, int exit_code)
{
	struct ev_life l;

	memset(&l, 0, sizeof(l));
	l.h = evsim_hdr(sim, type, sizeof(l), 0);
	l.ppid = 1;
	l.exit_code = exit_code;
	l.nspid = sim->tgid;
	memcpy(l.comm, "server", 6);
	evsim_out(sim, &l, sizeof(l));
}

static inline void evsim_text(struct evsim *sim, uint16_t type, const char *text, uint32_t kind)
{
	struct ev_text t;
	size_t n = strlen(text);

	if (n > sizeof(sim->raw) - sizeof(t))
		n = sizeof(sim->raw) - sizeof(t);
	memset(&t, 0, sizeof(t));
	t.h = evsim_hdr(sim, type, (uint32_t)(sizeof(t) + n), 0);
	t.text_len = (uint32_t)n;
	t.kind = kind;
	memcpy(sim->raw, &t, sizeof(t));
	memcpy(sim->raw + sizeof(t), text, n);
	evsim_out(sim, sim->raw, sizeof(t) + n);
}

static inline void evsim_clock(struct evsim *sim, uint64_t realtime)
{
	struct ev_clock c;

	memset(&c, 0, sizeof(c));
	c.h = evsim_hdr(sim, EV_CLOCK, sizeof(c), 0);
	c.realtime = realtime;
	c.boottime = c.h.ts;
	evsim_out(sim, &c, sizeof(c));
}

#endif
