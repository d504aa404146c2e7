/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe.h - the kernel side, loaded, attached and drained; target discovery; snapshots of /proc.
 * What comes out is one ordered stream of raw records (bpf/event.h), the same that a capture holds.
 */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "capture/capture.h"

struct probe_opts {
	const uint32_t *pids;
	size_t n_pids;
	const char *const *comms;
	size_t n_comms; /* globs */
	const char *const *exes;
	size_t n_exes; /* globs on the resolved path */
	const uint16_t *ports;
	size_t n_ports;
	const char *const *cgroups;
	size_t n_cgroups; /* paths */
	const struct cgroup_rule *cgroup_rules; /* the same understood: made by probe_open */
	char *const *cmd; /* -- CMD ARGS…, NULL-terminated, or NULL */
	size_t ring_bytes; /* data ring; rounded up to a power of two of pages */
	uint32_t copy_head, copy_tail; /* bytes copied of one call */
	unsigned interval_s; /* of EV_COUNTERS and EV_AGENT records */
};

/* Receives raw records in order; called from probe_poll and probe_start on the caller's thread. */
typedef void (*probe_fn)(void *ctx, const void *raw, size_t n);

struct probe;
/*
 * Check the host and targets, load, attach. Nothing of the targets is touched. NULL and e with
 * EXIT_HOST (which requirement is missing and how to grant it), EXIT_NO_TARGET or EXIT_FAILED.
 */
struct probe *probe_open(const struct probe_opts *o, struct err *e);
/* Facts for a capture's header and origin: arch, hz, boot id; run id is made here. */
void probe_meta(const struct probe *p, struct capture_meta *m);
/*
 * Host and process snapshots, targets in, iterators, rescan until nothing new; starts CMD. When it
 * returns 0 probes are live for every target: print `modelsnoop: ready`.
 */
int probe_start(struct probe *p, probe_fn fn, void *ctx, struct err *e);
/*
 * Wait up to timeout_ms or until a ring passes its threshold, then one drain. Order: a life record
 * is handed on when the data ring has been consumed up to the record's data_pos (bpf/event.h):
 * after all data that precedes it and before all that follows. Adds clock, counter and snapshot
 * records when due. Returns 0, or -errno.
 */
int probe_poll(struct probe *p, unsigned timeout_ms, probe_fn fn, void *ctx);
/* Ask probe_poll to return soon; safe in a signal handler. */
void probe_wake(struct probe *p);
/* No target lives and none can come (only -p or CMD were given and they are gone). */
bool probe_finished(const struct probe *p);
/* CMD's wait status once it ended (true), else false. */
bool probe_cmd_status(const struct probe *p, int *status);
/* Detach, drain the rest, final EV_COUNTERS, EV_AGENT and EV_STOP(why). */
int probe_stop(struct probe *p, const char *why, probe_fn fn, void *ctx);
void probe_free(struct probe *p);

/* doctor: one row for each requirement. */
struct check {
	char name[48];
	enum { CHECK_OK, CHECK_OPTIONAL, CHECK_MISSING } result;
	char detail[200];
	char mend[200];
};
/* Fills at most max rows, returns how many; loads and attaches every program for a moment when it
 * may. */
size_t probe_check(struct check *row, size_t max);

#endif
