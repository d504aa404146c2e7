/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ring.c - BPF ring buffer by mmap (layout: kernel/bpf/ringbuf.c, include/uapi/linux/bpf.h). */
#include "probe/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int ring_open(struct ring *r, int map_fd, size_t size)
{
	void *p;

	memset(r, 0, sizeof(*r));
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->size = size;
	p = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->consumer = p;
	p = mmap(NULL, r->page + 2 * size, PROT_READ, MAP_SHARED, map_fd, (off_t)r->page);
	if (p == MAP_FAILED) {
		const int err = -errno;

		ring_close(r);
		return err;
	}
	r->producer = p;
	r->data = (const uint8_t *)p + r->page;
	r->pos = __atomic_load_n(r->consumer, __ATOMIC_ACQUIRE);
	return 0;
}

void ring_close(struct ring *r)
{
	if (r->consumer)
		munmap(r->consumer, r->page);
	if (r->producer)
		munmap((void *)r->producer, r->page + 2 * r->size);
	memset(r, 0, sizeof(*r));
}

uint64_t ring_producer(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

static size_t room(size_t n)
{
	return (n + BPF_RINGBUF_HDR_SZ + 7) & ~(size_t)7;
}

const void *ring_peek(struct ring *r, uint64_t until, size_t *n)
{
	while (r->pos < until) {
		const uint8_t *p = r->data + (r->pos & (r->size - 1));
		const uint32_t len = __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE);
		const size_t bytes = len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (len & BPF_RINGBUF_BUSY_BIT)
			return NULL;
		if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
			*n = bytes;
			return p + BPF_RINGBUF_HDR_SZ;
		}
		ring_next(r, bytes);
	}
	return NULL;
}

void ring_next(struct ring *r, size_t n)
{
	r->pos += room(n);
	__atomic_store_n(r->consumer, r->pos, __ATOMIC_RELEASE);
}
