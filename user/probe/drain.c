/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drain.c - merges life and data records.
 *
 * Ring position is the order of data, timestamps are not (they invert across CPUs by microseconds).
 * So a record that ends something waits until the data ring was read to the position that it had
 * after a moment later than that record: then nothing that it must follow can be behind. A record
 * that begins something was in its ring before any data that depends on it was in the other.
 */
#include "probe/drain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/event.h"
#include "probe/kernel.h"

int drain_open(struct drain *d, int data_fd, size_t data_bytes, int life_fd, size_t life_bytes)
{
	int err;

	memset(d, 0, sizeof(*d));
	d->next_begin = UINT64_MAX;
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

static bool begins(const void *rec)
{
	const struct ev_hdr *h = rec;

	return h->type == EV_FORK || h->type == EV_EXEC || h->type == EV_LISTEN;
}

/* The process that a record is about. */
static uint32_t subject(const void *rec)
{
	const struct ev_hdr *h = rec;

	return h->type == EV_SIGNAL ? ((const struct ev_signal *)rec)->target : h->tgid;
}

static int wait_put(struct drain *d, const void *raw, size_t n)
{
	const uint64_t ts = ((const struct ev_hdr *)raw)->ts;
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
	while (at && d->wait[at - 1].ts > ts)
		at--;
	memmove(d->wait + at + 1, d->wait + at, (d->n_wait - at) * sizeof(*w));
	d->wait[at] = (struct drain_life){ .ts = ts, .rec = copy, .n = n };
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

static void find_next_begin(struct drain *d)
{
	d->next_begin = UINT64_MAX;
	for (size_t i = 0; i < d->n_wait; i++)
		if (begins(d->wait[i].rec)) {
			d->next_begin = d->wait[i].ts;
			return;
		}
}

/*
 * Hand on waiting records up to ts: those that begin something, and with them, in order, whatever
 * is older about the same process (its number may have been another's before). With `all`, all.
 */
static void hand_on(struct drain *d, uint64_t ts, bool all, drain_fn fn, void *ctx)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n_wait; i++) {
		struct drain_life *w = &d->wait[i];
		bool go = w->ts <= ts && (all || begins(w->rec));

		for (size_t j = i + 1; !go && j < d->n_wait && d->wait[j].ts <= ts; j++)
			go = begins(d->wait[j].rec) && subject(d->wait[j].rec) == subject(w->rec);
		if (go) {
			fn(ctx, w->rec, w->n);
			free(w->rec);
		} else {
			d->wait[kept++] = *w;
		}
	}
	d->n_wait = kept;
	find_next_begin(d);
}

int drain_once(struct drain *d, drain_fn fn, void *ctx)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	const uint64_t until = ring_producer(&d->data);
	const int err = collect_life(d);
	const void *raw;
	size_t n;

	find_next_begin(d);
	while ((raw = ring_peek(&d->data, until, &n))) {
		if (sound(d, raw, n)) {
			const uint64_t ts = ((const struct ev_hdr *)raw)->ts;

			if (d->next_begin <= ts)
				hand_on(d, ts, false, fn, ctx);
			fn(ctx, raw, n);
		}
		ring_next(&d->data, n);
	}
	/* Not there: a record is still being written, and what ends something waits for the next
	 * turn. */
	if (d->data.pos >= until)
		hand_on(d, now, true, fn, ctx);
	return err;
}
