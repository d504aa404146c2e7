/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * profile.h - a reference: for each feature the equal-depth edges and counts that ranks need, and
 * moments. Written as JSON (format documented in README.md of this folder, versioned, readable with jq).
 */
#ifndef DATA_PROFILE_H
#define DATA_PROFILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/table.h"
#include "data/feature.h"

#define PROFILE_BINS 64 /* B of the rank detector: at most 63 edges */
#define PROFILE_MAX_EDGES (PROFILE_BINS - 1)
#define PROFILE_MAX_SYMBOLS (2 * PROFILE_MAX_EDGES + 1)
#define PROFILE_MAX_VALUES 65536 /* raw values kept per feature while building (reservoir beyond) */
#define PROFILE_MAX_FEATURES 256
#define PROFILE_MAX_CATEGORIES 64

struct profile_category {
	char value[FEATURE_MAX_STR + 1];
	uint64_t count;
};

struct profile_feature {
	char name[FEATURE_MAX_NAME + 1];
	enum feature_kind kind;
	uint64_t n; /* values that were not missing */
	uint64_t missing;
	/* numeric */
	unsigned n_edges;
	double edge[PROFILE_MAX_EDGES];
	uint64_t count[PROFILE_MAX_SYMBOLS]; /* below e1, equal e1, between e1 and e2, … */
	double min, max, mean, m2; /* m2: sum of squared differences from the mean */
	double tau; /* integrated autocorrelation time of the ranks, in exchanges */
	/* categorical */
	unsigned n_categories;
	struct profile_category *category; /* most frequent first */
	uint64_t other; /* values of categories that did not fit */
	uint64_t singletons; /* values seen exactly once */
};

struct profile {
	struct profile_feature *feature[PROFILE_MAX_FEATURES];
	unsigned n_features;
	uint64_t rows;
	char created[40]; /* RFC 3339 */
	char source[256];
	unsigned folded; /* features beyond PROFILE_MAX_FEATURES */
};

struct profile_builder;
struct profile_builder *profile_builder_new(uint64_t seed);
void profile_builder_free(struct profile_builder *b);
/* Values of one row or exchange: begin, any number of adds, end. */
void profile_row_begin(struct profile_builder *b);
void profile_row_add(struct profile_builder *b, const struct feature_value *v);
void profile_row_end(struct profile_builder *b);
uint64_t profile_rows(const struct profile_builder *b);
/* Make the profile; the builder may go on afterwards. Features that only rise or whose strings are
 * all distinct are no data: dropped, named in *dropped (comma-separated) if not NULL. */
struct profile *profile_build(struct profile_builder *b, struct buf *dropped);
void profile_free(struct profile *p);

void profile_write(const struct profile *p, struct buf *out); /* JSON */
struct profile *profile_parse(const char *p, size_t n, struct err *e);
struct profile *profile_load(const char *path, struct err *e);
/* Feature by exact name, else the only one whose last path component is the same; NULL. */
const struct profile_feature *profile_find(const struct profile *p, const char *name, size_t n);

#endif
