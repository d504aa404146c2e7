/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* load.h - the kernel side as one object: sized, loaded, attached; and its maps as user space sees
 * them. */
#ifndef PROBE_LOAD_H
#define PROBE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "bpf/event.h"
#include "probe/kernel.h"

#define LIFE_RING_BYTES ((size_t)1 << 20)

struct load_opts {
	size_t ring_bytes; /* data ring; rounded up to a power of two of at least 64 KiB */
	uint32_t copy_head, copy_tail; /* together at most EV_COPY_MAX */
	uint32_t max_targets; /* processes */
	uint32_t max_sockets; /* TCP; half of it for unix sockets and pipes: 250 bytes each */
	bool watch_exec, watch_listen;
};

struct modelsnoop_bpf;

struct loaded {
	struct modelsnoop_bpf *skel;
	size_t ring_bytes; /* as rounded */
	unsigned cpus; /* possible ones */
	int targets_fd, counts_fd, data_fd, life_fd;
	/* variables of the kernel side, shared memory */
	uint32_t *target_hint;
	uint32_t *reader_sleeps;
	uint32_t *iter_tgid;
	uint32_t *iter_listeners;
	uint32_t *iter_readings;
	bool stamps_arrival; /* sk_data_ready is there */
	const char *backend; /* how system calls are seen: "tp_btf/sys_exit" … */
};

/* Open, size, load. -1 and e (EXIT_HOST or EXIT_FAILED). */
int load_open(struct loaded *l, const struct kernel_facts *k, const struct load_opts *o,
	      struct err *e);
int load_attach(struct loaded *l, struct err *e);
/* From here on no record is made; what is in the rings stays readable. */
void load_detach(struct loaded *l);
void load_close(struct loaded *l);

/* Put a process in or out, by its number in the host's pid namespace and its start. 0 or -errno (in
 * already: 0).
 */
int load_target_add(struct loaded *l, uint32_t tgid, uint64_t start);
void load_target_del(struct loaded *l, uint32_t tgid);

enum load_iter { LOAD_ITER_TASK, LOAD_ITER_FILES };
/* Run an iterator and append all it writes to out. 0 or -errno. */
int load_iterate(struct loaded *l, enum load_iter which, struct buf *out);

/* Counts of all CPUs into c (cpus entries) and the number of 32-bit calls of targets. 0 or -errno.
 */
int load_counts(const struct loaded *l, struct ev_cpu_counts *c, uint64_t *compat_calls);
/* Upper bound of the runs that the kernel left out because one was under way on that CPU. */
uint64_t load_missed_runs(const struct loaded *l);

/* For doctor: each program by name, loaded and attached alone for a moment. */
struct load_trial {
	const char *name, *use; /* what is lost without it */
	bool optional;
	int err; /* 0, or -errno of load or attach; -ENOENT: the kernel has no such tracepoint */
};
size_t load_try(const struct kernel_facts *k, struct load_trial *t, size_t max);

/* Append, as EV_STATE records, the ends of sockets that found the ring full, and forget them. */
void load_untold(struct loaded *l, struct buf *out);

#endif
