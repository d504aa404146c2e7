/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * filter.h - the quick answer "nothing here": most bodies hold no secret, and telling so must cost
 * less than reading them. Private.
 *
 * Every pattern has a fingerprint, three bytes that it cannot be without. A vector pass finds where
 * one may stand (16 bytes at a time; the Teddy algorithm of Hyperscan), a table says whether it
 * does, and a look around whether that can mean anything. Only then the real scanners run.
 */
#ifndef PRIVACY_FILTER_H
#define PRIVACY_FILTER_H

#include "privacy/scan.h"

struct filter {
	uint8_t low[3][16], high[3][16]; /* buckets by nibble of each of the three bytes */
	uint32_t exact[1024]; /* third letters by the first two, all modulo 32 */
};
void filter_init(struct filter *f);
/* First position in [i, n - 3] where a fingerprint stands (any case, modulo 32), or n. */
size_t filter_next(const struct filter *f, const uint8_t *p, size_t n, size_t i);

/* True: plain text, or JSON that begins as such, in which no scanner would find anything. False:
 * ask them. */
bool filter_clean(const struct filter *f, const char *p, size_t n);
/* The same for a query or a path, where a fingerprint alone is reason enough to look. */
bool filter_clean_url(const struct filter *f, const char *p, size_t n);

#endif
