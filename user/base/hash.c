// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* hash.c - SipHash-1-3 with a per-process random key for tables, and the unkeyed digest of record
 * ids. */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t rotl(uint64_t v, int n)
{
	return v << n | v >> (64 - n);
}

/* Little endian on both supported architectures. */
static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* The last n < 8 bytes, zero-filled. */
static inline uint64_t load_tail(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

#define SIP_ROUND(a, b, c, d)                                                     \
	do {                                                                      \
		(a) += (b), (b) = rotl((b), 13), (b) ^= (a), (a) = rotl((a), 32); \
		(c) += (d), (d) = rotl((d), 16), (d) ^= (c);                      \
		(a) += (d), (d) = rotl((d), 21), (d) ^= (a);                      \
		(c) += (b), (b) = rotl((b), 17), (b) ^= (c), (c) = rotl((c), 32); \
	} while (0)

uint64_t hash_keyed(const uint64_t key[2], const void *src, size_t n)
{
	uint64_t v0 = key[0] ^ 0x736f6d6570736575, v1 = key[1] ^ 0x646f72616e646f6d;
	uint64_t v2 = key[0] ^ 0x6c7967656e657261, v3 = key[1] ^ 0x7465646279746573;
	const uint8_t *p = src;
	uint64_t m, last = (uint64_t)n << 56;

	for (; n >= 8; n -= 8, p += 8) {
		m = load64(p);
		v3 ^= m;
		SIP_ROUND(v0, v1, v2, v3);
		v0 ^= m;
	}
	last |= load_tail(p, n);
	v3 ^= last;
	SIP_ROUND(v0, v1, v2, v3);
	v0 ^= last;
	v2 ^= 0xff;
	SIP_ROUND(v0, v1, v2, v3);
	SIP_ROUND(v0, v1, v2, v3);
	SIP_ROUND(v0, v1, v2, v3);
	return v0 ^ v1 ^ v2 ^ v3;
}

/* Read by every table, written once; it orders nothing that is ever shown. */
static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
	struct timespec t;

	if (getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
		return;
	/* A sandbox without getrandom: weaker, still not known beforehand. */
	clock_gettime(CLOCK_MONOTONIC, &t);
	seed[0] = (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15 ^ (uint64_t)getpid();
	seed[1] = (uint64_t)(uintptr_t)&t ^ (uint64_t)t.tv_sec << 32;
}

uint64_t hash_bytes(const void *p, size_t n)
{
	pthread_once(&seed_once, seed_make);
	return hash_keyed(seed, p, n);
}

/* Finalizer of MurmurHash3 with the constants of David Stafford's "Mix13": a bijection. */
static inline uint64_t mix64(uint64_t v)
{
	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return v ^ v >> 31;
}

uint64_t hash_u64(uint64_t v)
{
	pthread_once(&seed_once, seed_make);
	return mix64(mix64(v ^ seed[0]) + seed[1]);
}

/*
 * Two lanes, each a bijection of its state for a given field, so that no field ever loses what an
 * earlier one brought in; the second also takes in the first and so differs from it.
 */
void id_u64(struct id_hash *h, uint64_t v)
{
	h->a = mix64(h->a + 0x9e3779b97f4a7c15 + v);
	h->b = mix64((h->b ^ rotl(v, 29)) + 0xd1b54a32d192ed03) + rotl(h->a, 17);
}

void id_bytes(struct id_hash *h, const void *src, size_t n)
{
	const uint8_t *p = src;

	id_u64(h, n);
	for (; n >= 8; n -= 8, p += 8)
		id_u64(h, load64(p));
	if (n)
		id_u64(h, load_tail(p, n));
}

void id_start(struct id_hash *h, const char *domain)
{
	h->a = 0x6d6f64656c736e6f;
	h->b = 0x2f6964656e746974;
	id_bytes(h, domain, strlen(domain));
}

void id_finish(const struct id_hash *h, uint8_t out[16])
{
	struct id_hash f = *h;

	id_u64(&f, 0x66696e697368);
	/* Big endian, so that hex digits read as the number does. */
	for (int i = 0; i < 8; i++) {
		out[i] = (uint8_t)(f.a >> (56 - 8 * i));
		out[8 + i] = (uint8_t)(f.b >> (56 - 8 * i));
	}
}
