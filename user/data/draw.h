/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * draw.h - random choices that a replay repeats: functions of a key and a counter, so that one
 * feature's choices do not shift another's.
 */
#ifndef DATA_DRAW_H
#define DATA_DRAW_H

#include <stdbool.h>
#include <stdint.h>

/* The counter-th number of splitmix64 (Steele, Lea, Flood 2014) that starts at key. */
static inline uint64_t draw_u64(uint64_t key, uint64_t counter)
{
	uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* In [0,1). */
static inline double draw_uniform(uint64_t key, uint64_t counter)
{
	return (double)(draw_u64(key, counter) >> 11) * 0x1p-53;
}

/*
 * A row or exchange has several values of one feature and gives one of them. Does its k-th (from 1)
 * take the place of the one taken so far? In the end each has had the same chance.
 */
static inline bool draw_instead(uint64_t key, uint64_t row, uint32_t k)
{
	return k == 1 || (draw_u64(draw_u64(key, row), k) >> 32) * k >> 32 == 0;
}

/*
 * How far the next value that counts is from the last one: stride on average, between half and one
 * and a half of it. Even steps would meet the same places of a period again and again.
 */
static inline unsigned draw_gap(uint64_t key, uint64_t counter, unsigned stride)
{
	const unsigned least = stride - stride / 2;

	return least + (unsigned)(draw_u64(key, counter) % (2 * (stride / 2) + 1));
}

#endif
