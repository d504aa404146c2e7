/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile.h - a reference: for each feature the equal-depth edges and counts that ranks need, and
 * moments. Written as JSON (format documented in README.md of this folder, versioned, readable with
 * jq).
 */
#ifndef DATA_PROFILE_H
#define DATA_PROFILE_H

#include <stdint.h>

#include "base/budget.h"
#include "base/buf.h"
#include "base/err.h"
#include "data/feature.h"

#define PROFILE_VERSION 1
#define PROFILE_BINS 64 /* B of the rank detector: at most 63 edges */
#define PROFILE_MAX_EDGES (PROFILE_BINS - 1)
#define PROFILE_MAX_SYMBOLS (2 * PROFILE_MAX_EDGES + 1)
#define PROFILE_MAX_VALUES                                                     \
	65536 /* raw values kept per feature while building (reservoir beyond) \
	       */
#define PROFILE_MAX_FEATURES 256
#define PROFILE_MAX_CATEGORIES 64
#define PROFILE_MAX_DISTINCT 4096 /* strings told apart per feature while building */

struct profile_category {
	char value[FEATURE_MAX_STR + 1];
	uint64_t count;
};

struct profile_feature {
	char name[FEATURE_MAX_NAME + 1];
	enum feature_kind kind; /* NUMERIC or CATEGORICAL */
	uint64_t n; /* values that were not missing */
	uint64_t missing; /* rows without one */
	/*
	 * Numeric. The edges are order statistics of the pool: every stride-th value on average, or
	 * as many of a random subset where there were more than PROFILE_MAX_VALUES.
	 */
	unsigned n_edges;
	double edge[PROFILE_MAX_EDGES]; /* rising, may hold infinities, never NaN or -0 */
	uint64_t count[PROFILE_MAX_SYMBOLS]; /* below e1, equal e1, between e1 and e2, … */
	double min, max; /* of all values */
	double mean, m2; /* of the finite ones; m2: sum of squared differences from the mean */
	double below,
		above; /* mean of (e1 - x)+ and of (x - em)+ over the finite values of the pool */
	double tau; /* integrated autocorrelation time of the ranks, in values */
	unsigned stride; /* values that many apart on average count as independent */
	/* categorical */
	unsigned n_categories;
	struct profile_category *category; /* most frequent first */
	uint64_t other; /* values of categories that did not fit */
	uint64_t singletons; /* strings seen exactly once */
};

struct profile {
	struct profile_feature *feature[PROFILE_MAX_FEATURES];
	unsigned n_features;
	uint64_t rows;
	char since[40]; /* when the data began, RFC 3339; "" if unknown */
	char source[256]; /* where it came from, for people */
	unsigned folded; /* features beyond PROFILE_MAX_FEATURES */
};

struct profile_builder;
/*
 * seed: of the reservoirs, so the same rows give the same profile. max_values: numbers kept for all
 * features together (12 bytes each); a feature whose share is full samples from then on.
 */
struct profile_builder *profile_builder_new(uint64_t seed, uint64_t max_values);
/*
 * Columns, numbers and strings come out of mem from now on; what does not fit is sampled (numbers),
 * counted as other (strings) or folded (features). Before the first row; mem must outlive b.
 */
void profile_builder_budget(struct profile_builder *b, struct budget *mem);
void profile_builder_free(struct profile_builder *b); /* NULL allowed */
/*
 * Values of one row or exchange: begin, any number of adds, end. Of several values of one feature
 * one counts, chosen at random (a list of values in one row is no independent evidence).
 */
void profile_row_begin(struct profile_builder *b);
void profile_row_add(struct profile_builder *b, const struct feature_value *v);
void profile_row_end(struct profile_builder *b);
uint64_t profile_rows(const struct profile_builder *b);
/*
 * Make the profile; the builder may go on afterwards. Features that only rise, whose strings are
 * all distinct, or that hardly ever occur are no data: dropped, named with the reason in *dropped
 * ("id (only rises), token (all values differ)") if not NULL. NULL when memory is out.
 */
struct profile *profile_build(const struct profile_builder *b, struct buf *dropped);
struct profile *profile_new(void);
void profile_free(struct profile *p); /* NULL allowed */
/* Append a zeroed feature; NULL when full or out of memory. */
struct profile_feature *profile_add(struct profile *p);

void profile_write(const struct profile *p, struct buf *out); /* JSON */
struct profile *profile_parse(const char *p, size_t n, struct err *e);
struct profile *profile_load(const char *path, struct err *e);
/*
 * The feature that a live name means: the exact name, else the longest one that the live name ends
 * with at a component boundary ("petal_len", "features.petal_len" for
 * request.body.features.petal_len), else the only one with the same last component. NULL: none, or
 * not clear. profile_index gives its position, -1 for NULL.
 */
const struct profile_feature *profile_find(const struct profile *p, const char *name, size_t n);
int profile_index(const struct profile *p, const char *name, size_t n);

/* The symbol of x among m edges: 2k between edges, 2k+1 on edge k. x is not NaN. */
unsigned profile_symbol(const double *edge, unsigned m, double x);
/*
 * Integrated autocorrelation time: 1 + 2 sum of max(0, rho_k) up to the first lag k >= 5 tau (Sokal
 * 1997). cut: what it was where the plain sum fell to 0, a sign of a period; 0 if it never did.
 */
struct tau {
	double tau, sum, cut;
};
#define TAU_START ((struct tau){ 1, 1, 0 })
/* The autocorrelation at lag k, lags in order from 1. False when no more of them count. */
bool profile_tau_add(struct tau *t, unsigned k, double rho);
/*
 * Of n values in order, by their ranks; 1 when constant or too few. Where they are the same rows
 * again and again it counts up to the cut: a cycle comes back for ever, and that is no persistence.
 * -1 when memory is out.
 */
double profile_tau(const double *x, size_t n);
/* Stride for a reference of n values with that tau. */
unsigned profile_stride(double tau, uint64_t n);

#endif
