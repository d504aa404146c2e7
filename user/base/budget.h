/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * budget.h - bytes that one part of the agent may hold: asked for before memory is taken, given
 * back after it was freed. A NULL budget has no limit.
 */
#ifndef BASE_BUDGET_H
#define BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct budget {
	size_t max, used;
	struct budget *up; /* what this is a part of, or NULL */
};

/* What a block of n bytes costs: the allocator's header, rounded as it rounds. */
static inline size_t budget_block(size_t n)
{
	return (n + 8 + 15) / 16 * 16;
}

static inline bool budget_take(struct budget *b, size_t n)
{
	if (!b)
		return true;
	if (b->used > b->max || n > b->max - b->used || !budget_take(b->up, n))
		return false;
	b->used += n;
	return true;
}

static inline void budget_give(struct budget *b, size_t n)
{
	if (!b)
		return;
	b->used -= n;
	budget_give(b->up, n);
}

#endif
