/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * conn.h - the connection table: events of one socket or pipe put together into two byte streams
 * with positions, known gaps and times. One-way: conn_on_event() calls the stream sink, never back.
 */
#ifndef CONN_CONN_H
#define CONN_CONN_H

#include "base/table.h"
#include "capture/decode.h"

enum gap_kind {
	GAP_OMITTED, /* planned: copy limit, sendfile, splice, io_uring: bytes that were never going
			to be seen */
	GAP_LOST, /* against our will: ring full, copy fault */
};
enum conn_role { CONN_UNKNOWN, CONN_SERVER, CONN_CLIENT };
enum conn_closer { CLOSED_NOT, CLOSED_BY_TARGET, CLOSED_BY_PEER };

/* One direction. Positions count from the connection's first byte, 64 bits. */
struct stream {
	uint64_t pos; /* bytes accounted for: parsed + omitted + lost */
	uint64_t parsed, omitted, lost;
	uint64_t last_ts; /* monotonic ns of the last bytes */
	uint32_t seq32; /* stream position modulo 2^32 that belongs to pos */
	bool known; /* seq32 is set */
	bool eof;
};

struct conn {
	uint64_t inode, sk;
	enum transport transport;
	enum conn_role role;
	bool late; /* it was there before the agent */
	bool endpoints_known;
	uint16_t family, local_port, peer_port;
	uint8_t local[16], peer[16];
	char *path; /* unix, or NULL */
	uint32_t netns;
	uint32_t tgid, tid; /* who moved bytes last */
	uint64_t start;
	int32_t fd;
	struct stream dir[2]; /* by enum direction */
	uint64_t open_ts, last_ts; /* monotonic ns */
	enum conn_closer closer; /* who closed or reset first */
	uint64_t closed_ts;
	bool reset;
	bool evicted; /* it ended for want of room, not for anything that it did */
	void *proto; /* the protocol's own state; freed through its table row */
	const struct proto *proto_row;
	struct lru_node lru;
};

/* Times and facts of one call, handed along with its bytes. */
struct chunk {
	uint64_t ts; /* monotonic ns: reads: end of the call; writes: when the bytes left (ts_sent
			where it is trustworthy) */
	uint64_t ts_enter; /* 0: unknown */
	uint64_t wait_ns; /* reads: how long the first byte had lain readable; WAIT_UNKNOWN */
	uint32_t tgid, tid;
	uint64_t start; /* of tgid */
	bool blocked; /* the writer met a full socket: the peer does not read */
	bool blocking; /* one long blocking write: only its end is known */
};

/* What comes out. Called in stream order for each direction. */
struct stream_sink {
	void *ctx;
	void (*bytes)(void *ctx, struct conn *c, enum direction d, uint64_t pos, const uint8_t *p,
		      size_t n, const struct chunk *ch);
	void (*gap)(void *ctx, struct conn *c, enum direction d, uint64_t pos, uint64_t n,
		    enum gap_kind kind, const struct chunk *ch);
	/* one direction ended (EOF read, FIN written or met, shutdown) */
	void (*eof)(void *ctx, struct conn *c, enum direction d, uint64_t ts);
	/* the connection is over: closed, reset, evicted, its last owner died, or the agent stopped
	 */
	void (*end)(void *ctx, struct conn *c, uint64_t ts, bool agent_stop);
	/* the writer met a full socket and wrote nothing */
	void (*stalled)(void *ctx, struct conn *c, uint64_t ts);
};

struct conn_stats {
	uint64_t opened, closed, evicted, table_full;
	uint64_t listeners_full; /* listening ports that found no room */
	uint64_t parsed, omitted,
		lost; /* bytes, both directions, connections that have gone included */
	uint64_t unordered;
};

struct conn_table;
/* max: connections held at once; the one idle for longest makes room (its open exchange ends
 * unfinished). */
struct conn_table *conn_table_new(size_t max, uint32_t hz, const struct stream_sink *sink);
void conn_table_free(struct conn_table *t);
/* DATA, CONN, STATE, CLOSE, LISTEN, EXIT (unix sockets and pipes of the dead); others are ignored.
 */
void conn_on_event(struct conn_table *t, const struct event *ev);
/* The agent stops: every connection ends (agent_stop). In order of opening, so replay agrees. */
void conn_stop(struct conn_table *t, uint64_t ts);
const struct conn_stats *conn_stats(const struct conn_table *t);
struct conn *conn_lookup(const struct conn_table *t, uint64_t inode);
size_t conn_count(const struct conn_table *t);

#endif
