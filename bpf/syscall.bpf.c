/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * syscall.bpf.c - the system-call backend: one program at the exit of every call. Number, then
 * target, then work; nothing at entry, since arguments survive to the exit.
 *
 * Another backend (fexit of the kernel's own entry functions) fills the same struct work and calls
 * call_dispatch().
 */
#include "filter.bpf.h"
#include "nr.bpf.h"
#include "regs.bpf.h"
#include "stream.bpf.h"
#include "submit.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 copy_head = 16384;
const volatile __u32 copy_tail = 4096;
const volatile __u32 wake_bytes = 1 << 20;
const volatile bool twins = false;
const volatile bool state_twins = false;
const volatile __u32 n_cpus = 1;
const volatile bool watch_exec = false;
const volatile bool watch_listen = false;

__u32 reader_sleeps;
__u32 iter_tgid;
__u32 iter_listeners;
__u32 iter_readings;
__u64 agent_pid_ns;
__u32 agent_pid_level;
__u32 target_hint[HINT_SLOTS];
__u8 port_hint[PORT_HINTS];
__u32 call_told[TOLD_SLOTS];
__u32 exec_told[TOLD_SLOTS / 16];

static const __u64 nr_bits[NR_LIMIT / 64] = {
	NR_WORD(0), NR_WORD(1), NR_WORD(2), NR_WORD(3),
	NR_WORD(4), NR_WORD(5), NR_WORD(6), NR_WORD(7),
};

/* ---- transfers -------------------------------------------------------------- */
static __always_inline void transfer_buf(struct work *w, __u8 dir, __u32 msg_flags)
{
	w->t.buf = w->arg[1];
	w->t.want = w->arg[2];
	w->t.ret = w->ret;
	w->t.iovs = 0;
	w->t.msg_flags = msg_flags;
	w->t.after = 0;
	w->t.dir = dir;
	w->t.omitted = 0;
}

static __always_inline void transfer_iov(struct work *w, __u8 dir, __u64 iov, __u64 n)
{
	transfer_buf(w, dir, 0);
	w->t.buf = iov;
	w->t.iovs = n;
	if (!n)
		w->t.want = 0;
}

static __always_inline int transfer_msg(struct work *w, __u8 dir)
{
	struct user_msghdr64 *m = &w->mmsg.hdr;

	if (bpf_probe_read_user(m, sizeof(*m), (void *)w->arg[1])) {
		/* Bytes were moved, but where they lie cannot be read. */
		transfer_buf(w, dir, w->arg[2]);
		w->t.buf = 0;
		w->t.want = w->ret > 0 ? w->ret : 1;
		return transfer_record(w->copy);
	}
	transfer_iov(w, dir, m->iov, m->iovlen);
	w->t.msg_flags = w->arg[2];
	return transfer_record(w->copy);
}

/* sendmmsg, recvmmsg: a record for each message; those past MMSG_RECORDS are one without payload.
 */
#define MMSG_RECORDS 64
#define MMSG_MAX 1024
__noinline int transfer_mmsg(__u32 copy)
{
	struct work *w = work_get(copy);
	__u32 i, n, len, sum = 0, rest = 0;
	__u64 vec;
	__u8 dir;

	if (!w)
		return 0;
	dir = w->nr == NR_recvmmsg ? EV_READ : EV_WRITE;
	vec = w->arg[1];
	if (w->ret < 0) {
		transfer_buf(w, dir, w->arg[3]);
		return transfer_record(w->copy);
	}
	n = w->ret;
	for (i = 0; i < MMSG_MAX; i++) {
		if (i >= n)
			break;
		len = 0;
		bpf_probe_read_user(&len, sizeof(len),
				    (void *)(vec + i * sizeof(struct user_mmsghdr64) +
					     sizeof(struct user_msghdr64)));
		sum += len;
		if (i >= MMSG_RECORDS)
			rest += len;
	}
	for (i = 0; i < MMSG_RECORDS; i++) {
		if (i >= n)
			break;
		if (bpf_probe_read_user(&w->mmsg, sizeof(w->mmsg),
					(void *)(vec + i * sizeof(w->mmsg))))
			break;
		sum -= w->mmsg.len;
		transfer_iov(w, dir, w->mmsg.hdr.iov, w->mmsg.hdr.iovlen);
		w->t.ret = w->mmsg.len;
		w->t.msg_flags = w->arg[3];
		w->t.after = sum;
		transfer_record(w->copy);
	}
	if (rest) {
		transfer_buf(w, dir, w->arg[3]);
		w->t.ret = rest;
		w->t.omitted = 1;
		transfer_record(w->copy);
	}
	return 0;
}

/* sendfile, splice: bytes without a buffer. */
static __always_inline int transfer_unseen(struct work *w, __s32 fd, __u8 dir)
{
	w->fd = fd;
	if (fd_resolve(w->copy) == EV_PROTO_NONE || w->proto == EV_PROTO_PIPE)
		return 0;
	transfer_buf(w, dir, 0);
	w->t.omitted = 1;
	w->t.want = 1; /* not 0: something was asked for */
	return transfer_record(w->copy);
}

/* ---- endpoints -------------------------------------------------------------- */
static __always_inline int conn_made(struct work *w, __s32 fd, __u32 conn_flags)
{
	struct endpoint e;
	struct stream *s;

	w->fd = fd;
	w->conn_flags = conn_flags;
	w->t.ret = 0;
	if (fd_resolve(w->copy) == EV_PROTO_NONE)
		return 0;
	e.inode = w->inode;
	e.sk = w->sk;
	e.proto = w->proto;
	s = stream_get(&e, &w->fresh);
	if (s && s->flags & STREAM_ANNOUNCED)
		return 0; /* connect() once more, to learn the outcome */
	if (w->ret >= 0)
		return stream_announce(w->copy);
	/* In progress: told with its first bytes. */
	if (s)
		s->flags |= STREAM_CONNECTED | STREAM_BASED | STREAM_ACTIVE;
	return 0;
}

static __always_inline int unix_close(struct series *cs, struct work *w, __u64 inode, __s32 how)
{
	__u64 seq = data_seq_next(cs);
	struct ev_close *c = bpf_ringbuf_reserve(&data_ring, sizeof(*c), 0);

	if (!c) {
		count_lost(cs, EV_COUNT_CLOSE, EV_LOST_RING_FULL);
		return 0;
	}
	hdr_fill(&c->h, EV_CLOSE, sizeof(*c), 0, seq);
	hdr_who(&c->h, w->ts, w->pid_tgid, w->start);
	c->inode = inode;
	c->fd = w->fd;
	c->how = how;
	bpf_ringbuf_submit(c, data_wake());
	count_sent(cs, EV_COUNT_CLOSE);
	return 0;
}

static __always_inline int fd_closed(struct work *w)
{
	struct series *cs = series_get(SERIES_CALL + (w->copy & 1));
	struct fd_key k;
	__u64 *inode, ino;

	w->fd = w->arg[0];
	k.tgid = w->pid_tgid >> 32;
	k.fd = w->fd;
	inode = bpf_map_lookup_elem(&unix_fds, &k);
	if (!cs || !inode)
		return 0;
	ino = *inode;
	if (bpf_map_delete_elem(&unix_fds, &k))
		return 0;
	return unix_close(cs, w, ino, -1);
}

static __always_inline int fd_shut_down(struct work *w)
{
	struct series *cs = series_get(SERIES_CALL + (w->copy & 1));

	w->fd = w->arg[0];
	if (w->ret || !cs || fd_resolve(w->copy) != EV_PROTO_UNIX)
		return 0;
	return unix_close(cs, w, w->inode, (__s32)w->arg[1]);
}

static __always_inline int listening(struct work *w)
{
	struct series *cs = series_get(SERIES_CALL + (w->copy & 1));
	const struct sock *sk;
	struct port_key k;
	struct ev_conn *c;
	__u64 seq;

	w->fd = w->arg[0];
	if (w->ret || !cs || fd_resolve(w->copy) == EV_PROTO_NONE)
		return 0;
	sk = (const void *)w->sk;
	seq = life_seq_next(cs);
	if (w->proto == EV_PROTO_TCP) {
		k.netns = sk_netns(sk);
		k.port = BPF_CORE_READ(sk, __sk_common.skc_num);
		listen_port_add(&k);
	}
	c = bpf_ringbuf_reserve(&life_ring, sizeof(*c), 0);
	if (!c) {
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_RING_FULL);
		return 0;
	}
	__builtin_memset(c, 0, sizeof(*c));
	hdr_fill(&c->h, EV_LISTEN, sizeof(*c), 0, seq);
	hdr_place(&c->h);
	hdr_who(&c->h, w->ts, w->pid_tgid, w->start);
	c->inode = w->inode;
	c->fd = w->fd;
	conn_endpoints(c, sk, w->proto);
	c->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	bpf_ringbuf_submit(c, BPF_RB_NO_WAKEUP);
	count_sent(cs, EV_COUNT_LIFE);
	return 0;
}

/*
 * setsockopt(TCP_ULP): kTLS from here on, where the socket's positions count records and not the
 * bytes that read and write move. We count on from where it stands, and say so anew.
 */
static __always_inline int protocol_changed(struct work *w)
{
	struct positions p;
	struct stream *s;

	w->fd = w->arg[0];
	if (w->ret || w->arg[1] != IPPROTO_TCP || w->arg[2] != TCP_ULP ||
	    fd_resolve(w->copy) != EV_PROTO_TCP)
		return 0;
	s = stream_lookup(w->proto, w->sk, w->inode);
	if (!s || s->inode != w->inode || s->flags & STREAM_COUNTED)
		return 0;
	stream_positions(s, (void *)w->sk, &p);
	s->count[EV_READ] = p.rx;
	s->count[EV_WRITE] = p.tx;
	s->flags = (s->flags | STREAM_COUNTED) & ~STREAM_ANNOUNCED;
	return 0;
}

/* ---- dispatch --------------------------------------------------------------- */
/* Calls that move bytes: is the result worth a look at the descriptor? */
static __always_inline bool transfer_wanted(struct work *w, __u8 dir)
{
	if (w->ret < 0 && !(w->ret == -EAGAIN && dir == EV_WRITE))
		return false;
	w->fd = w->arg[0];
	w->proto = EV_PROTO_NONE; /* transfer_record() finds out */
	return true;
}

__noinline int call_dispatch(__u32 copy)
{
	struct work *w = work_get(copy);
	__u8 dir = EV_READ;

	if (!w)
		return 0;
	switch (w->nr) {
	case NR_write:
	case NR_sendto:
		dir = EV_WRITE;
		/* fall through */
	case NR_read:
	case NR_recvfrom: {
		__u32 msg_flags = 0;

		if (w->nr == NR_sendto || w->nr == NR_recvfrom)
			msg_flags = w->arg[3];
		if (msg_flags & MSG_ERRQUEUE || !transfer_wanted(w, dir))
			return 0;
		transfer_buf(w, dir, msg_flags);
		return transfer_record(w->copy);
	}
	case NR_writev:
	case NR_pwritev2:
		dir = EV_WRITE;
		/* fall through */
	case NR_readv:
	case NR_preadv2:
		if (!transfer_wanted(w, dir))
			return 0;
		transfer_iov(w, dir, w->arg[1], w->arg[2]);
		return transfer_record(w->copy);
	case NR_sendmsg:
		dir = EV_WRITE;
		/* fall through */
	case NR_recvmsg:
		if (w->arg[2] & MSG_ERRQUEUE || !transfer_wanted(w, dir))
			return 0;
		return transfer_msg(w, dir);
	case NR_sendmmsg:
		dir = EV_WRITE;
		/* fall through */
	case NR_recvmmsg:
		if (w->arg[3] & MSG_ERRQUEUE || !transfer_wanted(w, dir) ||
		    fd_resolve(copy) == EV_PROTO_NONE)
			return 0;
		return transfer_mmsg(w->copy);
	case NR_sendfile:
		if (w->ret <= 0 && w->ret != -EAGAIN)
			return 0;
		return transfer_unseen(w, w->arg[0], EV_WRITE);
	case NR_splice:
		if (w->ret <= 0)
			return 0;
		transfer_unseen(w, w->arg[0], EV_READ);
		return transfer_unseen(w, w->arg[2], EV_WRITE);
	case NR_accept:
	case NR_accept4:
		return w->ret < 0 ? 0 : conn_made(w, w->ret, EV_F_ACCEPTED);
	case NR_connect:
		if (w->ret && w->ret != -115 /* EINPROGRESS */)
			return 0;
		return conn_made(w, w->arg[0], EV_F_CONNECTED);
	case NR_close:
		return fd_closed(w);
	case NR_shutdown:
		return fd_shut_down(w);
	case NR_listen:
		return listening(w);
	case NR_setsockopt:
		return protocol_changed(w);
	}
	return 0;
}

/* ---- the programs ----------------------------------------------------------- */
static __noinline int compat_call(__u32 copy)
{
	struct series *cs = series_get(SERIES_CALL + (copy & 1));

	if (cs && target_get(bpf_get_current_pid_tgid() >> 32))
		cs->compat_calls++;
	return 0;
}

static __always_inline int sys_exit_body(struct pt_regs *regs, __s64 ret, bool typed, __u32 copy)
{
	__u32 nr = regs_nr(regs, typed);
	struct target *t;
	__u64 pid_tgid;
	struct work *w;

	if (regs_is_32(regs, typed))
		return compat_call(copy);
	if (nr >= NR_LIMIT)
		return regs_nr_is_foreign(nr) ? compat_call(copy) : 0;
	if (!(nr_bits[nr / 64] >> (nr % 64) & 1))
		return 0;
	pid_tgid = bpf_get_current_pid_tgid();
	t = target_get(pid_tgid >> 32);
	if (!t)
		return 0;
	if (copy && call_told[pid_tgid & (TOLD_SLOTS - 1)] == (__u32)pid_tgid) {
		call_told[pid_tgid & (TOLD_SLOTS - 1)] = 0;
		return 0;
	}
	if (!copy && twins)
		call_told[pid_tgid & (TOLD_SLOTS - 1)] = pid_tgid;
	if (task_in_compat_call())
		return compat_call(copy);
	w = work_get(copy);
	if (!w)
		return 0;
	w->copy = copy;
	w->ts = bpf_ktime_get_ns();
	w->pid_tgid = pid_tgid;
	w->start = target_start(t);
	regs_args(regs, typed, w->arg);
	w->ret = ret;
	w->nr = nr;
	return call_dispatch(copy);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit, struct pt_regs *regs, long ret)
{
	return sys_exit_body(regs, ret, true, 0);
}

/*
 * The twin: the first copy has left the thread's number. It stays when the twin itself is skipped,
 * and would hide one exit more if the first copy was skipped then: twice unlikely.
 */
SEC("tp_btf/sys_exit")
int BPF_PROG(on_sys_exit_twin, struct pt_regs *regs, long ret)
{
	return sys_exit_body(regs, ret, true, 1);
}

/* The same where the kernel has no BTF of the tracepoint. */
SEC("raw_tp/sys_exit")
int BPF_PROG(on_sys_exit_raw, struct pt_regs *regs, long ret)
{
	return sys_exit_body(regs, ret, false, 0);
}
