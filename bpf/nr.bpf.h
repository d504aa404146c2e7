/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* nr.bpf.h - the system calls that are watched, by their number on each architecture. */
#ifndef NR_BPF_H
#define NR_BPF_H

#include "kernel.bpf.h"

#if defined(__TARGET_ARCH_x86)
#define NR_read 0
#define NR_write 1
#define NR_close 3
#define NR_readv 19
#define NR_writev 20
#define NR_sendfile 40
#define NR_connect 42
#define NR_accept 43
#define NR_sendto 44
#define NR_recvfrom 45
#define NR_sendmsg 46
#define NR_recvmsg 47
#define NR_shutdown 48
#define NR_listen 50
#define NR_setsockopt 54
#define NR_splice 275
#define NR_accept4 288
#define NR_recvmmsg 299
#define NR_sendmmsg 307
#define NR_preadv2 327
#define NR_pwritev2 328
#elif defined(__TARGET_ARCH_arm64)
#define NR_close 57
#define NR_read 63
#define NR_write 64
#define NR_readv 65
#define NR_writev 66
#define NR_sendfile 71
#define NR_splice 76
#define NR_listen 201
#define NR_accept 202
#define NR_connect 203
#define NR_sendto 206
#define NR_recvfrom 207
#define NR_setsockopt 208
#define NR_shutdown 210
#define NR_sendmsg 211
#define NR_recvmsg 212
#define NR_accept4 242
#define NR_recvmmsg 243
#define NR_sendmmsg 269
#define NR_preadv2 286
#define NR_pwritev2 287
#endif

#define NR_BIT(nr, word) ((nr) / 64 == (word) ? 1ull << ((nr) % 64) : 0)
#define NR_WORD(w)                                                                              \
	(NR_BIT(NR_read, w) | NR_BIT(NR_write, w) | NR_BIT(NR_close, w) | NR_BIT(NR_readv, w) | \
	 NR_BIT(NR_writev, w) | NR_BIT(NR_sendfile, w) | NR_BIT(NR_connect, w) |                \
	 NR_BIT(NR_accept, w) | NR_BIT(NR_sendto, w) | NR_BIT(NR_recvfrom, w) |                 \
	 NR_BIT(NR_sendmsg, w) | NR_BIT(NR_recvmsg, w) | NR_BIT(NR_shutdown, w) |               \
	 NR_BIT(NR_listen, w) | NR_BIT(NR_splice, w) | NR_BIT(NR_accept4, w) |                  \
	 NR_BIT(NR_recvmmsg, w) | NR_BIT(NR_sendmmsg, w) | NR_BIT(NR_preadv2, w) |              \
	 NR_BIT(NR_pwritev2, w) | NR_BIT(NR_setsockopt, w))

#endif
