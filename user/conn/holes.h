/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * holes.h - evidence of lost records: the per-CPU sequence numbers of the data ring, and the jumps
 * of stream positions that were taken for omission before a hole came to light that may explain
 * them.
 */
#ifndef CONN_HOLES_H
#define CONN_HOLES_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/decode.h"

#define HOLES_MAX_CPUS 4096u
/* The top byte of a number says which of a CPU's series it belongs to (nesting depth of the
 * program). */
#define HOLES_LANES 8u
#define HOLES_LANE_SHIFT 56
#define HOLES_JUMPS 64u
/* A hole makes every jump of this much time after it suspect: a ring that was full stays near it.
 */
#define HOLES_SUSPECT_NS 1000000000ull

/* A jump that was accounted as omitted: range [pos, pos + n) of one direction. */
struct jump {
	uint64_t inode, serial; /* of the connection */
	uint64_t pos, n; /* n 0: free */
	uint64_t from_ts, to_ts; /* the bytes moved in between */
	enum direction dir;
};

struct holes_cpu {
	struct {
		uint64_t seq, ts; /* of the newest record; seq 0: none yet */
	} lane[HOLES_LANES];
};

struct holes {
	struct holes_cpu *cpu;
	uint32_t cpus;
	uint64_t count; /* holes met so far */
	uint64_t last_ts; /* when the newest one came to light */
	struct jump jump[HOLES_JUMPS];
	unsigned next_jump;
};

void holes_free(struct holes *h);
/*
 * Note a record of the data ring. True if a hole came to light: records were lost between *from_ts
 * and the record's own time.
 */
bool holes_on_event(struct holes *h, const struct event *ev, uint64_t *from_ts);
/* May records have been lost since count was `mark`, or shortly before now? */
bool holes_suspect(const struct holes *h, uint64_t mark, uint64_t now);
void holes_note_jump(struct holes *h, const struct jump *j);

#endif
