/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup_rule.h - what the path given to --cgroup means in terms of /proc/PID/cgroup. */
#ifndef PROBE_CGROUP_RULE_H
#define PROBE_CGROUP_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct cgroup_rule {
	char path[512]; /* inside the hierarchy, without a slash at the end; "" is the root */
	char controllers[128]; /* of a v1 hierarchy: "cpu,cpuacct", "name=systemd"; else "" */
	bool any; /* no hierarchy was named: whichever has that path */
	bool awaited; /* there is no such cgroup yet */
};

/*
 * mounts: text of /proc/self/mountinfo, changed by this. given: a directory below a mount point, or
 * a path as /proc/PID/cgroup shows it, then with or without its first slash. -1 and e
 * (EXIT_NO_TARGET): it can be no cgroup.
 */
int cgroup_rule_make(struct cgroup_rule *r, const char *given, char *mounts, struct err *e);
/* text of /proc/PID/cgroup, n bytes: is that process in the cgroup or below it? */
bool cgroup_rule_matches(const struct cgroup_rule *r, const char *text, size_t n);

#endif
