/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * payload.bpf.c - copies what one transfer moved into the work area: all of it up to
 * copy_head + copy_tail bytes, else the first copy_head and the last copy_tail.
 *
 * cap, offset and length are compared with a rodata constant next to each use: that is how the
 * verifier of 5.10 sees that offset + length stays inside the map value.
 */
#include "work.bpf.h"

/* Copy len bytes to payload + off; 0 or negative. */
static __always_inline long copy_piece(struct work *w, __u64 off, __u64 len, __u64 from)
{
	__u64 cap = copy_head + copy_tail;

	if (off > cap)
		return -1;
	if (len > cap)
		len = cap;
	barrier_var(len);
	if (len > cap)
		return -1;
	return bpf_probe_read_user(w->payload + off, len, (void *)from);
}

/*
 * The part of [pos, pos + len) of the transfer that is copied: w->rec.head_len bytes from the
 * start and tail_len from the end of n bytes.
 */
static __always_inline long copy_range(struct work *w, __u64 pos, __u64 len, __u64 base, __u64 n)
{
	__u64 head = w->rec.head_len, tail = w->rec.tail_len, skip, tail_from;
	long err = 0;

	if (pos < head) {
		skip = head - pos;
		err = copy_piece(w, pos, len < skip ? len : skip, base);
	}
	tail_from = n - tail;
	if (tail && pos + len > tail_from) {
		skip = pos < tail_from ? tail_from - pos : 0;
		err |= copy_piece(w, head + (pos + skip - tail_from), len - skip, base + skip);
	}
	return err;
}

/*
 * The k iovec entries in w->iov; a function of its own, or the jumps of all batches add up too
 * high. What goes from one round to the next is kept in memory, here and below: in registers it
 * would make every round a new state to the verifier.
 */
__noinline int copy_batch(__u32 copy, __u32 k)
{
	struct work *w = work_get(copy);
	__u64 base, len, pos, n;
	__u32 i;

	if (!w)
		return 0;
	n = w->copy_n;
	for (i = 0; i < IOV_BATCH; i++) {
		if (i >= k)
			break;
		base = w->iov[i].base;
		len = w->iov[i].len;
		w->total += len;
		pos = w->pos;
		if (pos >= n || !len)
			continue;
		if (len > n - pos)
			len = n - pos;
		w->pos = pos + len;
		if (copy_range(w, pos, len, base, n))
			w->fault = 1;
	}
	return 0;
}

static __always_inline void copy_iov(__u32 copy, struct work *w, __u64 n)
{
	__u32 b;

	w->pos = 0;
	w->total = 0;
	w->copy_n = n;
	for (b = 0; b < IOV_BATCHES; b++) {
		__u64 left = w->t.iovs;

		if (left <= b * IOV_BATCH)
			break;
		left -= b * IOV_BATCH;
		if (left > IOV_BATCH)
			left = IOV_BATCH;
		barrier_var(left); /* 5.10 does not carry a bound over a copy */
		if (left > IOV_BATCH)
			break;
		if (bpf_probe_read_user(w->iov, left * sizeof(w->iov[0]),
					(void *)(w->t.buf + b * sizeof(w->iov)))) {
			w->fault = 1;
			break;
		}
		copy_batch(copy, left);
	}
}

/* Returns 0, or 1 when bytes could not be read. w->total is what the call had asked for. */
__noinline int payload_copy(__u32 copy)
{
	struct work *w = work_get(copy);
	__u64 n, cap = copy_head + copy_tail;

	if (!w)
		return 0;
	w->fault = 0;
	n = w->t.ret > 0 ? w->t.ret : 0;
	if (w->t.omitted || w->t.msg_flags & (MSG_PEEK | MSG_TRUNC))
		n = 0; /* MSG_TRUNC leaves the buffer as it was: somebody else's bytes */
	if (!w->t.iovs && n > w->t.want)
		n = w->t.want;
	w->rec.head_len = n <= cap ? n : copy_head;
	w->rec.tail_len = n <= cap ? 0 : copy_tail;
	if (w->t.iovs) {
		copy_iov(copy, w, n);
		if (w->pos < n) { /* the iovec holds less than the result says */
			w->rec.head_len = w->pos < w->rec.head_len ? w->pos : w->rec.head_len;
			w->rec.tail_len = 0;
		}
	} else {
		w->total = w->t.want;
		if (n && copy_range(w, 0, n, w->t.buf, n))
			w->fault = 1;
	}
	if (w->fault) {
		w->rec.head_len = 0;
		w->rec.tail_len = 0;
		return 1;
	}
	return 0;
}
