/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* snapshot.h - what /proc says of a process or the host, as JSON (keys: README.md of this folder).
 */
#ifndef PROBE_SNAPSHOT_H
#define PROBE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "probe/kernel.h"

/*
 * Append the snapshot of a process. pid: its name in our /proc; start_ns: by which it is told from
 * a later one with the same number. false: it is gone or is another one, and b is as before.
 */
bool snapshot_process(struct buf *b, uint32_t pid, uint64_t start_ns, const char *nodename);
/* The same with nothing but the file that it runs. */
bool snapshot_file(struct buf *b, uint32_t pid, uint64_t start_ns);
void snapshot_host(struct buf *b, const struct kernel_facts *k, unsigned hz);

#endif
