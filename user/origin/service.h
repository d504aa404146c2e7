/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service.h - what to call the service that a process serves: unit, program, executable. */
#ifndef ORIGIN_SERVICE_H
#define ORIGIN_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#define SERVICE_NAME_MAX 128

struct service_facts {
	const char *unit; /* systemd unit, or NULL */
	const char *exe; /* resolved path, or NULL */
	const char *comm; /* or NULL */
	const char *const *argv;
	size_t argc; /* 0: not known */
};

/*
 * Writes a name (NUL-terminated, never empty). Returns false when it is only that of a wrapper - a
 * shell with -c, sudo, timeout - whose child will have a better one.
 */
bool service_derive(const struct service_facts *f, char out[SERVICE_NAME_MAX]);

#endif
