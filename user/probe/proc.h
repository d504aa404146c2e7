/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* proc.h - reads single facts from /proc; a process may go away at any moment, which is no error.
 */
#ifndef PROBE_PROC_H
#define PROBE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* A file of at most max bytes into b (emptied first). 0 or -errno; longer files are cut. */
int proc_read(struct buf *b, size_t max, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same without trailing white space and as a string of at most n - 1 bytes; "" on failure. */
void proc_line(char *out, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Target of a link; false: not readable. */
bool proc_link(char *out, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Start in clock ticks after boot and state letter of a process; false: not there. */
bool proc_stat(uint32_t pid, uint64_t *start_ticks, char *state);
/* false also when it is not there. */
bool proc_is_kernel_thread(uint32_t pid);
/* Number after "NAME:" in /proc/PID/status (pid 0: self); false: not there. */
bool proc_status(uint32_t pid, const char *name, uint64_t *value);

/* A view of /proc/PID/cgroup: the unified path, or on cgroup v1 that of a controller. */
struct proc_cgroup {
	char path[512]; /* "/system.slice/x.service"; "" if unknown */
	bool v2;
};
bool proc_cgroup(uint32_t pid, struct proc_cgroup *c);
/* Smallest memory limit from this cgroup up to the root, 0: none is set or none can be read. */
uint64_t proc_memory_limit(const struct proc_cgroup *c);

#endif
