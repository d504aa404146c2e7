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

#define DRIFT_MAX_SERVICES 64
#define DRIFT_MAX_EXAMPLES 8

enum drift_state { DRIFT_LEARNING, DRIFT_STABLE, DRIFT_WARNING, DRIFT_DRIFT, DRIFT_RECOVERED };
extern const char *const drift_state_name[];

struct drift_opts {
	const struct profile *baseline; /* NULL: learn; must outlive the drift */
	uint64_t learn; /* exchanges per service; 0: what is not in the baseline is not watched */
	double false_alarms; /* per million exchanges, whole feature set: A = 1e6 / false_alarms */
	double min_effect;
	size_t max_memory; /* bytes for all services together; 0: no limit */
};

/*
 * What one exchange contributes: of each feature one value, chosen at random where there are
 * several. Strings live while the call runs.
 */
struct drift_input {
	const char *service;
	const struct scope *host, *proc;
	uint64_t ts; /* realtime ns */
	const uint8_t *id; /* of the exchange, 16 bytes */
	const struct feature_value *value; /* request features before response features */
	size_t n;
};

/* A state change, for alerts. */
struct drift_change {
	const char *service, *feature;
	bool response; /* a feature of what came out */
	bool baseline; /* the reference was given, not learned */
	enum drift_state state;
	double evidence, threshold; /* e-values; threshold = A / w */
	struct effect effect;
	uint64_t ref_n; /* values in the reference pool */
	uint64_t since_ts, ts; /* estimated onset; now */
	const struct scope *host, *proc;
	const uint8_t *exchange; /* id of the one that brought the change, 16 bytes */
	const uint8_t (*examples)[16]; /* exchange ids since the onset, newest last */
	size_t n_examples;
};
struct drift_sink {
	void *ctx;
	/* DRIFT (again when the effect is no longer early) and RECOVERED only. */
	void (*change)(void *ctx, const struct drift_change *c);
};

struct drift;
/* NULL when memory is out. */
struct drift *drift_new(const struct drift_opts *o, const struct record_sink *records,
			const struct drift_sink *alerts);
void drift_free(struct drift *d); /* NULL allowed */
void drift_on_exchange(struct drift *d, const struct drift_input *in);
struct drift_stats {
	uint64_t exchanges, changes;
	uint64_t features; /* with a detector */
	uint64_t folded; /* values of features that found no place */
	uint64_t refused; /* detectors that memory had no room for */
	uint64_t unwatched; /* exchanges of services that found no place */
};
const struct drift_stats *drift_stats(const struct drift *d);
size_t drift_memory(const struct drift *d); /* bytes held now; 0 without a limit */

#endif
