/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * event.h - the records that the kernel side writes and user space reads: fixed layouts, native
 * byte order (little endian on both supported architectures), every size asserted.
 *
 * This is the only header that both sides share. The same records, in the same layout, make up a
 * capture file, together with those that user space makes from /proc (types >= EV_USER).
 */
#ifndef MODELSNOOP_EVENT_H
#define MODELSNOOP_EVENT_H

#ifndef __bpf__
#include <stdint.h>
typedef uint8_t __ev_u8;
typedef uint16_t __ev_u16;
typedef uint32_t __ev_u32;
typedef uint64_t __ev_u64;
typedef int32_t __ev_s32;
typedef int64_t __ev_s64;
#else
typedef unsigned char __ev_u8;
typedef unsigned short __ev_u16;
typedef unsigned int __ev_u32;
typedef unsigned long long __ev_u64;
typedef int __ev_s32;
typedef long long __ev_s64;
#endif

#define EV_VERSION 1
#define EV_COMM_LEN 16
#define EV_NODENAME_LEN 68 /* 64 and a NUL at most */
#define EV_PATH_LEN 256 /* exe path as the kernel saw it at exec; longer ones are cut */
#define EV_COPY_MAX 65536u /* most payload bytes that one call's record can carry */
#define EV_MAX_LEN (EV_COPY_MAX + 1024u)

enum ev_type {
	/* data ring: order within one stream matters */
	EV_DATA = 1, /* bytes moved by one call (or an EOF, or a full socket): struct ev_data */
	EV_CONN = 2, /* a stream met for the first time: struct ev_conn */
	EV_STATE = 3, /* TCP state change or end of a known socket: struct ev_state */
	EV_CLOSE = 4, /* close(2)/shutdown(2) of a known unix socket: struct ev_close */

	/* life ring */
	EV_FORK = 16, /* struct ev_life; the record is the child's */
	EV_EXEC = 17, /* struct ev_life */
	EV_EXIT = 18, /* struct ev_life; the last thread of a group has gone */
	EV_OOM = 19, /* struct ev_life; chosen as OOM victim */
	EV_SIGNAL = 20, /* struct ev_signal; a signal with a fatal default action was sent */
	EV_LISTEN = 21, /* struct ev_conn; a socket started to listen */
	EV_TASK = 22, /* struct ev_life; a process found by the iterator, there before attach */

	/* made by user space from /proc and clocks; travel in the same stream */
	EV_USER = 64,
	EV_CLOCK = 64, /* struct ev_clock */
	EV_COUNTERS = 65, /* struct ev_counters: what the kernel side saw, submitted and lost */
	EV_TARGET = 66, /* struct ev_text: a process became or ceased to be a target */
	EV_PROC = 67, /* struct ev_text: /proc snapshot of a process, JSON */
	EV_HOST = 68, /* struct ev_text: host snapshot, JSON */
	EV_AGENT = 69, /* struct ev_text: the agent's own cost since the start, JSON */
	EV_STOP = 70, /* struct ev_text: why the agent stopped; the last record of a run */
};

enum ev_flag {
	EV_F_LATE = 1 << 0, /* the stream was there before the agent */
	EV_F_PEEK = 1 << 1, /* MSG_PEEK: nothing was consumed */
	EV_F_TRUNC = 1 << 2, /* MSG_TRUNC: a length and no bytes */
	EV_F_COPY_FAULT = 1 << 3, /* payload could not be read: lost, counted */
	EV_F_BLOCKED = 1 << 4, /* a write met a full socket (EAGAIN or a short write) */
	EV_F_TLS_RECORD = 1 << 5, /* reserved: ciphertext */
	EV_F_UNORDERED = 1 << 6, /* another thread moved the same stream during the call */
	EV_F_OMITTED = 1 << 7, /* bytes that no buffer showed: sendfile, splice */
	EV_F_ACCEPTED = 1 << 8, /* EV_CONN: came from accept */
	EV_F_CONNECTED = 1 << 9, /* EV_CONN: came from connect */
	EV_F_EOF = 1 << 10, /* a read returned 0 */
	EV_F_ITER = 1 << 11, /* found by an iterator */
	EV_F_WAIT_TICKS = 1 << 12, /* ev_data.wait is in kernel ticks, not nanoseconds */
	EV_F_COUNTED = 1 << 13, /* seq32/pos are a counter of our own, not the socket's sequence */
	EV_F_COMPAT = 1 << 14, /* reserved: 32-bit task */
	/* EV_STATE to TCP_CLOSE: sk_err was 0, so no reset or timeout came in: the owner aborted it
	 * itself (close with unread data, SO_LINGER 0) */
	EV_F_OWN_ABORT = 1 << 15,
	/* EV_CONN: the positions of a known stream, read at the end of a run: what no record told
	 * of by then is missing. Stands after all records of the stream. */
	EV_F_READING = 1 << 16,
};

enum ev_dir { EV_READ = 0, EV_WRITE = 1 };
enum ev_source { EV_SRC_SYSCALL = 0, EV_SRC_SSL = 1, EV_SRC_STDIO = 2, EV_SRC_PROC = 3 };
enum ev_proto { EV_PROTO_NONE = 0, EV_PROTO_TCP = 1, EV_PROTO_UNIX = 2, EV_PROTO_PIPE = 3 };

/* Common to all records. */
struct ev_hdr {
	__ev_u32 len; /* whole record */
	__ev_u16 type; /* enum ev_type */
	__ev_u8 version;
	__ev_u8 source; /* enum ev_source */
	__ev_u32 flags; /* enum ev_flag */
	__ev_u32 cpu;
	/*
	 * Per CPU, ring and series; advances also when the reserve fails: a hole is a loss. The top
	 * byte names the series: each program, and each depth of those that can nest, counts by
	 * itself, so that no count can be interrupted. 0: made by user space or an iterator.
	 */
	__ev_u64 cpu_seq;
	__ev_u64 ts; /* CLOCK_MONOTONIC ns, end of the call */
	__ev_u32 tgid; /* in the host's pid namespace */
	__ev_u32 tid;
	__ev_u64 start; /* start of the thread group's leader: CLOCK_BOOTTIME ns */
	/*
	 * Life ring only: the data ring's producer position (bpf_ringbuf_query BPF_RB_PROD_POS)
	 * when this happened. The drain applies the record when it has consumed the data ring up to
	 * there: what a process did stands before its exit, the closes that its death does stand
	 * after it. 0 elsewhere.
	 */
	__ev_u64 data_pos;
};

struct ev_data {
	struct ev_hdr h;
	__ev_u64 ts_enter; /* start of the call, 0: unknown */
	__ev_u64 ts_sent; /* TCP writes: when the stack last transmitted on this socket (ns), 0:
			     unknown */
	__ev_u64 inode; /* identity of the socket or pipe */
	__ev_u64 sk; /* struct sock address: joins to EV_STATE, to nothing else */
	__ev_s64 ret; /* result of the call: bytes moved, 0, or -errno */
	__ev_u64 wait; /* reads: how long the first byte had lain readable (ns, or ticks by flag);
			  ~0: unknown */
	__ev_u32 seq32; /* stream position after the call, modulo 2^32 */
	__ev_u32 head_len; /* payload bytes that follow: the first of the call */
	__ev_u32 tail_len; /* then the last of the call; what is missing between is a planned gap */
	__ev_s32 fd;
	__ev_u32 msg_flags;
	__ev_u16 syscall; /* number on this architecture; mmsg families: one record a message */
	__ev_u8 proto; /* enum ev_proto */
	__ev_u8 dir; /* enum ev_dir */
	/* head_len + tail_len bytes */
};

/* A stream's endpoints and where its positions stand. */
struct ev_conn {
	struct ev_hdr h;
	__ev_u64 inode;
	__ev_u64 sk;
	__ev_u64 rx_pos; /* bytes read from it before this record */
	__ev_u64 tx_pos; /* bytes written to it before this record */
	__ev_u32 rx_seq32; /* position counters that belong to rx_pos and tx_pos, as in
			      ev_data.seq32 */
	__ev_u32 tx_seq32;
	__ev_u32 netns; /* inode of the network namespace */
	__ev_s32 fd;
	__ev_u16 family; /* AF_INET, AF_INET6, AF_UNIX, 0 for a pipe */
	__ev_u16 local_port; /* host byte order */
	__ev_u16 peer_port;
	__ev_u8 proto; /* enum ev_proto */
	__ev_u8 tcp_state; /* TCP_ESTABLISHED … */
	__ev_u32 backlog; /* EV_LISTEN: the backlog asked for */
	__ev_u32 pad;
	__ev_u8 local[16]; /* IPv4 in the first four bytes */
	__ev_u8 peer[16];
	char path[108]; /* unix: bound path of this end or of the peer's; abstract begins with '@'
			 */
	__ev_u32 pad2;
};

struct ev_state {
	struct ev_hdr
		h; /* tgid: the target whose close, shutdown or death it was; 0: peer or timer */
	__ev_u64 inode; /* 0: unknown */
	__ev_u64 sk;
	__ev_u16 old_state;
	__ev_u16 new_state; /* TCP states; EV_STATE_DESTROY: the socket is gone */
	__ev_u32 pad;
	__ev_u64 rx_pos; /* as in ev_conn; what the socket itself had counted at this moment */
	__ev_u64 tx_pos;
};
#define EV_STATE_DESTROY 255

struct ev_close {
	struct ev_hdr h;
	__ev_u64 inode;
	__ev_s32 fd;
	__ev_s32 how; /* SHUT_RD, SHUT_WR, SHUT_RDWR; -1: close(2) */
};

struct ev_life {
	struct ev_hdr h;
	__ev_u32 ppid; /* tgid of the parent */
	__ev_s32 exit_code; /* as wait(2) has it: status << 8 | core << 7 | signal */
	__ev_u64 ppid_start;
	__ev_u64 cgroup; /* id of the cgroup v2, 0: none */
	__ev_u32 uid;
	__ev_u32 nspid; /* pid in the innermost pid namespace */
	char comm[EV_COMM_LEN];
	__ev_u64 oom_total_vm; /* EV_OOM where the kernel tells: KiB; else 0 */
	__ev_u64 oom_rss;
	char path[EV_PATH_LEN]; /* EV_EXEC: file name given to execve; else empty */
};

/*
 * Behind the end (h.len) of EV_FORK, EV_EXEC, EV_EXIT, EV_OOM and EV_TASK as they come from the
 * kernel: for the agent's own use, cut off before the record goes into the stream.
 */
struct ev_life_extra {
	__ev_u64 jiffies;
	__ev_u32 view_pid; /* number in the agent's pid namespace: its name in /proc; 0: not visible
			    */
	char nodename[EV_NODENAME_LEN]; /* of its UTS namespace */
};

struct ev_signal {
	struct ev_hdr h; /* tgid, tid, start: the sender */
	__ev_u32 target; /* tgid */
	__ev_s32 sig;
	__ev_s32 code; /* si_code: <= 0 sent by a process, > 0 by the kernel */
	__ev_u32 pad;
	char comm[EV_COMM_LEN]; /* of the sender */
};

struct ev_clock {
	struct ev_hdr h; /* ts: CLOCK_MONOTONIC at the pair */
	__ev_u64 realtime; /* CLOCK_REALTIME ns */
	__ev_u64 boottime; /* CLOCK_BOOTTIME ns */
};

/* A record that carries UTF-8 text, as a rule a JSON object; the README of user/capture lists keys.
 */
struct ev_text {
	struct ev_hdr h; /* tgid, start: the process it is about, 0: the host */
	__ev_u32 text_len;
	__ev_u32 kind; /* EV_TARGET: enum ev_target_why; EV_PROC: enum ev_proc_what; else 0 */
	/* text_len bytes */
};
enum ev_target_why { EV_TARGET_ATTACH = 1, EV_TARGET_DETACH = 2 };
/* The last two hold "exe" alone. */
enum ev_proc_what {
	EV_PROC_SNAPSHOT = 0,
	EV_PROC_FILE = 1, /* what a process runs that others speak of: who sent a signal */
	EV_PROC_EXEC_FILE = 2, /* what the exec that follows in the stream led to */
};

/*
 * Loss accounting: seen = submitted + sum(lost), per CPU and kind, exactly. A record whose payload
 * could not be copied still goes out (flag EV_F_COPY_FAULT) and counts as lost, not as submitted.
 */
enum ev_count_kind {
	EV_COUNT_DATA,
	EV_COUNT_CONN,
	EV_COUNT_STATE,
	EV_COUNT_CLOSE,
	EV_COUNT_LIFE,
	EV_COUNT_KINDS
};
enum ev_lost_why { EV_LOST_RING_FULL, EV_LOST_TABLE_FULL, EV_LOST_COPY_FAULT, EV_LOST_WHYS };
struct ev_count {
	__ev_u64 seen;
	__ev_u64 submitted;
	__ev_u64 lost[EV_LOST_WHYS];
	__ev_u64 bytes_seen; /* EV_COUNT_DATA: bytes moved by the calls seen */
	__ev_u64 bytes_lost; /* of those, the bytes of records that were lost */
};
/* Per CPU value of the counters map. */
struct ev_cpu_counts {
	struct ev_count kind[EV_COUNT_KINDS];
};
struct ev_counters {
	struct ev_hdr h;
	__ev_u32 cpus; /* that many struct ev_cpu_counts follow, by CPU number */
	__ev_u32 final; /* 1: the last one of a run, taken after probes were detached */
	/* struct ev_cpu_counts[cpus] */
};

_Static_assert(sizeof(struct ev_hdr) == 56, "layout of ev_hdr");
_Static_assert(sizeof(struct ev_data) == 128, "layout of ev_data");
_Static_assert(sizeof(struct ev_conn) == 264, "layout of ev_conn");
_Static_assert(sizeof(struct ev_state) == 96, "layout of ev_state");
_Static_assert(sizeof(struct ev_close) == 72, "layout of ev_close");
_Static_assert(sizeof(struct ev_life) == 376, "layout of ev_life");
_Static_assert(sizeof(struct ev_life_extra) == 80, "layout of ev_life_extra");
_Static_assert(sizeof(struct ev_signal) == 88, "layout of ev_signal");
_Static_assert(sizeof(struct ev_clock) == 72, "layout of ev_clock");
_Static_assert(sizeof(struct ev_text) == 64, "layout of ev_text");
_Static_assert(sizeof(struct ev_count) == 56, "layout of ev_count");
_Static_assert(sizeof(struct ev_counters) == 64, "layout of ev_counters");

#endif /* MODELSNOOP_EVENT_H */
