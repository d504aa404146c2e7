/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* emit.h - records that user space makes: clock pairs, texts, counters. */
#ifndef PROBE_EMIT_H
#define PROBE_EMIT_H

#include <stdbool.h>

#include "base/buf.h"
#include "bpf/event.h"
#include "probe/load.h"
#include "probe/probe.h"

struct emit {
	probe_fn fn;
	void *ctx;
	struct buf rec; /* scratch */
	uint64_t texts_cut; /* longer than a record may be */
};

/* What this room has lost, for EV_AGENT. */
struct emit_losses {
	uint64_t processes; /* that the table had no room for */
	uint64_t bad_records; /* in the rings: contradict themselves */
};

void emit_clock(struct emit *e);
/* About a process, or the host with tgid 0. Text beyond the record limit is replaced by {}. */
void emit_text(struct emit *e, enum ev_type type, uint32_t kind, uint32_t tgid, uint64_t start,
	       const struct buf *text);
/* EV_COUNTERS and EV_AGENT. */
void emit_counters(struct emit *e, const struct loaded *l, const struct emit_losses *lost,
		   bool final);

#endif
