/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert_state.h - an open alert, shared by the files of this room. */
#ifndef ALERT_ALERT_STATE_H
#define ALERT_ALERT_STATE_H

#include "base/buf.h"
#include "drift/drift.h"

enum alert_kind { ALERT_DATA_DRIFT, ALERT_PREDICTION_DRIFT, ALERT_CRASH, ALERT_OOM };
extern const char *const alert_kind_name[];

/* A feature that belongs to an alert. */
struct moved {
	char name[FEATURE_MAX_NAME + 1];
	bool response, baseline, recovered;
	double evidence, threshold;
	struct effect effect;
	uint64_t since_ts;
};

struct alert {
	uint8_t id[16];
	enum alert_kind kind;
	bool resolved;
	char *service;
	uint64_t opened_ts; /* of the cause: the first onset, the death */
	uint64_t now; /* event time of the last change */
	uint64_t told_ts; /* of the last record */
	unsigned told; /* records so far */
	bool changed, grown; /* since the last record: anything; the set of features */
	struct moved **moved; /* most evidence first */
	unsigned n_moved;
	uint8_t example[DRIFT_MAX_EXAMPLES][16];
	size_t n_examples;
	unsigned deaths;
	char death[256];
	struct scope *host, *proc; /* copies; proc may be NULL */
};

/* Why and what to do, by rule. */
struct advice {
	const char *action; /* investigate, recalibrate, retrain, rollback */
	const char *rule;
};
struct advice alert_advice(const struct alert *a);
const char *alert_severity(const struct alert *a);
/* One sentence that a person understands. */
void alert_summary(const struct alert *a, struct buf *out);
/* The last components of a feature's name, without where it came from. */
const char *alert_short_name(const char *feature);

struct record;
/* Fill r (initialised); strings live in scratch and a. */
void alert_record(const struct alert *a, struct record *r, struct buf *scratch);
/* The same as an Alertmanager webhook, version 4; r was emitted. */
void alert_webhook(const struct alert *a, const struct record *r, struct buf *out);

#endif
