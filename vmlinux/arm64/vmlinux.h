/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* vmlinux.h - arm64: the registers of a system call, then the shared types. */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pt_regs {
	unsigned long long regs[31];
	unsigned long long pstate;
	unsigned long long orig_x0;
	int syscallno;
};
struct thread_info {
	unsigned long flags;
};
#pragma clang attribute pop

#include "vmlinux/kernel.h"

#endif
