/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * maps.bpf.h - the maps and settings that all program files share.
 *
 * Maps are weak so that each object defines them and the linker keeps one. Sizes written here are
 * placeholders: user space sets them from its options before load.
 */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include "kernel.bpf.h"

/* ---- settings (rodata: constants to the verifier) --------------------------- */
extern const volatile __u32 copy_head; /* payload bytes copied of one call: the first … */
extern const volatile __u32 copy_tail; /* … and the last; copy_head + copy_tail <= EV_COPY_MAX */
extern const volatile __u32
	wake_bytes; /* wake the reader when the data ring holds more than this */
extern const volatile bool watch_exec; /* tell of the exec of any process */
extern const volatile bool watch_listen; /* tell of listen(2) by any process */

/* ---- variables that user space writes --------------------------------------- */
extern __u32 reader_sleeps; /* set by the reader before it sleeps, cleared by whoever wakes it */
extern __u32 iter_tgid; /* iterators: this process only; 0: all targets */
extern __u32 iter_listeners; /* task_file: listening sockets of every process, nothing else */
extern __u32 iter_readings; /* task_file: known streams, for their positions; else new ones */

/* The agent's own pid namespace and its level, found by the task iterator. */
extern __u64 agent_pid_ns;
extern __u32 agent_pid_level;

/*
 * How many targets share a slot of the low bits of tgid: the cheap test before the hash lookup. One
 * load decides for nearly every other process of the host.
 */
#define HINT_SLOTS 16384
extern __u32 target_hint[HINT_SLOTS];

/* ---- targets ---------------------------------------------------------------- */
struct target {
	__u64 start; /* of the leader, CLOCK_BOOTTIME ns; 0: not yet looked up */
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct target);
} targets __weak SEC(".maps");

/* ---- rings ------------------------------------------------------------------ */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} data_ring __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} life_ring __weak SEC(".maps");

/* ---- accounting ------------------------------------------------------------- */
/*
 * Counts and sequence numbers, for each CPU one set per program that can be in the middle of its
 * work while another runs: then a plain increment is exact. (Atomic fetch-and-add is not there
 * before 5.12.) Programs that an interrupt can run on top of themselves have a set per nesting
 * depth; from 6.2 the kernel does not let them and skips the inner run, for which there are twins
 * (below).
 */
#define SERIES_DEPTH 4
enum series_id {
	SERIES_CALL, /* system calls, and their twin */
	SERIES_CALL_TWIN,
	SERIES_FORK,
	SERIES_FORK_TWIN,
	SERIES_EXEC,
	SERIES_EXEC_TWIN,
	SERIES_EXIT,
	SERIES_EXIT_TWIN,
	SERIES_OOM,
	SERIES_STATE = 12,
	SERIES_STATE_TWIN = SERIES_STATE + SERIES_DEPTH,
	SERIES_DESTROY = SERIES_STATE_TWIN + SERIES_DEPTH,
	SERIES_DESTROY_TWIN = SERIES_DESTROY + SERIES_DEPTH,
	SERIES_SIGNAL = SERIES_DESTROY_TWIN + SERIES_DEPTH,
	SERIES_COUNT = SERIES_SIGNAL + SERIES_DEPTH,
};
#define SERIES_SHIFT 56 /* its id stands in the top byte of ev_hdr.cpu_seq */

struct series {
	struct ev_cpu_counts counts; /* first: user space adds them up */
	__u64 compat_calls; /* second: 32-bit and x32 calls of targets, not read */
	__u64 data_seq;
	__u64 life_seq;
	__u32 id;
	__u32 depth; /* of the first of a nestable group */
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIES_COUNT);
	__type(key, __u32);
	__type(value, struct series);
} series_map __weak SEC(".maps");

/*
 * Twins. A program does not run on a CPU on which it is in the middle of a run: the kernel skips it
 * (from 6.2). That happens to an interrupt's state change on top of another, and from 6.19, where
 * tracepoints can be preempted, to every task that gets the CPU while one was preempted inside. So
 * a second copy is attached behind the first, which works when the first did not. How it knows is
 * said at each.
 */
#define TOLD_SLOTS 65536
extern const volatile bool twins; /* all twins are attached */
extern const volatile bool state_twins; /* those of on_set_state and on_destroy are */
extern const volatile __u32 n_cpus;
extern __u32 call_told[TOLD_SLOTS]; /* by low bits of tid: whose exit the first copy works on */
extern __u32 exec_told[TOLD_SLOTS / 16];

/* ---- streams ---------------------------------------------------------------- */
enum stream_flag {
	STREAM_ANNOUNCED = 1 << 0, /* EV_CONN is in the ring */
	STREAM_ACCEPTED = 1 << 1,
	STREAM_CONNECTED = 1 << 2,
	STREAM_ACTIVE = 1 << 3, /* TCP: this end sent the SYN, which bytes_acked counts as a byte */
	STREAM_BASED = 1 << 4, /* TCP: STREAM_ACTIVE is decided */
	STREAM_FIN_SENT = 1 << 5, /* TCP: write_seq counts our FIN as a byte */
	STREAM_COUNTED = 1 << 6, /* positions are count[], not the socket's own */
	STREAM_RCV_KNOWN = 1 << 7, /* rcv_nxt is set */
	STREAM_CLOSED = 1 << 8, /* TCP: reached CLOSE; rx_pos, tx_pos are of that moment */
	STREAM_STATE_TOLD = 1 << 9, /* the first copy of on_set_state was here */
};

/* When bytes [from, to) of the peer became readable. */
#define STREAM_STAMPS 4
struct stamp {
	__u64 ts;
	__u32 from, to;
};

struct stream {
	/* each call of its owner */
	__u64 inode; /* 0: a TCP socket that nobody has accepted yet */
	__u64 sk;
	__u32 flags;
	__u32 tgid;
	__s32 fd;
	__u32 pad;
	__u32 last_seq[2]; /* seq32 after the last call, by enum ev_dir */
	__u64 count[2]; /* STREAM_COUNTED: bytes moved, by enum ev_dir */
	/* seldom; keeps apart what two CPUs write */
	__u64 rx_pos, tx_pos; /* at the last state change */
	/* each arrival, on the CPU of whoever sent */
	__u32 rcv_nxt; /* of the last stamp */
	__u32 stamps; /* written so far */
	struct stamp stamp[STREAM_STAMPS];
};

/* TCP sockets that targets use, by struct sock: removed when the socket is destroyed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct stream);
} socks __weak SEC(".maps");

/* Unix sockets and pipes by inode: no probe tells of their end, so the oldest makes room. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct stream);
} counted __weak SEC(".maps");

/* Where a unix socket was last used, so that close(2) of that descriptor means something. */
struct fd_key {
	__u32 tgid;
	__s32 fd;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fd_key);
	__type(value, __u64);
} unix_fds __weak SEC(".maps");

/*
 * Sockets whose end found the ring full: nothing would ever tell of them again. User space collects
 * them in its own time. By inode.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct ev_state);
} untold __weak SEC(".maps");

/* Where targets listen: their children's first bytes arrive before anybody has accepted them. */
struct port_key {
	__u32 netns;
	__u32 port;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct port_key);
	__type(value, __u8);
} listen_ports __weak SEC(".maps");

/* The same without the namespace: one load decides for nearly every other socket of the host. */
#define PORT_HINTS 65536
extern __u8 port_hint[PORT_HINTS];

static __always_inline void listen_port_add(struct port_key *k)
{
	__u8 one = 1;

	bpf_map_update_elem(&listen_ports, k, &one, BPF_ANY);
	port_hint[k->port & (PORT_HINTS - 1)] = 1;
}

#endif
