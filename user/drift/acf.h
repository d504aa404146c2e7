/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * acf.h - serial dependence of a stream of ranks as it goes by: autocovariances at 32 lags of a
 * unit, over periods that double.
 */
#ifndef DRIFT_ACF_H
#define DRIFT_ACF_H

#include <stdbool.h>
#include <stdint.h>

#include "data/profile.h"

#define ACF_LAGS 32

struct acf {
	float past[2 * ACF_LAGS]; /* the last 32 ranks, twice: a window without a seam at `at` */
	float sum[ACF_LAGS] __attribute__((aligned(16))); /* products; the last is lag 1 */
	double x, xx;
	uint32_t at;
	uint32_t unit, skip; /* every unit-th value is looked at */
	uint64_t n, period; /* in units; in values */
};

void acf_start(struct acf *a, uint32_t unit, uint64_t period);
/* One rank in [0,1). True when the period is complete. */
bool acf_add(struct acf *a, double u);
/* The values before and after do not follow each other. */
void acf_break(struct acf *a);
/* Integrated autocorrelation time so far, in units. */
struct tau acf_tau(const struct acf *a);

#endif
