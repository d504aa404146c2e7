/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * work.bpf.h - the work area of one system call's exit, one for each CPU and copy of the program.
 *
 * The body is cut into global functions, which the verifier checks one by one (a single function
 * would pass its limit of states on 5.10) and which may take numbers only there (pointers from
 * 5.12): they hand each other what they know here, and pass on which copy they work for. One copy
 * never runs twice at a time on one CPU, so nobody else writes meanwhile.
 */
#ifndef WORK_BPF_H
#define WORK_BPF_H

#include "maps.bpf.h"

/* A 64-bit process's own structures: fixed by the system call interface. */
struct user_iovec {
	__u64 base;
	__u64 len;
};
struct user_msghdr64 {
	__u64 name;
	__u64 namelen;
	__u64 iov;
	__u64 iovlen;
	__u64 control;
	__u64 controllen;
	__u64 flags; /* lower half */
};
struct user_mmsghdr64 {
	struct user_msghdr64 hdr;
	__u32 len;
	__u32 pad;
};

#define IOV_BATCH 16
#define IOV_BATCHES 64 /* UIO_MAXIOV is 1024 */

/* One transfer: what a backend found out about the call. */
struct transfer {
	__u64 buf; /* user address: the bytes, or iovs of struct user_iovec */
	__u64 want; /* bytes asked for, when iovs is 0 */
	__s64 ret; /* bytes moved, 0, or -errno */
	__u32 iovs; /* 0: buf is one plain buffer */
	__u32 msg_flags;
	__u32 after; /* bytes that the same call moved after these (mmsg) */
	__u8 dir; /* enum ev_dir */
	__u8 omitted; /* no buffer shows the bytes */
	__u8 pad[2];
};

struct work {
	__u64 ts;
	__u64 pid_tgid;
	__u64 start;
	__u64 arg[5];
	__s64 ret;
	__u32 nr;
	/* the descriptor, by fd_resolve() */
	__s32 fd;
	__u64 inode;
	__u64 sk;
	__u32 proto; /* enum ev_proto */
	__u32 conn_flags; /* EV_F_* for the announcement */
	__u32 copy; /* of the program: 0, or 1: the twin */
	__u32 pad;
	struct transfer t;
	struct {
		__u64 sock; /* what the file holds */
		__u64 file, sk; /* as in struct socket */
	} known; /* stream_known() */
	__u64 copy_n; /* copy_iov(): bytes to walk */
	__u64 pos; /* walked so far */
	__u64 total; /* what the call had asked for */
	__u64 fault; /* payload_copy(): some bytes could not be read */
	struct stream fresh; /* source of new map entries */
	struct user_mmsghdr64 mmsg;
	struct user_iovec iov[IOV_BATCH];
	struct ev_data rec;
	__u8 payload[]; /* 2 * (copy_head + copy_tail): any offset plus any length stays inside */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* set to the number of CPUs, twice that with twins */
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct work) + 2 * EV_COPY_MAX); /* set by the copy limits */
} works __weak SEC(".maps");

static __always_inline struct work *work_get(__u32 copy)
{
	__u32 i = bpf_get_smp_processor_id();

	if (copy)
		i += n_cpus;
	return bpf_map_lookup_elem(&works, &i);
}

/* Parts of the body, in the files named. */
int fd_resolve(__u32 copy); /* stream.bpf.c: w->fd to w->proto, inode, sk; returns proto */
int stream_announce(__u32 copy); /* stream.bpf.c */
int copy_batch(__u32 copy, __u32 k); /* payload.bpf.c */
int payload_copy(
	__u32 copy); /* payload.bpf.c: fills rec.head_len, tail_len and payload; 0 or 1: fault */
int transfer_record(__u32 copy); /* transfer.bpf.c: one EV_DATA for w->t */

#endif
