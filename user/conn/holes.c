// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* holes.c - follows the per-CPU sequence numbers of the data ring to know when records were lost.
 */
#include "conn/holes.h"

#include <stdlib.h>
#include <string.h>

void holes_free(struct holes *h)
{
	free(h->cpu);
	memset(h, 0, sizeof(*h));
}

static struct holes_cpu *cpu_slot(struct holes *h, uint32_t cpu)
{
	if (cpu >= HOLES_MAX_CPUS)
		return NULL;
	if (cpu >= h->cpus) {
		uint32_t n = (cpu + 16) & ~15u;
		struct holes_cpu *p = realloc(h->cpu, n * sizeof(*p));

		if (!p)
			return NULL;
		memset(p + h->cpus, 0, (n - h->cpus) * sizeof(*p));
		h->cpu = p;
		h->cpus = n;
	}
	return &h->cpu[cpu];
}

bool holes_on_event(struct holes *h, const struct event *ev, uint64_t *from_ts)
{
	const uint64_t lane = ev->cpu_seq >> HOLES_LANE_SHIFT & (HOLES_LANES - 1);
	const uint64_t seq = ev->cpu_seq & ((1ull << HOLES_LANE_SHIFT) - 1);
	struct holes_cpu *c;
	uint64_t last;

	if (ev->source == SOURCE_PROC)
		return false;
	c = cpu_slot(h, ev->cpu);
	if (!c)
		return false;
	last = c->lane[lane].seq;
	/* Iterators may number their records in a series of their own. */
	if (seq <= last || (ev->from_iter && seq != last + 1))
		return false;
	*from_ts = c->lane[lane].ts;
	c->lane[lane].seq = seq;
	c->lane[lane].ts = ev->ts;
	if (seq == last + 1)
		return false;
	h->count++;
	h->last_ts = ev->ts;
	return true;
}

bool holes_suspect(const struct holes *h, uint64_t mark, uint64_t now)
{
	if (!h->count)
		return false;
	return h->count != mark || now < h->last_ts || now - h->last_ts < HOLES_SUSPECT_NS;
}

void holes_note_jump(struct holes *h, const struct jump *j)
{
	h->jump[h->next_jump++ % HOLES_JUMPS] = *j;
}
