/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * edet.h - the numeric rank detector: bets on exact smoothed ranks, Shiryaev-Roberts e-detector.
 * Randomised ranks against all that came before are uniform and independent while nothing changes
 * (Vovk, Nouretdinov, Gammerman 2003); E[evidence] grows at most by s_f per value (Shin, Ramdas,
 * Rinaldo 2024), so alarming at w_f * E >= A gives at most T/A false alarms in T exchanges over all
 * features together. Derivation, parameters and traps: README.md of this folder.
 */
#ifndef DRIFT_EDET_H
#define DRIFT_EDET_H

#include "data/profile.h"

#define EDET_BETS 17
#define EDET_POOL_MAX 65536 /* (4/h)^2 at h = 0.015: from here the pool's own error is inside h */

/* Bet tables for one tolerance; shared by all detectors, built once. */
struct edet_table;
/* min_effect: largest tolerated difference of the distribution functions; h = max(0.015, 2 * min_effect). */
struct edet_table *edet_table_new(double min_effect);
void edet_table_free(struct edet_table *t);

struct edet {
	const struct edet_table *table;
	uint64_t key; /* of the counter-based random numbers: from the feature's name */
	uint64_t counter; /* values ranked so far */
	unsigned n_edges;
	double edge[PROFILE_MAX_EDGES];
	uint32_t c[PROFILE_MAX_SYMBOLS]; /* the pool */
	uint32_t cn[PROFILE_MAX_SYMBOLS]; /* counts since the estimated onset */
	uint64_t n; /* sum of c */
	uint64_t n_since; /* sum of cn */
	double m[EDET_BETS];
	double evidence; /* sum of m */
	double l; /* log-evidence walk that dates the onset */
	uint64_t onset_ts;
	double sum_since, sumsq_since; /* of the values in cn, relative to ref_mean */
	double ref_mean, ref_sd;
	uint64_t ref_n;
	unsigned stride, skip; /* every stride-th value counts */
	bool alarmed;
	double recover; /* recovery statistic R */
	double mix[EDET_BETS]; /* M_j/E at the alarm */
};

/* Start from a reference of a numeric feature (pool = its counts, thinned by the stride). */
void edet_init(struct edet *d, const struct edet_table *t, const struct profile_feature *ref, uint64_t key);

enum edet_event { EDET_NONE, EDET_ALARM, EDET_RECOVERED };
/*
 * Feed one value in the feature's own unit; ts is what onset_ts will hold. NaN counts as missing
 * and leaves the evidence alone. threshold: A / w_f. After EDET_ALARM the pool is frozen until
 * EDET_RECOVERED.
 */
enum edet_event edet_update(struct edet *d, double x, uint64_t ts, double threshold);

struct effect {
	double psi, js, ks, wasserstein, mean_shift_sigma;
	uint64_t n; /* values since the onset */
	bool early; /* n < 200: biased */
};
/* Effect sizes of cn against the reference pool, by SPEC 2 (`drift`). */
void edet_effect(const struct edet *d, struct effect *e);

#endif
