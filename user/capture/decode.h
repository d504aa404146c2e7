/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decode.h - raw records (ring or capture file) to checked events. Right of this line nothing
 * knows the wire layout. Whatever bytes come in, decode never reads outside them.
 */
#ifndef CAPTURE_DECODE_H
#define CAPTURE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_type {
	EVENT_DATA = 1,
	EVENT_CONN,
	EVENT_STATE,
	EVENT_CLOSE,
	EVENT_FORK,
	EVENT_EXEC,
	EVENT_EXIT,
	EVENT_OOM,
	EVENT_SIGNAL,
	EVENT_LISTEN,
	EVENT_TASK,
	EVENT_CLOCK,
	EVENT_COUNTERS,
	EVENT_TARGET,
	EVENT_PROC,
	EVENT_HOST,
	EVENT_AGENT,
	EVENT_STOP,
};

enum event_source { SOURCE_SYSCALL, SOURCE_SSL, SOURCE_STDIO, SOURCE_PROC };
enum transport { TRANSPORT_NONE, TRANSPORT_TCP, TRANSPORT_UNIX, TRANSPORT_PIPE };
enum direction { DIR_READ, DIR_WRITE }; /* as the target sees it */

#define WAIT_UNKNOWN UINT64_MAX

struct event_data {
	uint64_t ts_enter, ts_sent; /* monotonic ns, 0: unknown */
	uint64_t inode, sk;
	int64_t ret;
	uint64_t wait; /* ns or ticks (wait_ticks); WAIT_UNKNOWN */
	uint32_t seq32;
	int32_t fd;
	uint32_t msg_flags;
	uint16_t syscall;
	enum transport transport;
	enum direction dir;
	const uint8_t *head;
	const uint8_t *tail;
	size_t head_len, tail_len;
};

struct event_conn { /* EVENT_CONN and EVENT_LISTEN */
	uint64_t inode, sk;
	uint64_t rx_pos, tx_pos;
	uint32_t rx_seq32, tx_seq32;
	uint32_t netns, backlog;
	int32_t fd;
	uint16_t family, local_port, peer_port;
	enum transport transport;
	uint8_t tcp_state;
	uint8_t local[16], peer[16];
	char path[109]; /* NUL-terminated */
};

struct event_state {
	uint64_t inode, sk, rx_pos, tx_pos;
	uint16_t old_state, new_state;
	bool destroyed;
	bool own_abort; /* to TCP_CLOSE by the owner itself: neither reset nor timeout came in */
};

struct event_close {
	uint64_t inode;
	int32_t fd, how;
};

struct event_life { /* FORK, EXEC, EXIT, OOM, TASK */
	uint32_t ppid;
	uint64_t ppid_start, cgroup;
	int32_t exit_code;
	uint32_t uid, nspid;
	uint64_t oom_total_vm, oom_rss; /* KiB */
	char comm[17];
	char path[257];
};

struct event_signal {
	uint32_t target;
	int32_t sig, code;
	char comm[17];
};

struct event_clock {
	uint64_t realtime, boottime;
};

struct event_text { /* TARGET, PROC, HOST, AGENT, STOP */
	const char *p;
	size_t n;
	uint32_t kind;
};

struct event_count {
	uint64_t seen, submitted, lost_ring_full, lost_table_full, lost_copy_fault;
	uint64_t bytes_seen, bytes_lost;
};
#define EVENT_COUNT_KINDS 5
extern const char *const event_count_name[EVENT_COUNT_KINDS]; /* data conn state close life */

struct event_counters {
	uint32_t cpus;
	bool final;
	const uint8_t *raw; /* read with decode_counts */
};

struct event {
	enum event_type type;
	enum event_source source;
	/* flags of event.h, named */
	bool late, peek, trunc, copy_fault, blocked, unordered, omitted, accepted, connected, eof,
		from_iter, reading, wait_ticks, counted;
	uint32_t cpu;
	uint64_t cpu_seq;
	uint64_t ts; /* monotonic ns */
	uint32_t tgid, tid;
	uint64_t start; /* boottime ns of the leader's start */
	union {
		struct event_data data;
		struct event_conn conn;
		struct event_state state;
		struct event_close close;
		struct event_life life;
		struct event_signal signal;
		struct event_clock clock;
		struct event_counters counters;
		struct event_text text;
	};
};

/*
 * Check and unpack one record. Pointers in ev point into raw. Returns 0; -EINVAL for a record that
 * contradicts itself (count it as a parse loss); -ENOMSG for a type or version that is not known
 * (skip it).
 */
int decode_event(struct event *ev, const void *raw, size_t n);
/* Counts of one CPU and kind (index < EVENT_COUNT_KINDS) out of a counters event. */
void decode_counts(const struct event_counters *c, uint32_t cpu, int kind, struct event_count *out);

#endif
