/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* memory.c - shares of --max-memory. */
#include "cmd/memory.h"

#include <stdint.h>

#define MIB ((uint64_t)1 << 20)
/* Measured: 6 MiB resident after start, the ring for process life (1 MiB, mapped twice) included.
 */
#define PROGRAM_BYTES (8 * MIB)
#define KERNEL_MAP_BYTES (8 * MIB) /* measured: 7 MiB on two CPUs, the rings not counted */
#define PAGE_BYTES ((uint64_t)4096)

/* Both halves of its double mapping count as resident. */
static uint64_t ring_bytes(const struct options *o)
{
	uint64_t n = PAGE_BYTES;

	while (n < o->buffer)
		n *= 2;
	return 2 * n;
}

/* What the rooms share: a quarter of it all at least. */
static uint64_t rooms_bytes(const struct options *o)
{
	const uint64_t fixed = PROGRAM_BYTES + KERNEL_MAP_BYTES + ring_bytes(o);
	const uint64_t least = o->max_memory / 4;

	return o->max_memory > fixed + least ? o->max_memory - fixed : least;
}

void memory_plan(const struct options *o, struct memory_plan *p)
{
	const uint64_t part = rooms_bytes(o) / 32;

	*p = (struct memory_plan){
		.exchanges = 10 * part,
		.connections = 4 * part / MEMORY_CONNECTION,
		.heads = part,
		.processes = 4 * part,
		.drift = 6 * part,
		.outputs = 2 * part,
		.scratch = part,
	};
}

int memory_check(const struct options *o, struct err *e)
{
	const uint64_t fixed = PROGRAM_BYTES + ring_bytes(o);

	if (fixed <= o->max_memory / 4 * 3)
		return 0;
	err_set(e, EXIT_USAGE, "--buffer %llu is too much for --max-memory %llu",
		(unsigned long long)o->buffer, (unsigned long long)o->max_memory);
	err_why(e, "the ring is mapped twice, and a quarter of the memory is for what is analysed");
	err_mend(e, "--max-memory must be at least %llu",
		 (unsigned long long)((fixed + 2) / 3 * 4));
	return -1;
}
