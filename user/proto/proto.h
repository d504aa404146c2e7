/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * proto.h - protocols as rows of one table, and the one struct by which they say what they saw.
 * proto_* functions are the stream sink of conn; what comes out goes to the message sink
 * (exchange).
 */
#ifndef PROTO_PROTO_H
#define PROTO_PROTO_H

#include "conn/conn.h"

enum msg_kind {
	MSG_REQUEST_LINE, /* opens exchange `index`; method, target, version */
	MSG_STATUS_LINE, /* status, version; 1xx too (then followed by MSG_HEADERS_END only) */
	MSG_HEADER, /* one header or trailer field */
	MSG_HEADERS_END,
	MSG_BODY, /* content bytes, transfer coding removed */
	MSG_BODY_GAP, /* n content bytes not seen (omitted or lost by gap_kind); n exact where known
		       */
	MSG_END, /* this direction of the exchange is complete */
	MSG_LOSS, /* n bytes of this exchange lost or omitted outside of bodies */
	MSG_UPGRADE, /* the exchange ends HTTP on this connection (101, CONNECT 2xx): name in
			`value` */
	MSG_ABORT, /* the exchange ends unfinished: see abort */
	MSG_ANOMALY, /* a shape that is not to be trusted: name in `name` (smuggling,
			conflicting-length, ...); index MSG_NO_EXCHANGE: of none */
	MSG_STALL, /* the writer met a full socket: the peer does not read */
	MSG_SIZE_UNKNOWN, /* framing went with a gap: the sizes of this side's BODY and BODY_GAP are
			     not its true size */
};

enum msg_abort {
	ABORT_NONE,
	ABORT_BY_PEER,
	ABORT_BY_TARGET,
	ABORT_LOST_SYNC,
	ABORT_AGENT_STOP,
	ABORT_EVICTED
};

#define MSG_NO_EXCHANGE UINT64_MAX /* index of a MSG_ANOMALY that belongs to no exchange */

struct msg {
	enum msg_kind kind;
	struct conn *conn;
	uint64_t index; /* of the exchange on this connection: 0, 1, 2 … requests and replies agree
			 */
	bool request; /* about the request, else about the response */
	uint64_t pos; /* stream position of the first byte that this is about */
	uint64_t ts; /* monotonic ns, by struct chunk's rule */
	const struct chunk *chunk; /* NULL where no bytes led to it */
	bool late; /* the exchange began before the agent saw the connection */
	union {
		struct {
			const char *method, *target;
			size_t method_len, target_len;
			int minor; /* HTTP/1.minor; -1: not seen */
			bool cut; /* answered before it was whole: the method may be empty, the
				     target ends where the bytes did */
		} request_line;
		struct {
			int status, minor;
		} status_line;
		struct {
			const char *name, *value;
			size_t name_len, value_len;
			bool trailer;
		} header;
		struct {
			const uint8_t *p;
			uint64_t n; /* BODY: bytes at p; BODY_GAP, LOSS: count, p NULL */
			enum gap_kind gap;
		} body;
		struct {
			const char *name;
		} note; /* UPGRADE, ANOMALY */
		enum msg_abort abort;
	};
};

/*
 * Room for what arrived in part (a head that calls cut): one for all connections, and those that
 * have not gone on for longest give way, as if their bytes had been lost.
 */
struct proto_room {
	size_t max, used; /* bytes; max 0: no limit */
	struct lru parts;
	uint64_t dropped; /* parts that gave way */
};

struct msg_sink {
	void *ctx;
	void (*emit)(void *ctx, const struct msg *m);
	struct proto_room *room; /* NULL: no limit */
};

enum proto_verdict { PROTO_NO, PROTO_MAYBE, PROTO_YES };
#define PROTO_PREFIX 64 /* undecided bytes kept for each direction */

struct proto {
	const char *name; /* network.protocol.name */
	/*
	 * Do these bytes, which begin a call, look like ours? p, n: all undecided bytes of the
	 * direction so far. After PROTO_MAYBE the caller keeps them (at most PROTO_PREFIX bytes a
	 * direction) and asks again with what follows appended; at PROTO_PREFIX bytes or more the
	 * answer is never PROTO_MAYBE. After PROTO_YES bytes() is called with the first undecided
	 * bytes again: with their own pos and the chunk (a copy) of the call that brought the first
	 * of them, then with the rest of the present call.
	 */
	enum proto_verdict (*detect)(const struct conn *c, enum direction d, const uint8_t *p,
				     size_t n);
	/* State is made at the first call (c->proto NULL); returns false when memory or a bound is
	 * out. */
	bool (*bytes)(struct conn *c, enum direction d, uint64_t pos, const uint8_t *p, size_t n,
		      const struct chunk *ch, const struct msg_sink *out);
	void (*gap)(struct conn *c, enum direction d, uint64_t pos, uint64_t n, enum gap_kind kind,
		    const struct chunk *ch, const struct msg_sink *out);
	void (*eof)(struct conn *c, enum direction d, uint64_t ts, const struct msg_sink *out);
	void (*end)(struct conn *c, uint64_t ts, bool agent_stop, const struct msg_sink *out);
	void (*stalled)(struct conn *c, uint64_t ts, const struct msg_sink *out);
	void (*free)(void *state);
	/*
	 * Asked once, with the bytes that detect() said PROTO_YES to: do they begin a request
	 * (true) or a reply? It settles the role of a connection that nobody saw being accepted or
	 * connected. NULL: the role stays unknown.
	 */
	bool (*is_request)(const uint8_t *p, size_t n);
	/* Bytes so far that belong to no exchange: after an upgrade, or where no step was found. */
	uint64_t (*outside)(const void *state);
};
extern const struct proto proto_http1;
extern const struct proto *const proto_table[]; /* NULL-terminated */

struct proto_stats {
	uint64_t bytes_unknown; /* of connections that speak nothing known */
	uint64_t bytes_outside; /* of connections that ended: belong to no exchange */
	uint64_t conns_unknown;
	uint64_t resyncs, anomalies;
};
struct proto_ctx {
	struct msg_sink out;
	struct proto_stats stats;
	const struct proto *const *table; /* NULL: proto_table */
	struct proto_room room;
};
/* A sink for conn_table_new whose ctx is px; called once, when px is filled in. */
struct stream_sink proto_stream_sink(struct proto_ctx *px);

#endif
