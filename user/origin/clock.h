/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * clock.h - CLOCK_MONOTONIC to real time by the clock pairs of the event stream: the offset of the
 * nearest pair that is not later, so an event keeps its time whatever pairs come afterwards.
 */
#ifndef ORIGIN_CLOCK_H
#define ORIGIN_CLOCK_H

#include <stdint.h>

#define CLOCK_PAIRS 256

struct clock_pair {
	uint64_t mono;
	int64_t real, boot; /* what is to be added to mono */
};

struct clock_map {
	struct clock_pair pair[CLOCK_PAIRS]; /* a ring: oldest overwritten */
	unsigned n, next;
};

/* Pairs out of order are left out, and those that tell nothing new. */
void clock_add(struct clock_map *c, uint64_t mono, uint64_t realtime, uint64_t boottime);
/* Without any pair: the argument. */
uint64_t clock_real(const struct clock_map *c, uint64_t mono);
uint64_t clock_boot(const struct clock_map *c, uint64_t mono); /* 0 without any pair */
/* Real time of a moment on CLOCK_BOOTTIME, by the newest pair; 0 without any. */
uint64_t clock_real_of_boot(const struct clock_map *c, uint64_t boottime);

#endif
