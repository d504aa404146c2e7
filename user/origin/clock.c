// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* clock.c - a short history of clock offsets. */
#include "origin/clock.h"

#include <stddef.h>

/*
 * Two clocks cannot be read at once: pairs taken on an idle machine differ by some hundred
 * nanoseconds with nothing behind it. A pair counts as news from here on, so that the history
 * reaches back over adjustments, not over readings.
 */
#define NEWS_NS 10000

static const struct clock_pair *nth(const struct clock_map *c, unsigned back)
{
	return &c->pair[(c->next + CLOCK_PAIRS - 1 - back) % CLOCK_PAIRS];
}

static int64_t distance(int64_t a, int64_t b)
{
	const uint64_t d = a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;

	return d > INT64_MAX ? INT64_MAX : (int64_t)d;
}

void clock_add(struct clock_map *c, uint64_t mono, uint64_t realtime, uint64_t boottime)
{
	const int64_t real = (int64_t)(realtime - mono), boot = (int64_t)(boottime - mono);

	if (c->n) {
		const struct clock_pair *last = nth(c, 0);

		if (mono < last->mono ||
		    (distance(real, last->real) < NEWS_NS && distance(boot, last->boot) < NEWS_NS))
			return;
	}
	c->pair[c->next] = (struct clock_pair){ mono, real, boot };
	c->next = (c->next + 1) % CLOCK_PAIRS;
	if (c->n < CLOCK_PAIRS)
		c->n++;
}

static const struct clock_pair *pair_for(const struct clock_map *c, uint64_t mono)
{
	for (unsigned i = 0; i < c->n; i++)
		if (nth(c, i)->mono <= mono)
			return nth(c, i);
	return c->n ? nth(c, c->n - 1) : NULL;
}

uint64_t clock_real(const struct clock_map *c, uint64_t mono)
{
	const struct clock_pair *p = pair_for(c, mono);

	return p ? mono + (uint64_t)p->real : mono;
}

uint64_t clock_boot(const struct clock_map *c, uint64_t mono)
{
	const struct clock_pair *p = pair_for(c, mono);

	return p ? mono + (uint64_t)p->boot : 0;
}

uint64_t clock_real_of_boot(const struct clock_map *c, uint64_t boottime)
{
	const struct clock_pair *p = c->n ? nth(c, 0) : NULL;

	return p ? boottime - (uint64_t)p->boot + (uint64_t)p->real : 0;
}
