/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* watch.h - one feature of one service under watch, and how its state changes are told. */
#ifndef DRIFT_WATCH_H
#define DRIFT_WATCH_H

#include "base/budget.h"
#include "base/table.h"
#include "drift/drift.h"

enum watch_mode {
	WATCH_LEARNING, /* its values go to the reference */
	WATCH_DETECTING,
	WATCH_IGNORED, /* no data, a kind without detector, or given up for another */
};

struct watch {
	char *name;
	size_t name_len;
	enum watch_mode mode;
	enum drift_state state;
	bool response;
	int baseline; /* feature of the baseline, -1: learned */
	struct edet *d; /* DETECTING only */
	double threshold;
	uint64_t ref_since; /* learned: when learning began */
	uint64_t key; /* of the choice below */
	/* The exchange that brought its last values, how many they are, and which of them counts.
	 */
	uint64_t last_exchange;
	uint32_t seen;
	struct feature_value value; /* lives while the exchange is looked at */
	uint64_t exchanges; /* LEARNING: that had a value of it */
	bool told_early; /* the drift was reported with an early effect */
	uint8_t example[DRIFT_MAX_EXAMPLES][16]; /* ring */
	uint64_t n_examples;
};

struct watch_out {
	const struct record_sink *records;
	const struct drift_sink *alerts;
	const struct profile *baseline;
	struct buf scratch;
	struct record rec;
	uint64_t changes;
};

/* Both come out of mem; NULL when it, or memory, is out. */
struct watch *watch_new(const char *name, size_t n, struct budget *mem);
void watch_free(struct watch *w, struct budget *mem); /* NULL allowed */
/* Give the detector back. */
void watch_stop(struct watch *w, struct budget *mem);
/* Start detecting against a reference. key: of the random numbers. 0 or -ENOMEM. */
int watch_start(struct watch *w, const struct edet_table *t, const struct profile_feature *ref,
		uint64_t key, double threshold, struct budget *mem);
/* The number that an exchange brought. */
void watch_value(struct watch *w, struct watch_out *out, const struct drift_input *in, double x);
/* Enter a state and say so. */
void watch_tell(struct watch *w, struct watch_out *out, const struct drift_input *in,
		enum drift_state state);

#endif
