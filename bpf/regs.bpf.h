/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * regs.bpf.h - the one place that knows registers: number and arguments of a system call as they
 * still stand at its exit, and whether the caller was a 32-bit task. `reg(field)` reads one field:
 * directly in a BTF-typed program, through the helper in a raw one.
 */
#ifndef REGS_BPF_H
#define REGS_BPF_H

#include "kernel.bpf.h"

#define reg(regs, typed, field) ((typed) ? (regs)->field : BPF_CORE_READ(regs, field))

#if defined(__TARGET_ARCH_x86)

#define X32_SYSCALL_BIT 0x40000000u
#define USER32_CS 0x23
#define TS_COMPAT 0x2

#define regs_nr(regs, typed) ((__u32)reg(regs, typed, orig_ax))
/* A task in 32-bit mode. Cheap, so it stands before the number test. */
#define regs_is_32(regs, typed) (reg(regs, typed, cs) == USER32_CS)
/* x32 numbers carry a bit of their own. */
#define regs_nr_is_foreign(nr) ((nr) != ~0u && ((nr)&X32_SYSCALL_BIT))

static __always_inline void regs_args(struct pt_regs *regs, bool typed, __u64 a[5])
{
	a[0] = reg(regs, typed, di);
	a[1] = reg(regs, typed, si);
	a[2] = reg(regs, typed, dx);
	a[3] = reg(regs, typed, r10);
	a[4] = reg(regs, typed, r8);
}

/* int $0x80 out of 64-bit code: only the thread's status tells. */
static __always_inline bool task_in_compat_call(void)
{
	struct task_struct *t;

	if (current_has_type())
		return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
	t = (void *)bpf_get_current_task();
	return BPF_CORE_READ(t, thread_info.status) & TS_COMPAT;
}

#elif defined(__TARGET_ARCH_arm64)

#define PSR_MODE32_BIT 0x10

#define regs_nr(regs, typed) ((__u32)reg(regs, typed, syscallno))
#define regs_is_32(regs, typed) (reg(regs, typed, pstate) & PSR_MODE32_BIT)
#define regs_nr_is_foreign(nr) false

static __always_inline void regs_args(struct pt_regs *regs, bool typed, __u64 a[5])
{
	a[0] = reg(regs, typed, orig_x0); /* x0 holds the result */
	a[1] = reg(regs, typed, regs[1]);
	a[2] = reg(regs, typed, regs[2]);
	a[3] = reg(regs, typed, regs[3]);
	a[4] = reg(regs, typed, regs[4]);
}

static __always_inline bool task_in_compat_call(void)
{
	return false;
}

#else
#error "no register layout for this architecture"
#endif

#endif
