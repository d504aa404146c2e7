/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* vmlinux.h - x86_64: the registers of a system call and the thread flags, then the shared types.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pt_regs {
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long cs;
};
struct thread_info {
	unsigned int status; /* TS_COMPAT while a 32-bit system call runs */
};
#pragma clang attribute pop

#include "vmlinux/kernel.h"

#endif
