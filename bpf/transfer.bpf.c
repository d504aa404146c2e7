/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* transfer.bpf.c - one EV_DATA record for bytes that a call moved on a stream: position, wait,
 * payload. */
#include "stream.bpf.h"
#include "submit.bpf.h"

#define WAIT_UNKNOWN (~0ull)

/* When the first byte of a read had become readable, by the stamps of sk_data_ready. */
static __always_inline __u64 wait_by_stamp(const struct stream *s, __u32 first, __u64 now)
{
	__u32 i;

	for (i = 1; i <= STREAM_STAMPS; i++) { /* newest first */
		const struct stamp *st = &s->stamp[(s->stamps - i) & (STREAM_STAMPS - 1)];

		if (st->ts && (__s32)(first - st->from) >= 0 && (__s32)(st->to - first) > 0)
			return now > st->ts ? now - st->ts : 0;
	}
	return WAIT_UNKNOWN;
}

/* Position after the bytes of w->t, wait and send time of a TCP transfer; returns further flags. */
static __always_inline __u32 tcp_facts(struct work *w, struct stream *s, __u32 first_flags)
{
	const struct sock *sk = (const void *)w->sk;
	const struct tcp_sock *tp = (const void *)sk;
	struct ev_data *r = &w->rec;
	__u32 flags = 0, seq;
	__u64 sent;

	if (w->t.dir == EV_READ) {
		seq = tcp_rx_seq(sk) - w->t.after;
		if (w->t.ret > 0 && !(first_flags & EV_F_PEEK)) {
			r->wait = s ? wait_by_stamp(s, seq - (__u32)w->t.ret, w->ts) : WAIT_UNKNOWN;
			if (r->wait == WAIT_UNKNOWN) {
				r->wait = (__u32)bpf_jiffies64() -
					  BPF_CORE_READ(tp, inet_conn.icsk_ack.lrcvtime);
				flags |= EV_F_WAIT_TICKS;
			}
		}
	} else {
		seq = BPF_CORE_READ(tp, write_seq);
		/* Nothing is left unsent: the last transmission is that of this call's last byte.
		 */
		if (w->t.ret > 0 && BPF_CORE_READ(tp, snd_nxt) == seq) {
			sent = BPF_CORE_READ(tp, tcp_wstamp_ns);
			r->ts_sent = sent <= w->ts ? sent : 0; /* ahead of the clock: paced */
		}
		if (s && s->flags & STREAM_FIN_SENT)
			seq--;
		seq -= w->t.after;
	}
	r->seq32 = seq;
	return flags;
}

__noinline int transfer_record(__u32 copy)
{
	struct series *cs = series_get(SERIES_CALL + (copy & 1));
	struct work *w = work_get(copy);
	struct ev_count *count;
	struct stream *s;
	struct ev_data *r;
	__u32 flags = 0, len, i;
	__s64 ret;
	long err;

	if (!cs || !w)
		return 0;
	r = &w->rec;
	ret = w->t.ret;
	i = w->t.dir & 1;
	if (w->t.omitted)
		flags |= EV_F_OMITTED;
	if (w->t.msg_flags & MSG_PEEK)
		flags |= EV_F_PEEK;
	if (w->t.msg_flags & MSG_TRUNC)
		flags |= EV_F_TRUNC;

	s = w->proto == EV_PROTO_NONE ? stream_known(w) : NULL;
	if (!s) {
		if (w->proto == EV_PROTO_NONE && fd_resolve(copy) == EV_PROTO_NONE)
			return 0;
		s = stream_lookup(w->proto, w->sk, w->inode);
	}
	if (!s || s->inode != w->inode || !(s->flags & STREAM_ANNOUNCED)) {
		w->conn_flags = 0;
		stream_announce(copy);
		s = stream_lookup(w->proto, w->sk, w->inode);
	}

	if (s)
		stream_used(s, w);

	r->wait = WAIT_UNKNOWN;
	r->ts_sent = 0;
	if (w->proto == EV_PROTO_TCP && !(s && s->flags & STREAM_COUNTED)) {
		flags |= tcp_facts(w, s, flags);
		if (s && ret > 0 && !(flags & EV_F_PEEK)) {
			/* Bytes up to here were claimed already: another thread was in between. */
			if ((__s32)(r->seq32 - s->last_seq[i]) < (__s32)ret && s->last_seq[i])
				flags |= EV_F_UNORDERED;
			s->last_seq[i] = r->seq32;
		}
	} else {
		flags |= EV_F_COUNTED;
		if (s && ret > 0 && !(flags & EV_F_PEEK))
			__sync_fetch_and_add(&s->count[i], ret);
		r->seq32 = s ? s->count[i] : 0;
	}

	if (ret >= 0) {
		if (payload_copy(copy))
			flags |= EV_F_COPY_FAULT;
		if (!ret && !w->total)
			return 0; /* nothing was asked for */
		if (w->t.dir == EV_READ && !ret)
			flags |= EV_F_EOF;
		if (w->t.dir == EV_WRITE && !w->t.omitted && (__u64)ret < w->total)
			flags |= EV_F_BLOCKED;
	} else {
		r->head_len = 0;
		r->tail_len = 0;
		flags |= EV_F_BLOCKED;
	}

	hdr_fill(&r->h, EV_DATA, 0, flags, data_seq_next(cs));
	hdr_who(&r->h, w->ts, w->pid_tgid, w->start);
	r->ts_enter = 0;
	r->inode = w->inode;
	r->sk = w->sk;
	r->ret = ret;
	r->fd = w->fd;
	r->msg_flags = w->t.msg_flags;
	r->syscall = w->nr;
	r->proto = w->proto;
	r->dir = i;
	len = r->head_len + r->tail_len;
	if (len > copy_head + copy_tail)
		len = copy_head + copy_tail;
	len += sizeof(*r);
	r->h.len = len;

	count = &cs->counts.kind[EV_COUNT_DATA];
	if (ret > 0)
		count->bytes_seen += ret;
	err = bpf_ringbuf_output(&data_ring, r, len, data_wake());
	count->seen++;
	if (err)
		count->lost[EV_LOST_RING_FULL]++;
	else if (flags & EV_F_COPY_FAULT)
		count->lost[EV_LOST_COPY_FAULT]++;
	else
		count->submitted++;
	if (ret > 0 && (err || flags & EV_F_COPY_FAULT))
		count->bytes_lost += ret;
	return 0;
}
