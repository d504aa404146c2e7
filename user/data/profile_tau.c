/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* profile_tau.c - serial dependence of a reference: integrated autocorrelation time and stride. */
#include "data/profile.h"

#include <math.h>
#include <stdlib.h>

/*
 * Lags tried at most. Reached only by tau > 400, where 65,536 values are worth fewer than 100 and a
 * longer look would not make a reference of them; it bounds the work at 0.1 s.
 */
#define TAU_MAX_LAG 2000

struct ranked {
	double x;
	uint32_t at;
};

static int by_value(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;

	return (a->x > b->x) - (a->x < b->x);
}

/* Centred mid-ranks into r, in the order of x. Returns their sum of squares, -1 without memory. */
static double centred_ranks(const double *x, size_t n, double *r)
{
	struct ranked *s = malloc(n * sizeof(*s));
	const double mid = (double)(n - 1) / 2;
	double ss = 0;

	if (!s)
		return -1;
	for (size_t i = 0; i < n; i++)
		s[i] = (struct ranked){ x[i], (uint32_t)i };
	qsort(s, n, sizeof(*s), by_value);
	for (size_t i = 0, j; i < n; i = j) {
		double rank;

		for (j = i + 1; j < n && s[j].x == s[i].x; j++)
			;
		rank = (double)(i + j - 1) / 2 - mid;
		ss += rank * rank * (double)(j - i);
		for (size_t k = i; k < j; k++)
			r[s[k].at] = rank;
	}
	free(s);
	return ss;
}

bool profile_tau_add(struct tau *t, unsigned k, double rho)
{
	t->sum += 2 * rho;
	if (rho > 0)
		t->tau += 2 * rho;
	if (t->cut == 0 && t->sum <= 0)
		t->cut = t->tau;
	return (double)k < 5 * t->tau;
}

static bool repeats(const double *r, size_t n, size_t period)
{
	for (size_t i = period; i < n; i++)
		if (r[i] != r[i - period])
			return false;
	return true;
}

double profile_tau(const double *x, size_t n)
{
	struct tau t = TAU_START;
	bool more;
	double *r, ss;

	if (n < 8)
		return 1;
	r = malloc(n * sizeof(*r));
	if (!r)
		return -1;
	ss = centred_ranks(x, n, r);
	more = ss > 0;
	for (unsigned k = 1; more && k < n / 2 && k <= TAU_MAX_LAG; k++) {
		double sum = 0;

		for (size_t i = k; i < n; i++)
			sum += r[i] * r[i - k];
		more = profile_tau_add(&t, k, sum / ss);
		if (t.cut > 0 && repeats(r, n, k)) {
			t.tau = t.cut;
			break;
		}
	}
	free(r);
	return ss < 0 ? -1 : t.tau;
}

unsigned profile_stride(double tau, uint64_t n)
{
	if (!(tau > 1.2))
		return 1;
	return (unsigned)ceil((double)n < 200 * tau ? 2 * tau : 1.5 * tau);
}
