/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * drift.h - drift of one service after another: learning a reference or taking a given one, a
 * detector per feature, state changes as `drift` records and to the alert room.
 */
#ifndef DRIFT_DRIFT_H
#define DRIFT_DRIFT_H

#include "data/profile.h"
#include "drift/edet.h"
#include "record/record.h"

enum drift_state { DRIFT_LEARNING, DRIFT_STABLE, DRIFT_WARNING, DRIFT_DRIFT, DRIFT_RECOVERED };
extern const char *const drift_state_name[];

struct drift_opts {
	const struct profile *baseline; /* NULL: learn */
	uint64_t learn; /* exchanges per service */
	double false_alarms; /* per million exchanges, whole feature set: A = 1e6 / false_alarms */
	double min_effect;
};

/* What one exchange contributes. Strings live while the call runs. */
struct drift_input {
	const char *service;
	const struct scope *host, *proc;
	uint64_t ts; /* realtime ns */
	const uint8_t *id; /* of the exchange, 16 bytes */
	const struct feature_value *value;
	size_t n;
};

/* A state change, for alerts. */
struct drift_change {
	const char *service, *feature;
	bool response; /* a feature of what came out */
	enum drift_state state;
	double evidence, threshold; /* e-values; threshold = A / w */
	struct effect effect;
	double ref_mean, ref_sd, new_mean, share_beyond_median;
	uint64_t ref_n, since_ts, window_n, ts;
	const struct scope *host, *proc;
	const uint8_t (*examples)[16]; /* exchange ids since the onset, newest last */
	size_t n_examples;
};
struct drift_sink {
	void *ctx;
	void (*change)(void *ctx, const struct drift_change *c); /* DRIFT and RECOVERED only */
};

struct drift;
struct drift *drift_new(const struct drift_opts *o, const struct record_sink *records, const struct drift_sink *alerts);
void drift_free(struct drift *d);
void drift_on_exchange(struct drift *d, const struct drift_input *in);
struct drift_stats {
	uint64_t exchanges, features, folded, changes;
};
const struct drift_stats *drift_stats(const struct drift *d);

#endif
