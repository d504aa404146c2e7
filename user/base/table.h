/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * table.h - bounded hash tables. `struct table` maps 64-bit keys to pointers; `struct strtab` maps
 * byte strings (copied) to pointers. Open addressing, seeded, growing up to `max` entries; the
 * caller decides what to do when full (evict its own oldest, count, fold). LRU order is kept by
 * embedding `struct lru_node` in the value.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
	uint64_t key;
	void *val; /* NULL: free */
};
struct table {
	struct table_slot *slot;
	size_t cap, len, max;
};
void table_init(struct table *t, size_t max);
void table_free(struct table *t); /* the values are the caller's */
void *table_get(const struct table *t, uint64_t key);
/* 0; -ENOSPC when full; -ENOMEM. Replaces the value of an existing key. val is not NULL. */
int table_put(struct table *t, uint64_t key, void *val);
void *table_del(struct table *t, uint64_t key); /* the removed value or NULL */
/* Iterate: for (size_t i = 0; (v = table_next(t, &i));). No insertions or deletions meanwhile. */
void *table_next(const struct table *t, size_t *i);

struct strtab_slot {
	uint64_t hash;
	char *key;
	size_t klen;
	void *val;
};
struct strtab {
	struct strtab_slot *slot;
	size_t cap, len, max;
};
void strtab_init(struct strtab *t, size_t max);
void strtab_free(struct strtab *t);
void *strtab_get(const struct strtab *t, const void *key, size_t n);
int strtab_put(struct strtab *t, const void *key, size_t n, void *val);
void *strtab_del(struct strtab *t, const void *key, size_t n);
void *strtab_next(const struct strtab *t, size_t *i, const char **key, size_t *n);

struct lru_node {
	struct lru_node *prev, *next;
};
struct lru {
	struct lru_node head; /* head.next: oldest */
};
void lru_init(struct lru *l);
void lru_touch(struct lru *l, struct lru_node *n); /* insert or move to the newest end */
void lru_remove(struct lru_node *n); /* harmless on a zeroed or removed node */
struct lru_node *lru_oldest(const struct lru *l); /* NULL when empty */

#endif
