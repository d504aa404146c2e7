/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* stream.bpf.h - from a file to the stream behind it, and the table entry of that stream. */
#ifndef STREAM_BPF_H
#define STREAM_BPF_H

#include "sock.bpf.h"
#include "work.bpf.h"

struct endpoint {
	__u64 inode;
	__u64 sk; /* 0 for a pipe */
	__u32 proto; /* enum ev_proto; EV_PROTO_NONE: nothing that we follow */
};

/* The file behind a descriptor of the current task, or NULL. */
static __always_inline struct file *file_of_fd(__u32 fd)
{
	struct file **slots, *file = NULL;
	__u32 max;

	if (current_has_type()) {
		struct fdtable *fdt = bpf_get_current_task_btf()->files->fdt;

		max = fdt->max_fds;
		slots = fdt->fd;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();
		struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);

		max = BPF_CORE_READ(fdt, max_fds);
		slots = BPF_CORE_READ(fdt, fd);
	}
	if (fd < max)
		bpf_probe_read_kernel(&file, sizeof(file), slots + fd);
	return file;
}

/*
 * A socket is what has a socket inode on the socket file system, a pipe what has a FIFO inode on
 * the pipe file system: both number their inodes from one counter, so the number alone is the
 * identity.
 */
static __always_inline void endpoint_of_file(struct endpoint *e, struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	__u32 fmt = BPF_CORE_READ(inode, i_mode) & S_IFMT;
	struct socket *sock;
	struct sock *sk;
	__u32 family;

	e->proto = EV_PROTO_NONE;
	e->inode = 0;
	e->sk = 0;
	if (fmt == S_IFSOCK) {
		e->inode = BPF_CORE_READ(inode, i_ino);
		sock = BPF_CORE_READ(file, private_data);
		sk = BPF_CORE_READ(sock, sk);
		e->sk = (__u64)sk;
		if (BPF_CORE_READ(inode, i_sb, s_magic) != SOCKFS_MAGIC || !sk)
			return;
		if (BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
			return;
		family = BPF_CORE_READ(sk, __sk_common.skc_family);
		if (family == AF_UNIX)
			e->proto = EV_PROTO_UNIX;
		else if (family == AF_INET || family == AF_INET6)
			e->proto = EV_PROTO_TCP;
	} else if (fmt == S_IFIFO) {
		e->inode = BPF_CORE_READ(inode, i_ino);
		if (BPF_CORE_READ(inode, i_sb, s_magic) == PIPEFS_MAGIC)
			e->proto = EV_PROTO_PIPE;
	}
}

/*
 * Positions of the socket itself are of no use under kTLS (they count records) and MPTCP (the
 * socket that the application holds has none): we count for those.
 */
static __always_inline bool tcp_counts_itself(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const void *)sk;

	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP &&
	       !BPF_CORE_READ((const struct tcp_sock *)icsk, inet_conn.icsk_ulp_ops);
}

static __always_inline struct stream *stream_lookup(__u32 proto, __u64 sk, __u64 inode)
{
	if (proto == EV_PROTO_TCP)
		return bpf_map_lookup_elem(&socks, &sk);
	return bpf_map_lookup_elem(&counted, &inode);
}

/*
 * The entry of an endpoint; made on first sight, taken over when the address of the socket has
 * come back as another one. `fresh` is memory for the new entry. NULL: the table is full.
 */
static __always_inline struct stream *stream_get(const struct endpoint *e, struct stream *fresh)
{
	struct stream *s = stream_lookup(e->proto, e->sk, e->inode);

	if (s && s->inode == e->inode)
		return s;
	if (s && !s->inode) { /* stamped before it was accepted */
		s->inode = e->inode;
		return s;
	}
	__builtin_memset(fresh, 0, sizeof(*fresh));
	fresh->inode = e->inode;
	fresh->sk = e->sk;
	fresh->fd = -1;
	if (e->proto == EV_PROTO_TCP) {
		const struct tcp_sock *tp = (const void *)e->sk;

		if (!tcp_counts_itself((const void *)e->sk))
			fresh->flags = STREAM_COUNTED;
		fresh->rcv_nxt = BPF_CORE_READ(tp, rcv_nxt);
		fresh->flags |= STREAM_RCV_KNOWN;
		bpf_map_update_elem(&socks, &e->sk, fresh, BPF_ANY);
	} else {
		fresh->flags = STREAM_COUNTED;
		bpf_map_update_elem(&counted, &e->inode, fresh, BPF_ANY);
	}
	return stream_lookup(e->proto, e->sk, e->inode);
}

/*
 * The sock of what a file holds when that is a socket of this very file; one read where both fields
 * stand side by side. In the work area: the stack is short.
 */
static __always_inline __u64 socket_of_file(struct work *w, const struct file *file)
{
	const __u32 at_file = bpf_core_field_offset(struct socket, file);
	const __u32 at_sk = bpf_core_field_offset(struct socket, sk);
	const struct socket *sock;

	BPF_CORE_READ_INTO(&w->known.sock, file, private_data);
	sock = (const void *)w->known.sock;
	if (at_sk - at_file == sizeof(w->known.file)) {
		bpf_probe_read_kernel(&w->known.file, 2 * sizeof(w->known.file),
				      (const void *)sock + at_file);
	} else {
		BPF_CORE_READ_INTO(&w->known.file, sock, file);
		BPF_CORE_READ_INTO(&w->known.sk, sock, sk);
	}
	return w->known.file == (__u64)file ? w->known.sk : 0;
}

/*
 * The short way, for the calls of every request: a TCP socket of the table. What the file holds
 * points back at the file and to a socket that we know; nothing else does both.
 */
static __always_inline struct stream *stream_known(struct work *w)
{
	struct file *file = file_of_fd(w->fd);
	struct stream *s;

	if (!file)
		return NULL;
	w->sk = socket_of_file(w, file);
	s = bpf_map_lookup_elem(&socks, &w->sk);
	if (!s || !s->inode)
		return NULL;
	w->proto = EV_PROTO_TCP;
	w->inode = s->inode;
	return s;
}

/* Remember which descriptor a stream was last used by; a unix socket's close(2) is known by it. */
static __always_inline void stream_used(struct stream *s, struct work *w)
{
	struct fd_key k = { .tgid = w->pid_tgid >> 32, .fd = w->fd };

	if (s->tgid == k.tgid && s->fd == k.fd)
		return;
	s->tgid = k.tgid;
	s->fd = k.fd;
	if (w->proto == EV_PROTO_UNIX)
		bpf_map_update_elem(&unix_fds, &k, &w->inode, BPF_ANY);
}

static __always_inline void stream_positions(struct stream *s, const struct sock *sk,
					     struct positions *p)
{
	if (s && s->flags & STREAM_COUNTED) {
		p->rx = s->count[EV_READ];
		p->tx = s->count[EV_WRITE];
		p->rx_seq = p->rx;
		p->tx_seq = p->tx;
	} else if (sk_state(sk) == TCP_SYN_SENT) {
		__builtin_memset(p, 0, sizeof(*p));
	} else {
		tcp_positions(sk, s, p);
	}
}

#endif
