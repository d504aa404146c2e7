// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* table.c - bounded open-addressing tables (linear probing, no tombstones) and the LRU list. */
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define TABLE_FIRST 16

/* At most three quarters full. */
static bool wants_growth(size_t len, size_t cap)
{
	return cap == 0 || (len + 1) * 4 > cap * 3;
}

void table_init(struct table *t, size_t max)
{
	memset(t, 0, sizeof(*t));
	t->max = max;
}

void table_free(struct table *t)
{
	free(t->slot);
	t->slot = NULL;
	t->cap = t->len = 0;
}

/* The slot of key, or the free one where it belongs. The table is never full, so this ends. */
static size_t table_find(const struct table *t, uint64_t key)
{
	size_t mask = t->cap - 1, i = hash_u64(key) & mask;

	while (t->slot[i].val && t->slot[i].key != key)
		i = (i + 1) & mask;
	return i;
}

void *table_get(const struct table *t, uint64_t key)
{
	return t->len ? t->slot[table_find(t, key)].val : NULL;
}

static int table_grow(struct table *t)
{
	struct table old = *t;

	if (old.cap > SIZE_MAX / 2 / sizeof(*t->slot))
		return -ENOMEM;
	t->cap = old.cap ? old.cap * 2 : TABLE_FIRST;
	t->slot = calloc(t->cap, sizeof(*t->slot));
	if (!t->slot) {
		*t = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.cap; i++)
		if (old.slot[i].val)
			t->slot[table_find(t, old.slot[i].key)] = old.slot[i];
	free(old.slot);
	return 0;
}

int table_put(struct table *t, uint64_t key, void *val)
{
	size_t i;

	if (t->cap) {
		i = table_find(t, key);
		if (t->slot[i].val) {
			t->slot[i].val = val;
			return 0;
		}
	}
	if (t->len >= t->max)
		return -ENOSPC;
	if (wants_growth(t->len, t->cap) && table_grow(t))
		return -ENOMEM;
	i = table_find(t, key);
	t->slot[i].key = key;
	t->slot[i].val = val;
	t->len++;
	return 0;
}

void *table_del(struct table *t, uint64_t key)
{
	size_t mask = t->cap - 1, i, j;
	void *val;

	if (!t->len)
		return NULL;
	i = table_find(t, key);
	val = t->slot[i].val;
	if (!val)
		return NULL;
	/* Close the hole: move up what would no longer be found behind it. */
	for (j = (i + 1) & mask; t->slot[j].val; j = (j + 1) & mask) {
		size_t home = hash_u64(t->slot[j].key) & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->slot[i] = t->slot[j];
			i = j;
		}
	}
	t->slot[i].val = NULL;
	t->len--;
	return val;
}

void *table_next(const struct table *t, size_t *i)
{
	while (*i < t->cap) {
		void *v = t->slot[(*i)++].val;

		if (v)
			return v;
	}
	return NULL;
}

void strtab_init(struct strtab *t, size_t max)
{
	memset(t, 0, sizeof(*t));
	t->max = max;
}

void strtab_free(struct strtab *t)
{
	for (size_t i = 0; i < t->cap; i++)
		free(t->slot[i].key);
	free(t->slot);
	t->slot = NULL;
	t->cap = t->len = 0;
}

static size_t strtab_find(const struct strtab *t, uint64_t hash, const void *key, size_t n)
{
	size_t mask = t->cap - 1, i = hash & mask;

	while (t->slot[i].key && (t->slot[i].hash != hash || t->slot[i].klen != n ||
				  (n && memcmp(t->slot[i].key, key, n) != 0)))
		i = (i + 1) & mask;
	return i;
}

void *strtab_get(const struct strtab *t, const void *key, size_t n)
{
	return t->len ? t->slot[strtab_find(t, hash_bytes(key, n), key, n)].val : NULL;
}

static int strtab_grow(struct strtab *t)
{
	struct strtab old = *t;

	if (old.cap > SIZE_MAX / 2 / sizeof(*t->slot))
		return -ENOMEM;
	t->cap = old.cap ? old.cap * 2 : TABLE_FIRST;
	t->slot = calloc(t->cap, sizeof(*t->slot));
	if (!t->slot) {
		*t = old;
		return -ENOMEM;
	}
	for (size_t i = 0; i < old.cap; i++) {
		const struct strtab_slot *s = &old.slot[i];

		if (s->key)
			t->slot[strtab_find(t, s->hash, s->key, s->klen)] = *s;
	}
	free(old.slot);
	return 0;
}

int strtab_put(struct strtab *t, const void *key, size_t n, void *val)
{
	uint64_t hash = hash_bytes(key, n);
	struct strtab_slot *s;
	char *copy;

	if (t->cap) {
		s = &t->slot[strtab_find(t, hash, key, n)];
		if (s->key) {
			s->val = val;
			return 0;
		}
	}
	if (t->len >= t->max)
		return -ENOSPC;
	if (wants_growth(t->len, t->cap) && strtab_grow(t))
		return -ENOMEM;
	copy = malloc(n ? n : 1);
	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, key, n);
	s = &t->slot[strtab_find(t, hash, key, n)];
	*s = (struct strtab_slot){ .hash = hash, .key = copy, .klen = n, .val = val };
	t->len++;
	return 0;
}

void *strtab_del(struct strtab *t, const void *key, size_t n)
{
	size_t mask = t->cap - 1, i, j;
	void *val;

	if (!t->len)
		return NULL;
	i = strtab_find(t, hash_bytes(key, n), key, n);
	if (!t->slot[i].key)
		return NULL;
	val = t->slot[i].val;
	free(t->slot[i].key);
	for (j = (i + 1) & mask; t->slot[j].key; j = (j + 1) & mask) {
		size_t home = t->slot[j].hash & mask;

		if (((j - home) & mask) >= ((j - i) & mask)) {
			t->slot[i] = t->slot[j];
			i = j;
		}
	}
	memset(&t->slot[i], 0, sizeof(t->slot[i]));
	t->len--;
	return val;
}

void *strtab_next(const struct strtab *t, size_t *i, const char **key, size_t *n)
{
	while (*i < t->cap) {
		const struct strtab_slot *s = &t->slot[(*i)++];

		if (!s->key)
			continue;
		if (key)
			*key = s->key;
		if (n)
			*n = s->klen;
		return s->val;
	}
	return NULL;
}

void lru_init(struct lru *l)
{
	l->head.prev = l->head.next = &l->head;
}

void lru_remove(struct lru_node *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
}

void lru_touch(struct lru *l, struct lru_node *n)
{
	lru_remove(n);
	n->prev = l->head.prev;
	n->next = &l->head;
	n->prev->next = n;
	l->head.prev = n;
}

struct lru_node *lru_oldest(const struct lru *l)
{
	return l->head.next == &l->head ? NULL : l->head.next;
}
