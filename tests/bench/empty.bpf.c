// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* empty.bpf.c - the least that any monitor of system calls costs: a program at sys_exit that does
 * nothing. */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

SEC("tp_btf/sys_exit")
int on_sys_exit(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
