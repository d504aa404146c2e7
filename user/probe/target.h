/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * target.h - who is watched: rules (pid, comm, exe, port, cgroup), the processes of the host as far
 * as we have judged them, and what has to be told about a process when it becomes a target.
 */
#ifndef PROBE_TARGET_H
#define PROBE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "probe/emit.h"
#include "probe/load.h"
#include "probe/probe.h"

struct member {
	uint32_t tgid; /* host's number */
	uint32_t view; /* number in our /proc */
	uint32_t ppid;
	uint64_t start, ppid_start;
	uint64_t cgroup;
	uint64_t snapshot_due; /* monotonic ns of its EV_PROC; 0: none is due */
	uint32_t seen; /* number of the last scan that showed it */
	bool target;
	bool exe_judged, cgroup_judged, port_matched;
	bool command; /* waits to become CMD */
	bool fresh; /* became a target, and that was not told yet */
	const char *why; /* fresh: the rule's kind … */
	const char *rule; /* … and text */
	struct member *next_gone; /* while those that died unseen are removed */
	char comm[EV_COMM_LEN + 1];
	char nodename[EV_NODENAME_LEN];
};

struct targets {
	const struct probe_opts *o;
	struct loaded *bpf;
	struct emit *emit;
	struct table procs; /* tgid to struct member */
	struct buf tasks; /* output of the task iterator */
	struct buf text;
	uint32_t scans;
	uint32_t self; /* the agent's number in our /proc */
	bool same_numbers; /* our /proc has the host's numbers */
	uint64_t snapshot_due; /* the earliest of all; UINT64_MAX: none */
	size_t live; /* targets that live */
	bool open_ended; /* a rule that a process started later may match */
	uint64_t lost_processes; /* the table was full */
};

void targets_init(struct targets *t, const struct probe_opts *o, struct loaded *bpf,
		  struct emit *emit);
void targets_free(struct targets *t);
/*
 * Look at all processes, take in those that match and their descendants, and tell about the new
 * ones; again until there is nothing new. first: pid and port rules count, too. 0 or -errno.
 */
int targets_scan(struct targets *t, bool first);
/* Take in the process with this number in our /proc, by another reason than a rule. */
int targets_adopt(struct targets *t, uint32_t view, const char *why);
/*
 * A life record from the ring: keeps the tables right. True: it is about a target and goes on into
 * the stream, after which targets_after must be called with it.
 */
bool targets_before(struct targets *t, const void *raw, size_t n);
void targets_after(struct targets *t, const void *raw);
/* A record of data came from this process: its snapshot comes first if it is still due. */
void targets_touch(struct targets *t, uint32_t tgid);
/* Make the snapshots that are due at this time. */
void targets_snapshots(struct targets *t, uint64_t now);
/* EV_TARGET detach for all that live. */
/* Where the known streams of all targets stand now, as raw records for emit (EV_F_READING). */
int targets_readings(struct targets *t, struct buf *out);
void targets_detach(struct targets *t);

#endif
