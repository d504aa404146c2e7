/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * edet.h - the numeric rank detector: bets on exact smoothed ranks, Shiryaev-Roberts e-detector.
 * Randomised ranks against all that came before are uniform and independent while nothing changes
 * (Vovk, Nouretdinov, Gammerman 2003); E[evidence] grows at most by 1 per exchange (Shin, Ramdas,
 * Rinaldo 2024), so alarming at w_f * E >= A gives at most T/A false alarms in T exchanges over all
 * features together. Derivation, parameters and traps: README.md of this folder.
 */
#ifndef DRIFT_EDET_H
#define DRIFT_EDET_H

#include "data/profile.h"
#include "drift/acf.h"

#define EDET_BETS 17
#define EDET_LANES 20 /* bets padded to whole vectors of four floats */
#define EDET_CELLS 512
#define EDET_POOL_MAX 65536 /* (4/h)^2 at h = 0.015: from here the pool's own error is inside h */
#define EDET_EARLY 200 /* effects of fewer values are biased */

/* Bet tables for one tolerance; shared by all detectors, built once. */
struct edet_table;
/*
 * min_effect: largest tolerated difference of the distribution functions;
 * h = max(0.015, 2 * min_effect). NULL when memory is out.
 */
struct edet_table *edet_table_new(double min_effect);
void edet_table_free(struct edet_table *t);

/* Sums of finite values that moments and Wasserstein distance are made of. */
struct edet_sums {
	double n;
	double x, xx; /* of x - ref_mean */
	double below, above; /* of (e1 - x)+ and (x - em)+ */
};

struct edet {
	const struct edet_table *table;
	uint64_t key; /* of the counter-based random numbers: from the feature's name */
	uint64_t counter; /* values so far */
	unsigned n_edges;
	unsigned stride; /* every stride-th value counts, on average */
	unsigned gap, skip; /* from the last that counted to the next; to now */
	double pivot[8] __attribute__((aligned(16))); /* every eighth edge */
	double edge[PROFILE_MAX_EDGES + 1] __attribute__((aligned(16))); /* padded with infinity */
	uint32_t c[PROFILE_MAX_SYMBOLS + 1] __attribute__((aligned(16))); /* the pool */
	uint32_t block[8]; /* sums of 16 counts each */
	uint32_t cn[PROFILE_MAX_SYMBOLS + 1]; /* counts since the estimated onset */
	uint64_t n; /* sum of c */
	uint64_t n_since; /* sum of cn */
	uint8_t recent[16]; /* the first symbols counted in cn: undone faster than cleared */
	float m[EDET_LANES] __attribute__((aligned(16)));
	double evidence; /* sum of m */
	/*
	 * exp of the walk L = max(0, L + ln(E / (E_before + s))) that dates the onset: 1 is L = 0.
	 * Needs no logarithm and cannot overflow: its steps telescope to less than E / s.
	 */
	double walk;
	uint64_t onset_ts;
	double ref_mean, ref_sd; /* sd is NaN where it is unknown */
	struct edet_sums pool, since; /* pool: without what came since the onset */
	uint64_t stride_n; /* values that the stride was estimated from */
	struct acf acf; /* of all values while the pool grows */
	bool restride; /* a period of acf is complete */
	bool growing; /* values since the onset are in the pool as well */
	bool alarmed;
	double recover; /* recovery statistic R */
	double log_more; /* log-evidence gathered since the alarm */
	float mix[EDET_LANES] __attribute__((aligned(16))); /* M_j/E at the alarm */
};

/* Start from a reference of a numeric feature. */
void edet_init(struct edet *d, const struct edet_table *t, const struct profile_feature *ref,
	       uint64_t key);

enum edet_event { EDET_NONE, EDET_ALARM, EDET_RECOVERED };
/*
 * Feed the value of one exchange in the feature's own unit; ts is what onset_ts will hold. NaN
 * counts as missing and leaves the evidence alone. threshold: A / w_f. After EDET_ALARM
 * the pool is frozen; after EDET_RECOVERED the caller may still read effects and then must call
 * edet_resume.
 */
enum edet_event edet_update(struct edet *d, double x, uint64_t ts, double threshold);
void edet_resume(struct edet *d);
/* The evidence now: an e-value. It goes on growing (and falling) after the alarm. */
double edet_evidence(const struct edet *d);
/* The randomised rank that x would have, v uniform in [0,1). */
double edet_rank(const struct edet *d, double x, double v);

/* Effect sizes by SPEC 2 (`drift`), and what people ask next. NaN: does not apply. */
struct effect {
	double psi, js, ks, wasserstein, mean_shift_sigma;
	uint64_t n; /* values since the onset */
	bool early; /* n < EDET_EARLY: biased */
	double ref_mean, ref_sd, ref_median, new_mean, new_sd, new_median;
	uint64_t above; /* of the n values: above the reference's median */
};
/* Effect sizes of the values since the onset against the pool without them. */
void edet_effect(const struct edet *d, struct effect *e);

#endif
