/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* entry.h - what the files of this room know of a connection beyond what others may see. */
#ifndef CONN_ENTRY_H
#define CONN_ENTRY_H

#include "conn/conn.h"
#include "conn/holes.h"

#define ENTRY_USERS 4
#define DEAD_REMEMBERED 64

/* From include/net/tcp_states.h. */
enum tcp_state {
	TCPS_ESTABLISHED = 1,
	TCPS_SYN_SENT = 2,
	TCPS_SYN_RECV = 3,
	TCPS_FIN_WAIT1 = 4,
	TCPS_FIN_WAIT2 = 5,
	TCPS_TIME_WAIT = 6,
	TCPS_CLOSE = 7,
	TCPS_CLOSE_WAIT = 8,
	TCPS_LAST_ACK = 9,
	TCPS_CLOSING = 11,
};

/* What only this room needs of one direction. */
struct entry_dir {
	uint64_t mark; /* holes.count at the last event that told this direction's position */
	uint64_t ts; /* when that was */
	uint64_t base; /* position at which we met it; what lies before is accounted as base_kind */
	enum gap_kind base_kind;
	bool base_known; /* pos is the socket's own count, not one from where we met it */
	bool fresh; /* nothing accounted for since we met it */
	bool fin; /* the sequence was seen to count a FIN */
	uint8_t stuck; /* calls in a row that lay wholly before our position */
};

struct entry {
	struct conn c; /* first: what the sink sees is this */
	uint64_t serial; /* in order of opening */
	struct lru_node order; /* all entries, in order of opening */
	struct lru_node closing; /* TCP_CLOSE met, waiting for stragglers */
	struct entry_dir dir[2];
	uint64_t before_ts; /* end of the call before the newest: sendmmsg makes several records of
			       one */
	uint64_t close_ts; /* of TCP_CLOSE */
	uint64_t final_pos[2]; /* what the socket had counted then */
	struct entry_user {
		uint32_t tgid;
		int32_t fd;
	} user[ENTRY_USERS]; /* processes known to use it: unix sockets and pipes */
	uint8_t users;
	bool users_more; /* more than fit */
	bool counted; /* positions are the kernel side's own counter */
	bool late_flag; /* the kernel side said so */
	bool peer_fin; /* a state showed that the peer's FIN has come */
	bool local_fin; /* … that ours was sent, before the newest state */
	bool is_closing;
	bool ended; /* the sink was told; kept until the socket is destroyed, so stragglers are
		       known */
};

struct conn_table {
	size_t max;
	uint32_t hz;
	struct stream_sink sink;
	struct table by_inode, by_sk, listening;
	struct lru idle; /* least recently used first */
	struct lru order;
	struct lru closing;
	struct holes holes;
	struct conn_stats stats;
	struct {
		uint64_t start;
		uint32_t tgid; /* 0: free */
	} dead[DEAD_REMEMBERED]; /* processes that exited last; their sockets end after them */
	unsigned next_dead;
	uint64_t serial;
	size_t live;
	size_t live_counted; /* of those, unix sockets and pipes */
};

/* ---- entry.c: life ---- */

static inline bool entry_is_counted(const struct entry *e)
{
	return e->c.transport != TRANSPORT_TCP;
}
struct entry *entry_of_order(struct lru_node *n);
/* Makes room where there is none. NULL: no memory. */
struct entry *entry_open(struct conn_table *t, const struct event *ev, uint64_t inode, uint64_t sk,
			 enum transport transport);
/* The entry of an inode, unless the inode is another socket's by now: then that one ends. */
struct entry *entry_find(struct conn_table *t, uint64_t inode, uint64_t sk, uint64_t ts);
/* Tell the sink, once, that it is over. The entry stays, so that stragglers are known for what they
 * are. */
void entry_end(struct conn_table *t, struct entry *e, uint64_t ts, bool agent_stop);
void entry_drop(struct conn_table *t, struct entry *e);
void entry_end_and_drop(struct conn_table *t, struct entry *e, uint64_t ts);
/* End it if nothing can come in either direction. e may be gone after that. */
void entry_end_if_both(struct conn_table *t, struct entry *e, uint64_t ts);
/* The first to close counts. */
void entry_closed_by(struct entry *e, enum conn_closer who, uint64_t ts);
/* The process of ev uses it by this descriptor. */
void entry_use(struct entry *e, const struct event *ev, int32_t fd);
/* A process gave it up; fd -1: whatever its descriptor. True if nobody known is left. */
bool entry_disuse(struct entry *e, uint32_t tgid, int32_t fd);

/* ---- tcp.c: states ---- */

void tcp_on_state(struct conn_table *t, const struct event *ev);
/* Sockets in TCP_CLOSE for long enough are over, whether their owner has closed them or not. */
void tcp_end_stragglers(struct conn_table *t, uint64_t now);
void tcp_end_closed(struct conn_table *t, struct entry *e);

/* ---- stream.c: positions, gaps, bytes ---- */

/* Positions and sequence numbers that a record of the connection as a whole tells. */
void stream_meet(struct conn_table *t, struct entry *e, enum direction d, uint64_t pos,
		 uint32_t seq32, bool seq_valid, uint64_t ts);
/* A counter of the kernel side's own now stands at seq32. */
void stream_recount(struct entry *e, enum direction d, uint32_t seq32);
/* One call's bytes, or an EOF (ret 0). Accounts for them; tells the sink unless the entry ended. */
void stream_on_data(struct conn_table *t, struct entry *e, const struct event *ev);
/* The socket's own count of a direction, when nothing more will come of it: what is missing is a
 * gap. */
void stream_reconcile(struct conn_table *t, struct entry *e, enum direction d, uint64_t true_pos,
		      uint64_t ts);
/* Tell the sink once that a direction ended. */
void stream_eof(struct conn_table *t, struct entry *e, enum direction d, uint64_t ts);
/* A hole came to light: jumps in its time that were taken for omission may have been loss. */
void stream_on_hole(struct conn_table *t, uint64_t from_ts, uint64_t to_ts);

#endif
