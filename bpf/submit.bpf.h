/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* submit.bpf.h - record headers, sequence numbers, loss accounting, and when to wake the reader. */
#ifndef SUBMIT_BPF_H
#define SUBMIT_BPF_H

#include "maps.bpf.h"

static __always_inline struct cpu_state *cpu_state_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_states, &zero);
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

/* One wake-up per sleep of the reader, and only when the ring fills: the reader polls by the clock.
 */
static __always_inline __u64 data_wake(void)
{
	if (!reader_sleeps || bpf_ringbuf_query(&data_ring, BPF_RB_AVAIL_DATA) < wake_bytes)
		return BPF_RB_NO_WAKEUP;
	reader_sleeps = 0;
	return BPF_RB_FORCE_WAKEUP;
}

/* Outcome of one record. Programs that can be nested count atomically (`nested`). */
static __always_inline void count_sent(struct ev_count *c, bool nested)
{
	if (nested) {
		__sync_fetch_and_add(&c->seen, 1);
		__sync_fetch_and_add(&c->submitted, 1);
	} else {
		c->seen++;
		c->submitted++;
	}
}

static __always_inline void count_lost(struct ev_count *c, enum ev_lost_why why, bool nested)
{
	if (nested) {
		__sync_fetch_and_add(&c->seen, 1);
		__sync_fetch_and_add(&c->lost[why], 1);
	} else {
		c->seen++;
		c->lost[why]++;
	}
}

/*
 * The series of this nesting depth. What interrupts between enter and leave comes and goes in full,
 * so the depth is exact without atomics.
 */
static __always_inline __u64 nested_enter(struct cpu_state *cs, __u64 *series)
{
	__u32 lane = cs->depth & (SEQ_LANES - 1);

	cs->depth++;
	return ++series[lane] | (__u64)(lane + 1) << SEQ_LANE_SHIFT;
}

static __always_inline void nested_leave(struct cpu_state *cs)
{
	cs->depth--;
}

#endif
