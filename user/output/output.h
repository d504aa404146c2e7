/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * output.h - where records go: formats as rows of a table, each output with a bounded queue and a
 * writer thread of its own, so a stalled or full one loses counted records and nothing else stops.
 */
#ifndef OUTPUT_OUTPUT_H
#define OUTPUT_OUTPUT_H

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

/* One format: records to bytes. State is the format's own (may be NULL). */
struct format {
	const char *name; /* as in -o NAME[:PATH] */
	void *(*open)(bool terminal);
	void (*record)(void *state, const struct record *r,
		       struct buf *out); /* append whole lines */
	void (*close)(void *state);
};
extern const struct format format_text, format_jsonl;
extern const struct format *const format_table[]; /* NULL-terminated */

struct output;
/*
 * spec: FORMAT[:PATH]; PATH "-" or none is stdout. Files are appended to, created 0600 with their
 * parents untouched, never followed through a symlink (O_NOFOLLOW), lines whole. blocking: wait for
 * room instead of dropping (replay). queue_max in bytes. NULL and e (EXIT_USAGE or EXIT_FAILED).
 */
struct output *output_open(const char *spec, bool blocking, size_t queue_max, struct err *e);
/* Records wait in the caller's hand until they are many, or old: call output_flush before a pause.
 * One thread calls both. */
void output_record(struct output *o, const struct record *r);
void output_flush(struct output *o,
		  unsigned age_ms); /* if the oldest waits for that long; 0: now */
void output_reopen(struct output *o); /* SIGHUP; a failure is a diagnostic, retried */
struct output_stats {
	uint64_t records, bytes, lost_records, lost_bytes;
	uint64_t queued; /* records accepted, and neither written nor lost yet */
	int error; /* errno of the last failure, 0: fine now */
};
void output_stats(const struct output *o, struct output_stats *s);
/* Wait until nothing is queued, at most timeout_ms: what a full disk or a stalled reader still
 * holds up then shows as `queued`. */
void output_settle(struct output *o, unsigned timeout_ms);
/* Write what is queued (bounded wait: timeout_ms for a stalled reader), close, free. 0 or -errno.
 */
int output_close(struct output *o, unsigned timeout_ms);
const char *output_name(const struct output *o); /* the spec */

#endif
