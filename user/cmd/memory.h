/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * memory.h - how --max-memory is shared out: what is fixed (program, rings, kernel maps) comes off,
 * each room gets its part of the rest and counts what that has no room for. README.md has the
 * table.
 */
#ifndef CMD_MEMORY_H
#define CMD_MEMORY_H

#include "base/err.h"
#include "cmd/options.h"

#define MEMORY_CONNECTION 1024 /* bytes of one, with slots and its protocol's state */

struct memory_plan {
	size_t exchanges; /* open ones: what was kept of them so far */
	size_t connections; /* number */
	size_t heads; /* lines that calls cut */
	size_t processes; /* and services */
	size_t drift; /* references, detectors, what is being learned */
	size_t outputs; /* queues of all outputs together */
	size_t scratch; /* one record's texts */
	/* the last eighth: alerts, buffers of one event, what the allocator wastes */
};

void memory_plan(const struct options *o, struct memory_plan *p);
/* -1 and e (EXIT_USAGE) if --buffer leaves too little. */
int memory_check(const struct options *o, struct err *e);

#endif
