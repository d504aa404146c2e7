/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup.h - what the path of a cgroup tells: container, pod, systemd unit. */
#ifndef ORIGIN_CGROUP_H
#define ORIGIN_CGROUP_H

#include <stddef.h>

#define CGROUP_UNIT_MAX 128

struct cgroup_identity {
	char container_id[65]; /* 64 hex digits of the innermost container, or "" */
	char pod_uid[37]; /* as Kubernetes prints it (dashes); a static pod's 32 digits; or "" */
	char unit[CGROUP_UNIT_MAX]; /* systemd service without ".service", or "" */
};

/* path: as in /proc/PID/cgroup after the last colon; any bytes. */
void cgroup_identify(const char *path, size_t n, struct cgroup_identity *out);

#endif
