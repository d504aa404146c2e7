/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hash.h - SipHash-1-3 (Aumasson, Bernstein 2012) for tables keyed by bytes that others choose, and
 * a 128-bit digest for record ids. Ids are made from facts of the event alone, so they are keyed
 * with a constant; tables are keyed with a random seed, which never shows in any output.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *p, size_t n); /* seeded once per process, from getrandom(2) */
uint64_t hash_keyed(const uint64_t key[2], const void *p, size_t n); /* SipHash-1-3 */
uint64_t hash_u64(uint64_t v); /* seeded mix of one integer */

/* Incremental 128-bit digest for ids: feed fields, then finish. Same fields, same id. */
struct id_hash {
	uint64_t a, b;
};
void id_start(struct id_hash *h, const char *domain); /* "exchange", "lifecycle", ... */
void id_u64(struct id_hash *h, uint64_t v);
void id_bytes(struct id_hash *h, const void *p, size_t n); /* length is part of the digest */
void id_finish(const struct id_hash *h, uint8_t out[16]);

#endif
