/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sock.bpf.h - endpoints of a socket, and the position of both directions of a TCP stream. */
#ifndef SOCK_BPF_H
#define SOCK_BPF_H

#include "maps.bpf.h"

#define SOCK_DONE 1 /* bit of skc_flags: the peer's FIN is in the receive queue or was read */

/* Positions count bytes of the stream from 0; seq32 are the socket's own numbers for them. */
struct positions {
	__u64 rx, tx;
	__u32 rx_seq, tx_seq;
};

static __always_inline __u8 sk_state(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_state);
}

/*
 * What the application has read: received bytes less those still queued. Both bytes_received and
 * rcv_nxt count the peer's FIN, copied_seq too once the end of file was read: that one is taken
 * off. No lock is held, so the pair is read until it stood still.
 */
static __always_inline void tcp_rx_position(const struct sock *sk, struct positions *p)
{
	const struct tcp_sock *tp = (const void *)sk;
	__u32 copied = BPF_CORE_READ(tp, copied_seq);
	__u32 nxt = BPF_CORE_READ(tp, rcv_nxt);
	__u64 received = BPF_CORE_READ(tp, bytes_received);
	__u32 again = BPF_CORE_READ(tp, rcv_nxt);
	__u32 fin;

	if (again != nxt) {
		nxt = again;
		received = BPF_CORE_READ(tp, bytes_received);
	}
	fin = copied == nxt && (BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1);
	p->rx = received - (nxt - copied) - fin;
	p->rx_seq = copied - fin;
}

/* rx_seq of tcp_rx_position() alone. */
static __always_inline __u32 tcp_rx_seq(const struct sock *sk)
{
	const struct tcp_sock *tp = (const void *)sk;
	__u32 copied = BPF_CORE_READ(tp, copied_seq);

	if (copied == BPF_CORE_READ(tp, rcv_nxt))
		copied -= BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;
	return copied;
}

/*
 * What the application has written: acknowledged bytes and those between them and write_seq. The
 * SYN counts as acknowledged on the end that sent it, our FIN as written once it is queued.
 */
static __always_inline void tcp_tx_position(const struct sock *sk, struct stream *s,
					    struct positions *p)
{
	const struct tcp_sock *tp = (const void *)sk;
	__u32 una = BPF_CORE_READ(tp, snd_una);
	__u64 acked = BPF_CORE_READ(tp, bytes_acked);
	__u32 again = BPF_CORE_READ(tp, snd_una);
	__u32 write_seq = BPF_CORE_READ(tp, write_seq);
	__u32 flags = s ? s->flags : 0;

	if (again != una) {
		una = again;
		acked = BPF_CORE_READ(tp, bytes_acked);
	}
	p->tx = acked + (write_seq - una);
	p->tx_seq = write_seq;
	if (flags & STREAM_FIN_SENT) {
		p->tx--;
		p->tx_seq--;
	}
	if (!(flags & STREAM_BASED)) {
		/* Who sent the SYN? The count of bytes sent, less those sent again, has no SYN in
		 * it. */
		__u64 sent = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans) +
			     (write_seq - BPF_CORE_READ(tp, snd_nxt));

		flags |= p->tx == sent + 1 ? STREAM_BASED | STREAM_ACTIVE : STREAM_BASED;
		if (s)
			s->flags |= flags & (STREAM_BASED | STREAM_ACTIVE);
	}
	if (flags & STREAM_ACTIVE)
		p->tx--;
}

static __always_inline void tcp_positions(const struct sock *sk, struct stream *s,
					  struct positions *p)
{
	tcp_rx_position(sk, p);
	tcp_tx_position(sk, s, p);
}

static __always_inline __u32 sk_netns(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* ::ffff:a.b.c.d in place becomes a.b.c.d. */
static __always_inline bool unmap_v4(__u8 a[16])
{
	__u64 hi = *(__u64 *)a;
	__u32 mid = *(__u32 *)(a + 8);

	if (hi || mid != 0xffff0000u)
		return false;
	*(__u64 *)a = *(__u32 *)(a + 12);
	*(__u64 *)(a + 8) = 0;
	return true;
}

static __always_inline void inet_endpoints(struct ev_conn *c, const struct sock *sk)
{
	const struct sock_common *sc = &sk->__sk_common;

	c->netns = sk_netns(sk);
	c->local_port = BPF_CORE_READ(sc, skc_num);
	c->peer_port = __builtin_bswap16(BPF_CORE_READ(sc, skc_dport));
	c->tcp_state = BPF_CORE_READ(sc, skc_state);
	if (c->family == AF_INET) {
		BPF_CORE_READ_INTO((__be32 *)c->local, sc, skc_rcv_saddr);
		BPF_CORE_READ_INTO((__be32 *)c->peer, sc, skc_daddr);
		return;
	}
	BPF_CORE_READ_INTO((struct in6_addr *)c->local, sc, skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO((struct in6_addr *)c->peer, sc, skc_v6_daddr);
	if (unmap_v4(c->peer)) {
		unmap_v4(c->local);
		c->family = AF_INET;
	}
}

static __always_inline bool unix_name(struct ev_conn *c, const struct sock *sk)
{
	const struct unix_sock *u = (const void *)sk;
	struct unix_address *a = BPF_CORE_READ(u, addr);
	__u32 len = a ? BPF_CORE_READ(a, len) : 0;

	if (len <= 2) /* the family alone: not bound */
		return false;
	len -= 2;
	if (len > sizeof(c->path))
		len = sizeof(c->path);
	bpf_probe_read_kernel(c->path, len, __builtin_preserve_access_index(&a->name[0].sun_path));
	if (!c->path[0]) /* abstract */
		c->path[0] = '@';
	return true;
}

/* Everything of c that the socket says by itself; c was zeroed. Positions are the caller's. */
static __always_inline void conn_endpoints(struct ev_conn *c, const struct sock *sk, __u8 proto)
{
	c->proto = proto;
	c->sk = (__u64)sk;
	if (proto == EV_PROTO_PIPE)
		return;
	c->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (proto == EV_PROTO_TCP) {
		inet_endpoints(c, sk);
	} else {
		const struct unix_sock *u = (const void *)sk;
		struct sock *peer;

		c->tcp_state = sk_state(sk);
		c->netns = sk_netns(sk);
		if (!unix_name(c, sk)) {
			peer = BPF_CORE_READ(u, peer);
			if (peer)
				unix_name(c, peer);
		}
	}
}

#endif
