/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * socket.bpf.c - TCP sockets that are known: arrival of bytes, state changes, destruction. All by
 * address of the socket, never by the current task: most of this runs in softirq on top of anybody.
 */
#include "filter.bpf.h"
#include "sock.bpf.h"
#include "submit.bpf.h"

/* ---- arrival ---------------------------------------------------------------- */
/* Written under the socket's lock. A stamp whose bytes were not read yet stays; newer ones wait. */
static __always_inline void stamp_arrival(struct stream *s, const struct sock *sk)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);
	struct stamp *st = &s->stamp[s->stamps & (STREAM_STAMPS - 1)];
	__u32 nxt, copied, from;

	if (!tp)
		return;
	nxt = tp->rcv_nxt;
	copied = tp->copied_seq;
	from = s->flags & STREAM_RCV_KNOWN ? s->rcv_nxt : copied;
	if (from == nxt)
		return;
	s->rcv_nxt = nxt;
	if (!(s->flags & STREAM_RCV_KNOWN))
		s->flags |= STREAM_RCV_KNOWN;
	if (st->ts && (__s32)(st->to - copied) > 0)
		return;
	st->ts = bpf_ktime_get_ns();
	st->from = from;
	st->to = nxt;
	s->stamps++;
}

/* Any socket of the host: not accepted yet, but it came to a port where a target listens? */
static __always_inline bool awaits_target(const struct sock *sk)
{
	__u32 family = sk->__sk_common.skc_family;
	struct port_key k = { .port = sk->__sk_common.skc_num };

	if ((family != AF_INET && family != AF_INET6) || sk->sk_protocol != IPPROTO_TCP ||
	    !port_hint[k.port & (PORT_HINTS - 1)] || sk->__sk_common.skc_state == TCP_LISTEN)
		return false;
	k.netns = sk->__sk_common.skc_net.net->ns.inum;
	return bpf_map_lookup_elem(&listen_ports, &k);
}

/* The twin finds nothing new. */
static __always_inline int data_ready(const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct stream *s = bpf_map_lookup_elem(&socks, &key);
	struct stream fresh;

	if (s) {
		stamp_arrival(s, sk);
		return 0;
	}
	if (!awaits_target(sk))
		return 0;
	__builtin_memset(&fresh, 0, sizeof(fresh));
	fresh.sk = key;
	fresh.fd = -1;
	fresh.flags = STREAM_BASED; /* somebody else sent the SYN */
	bpf_map_update_elem(&socks, &key, &fresh, BPF_NOEXIST);
	s = bpf_map_lookup_elem(&socks, &key);
	if (s)
		stamp_arrival(s, sk);
	return 0;
}

/* From 6.3. */
SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_data_ready, const struct sock *sk)
{
	return data_ready(sk);
}

SEC("tp_btf/sk_data_ready")
int BPF_PROG(on_data_ready_twin, const struct sock *sk)
{
	return data_ready(sk);
}

/* ---- state ------------------------------------------------------------------ */
/* Closed at once while bytes could still flow, and no reset or timeout came in: the owner's doing.
 */
static __always_inline bool own_abort(const struct sock *sk, __u32 old, __u32 new)
{
	return new == TCP_CLOSE && (old == TCP_ESTABLISHED || old == TCP_CLOSE_WAIT) &&
	       !BPF_CORE_READ(sk, sk_err);
}

static __always_inline void keep_untold(const struct stream *s, const struct positions *p,
					__u32 flags, __u16 old)
{
	__u64 key = s->inode;
	struct ev_state r = {};

	if (!key)
		return;
	hdr_fill(&r.h, EV_STATE, sizeof(r), flags, 0);
	hdr_who(&r.h, bpf_ktime_get_ns(), 0, 0);
	r.inode = key;
	r.sk = s->sk;
	r.old_state = old;
	r.new_state = EV_STATE_DESTROY;
	r.rx_pos = p->rx;
	r.tx_pos = p->tx;
	bpf_map_update_elem(&untold, &key, &r, BPF_ANY);
}

/*
 * abort: see own_abort. Current is the owner when it closed, shut down or died; else it was the
 * peer or a timer, and current is whoever was interrupted.
 */
static __always_inline void tell_state(struct stream *s, const struct sock *sk, __u16 old,
				       __u16 new, bool abort, __u32 series)
{
	struct series *cs;
	struct positions p = {};
	struct ev_state *r;
	__u64 seq, pid_tgid;
	struct target *t;
	bool owner = abort || new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK;
	__u32 flags = abort ? EV_F_OWN_ABORT : 0;

	if (new == EV_STATE_DESTROY && s->flags &STREAM_CLOSED) {
		/* SO_LINGER 0 resets the socket's counters between CLOSE and here; reads go on. */
		tcp_rx_position(sk, &p);
		if (p.rx - s->rx_pos > 1u << 30)
			p.rx = s->rx_pos;
		p.tx = s->tx_pos;
	} else if (s->flags & STREAM_COUNTED) {
		p.rx = s->count[EV_READ];
		p.tx = s->count[EV_WRITE];
	} else {
		tcp_positions(sk, s, &p);
	}
	s->rx_pos = p.rx;
	s->tx_pos = p.tx;

	cs = series_enter(series);
	if (!cs)
		return;
	seq = data_seq_next(cs);
	r = bpf_ringbuf_reserve(&data_ring, sizeof(*r), 0);
	if (s->flags & STREAM_COUNTED)
		flags |= EV_F_COUNTED;
	if (!r) {
		count_lost(cs, EV_COUNT_STATE, EV_LOST_RING_FULL);
		if (new == EV_STATE_DESTROY)
			keep_untold(s, &p, flags, old);
		goto out;
	}
	hdr_fill(&r->h, EV_STATE, sizeof(*r), flags, seq);
	pid_tgid = owner ? bpf_get_current_pid_tgid() : 0;
	t = owner ? target_get(pid_tgid >> 32) : NULL;
	hdr_who(&r->h, bpf_ktime_get_ns(), t ? pid_tgid : 0, t ? target_start(t) : 0);
	r->inode = s->inode;
	r->sk = (__u64)sk;
	r->old_state = old;
	r->new_state = new;
	r->pad = 0;
	r->rx_pos = p.rx;
	r->tx_pos = p.tx;
	bpf_ringbuf_submit(r, data_wake());
	count_sent(cs, EV_COUNT_STATE);
out:
	series_leave(series);
}

/* A process that is no target (yet) starts to listen: user space compares the port. */
static __always_inline void tell_listen(const struct sock *sk, __u32 series)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	struct series *cs;
	struct ev_conn *c;
	__u64 seq;

	if (target_get(pid_tgid >> 32))
		return; /* a target's own call tells it with the descriptor */
	cs = series_enter(series);
	if (!cs)
		return;
	seq = life_seq_next(cs);
	c = bpf_ringbuf_reserve(&life_ring, sizeof(*c), 0);
	if (c) {
		__builtin_memset(c, 0, sizeof(*c));
		hdr_fill(&c->h, EV_LISTEN, sizeof(*c), 0, seq);
		hdr_place(&c->h);
		hdr_who(&c->h, bpf_ktime_get_ns(), pid_tgid,
			task_start((void *)bpf_get_current_task()));
		c->fd = -1;
		conn_endpoints(c, sk, EV_PROTO_TCP);
		c->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
		bpf_ringbuf_submit(c, wake_now()); /* it is to become a target */
		count_sent(cs, EV_COUNT_LIFE);
	} else {
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_RING_FULL);
	}
	series_leave(series);
}

/* The twin: the first copy has left a flag in the stream, whose socket nobody else changes
 * meanwhile. */
static __always_inline int state_changed(const struct sock *sk, int old, int new, __u32 series)
{
	__u64 key = (__u64)sk;
	struct stream *s;

	if (new == TCP_LISTEN) {
		if (watch_listen)
			tell_listen(sk, series); /* told twice does no harm */
		return 0;
	}
	s = bpf_map_lookup_elem(&socks, &key);
	if (!s)
		return 0;
	if (series == SERIES_STATE_TWIN && s->flags & STREAM_STATE_TOLD) {
		s->flags &= ~STREAM_STATE_TOLD;
		return 0;
	}
	if (series == SERIES_STATE && state_twins)
		s->flags |= STREAM_STATE_TOLD;
	if (s->flags & STREAM_ANNOUNCED && old != new) /* shutdown, then close: FIN_WAIT1 twice */
		tell_state(s, sk, old, new, own_abort(sk, old, new), series);
	/* The FIN is queued after this. */
	if (new == TCP_FIN_WAIT1 || new == TCP_LAST_ACK)
		s->flags |= STREAM_FIN_SENT;
	if (new == TCP_CLOSE)
		s->flags |= STREAM_CLOSED;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, const struct sock *sk, const int old, const int new)
{
	return state_changed(sk, old, new, SERIES_STATE);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state_twin, const struct sock *sk, const int old, const int new)
{
	return state_changed(sk, old, new, SERIES_STATE_TWIN);
}

/* The twin finds no entry. */
static __always_inline int destroyed(struct sock *sk, __u32 series)
{
	__u64 key = (__u64)sk;
	struct stream *s = bpf_map_lookup_elem(&socks, &key);

	if (!s)
		return 0;
	if (s->flags & STREAM_ANNOUNCED)
		tell_state(s, sk, sk_state(sk), EV_STATE_DESTROY, false, series);
	bpf_map_delete_elem(&socks, &key);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	return destroyed(sk, SERIES_DESTROY);
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy_twin, struct sock *sk)
{
	return destroyed(sk, SERIES_DESTROY_TWIN);
}
