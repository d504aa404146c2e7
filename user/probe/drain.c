/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drain.c - merges life and data records.
 *
 * Position in the data ring is the order of data; timestamps are not (they invert across CPUs by
 * microseconds). A life record says where the data ring stood when it was made, and is handed on
 * when the data ring was read up to there: what a process did stands before its death, the closes
 * that its death brings after it, and a fork before the first bytes of the child.
 */
#include "probe/drain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/event.h"

int drain_open(struct drain *d, int data_fd, size_t data_bytes, int life_fd, size_t life_bytes)
{
	int err;

	memset(d, 0, sizeof(*d));
	err = ring_open(&d->data, data_fd, data_bytes);
	if (!err)
		err = ring_open(&d->life, life_fd, life_bytes);
	if (err)
		drain_close(d);
	return err;
}

void drain_close(struct drain *d)
{
	for (size_t i = 0; i < d->n_wait; i++)
		free(d->wait[i].rec);
	free(d->wait);
	ring_close(&d->data);
	ring_close(&d->life);
	memset(d, 0, sizeof(*d));
}

static bool comes_after(const struct drain_life *w, const struct ev_hdr *h)
{
	return w->data_pos > h->data_pos || (w->data_pos == h->data_pos && w->ts > h->ts);
}

static int wait_put(struct drain *d, const void *raw, size_t n)
{
	const struct ev_hdr *h = raw;
	struct drain_life *w;
	size_t at = d->n_wait;
	void *copy;

	if (d->n_wait == d->cap_wait) {
		const size_t cap = d->cap_wait ? 2 * d->cap_wait : 64;

		w = realloc(d->wait, cap * sizeof(*w));
		if (!w)
			return -ENOMEM;
		d->wait = w;
		d->cap_wait = cap;
	}
	copy = malloc(n);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, raw, n);
	while (at && comes_after(&d->wait[at - 1], h))
		at--;
	memmove(d->wait + at + 1, d->wait + at, (d->n_wait - at) * sizeof(*w));
	d->wait[at] =
		(struct drain_life){ .data_pos = h->data_pos, .ts = h->ts, .rec = copy, .n = n };
	d->n_wait++;
	return 0;
}

static bool sound(struct drain *d, const void *raw, size_t n)
{
	const struct ev_hdr *h = raw;

	if (n >= sizeof(*h) && h->len >= sizeof(*h) && h->len <= n)
		return true;
	d->bad++;
	return false;
}

static int collect_life(struct drain *d)
{
	const uint64_t until = ring_producer(&d->life);
	const void *raw;
	size_t n;
	int err = 0;

	while (!err && (raw = ring_peek(&d->life, until, &n))) {
		if (sound(d, raw, n))
			err = wait_put(d, raw, n);
		if (!err)
			ring_next(&d->life, n);
	}
	return err;
}

/* Hand on what belongs before data position pos. */
static void hand_on(struct drain *d, uint64_t pos, drain_fn fn, void *ctx)
{
	size_t n = 0;

	while (n < d->n_wait && d->wait[n].data_pos <= pos) {
		void *rec = d->wait[n].rec;

		d->wait[n].rec = NULL;
		fn(ctx, rec, d->wait[n++].n);
		free(rec);
	}
	if (!n)
		return;
	d->n_wait -= n;
	memmove(d->wait, d->wait + n, d->n_wait * sizeof(*d->wait));
}

int drain_once(struct drain *d, drain_fn fn, void *ctx)
{
	/* First the position, then the life ring: it holds all that belongs before that position.
	 */
	const uint64_t until = ring_producer(&d->data);
	const int err = collect_life(d);
	const void *raw;
	size_t n;

	while ((raw = ring_peek(&d->data, until, &n))) {
		if (d->n_wait && d->wait[0].data_pos <= d->data.pos)
			hand_on(d, d->data.pos, fn, ctx);
		if (sound(d, raw, n))
			fn(ctx, raw, n);
		ring_next(&d->data, n);
	}
	hand_on(d, d->data.pos, fn, ctx);
	return err;
}
