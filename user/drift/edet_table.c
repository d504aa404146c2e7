/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* edet_table.c - the bets: 17 densities on [0,1], tabulated and made safe for a tolerated effect.
 */
#include "drift/edet_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define MIN_H 0.015

/* One family of densities: its distribution function at u, z the normal quantile of u. */
struct bet {
	double (*cdf)(double u, double z, double parameter);
	double parameter;
	double weight;
};

static double normal_cdf(double z)
{
	return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Density d / (u + (1-u)d)^2: a shift of the log-odds by ln d. */
static double logistic_shift(double u, double z, double shift)
{
	(void)z;
	return u / (u + (1 - u) * exp(shift));
}

/* Density exp(theta z - theta^2 / 2). */
static double normal_shift(double u, double z, double theta)
{
	(void)u;
	return normal_cdf(z - theta);
}

/* Density exp(z^2/2 (1 - 1/s^2)) / s. */
static double normal_spread(double u, double z, double s)
{
	(void)u;
	return normal_cdf(z / s);
}

/* Twice the mass in eighth k. */
static double eighth(double u, double z, double k)
{
	const double lo = k / 8, inside = u < lo ? 0 : u > lo + 0.125 ? 0.125 : u - lo;

	(void)z;
	return 2 * inside + 6.0 / 7 * (u - inside);
}

static const struct bet bets[EDET_BETS] = {
	{ logistic_shift, 0.45, 0.5 },
	{ logistic_shift, -0.45, 0.5 },
	{ normal_shift, 0.6, 0.5 },
	{ normal_shift, -0.6, 0.5 },
	{ normal_shift, 1.5, 0.35 },
	{ normal_shift, -1.5, 0.35 },
	{ normal_spread, 1.25, 0.4 },
	{ normal_spread, 1.7, 0.4 },
	{ normal_spread, 0.75, 0.4 },
	{ eighth, 0, 0.1 },
	{ eighth, 1, 0.1 },
	{ eighth, 2, 0.1 },
	{ eighth, 3, 0.1 },
	{ eighth, 4, 0.1 },
	{ eighth, 5, 0.1 },
	{ eighth, 6, 0.1 },
	{ eighth, 7, 0.1 },
};

/* Inverse of normal_cdf by bisection: 511 of them, once. */
static double normal_quantile(double u)
{
	double lo = -9, hi = 9;

	for (int i = 0; i < 80; i++) {
		const double mid = (lo + hi) / 2;

		if (normal_cdf(mid) < u)
			lo = mid;
		else
			hi = mid;
	}
	return (lo + hi) / 2;
}

/*
 * Cell means of bet j with mean exactly 1, divided by
 * c = 1 + h sum sqrt(u(1-u)) |g(i+1) - g(i)|: since E_F g = 1 - integral of (F-u) dg, that makes
 * an e-value for every F with |F(u) - u| <= h sqrt(u(1-u)).
 */
static void tabulate(struct edet_table *t, unsigned j, const double *z)
{
	double g[EDET_CELLS], before = 0, c = 1;

	for (unsigned i = 0; i < EDET_CELLS; i++) {
		const double u = (double)(i + 1) / EDET_CELLS;
		const double at =
			i + 1 < EDET_CELLS ? bets[j].cdf(u, z[i + 1], bets[j].parameter) : 1;

		g[i] = (at - before) * EDET_CELLS;
		before = at;
	}
	for (unsigned i = 1; i < EDET_CELLS; i++) {
		const double u = (double)i / EDET_CELLS;

		c += t->h * sqrt(u * (1 - u)) * fabs(g[i] - g[i - 1]);
	}
	t->tolerance[j] = c;
	for (unsigned i = 0; i < EDET_CELLS; i++)
		t->g[i][j] = (float)(g[i] / c);
}

/* The promise rests on it: in float too, no bet has a mean above 1 under a uniform rank. */
static void check(const struct edet_table *t)
{
	double weights = 0;

	for (unsigned j = 0; j < EDET_BETS; j++) {
		double mean = 0;

		for (unsigned i = 0; i < EDET_CELLS; i++) {
			assert(t->g[i][j] > 0);
			mean += (double)t->g[i][j] / EDET_CELLS;
		}
		assert(mean <= 1);
		weights += (double)t->w[j];
	}
	assert(weights <= 1 + 1e-6);
	(void)weights;
}

struct edet_table *edet_table_new(double min_effect)
{
	struct edet_table *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);
	double z[EDET_CELLS] = { 0 }, sum = 0;

	if (!t)
		return NULL;
	*t = (struct edet_table){ .h = fmax(MIN_H, 2 * min_effect) };
	for (unsigned i = 1; i < EDET_CELLS; i++)
		z[i] = normal_quantile((double)i / EDET_CELLS);
	for (unsigned j = 0; j < EDET_BETS; j++)
		sum += bets[j].weight;
	for (unsigned j = 0; j < EDET_BETS; j++) {
		t->w[j] = (float)(bets[j].weight / sum);
		tabulate(t, j, z);
	}
	check(t);
	return t;
}

void edet_table_free(struct edet_table *t)
{
	free(t);
}
