/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.h - what the host must offer before anything is loaded, and what is measured on it. */
#ifndef PROBE_HOST_H
#define PROBE_HOST_H

#include "base/err.h"
#include "probe/kernel.h"
#include "probe/load.h"
#include "probe/probe.h"

/* Kernel, BTF and capabilities. -1 and e (EXIT_HOST): which is missing, how to grant it. */
int host_check(const struct kernel_facts *k, struct err *e);
/* Does every --pid exist? -1 and e (EXIT_NO_TARGET). */
int host_check_pids(const struct probe_opts *o, struct err *e);
/* What every --cgroup means, *rules is to be freed; -1 and e (EXIT_NO_TARGET): it can be none. */
int host_check_cgroups(const struct probe_opts *o, struct cgroup_rule **rules, struct err *e);
/* Can CMD be started? -1 and e (EXIT_NO_TARGET). */
int host_check_cmd(const struct probe_opts *o, struct err *e);
/* Ticks per second by two looks at the kernel's tick counter; 0: could not be measured. */
unsigned host_hz_measured(struct loaded *l);

#endif
