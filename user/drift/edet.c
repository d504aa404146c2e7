/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* edet.c - one numeric feature's detector: ranks, bets, onset, alarm, recovery. */
#include "drift/edet.h"

#include <math.h>
#include <string.h>

#include "data/draw.h"
#include "drift/edet_table.h"

typedef float vec __attribute__((vector_size(16)));
typedef double vec2 __attribute__((vector_size(16)));
typedef int64_t mask2 __attribute__((vector_size(16)));
typedef uint32_t vec4u __attribute__((vector_size(16)));
#define VECS (EDET_LANES / 4)

#define FIRST_PERIOD 250 /* values until the stride is looked at for the first time */
#define MAX_UNIT 4096

#define RECOVERY_LOG 11.512925464970229 /* ln 1e5 */

_Static_assert(PROFILE_MAX_EDGES == 63, "the search takes two steps of eight");
_Static_assert(PROFILE_MAX_SYMBOLS + 1 == 8 * 16, "blocks cover the counts");

static void add_pool(struct edet *d, unsigned s, uint32_t n)
{
	d->c[s] += n;
	d->block[s / 16] += n;
	d->n += n;
}

static void take_from_pool(struct edet *d)
{
	for (unsigned s = 0; s < PROFILE_MAX_SYMBOLS; s++) {
		d->c[s] -= d->cn[s];
		d->block[s / 16] -= d->cn[s];
		d->n -= d->cn[s];
	}
}

/* Fine enough to see a shorter stride, coarse enough for 32 lags to cover a longer one. */
static uint32_t acf_unit(unsigned stride)
{
	return stride < 8 ? 1 : stride / 4 < MAX_UNIT ? stride / 4 : MAX_UNIT;
}

void edet_init(struct edet *d, const struct edet_table *t, const struct profile_feature *ref,
	       uint64_t key)
{
	double pool_n, var;

	memset(d, 0, sizeof(*d));
	d->table = t;
	d->key = key;
	d->n_edges = ref->n_edges;
	d->walk = 1;
	for (unsigned i = 0; i < PROFILE_MAX_EDGES + 1; i++)
		d->edge[i] = i < ref->n_edges ? ref->edge[i] : INFINITY;
	for (unsigned i = 0; i < 8; i++)
		d->pivot[i] = d->edge[8 * i + 7];
	for (unsigned s = 0; s < 2 * ref->n_edges + 1; s++)
		add_pool(d, s, (uint32_t)ref->count[s]);
	d->stride = ref->stride ? ref->stride : 1;
	d->stride_n = ref->n;
	d->gap = draw_gap(~key, 0, d->stride);
	acf_start(&d->acf, acf_unit(d->stride), FIRST_PERIOD);
	d->ref_mean = ref->mean;
	var = ref->n ? ref->m2 / (double)ref->n : 0;
	d->ref_sd = isfinite(var) ? sqrt(var) : NAN;
	pool_n = (double)d->n;
	d->pool = (struct edet_sums){
		.n = pool_n,
		.xx = isfinite(var) ? var * pool_n : 0,
		.below = ref->below * pool_n,
		.above = ref->above * pool_n,
	};
	d->growing = d->n < EDET_POOL_MAX;
}

/* How many of eight numbers are below x. */
static inline unsigned below_of_8(const double *p, double x)
{
	const vec2 *v = (const vec2 *)p, xx = { x, x };
	/* A comparison gives -1 where it holds. */
	const mask2 sum = (v[0] < xx) + (v[1] < xx) + (v[2] < xx) + (v[3] < xx);

	return (unsigned)-(sum[0] + sum[1]);
}

static unsigned symbol(const struct edet *d, double x)
{
	unsigned i = 8 * below_of_8(d->pivot, x);

	/* The last pivot is an infinity, so i is 56 at most. */
	i += below_of_8(d->edge + i, x);
	return 2 * i + (i < d->n_edges && d->edge[i] == x);
}

/* Ones before place i of 16, else zeros, at 16 - i. */
static const uint32_t before_mask[32] __attribute__((aligned(16))) = {
	~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u,
};

static double rank(const struct edet *d, unsigned s, double v)
{
	const vec4u *c = (const vec4u *)(d->c + (s & ~15u));
	vec4u sum = { 0 }, m;
	uint64_t below;

	for (unsigned i = 0; i < 4; i++) {
		memcpy(&m, before_mask + 16 - s % 16 + 4 * i, sizeof(m));
		sum += c[i] & m;
	}
	below = (uint64_t)sum[0] + sum[1] + sum[2] + sum[3];
	for (unsigned b = 0; b < s / 16; b++)
		below += d->block[b];
	return ((double)below + v * ((double)d->c[s] + 1)) / ((double)d->n + 1);
}

double edet_rank(const struct edet *d, double x, double v)
{
	return rank(d, symbol(d, x), v);
}

static void sum_value(struct edet *d, double x)
{
	struct edet_sums *sum = &d->since;
	const double y = x - d->ref_mean;

	if (!isfinite(x))
		return;
	sum->n++;
	sum->x += y;
	sum->xx += y * y;
	if (!d->n_edges)
		return;
	if (x < d->edge[0] && isfinite(d->edge[0]))
		sum->below += d->edge[0] - x;
	else if (x > d->edge[d->n_edges - 1] && isfinite(d->edge[d->n_edges - 1]))
		sum->above += x - d->edge[d->n_edges - 1];
}

/* Nothing has been seen since now. */
static void forget_since(struct edet *d)
{
	if (d->n_since <= sizeof(d->recent))
		for (unsigned i = 0; i < d->n_since; i++)
			d->cn[d->recent[i]] = 0;
	else
		memset(d->cn, 0, sizeof(d->cn));
	d->n_since = 0;
	if (d->growing) {
		d->pool.n += d->since.n;
		d->pool.x += d->since.x;
		d->pool.xx += d->since.xx;
		d->pool.below += d->since.below;
		d->pool.above += d->since.above;
	}
	d->since = (struct edet_sums){ 0 };
	/* Decided here and kept until the next onset: what is since the onset is in the pool or
	 * not. */
	d->growing = d->n < EDET_POOL_MAX;
}

static void count_since(struct edet *d, unsigned s, double x)
{
	if (d->n_since < sizeof(d->recent))
		d->recent[d->n_since] = (uint8_t)s;
	d->cn[s]++;
	d->n_since++;
	sum_value(d, x);
}

/* M = (M + w * add) * G of that cell; returns the new sum. */
static double bet(struct edet *d, unsigned cell, float add)
{
	const vec *g = (const vec *)d->table->g[cell], *w = (const vec *)d->table->w;
	vec *m = (vec *)d->m, sum = { 0 };

#pragma GCC unroll 5
	for (unsigned i = 0; i < VECS; i++) {
		m[i] = (m[i] + w[i] * add) * g[i];
		sum += m[i];
	}
	return ((double)sum[0] + (double)sum[1]) + ((double)sum[2] + (double)sum[3]);
}

static void alarm_now(struct edet *d)
{
	for (unsigned j = 0; j < EDET_LANES; j++)
		d->mix[j] = (float)((double)d->m[j] / d->evidence);
	if (d->growing)
		take_from_pool(d);
	d->growing = false;
	d->alarmed = true;
	d->recover = 0;
	d->log_more = 0;
}

/*
 * While an alert is open M rests (it would overflow). Recovery tests the mixture of bets that won,
 * half-way to uniform: with the plain mixture alerts flap.
 */
static enum edet_event watch_recovery(struct edet *d, unsigned cell)
{
	const float *g = d->table->g[cell];
	double tolerated = 0, density = 0;

	for (unsigned j = 0; j < EDET_BETS; j++) {
		tolerated += (double)d->mix[j] * (double)g[j];
		density += (double)d->mix[j] * (double)g[j] * d->table->tolerance[j];
	}
	d->log_more += log(tolerated);
	d->recover = fmax(0, d->recover - log((1 + density) / 2));
	return d->recover >= RECOVERY_LOG ? EDET_RECOVERED : EDET_NONE;
}

/*
 * The stride by what the traffic itself shows, looked at whenever twice as many values are known.
 * Up when that is no chance: of independent values one estimate in a hundred at n = 250, one in a
 * thousand at 1,000 exceeds 1.2 + 15/sqrt(n) (4,000 simulated each; it is biased by 4/sqrt(n)).
 * Down only when twice as many values say so as the stride came from. A period keeps its full
 * height at whatever distance one looks: units longer than one count it up to the cut, or the
 * stride would grow for ever.
 */
static void look_at_stride(struct edet *d)
{
	const struct tau t = acf_tau(&d->acf);
	const uint64_t n = d->acf.n, values = n * d->acf.unit;
	const double rise = d->acf.unit > 1 && t.cut > 0 ? t.cut : t.tau;
	const unsigned up = d->acf.unit * profile_stride(rise, n);
	const unsigned down = d->acf.unit * profile_stride(t.tau, n);
	uint32_t unit;

	d->restride = false;
	d->acf.period *= 2;
	if (up > d->stride && rise > 1.2 + 15 / sqrt((double)n))
		d->stride = up;
	else if (down < d->stride && values >= 2 * d->stride_n)
		d->stride = down;
	else
		return;
	d->stride_n = values;
	unit = acf_unit(d->stride);
	if (unit != d->acf.unit)
		acf_start(&d->acf, unit, values);
}

static double uniform_rank(struct edet *d, unsigned s)
{
	return rank(d, s, draw_uniform(d->key, d->counter));
}

/* Bet on the rank and keep count of what came since the onset. */
static enum edet_event test(struct edet *d, double x, unsigned s, double u, uint64_t ts,
			    double threshold)
{
	/* The share of the budget of those that were passed over, and its own. */
	const double before = d->evidence + d->skip;
	/* U can round to 1. */
	const unsigned cell =
		u * EDET_CELLS < EDET_CELLS ? (unsigned)(u * EDET_CELLS) : EDET_CELLS - 1;

	if (d->alarmed) {
		count_since(d, s, x);
		return watch_recovery(d, cell);
	}
	d->evidence = bet(d, cell, (float)d->skip);
	d->walk *= d->evidence / before;
	if (d->walk <= 1) {
		d->walk = 1;
		d->onset_ts = ts;
		forget_since(d);
	}
	count_since(d, s, x);
	if (d->growing)
		add_pool(d, s, 1);
	if (d->evidence < threshold)
		return EDET_NONE;
	alarm_now(d);
	return EDET_ALARM;
}

static unsigned next_gap(const struct edet *d)
{
	return draw_gap(~d->key, d->counter, d->stride);
}

enum edet_event edet_update(struct edet *d, double x, uint64_t ts, double threshold)
{
	const bool learning = d->growing; /* false while an alert is open */
	enum edet_event event;
	unsigned s;
	double u;

	if (isnan(x))
		return EDET_NONE;
	x += 0.0; /* -0 is 0 */
	d->counter++;
	d->skip++;
	if (d->skip < d->gap && !learning)
		return EDET_NONE;
	s = symbol(d, x);
	u = uniform_rank(d, s);
	if (learning && acf_add(&d->acf, u))
		d->restride = true;
	if (d->skip < d->gap)
		return EDET_NONE;
	event = test(d, x, s, u, ts, threshold);
	d->skip = 0;
	/* Not in the middle of a run that may become an alarm: change looks like dependence. */
	if (d->restride && d->walk <= 1 && !d->alarmed)
		look_at_stride(d);
	d->gap = next_gap(d);
	return event;
}

void edet_resume(struct edet *d)
{
	memset(d->m, 0, sizeof(d->m));
	d->evidence = d->log_more = d->recover = 0;
	d->walk = 1;
	d->alarmed = false;
	acf_break(&d->acf);
	forget_since(d);
}

double edet_evidence(const struct edet *d)
{
	/* A year of drift would leave the range of doubles; nobody needs more than 1e300. */
	return d->alarmed ? fmin(d->evidence * exp(fmin(d->log_more, 600)), 1e300) : d->evidence;
}
