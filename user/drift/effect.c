/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* effect.c - how large a change is: effect sizes from the counts that a detector keeps anyway. */
#include <math.h>
#include <string.h>

#include "drift/edet.h"

#define GROUPS 10

/* Reference (pool without what came since the onset) and window as counts of the same symbols. */
struct sides {
	unsigned symbols;
	double r[PROFILE_MAX_SYMBOLS], w[PROFILE_MAX_SYMBOLS]; /* counts */
	double nr, nw;
	struct edet_sums sr, sw;
};

static void split(const struct edet *d, struct sides *s)
{
	memset(s, 0, sizeof(*s));
	s->symbols = 2 * d->n_edges + 1;
	for (unsigned i = 0; i < s->symbols; i++) {
		s->w[i] = d->cn[i];
		s->r[i] = (double)d->c[i] - (d->growing ? s->w[i] : 0);
		s->nw += s->w[i];
		s->nr += s->r[i];
	}
	s->sr = d->pool;
	s->sw = d->since;
}

/*
 * Counts of the window in ten groups of equal share of the reference. A symbol that lies across a
 * border is split as its part of the reference is, as a randomised rank would do it. Returns how
 * many groups there really are: few values make few.
 */
static unsigned group(const struct sides *s, double *q)
{
	double lo = 0;
	unsigned used = 0;

	memset(q, 0, GROUPS * sizeof(*q));
	for (unsigned i = 0; i < s->symbols; i++) {
		const double width = s->r[i] / s->nr, hi = lo + width;
		unsigned g = (unsigned)fmin(GROUPS - 1, lo * GROUPS + 1e-9);

		used += s->r[i] > 0 || s->w[i] > 0;
		if (s->r[i] <= 0)
			q[g] += s->w[i];
		else
			for (; g < GROUPS; g++) {
				const double a = fmax(lo, (double)g / GROUPS);
				const double b = fmin(hi, (double)(g + 1) / GROUPS);

				if (b <= a)
					break;
				q[g] += s->w[i] * (b - a) / width;
			}
		lo = hi;
	}
	return used < GROUPS ? used : GROUPS;
}

static void divergences(const struct sides *s, struct effect *e)
{
	double q[GROUPS], psi = 0, js = 0;
	const unsigned groups = group(s, q);
	/* Half a count for each real group. */
	const double half = 0.5 * groups / GROUPS;

	for (unsigned g = 0; g < GROUPS; g++) {
		const double p1 = 1.0 / GROUPS, q1 = q[g] / s->nw, m = (p1 + q1) / 2;
		const double p = (s->nr / GROUPS + half) / (s->nr + half * GROUPS);
		const double w = (q[g] + half) / (s->nw + half * GROUPS);

		psi += (w - p) * log(w / p);
		js += 0.5 * p1 * log2(p1 / m) + (q1 > 0 ? 0.5 * q1 * log2(q1 / m) : 0);
	}
	psi -= (groups - 1) * (1 / s->nw + 1 / s->nr);
	e->psi = fmax(0, psi);
	e->js = fmax(0, js);
}

/* Integral over one stretch of |difference of distribution functions| that goes from a to b. */
static double area(double a, double b, double width)
{
	if (!isfinite(width))
		return 0;
	if (a * b >= 0)
		return (fabs(a) + fabs(b)) / 2 * width;
	return (a * a + b * b) / (2 * (fabs(a) + fabs(b))) * width;
}

static void distances(const struct edet *d, const struct sides *s, struct effect *e)
{
	double fr = 0, fw = 0, ks = 0, w1 = 0;

	for (unsigned i = 0; i < s->symbols; i++) {
		const double before = fw - fr;

		fr += s->r[i] / s->nr;
		fw += s->w[i] / s->nw;
		ks = fmax(ks, fabs(fw - fr));
		/* Even symbols are the stretches between edges; the outermost have no ends. */
		if (i % 2 == 0 && i > 0 && i + 1 < s->symbols)
			w1 += area(before, fw - fr, d->edge[i / 2] - d->edge[i / 2 - 1]);
	}
	e->ks = ks;
	/* Beyond the edges the means of what lies there differ by the area, unless curves cross. */
	if (s->sr.n > 0 && s->sw.n > 0) {
		w1 += fabs(s->sw.below / s->sw.n - s->sr.below / s->sr.n);
		w1 += fabs(s->sw.above / s->sw.n - s->sr.above / s->sr.n);
		e->wasserstein = w1 / e->ref_sd;
	}
}

/* Where half of the counts lies below, by straight lines between edges. */
static double median(const struct edet *d, const double *c, double n, const struct edet_sums *sum)
{
	const double half = n / 2;
	double below = 0;
	unsigned i = 0;

	while (i < 2 * d->n_edges && below + c[i] < half)
		below += c[i++];
	if (i % 2)
		return d->edge[i / 2];
	/* No edge on the far side: the mean of what lies there. */
	if (i == 0)
		return d->n_edges && c[0] > 0 ? d->edge[0] - sum->below / c[0] : NAN;
	if (i == 2 * d->n_edges)
		return d->edge[i / 2 - 1] + (c[i] > 0 ? sum->above / c[i] : 0);
	return d->edge[i / 2 - 1] +
	       (d->edge[i / 2] - d->edge[i / 2 - 1]) * (c[i] > 0 ? (half - below) / c[i] : 0);
}

/*
 * The reference's median as the edge that comes nearest to it (at most 1/128 away while the edges
 * are fresh), so that the values above it can be counted exactly.
 */
static void count_above(const struct edet *d, const struct sides *s, struct effect *e)
{
	double below = 0, nearest = 2;
	unsigned best = 0;

	if (!d->n_edges)
		return;
	for (unsigned i = 1; i < s->symbols; i += 2) {
		double off;

		below += s->r[i - 1];
		off = fabs((below + s->r[i] / 2) / s->nr - 0.5);
		below += s->r[i];
		if (off < nearest) {
			nearest = off;
			best = i;
		}
	}
	e->ref_median = d->edge[best / 2];
	for (unsigned i = best + 1; i < s->symbols; i++)
		e->above += d->cn[i];
}

static double sd(const struct edet_sums *s)
{
	const double mean = s->x / s->n, var = s->xx / s->n - mean * mean;

	return isfinite(var) && s->n > 0 ? sqrt(fmax(0, var)) : NAN;
}

static double finite_or_nan(double v)
{
	return isfinite(v) ? v : NAN;
}

void edet_effect(const struct edet *d, struct effect *e)
{
	struct sides s;

	split(d, &s);
	*e = (struct effect){
		.psi = NAN,
		.js = NAN,
		.ks = NAN,
		.wasserstein = NAN,
		.mean_shift_sigma = NAN,
		.n = d->n_since,
		.early = d->n_since < EDET_EARLY,
		.ref_mean = NAN,
		.ref_sd = NAN,
		.ref_median = NAN,
		.new_mean = NAN,
		.new_sd = NAN,
		.new_median = NAN,
	};
	if (s.nw <= 0 || s.nr <= 0)
		return;
	if (s.sr.n > 0 && s.sw.n > 0) {
		e->ref_mean = finite_or_nan(d->ref_mean + s.sr.x / s.sr.n);
		e->new_mean = finite_or_nan(d->ref_mean + s.sw.x / s.sw.n);
		e->ref_sd = isnan(d->ref_sd) ? NAN : sd(&s.sr);
		e->new_sd = sd(&s.sw);
		e->mean_shift_sigma = finite_or_nan((e->new_mean - e->ref_mean) / e->ref_sd);
	}
	divergences(&s, e);
	distances(d, &s, e);
	e->wasserstein = finite_or_nan(e->wasserstein);
	e->new_median = median(d, s.w, s.nw, &s.sw);
	count_above(d, &s, e);
}
