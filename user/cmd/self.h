/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* self.h - the agent's account of itself: what the kernel side and each room saw, passed on and
 * lost. */
#ifndef CMD_SELF_H
#define CMD_SELF_H

#include "alert/hook.h"
#include "capture/decode.h"
#include "conn/conn.h"
#include "drift/drift.h"
#include "exchange/exchange.h"
#include "output/output.h"
#include "proto/proto.h"
#include "record/record.h"

/* What the self record is made from; pointers to rooms' counters, read when it is rendered. */
struct self_view {
	const struct conn_stats *conn;
	const struct proto_stats *proto;
	const struct proto_room *heads;
	const struct exchange_stats *exchange;
	const struct origin_stats *origin;
	const struct drift_stats *drift;
	struct hook *hook; /* NULL: none, or not to be told of */
	uint64_t conns_open, processes, alerts_firing, alerts_refused;
	uint64_t exchange_bytes, process_bytes, drift_bytes; /* held now */
	uint64_t unknown_events; /* of a later version: passed over */
	uint64_t parse_lost, records_cut, values_left_out;
	struct output **out;
	size_t n_out;
};

/* Last counters seen: kept because the final ones arrive before the last exchanges end. */
struct self_state {
	char *counters; /* JSON objects, rendered when the counters came */
	size_t counters_len;
	char *agent;
	size_t agent_len;
	uint64_t lost[3], seen,
		submitted; /* sums over CPUs and kinds; lost: ring_full, table_full, copy_fault */
	bool final;
};

void self_on_counters(struct self_state *s, const struct event_counters *c);
void self_on_agent(struct self_state *s, const char *json, size_t n);
void self_free(struct self_state *s);
/* Fill r (record_init'ed by this); strings live in scratch. */
void self_to_record(const struct self_state *s, const struct self_view *v, uint64_t ts,
		    struct record *r, struct buf *scratch);

#endif
