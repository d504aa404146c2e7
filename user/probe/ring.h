/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ring.h - reader of one BPF ring buffer up to a position that was noted before: libbpf's own
 * reader runs until it catches up, which a flood never lets happen, and tells no positions.
 */
#ifndef PROBE_RING_H
#define PROBE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
	uint64_t *consumer; /* page of its own, writable */
	const uint64_t *producer; /* page before the data, which is mapped twice in a row */
	const uint8_t *data;
	size_t size; /* of the data; a power of two */
	size_t page;
	uint64_t pos; /* consumer position */
};

/* Map the ring of a map's descriptor; size as created. 0 or -errno. */
int ring_open(struct ring *r, int map_fd, size_t size);
void ring_close(struct ring *r);
/* Position up to which records are reserved now. */
uint64_t ring_producer(const struct ring *r);
/*
 * The next record before `until`, NULL when there is none or the next is still being written
 * (r->pos < until then). Valid until ring_next.
 */
const void *ring_peek(struct ring *r, uint64_t until, size_t *n);
/* Give the record of the last ring_peek, of n bytes, back to the kernel. */
void ring_next(struct ring *r, size_t n);

#endif
