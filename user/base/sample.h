/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sample.h - head and tail of a message body in bounded memory: the first limit/2 bytes and the
 * last limit/2; what lies between is counted. Memory grows from 1 KiB with what arrives.
 *
 * A message of at most limit bytes is all head. A gap ends the head where it stands (at most three
 * quarters of limit stay), and the tail, which is always one run of bytes up to the end of the
 * message, starts anew behind it in what the head left of limit. The result depends on the bytes
 * and gaps only, not on how they were split. limit must not change between calls.
 */
#ifndef BASE_SAMPLE_H
#define BASE_SAMPLE_H

#include "base/buf.h"

struct sample {
	struct buf head;
	char *ring; /* tail, allocated when the head is full */
	size_t ring_pos, ring_len, ring_cap;
	uint64_t total; /* bytes of the message so far, gaps included */
	uint64_t shown; /* bytes that were fed; total - shown: gaps */
	uint64_t tail_from; /* message offset of the first byte after the last gap or omission */
	bool gap_in_head; /* a gap ended the head early: the head is what came before it */
	bool head_done; /* later bytes go to the tail */
};

void sample_add(struct sample *s, size_t limit, const void *p, size_t n);
void sample_gap(struct sample *s, size_t limit, uint64_t n); /* n bytes not shown */
/* Give the memory back: all of the message so far counts as not kept. Only gaps may follow. */
void sample_drop(struct sample *s);
void sample_reset(struct sample *s); /* keep a small buffer for the next message */
void sample_free(struct sample *s);
/* True when the head is the whole message. */
bool sample_whole(const struct sample *s);
/* Append the tail's bytes (those that are not already in the head) to out. */
void sample_tail(const struct sample *s, struct buf *out);
uint64_t sample_omitted(const struct sample *s); /* bytes of the message in neither head nor tail */
static inline size_t sample_memory(const struct sample *s)
{
	return s->head.cap + s->ring_cap;
}

#endif
