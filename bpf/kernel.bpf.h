/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel.bpf.h - what every program file includes: types, helpers, and UAPI constants by name. */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "event.h"

/* Current with its type, from 5.11: its fields are plain loads, without a helper's call for each.
 */
enum bpf_func_id___typed { BPF_FUNC_get_current_task_btf___typed = 1 };
#define current_has_type() \
	bpf_core_enum_value_exists(enum bpf_func_id___typed, BPF_FUNC_get_current_task_btf___typed)

/* System-call numbers are tested against a table of this many bits; all of ours are below it. */
#define NR_LIMIT 512

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFIFO 0010000
#define SOCKFS_MAGIC 0x534f434b
#define PIPEFS_MAGIC 0x50495045

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define SOCK_STREAM 1
#define IPPROTO_TCP 6
#define TCP_ULP 31

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000

#define EAGAIN 11
#define ECONNRESET 104

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_FIN_WAIT1 4
#define TCP_CLOSE 7
#define TCP_CLOSE_WAIT 8
#define TCP_LAST_ACK 9
#define TCP_LISTEN 10

#endif
