// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sample.c - keep the head and the tail of a message while it passes by. */
#include "base/sample.h"

#include <stdlib.h>

#define FIRST_BYTES 1024
#define KEEP_BYTES 4096 /* a buffer that sample_reset may leave for the next message */

/* Make the ring hold want bytes (at most cap). It is linear, from 0, until it reached cap. */
static bool ring_grow(struct sample *s, size_t cap, size_t want)
{
	size_t to = s->ring_cap ? s->ring_cap : FIRST_BYTES;
	char *p;

	if (want > cap)
		want = cap;
	if (s->ring_cap >= want)
		return true;
	while (to < want)
		to *= 2;
	if (to > cap)
		to = cap;
	p = realloc(s->ring, to);
	if (!p)
		return false;
	s->ring = p;
	s->ring_cap = to;
	return true;
}

static void tail_clear(struct sample *s)
{
	s->ring_pos = s->ring_len = 0;
	s->tail_from = s->total;
}

/* Append to the tail, of which only the last cap bytes stay; s->total already counts them. */
static void tail_add(struct sample *s, size_t cap, const char *p, size_t n)
{
	if (n >= cap) {
		p += n - cap;
		n = cap;
		s->ring_pos = s->ring_len = 0;
	}
	if (n && !ring_grow(s, cap, s->ring_len + n)) {
		tail_clear(s);
		return;
	}
	/* ring_pos: where the next byte goes; it wraps only when the ring has its full size. */
	while (n) {
		size_t end = s->ring_cap < cap ? s->ring_cap : cap;
		size_t run = end - s->ring_pos < n ? end - s->ring_pos : n;
		memcpy(s->ring + s->ring_pos, p, run);
		s->ring_pos = s->ring_pos + run == cap ? 0 : s->ring_pos + run;
		s->ring_len = s->ring_len + run < cap ? s->ring_len + run : cap;
		p += run;
		n -= run;
	}
	s->tail_from = s->total - s->ring_len;
}

/* Bytes that the tail may have: what the head, now final, left of the limit. */
static size_t tail_cap(const struct sample *s, size_t limit)
{
	return limit > s->head.len ? limit - s->head.len : 0;
}

static bool head_add(struct sample *s, const char *p, size_t n)
{
	size_t cap = s->head.cap ? s->head.cap : FIRST_BYTES;

	if (!n)
		return true;
	if (s->head.cap < FIRST_BYTES || s->head.cap - s->head.len < n) {
		while (cap < s->head.len + n)
			cap *= 2;
		if (!buf_room(&s->head, cap - s->head.len))
			return false;
	}
	buf_put(&s->head, p, n);
	return true;
}

/* The message outgrew the limit: its first half stays the head, the rest begins the tail. */
static void head_close(struct sample *s, size_t limit)
{
	size_t half = limit / 2, moved = s->head.len > half ? s->head.len - half : 0;

	s->head_done = true;
	if (moved) {
		s->head.len = half;
		tail_add(s, tail_cap(s, limit), s->head.p + half, moved);
	}
}

void sample_add(struct sample *s, size_t limit, const void *src, size_t n)
{
	const char *p = src;
	size_t half = limit / 2, take;

	if (!n)
		return;
	if (!s->head_done && n <= limit - s->head.len) {
		if (head_add(s, p, n)) {
			s->total += n;
			s->shown += n;
			return;
		}
		/* Memory is out: as if what does not fit had never been shown. */
		sample_gap(s, limit, n);
		return;
	}
	if (!s->head_done) {
		take = s->head.len < half ? half - s->head.len : 0;
		if (!head_add(s, p, take)) {
			sample_gap(s, limit, n);
			return;
		}
		s->total += take;
		s->shown += take;
		p += take;
		n -= take;
		head_close(s, limit);
	}
	s->total += n;
	s->shown += n;
	tail_add(s, tail_cap(s, limit), p, n);
}

void sample_gap(struct sample *s, size_t limit, uint64_t n)
{
	size_t most = limit - limit / 4;

	if (!n)
		return;
	if (!s->head_done) {
		s->head_done = s->gap_in_head = true;
		if (s->head.len > most)
			s->head.len = most;
	}
	s->total += n;
	tail_clear(s);
}

void sample_drop(struct sample *s)
{
	const uint64_t total = s->total, shown = s->shown;

	sample_free(s);
	s->total = s->tail_from = total;
	s->shown = shown;
	s->head_done = s->gap_in_head = true;
}

void sample_reset(struct sample *s)
{
	struct sample empty = { .head = s->head, .ring = s->ring, .ring_cap = s->ring_cap };

	if (empty.head.cap > KEEP_BYTES)
		buf_free(&empty.head);
	buf_clear(&empty.head);
	if (empty.ring_cap > KEEP_BYTES) {
		free(empty.ring);
		empty.ring = NULL;
		empty.ring_cap = 0;
	}
	*s = empty;
}

void sample_free(struct sample *s)
{
	buf_free(&s->head);
	free(s->ring);
	*s = (struct sample){ 0 };
}

bool sample_whole(const struct sample *s)
{
	return s->head.len == s->total;
}

void sample_tail(const struct sample *s, struct buf *out)
{
	/* The oldest byte: at ring_pos when the ring has wrapped or is exactly full, else at 0. */
	size_t from = s->ring_pos < s->ring_len ? s->ring_pos : 0;

	if (s->ring_len) {
		buf_put(out, s->ring + from, s->ring_len - from);
		buf_put(out, s->ring, from);
	}
}

uint64_t sample_omitted(const struct sample *s)
{
	return s->total - s->head.len - s->ring_len;
}
