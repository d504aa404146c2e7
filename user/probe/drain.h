/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* drain.h - the two rings as one ordered stream (DESIGN 3, "Order"). */
#ifndef PROBE_DRAIN_H
#define PROBE_DRAIN_H

#include <stddef.h>
#include <stdint.h>

#include "probe/ring.h"

struct drain_life {
	uint64_t data_pos; /* position in the data ring before which it belongs */
	uint64_t ts;
	void *rec;
	size_t n;
};

struct drain {
	struct ring data, life;
	struct drain_life *wait; /* life records not yet handed on, in order */
	size_t n_wait, cap_wait;
	uint64_t bad; /* records shorter than their header says */
};

typedef void (*drain_fn)(void *ctx, const void *raw, size_t n);

int drain_open(struct drain *d, int data_fd, size_t data_bytes, int life_fd, size_t life_bytes);
void drain_close(struct drain *d);
/* Hand on what is in the rings now, each life record at its place among the data. 0 or -ENOMEM. */
int drain_once(struct drain *d, drain_fn fn, void *ctx);

#endif
