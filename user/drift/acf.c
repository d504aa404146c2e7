/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* acf.c - running autocovariances of ranks. */
#include "drift/acf.h"

#include <string.h>

typedef float vec __attribute__((vector_size(16)));

void acf_start(struct acf *a, uint32_t unit, uint64_t period)
{
	memset(a, 0, sizeof(*a));
	a->unit = unit;
	a->period = period;
}

void acf_break(struct acf *a)
{
	memset(a->past, 0, sizeof(a->past));
}

bool acf_add(struct acf *a, double u)
{
	const float x = (float)(u - 0.5);
	vec *sum = (vec *)a->sum, past;

	if (++a->skip < a->unit)
		return false;
	a->skip = 0;
	for (unsigned i = 0; i < ACF_LAGS / 4; i++) {
		memcpy(&past, a->past + a->at + 4 * i, sizeof(past));
		sum[i] += past * x;
	}
	a->past[a->at] = a->past[a->at + ACF_LAGS] = x;
	a->at = (a->at + 1) % ACF_LAGS;
	a->x += (double)x;
	a->xx += (double)x * (double)x;
	return ++a->n * a->unit >= a->period;
}

struct tau acf_tau(const struct acf *a)
{
	const double n = (double)a->n, mean = a->x / n, var = a->xx / n - mean * mean;
	struct tau t = TAU_START;

	if (!a->n || var <= 0)
		return t;
	for (unsigned k = 1; k <= ACF_LAGS; k++) {
		const double c = (double)a->sum[ACF_LAGS - k] / n - mean * mean;

		if (!profile_tau_add(&t, k, c / var))
			break;
	}
	return t;
}
