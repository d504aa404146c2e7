/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* submit.bpf.h - record headers, sequence numbers, loss accounting, and when to wake the reader. */
#ifndef SUBMIT_BPF_H
#define SUBMIT_BPF_H

#include "maps.bpf.h"

/* The set of a program that cannot be on top of itself. */
static __always_inline struct series *series_get(__u32 id)
{
	struct series *s = bpf_map_lookup_elem(&series_map, &id);

	if (s)
		s->id = id;
	return s;
}

/*
 * The set for this depth of a program that can. What interrupts between enter and leave comes and
 * goes in full, so the depth itself is exact.
 */
static __always_inline struct series *series_enter(__u32 first)
{
	struct series *s = bpf_map_lookup_elem(&series_map, &first);

	if (!s)
		return NULL;
	return series_get(first + (s->depth++ & (SERIES_DEPTH - 1)));
}

static __always_inline void series_leave(__u32 first)
{
	struct series *s = bpf_map_lookup_elem(&series_map, &first);

	if (s)
		s->depth--;
}

static __always_inline __u64 data_seq_next(struct series *s)
{
	return ++s->data_seq | (__u64)s->id << SERIES_SHIFT;
}

static __always_inline __u64 life_seq_next(struct series *s)
{
	return ++s->life_seq | (__u64)s->id << SERIES_SHIFT;
}

static __always_inline void hdr_fill(struct ev_hdr *h, __u16 type, __u32 len, __u32 flags,
				     __u64 seq)
{
	h->len = len;
	h->type = type;
	h->version = EV_VERSION;
	h->source = EV_SRC_SYSCALL;
	h->flags = flags;
	h->cpu = bpf_get_smp_processor_id();
	h->cpu_seq = seq;
	h->data_pos = 0;
}

static __always_inline void hdr_who(struct ev_hdr *h, __u64 ts, __u64 pid_tgid, __u64 start)
{
	h->ts = ts;
	h->tgid = pid_tgid >> 32;
	h->tid = (__u32)pid_tgid;
	h->start = start;
}

/* Life records: what is in the data ring now comes before this. */
static __always_inline void hdr_place(struct ev_hdr *h)
{
	h->data_pos = bpf_ringbuf_query(&data_ring, BPF_RB_PROD_POS);
}

/* The reader polls by the clock; what wakes it earlier does so once per sleep. */
static __always_inline __u64 wake_now(void)
{
	if (!reader_sleeps)
		return BPF_RB_NO_WAKEUP;
	reader_sleeps = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/* Data: only when the ring fills. */
static __always_inline __u64 data_wake(void)
{
	if (!reader_sleeps || bpf_ringbuf_query(&data_ring, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	return wake_now();
}

/* Outcome of one record. */
static __always_inline void count_sent(struct series *s, enum ev_count_kind kind)
{
	s->counts.kind[kind].seen++;
	s->counts.kind[kind].submitted++;
}

static __always_inline void count_lost(struct series *s, enum ev_count_kind kind,
				       enum ev_lost_why why)
{
	s->counts.kind[kind].seen++;
	s->counts.kind[kind].lost[why]++;
}

#endif
