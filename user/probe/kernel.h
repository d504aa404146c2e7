/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel.h - facts about the running kernel and our rights in it, on which the choice of programs
 * rests. */
#ifndef PROBE_KERNEL_H
#define PROBE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

struct btf;

struct kernel_facts {
	char release[65]; /* uname -r */
	unsigned version; /* major << 16 | minor << 8, 0 if the release is no number */
	struct btf *btf; /* of vmlinux; NULL: there is none, btf_errno says why */
	int btf_errno;
};
void kernel_facts_read(struct kernel_facts *k);
void kernel_facts_free(struct kernel_facts *k);

/* Is there BTF of the tracepoint's arguments, as tp_btf programs need it? */
bool kernel_has_tracepoint(const struct kernel_facts *k, const char *name);
/* Is the first argument of the tracepoint a pointer (a signature may have changed)? */
bool kernel_tracepoint_takes_pointer(const struct kernel_facts *k, const char *name);

/* Ticks per second out of the kernel's configuration, 0 if none can be read. */
unsigned kernel_hz_configured(const struct kernel_facts *k);

/* Is the capability in our effective set? CAP_SYS_ADMIN stands in for CAP_BPF and CAP_PERFMON. */
bool kernel_may(int cap);

uint64_t clock_ns(int clock_id);

#endif
