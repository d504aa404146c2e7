// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* empty.bpf.c - the yardstick: what any program at sys_exit costs that does nothing there. */
#include "kernel.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_exit")
int BPF_PROG(empty)
{
	return 0;
}
