/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* edet.c - one numeric feature's detector: ranks, bets, onset, alarm, recovery. */
#include "drift/edet.h"

#include <math.h>
#include <string.h>

#include "drift/edet_table.h"

typedef float vec __attribute__((vector_size(16)));
#define VECS (EDET_LANES / 4)

#define RECOVERY_LOG 11.512925464970229 /* ln 1e5 */

_Static_assert(PROFILE_MAX_EDGES == 63, "the search takes six steps");
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
	d->pool.n -= d->since.n;
	d->pool.x -= d->since.x;
	d->pool.xx -= d->since.xx;
	d->pool.below -= d->since.below;
	d->pool.above -= d->since.above;
}

void edet_init(struct edet *d, const struct edet_table *t, const struct profile_feature *ref,
	       uint64_t key)
{
	double pool_n, var;

	memset(d, 0, sizeof(*d));
	d->table = t;
	d->key = key;
	d->n_edges = ref->n_edges;
	for (unsigned i = 0; i < PROFILE_MAX_EDGES; i++)
		d->edge[i] = i < ref->n_edges ? ref->edge[i] : INFINITY;
	for (unsigned s = 0; s < 2 * ref->n_edges + 1; s++)
		add_pool(d, s, (uint32_t)ref->count[s]);
	d->stride = ref->stride ? ref->stride : 1;
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

/* Uniform in [0,1), a function of the key and the number of the value: replays give the same. */
static double uniform(uint64_t key, uint64_t counter)
{
	uint64_t z = key + counter * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static unsigned symbol(const struct edet *d, double x)
{
	unsigned i = 0;

	for (unsigned step = 32; step; step /= 2)
		i += d->edge[i + step - 1] < x ? step : 0;
	return 2 * i + (i < d->n_edges && d->edge[i] == x);
}

static double rank(const struct edet *d, unsigned s, double v)
{
	uint64_t below = 0;

	for (unsigned b = 0; b < s / 16; b++)
		below += d->block[b];
	for (unsigned i = s & ~15u; i < s; i++)
		below += d->c[i];
	return ((double)below + v * ((double)d->c[s] + 1)) / ((double)d->n + 1);
}

double edet_rank(const struct edet *d, double x, double v)
{
	return rank(d, symbol(d, x), v);
}

static void sum_value(const struct edet *d, struct edet_sums *sum, double x)
{
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
	sum_value(d, &d->since, x);
}

/* M = (M + w * add) * G of that cell; returns the new sum. */
static double bet(struct edet *d, unsigned cell, float add)
{
	const vec *g = (const vec *)d->table->g[cell], *w = (const vec *)d->table->w;
	vec *m = (vec *)d->m, sum = { 0 };

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

/* The exchange's share of the budget, or of as many as the stride passed over. */
static unsigned take_credit(struct edet *d)
{
	const unsigned credit = d->credit;

	d->credit = 0;
	return credit;
}

enum edet_event edet_update(struct edet *d, double x, bool fresh, uint64_t ts, double threshold)
{
	double before, e;
	unsigned s, cell, add;

	if (isnan(x))
		return EDET_NONE;
	x += 0.0; /* -0 is 0 */
	if (fresh && d->credit < d->stride)
		d->credit++;
	if (++d->skip < d->stride)
		return EDET_NONE;
	d->skip = 0;
	s = symbol(d, x);
	/* U can round to 1. */
	cell = (unsigned)(EDET_CELLS * rank(d, s, uniform(d->key, d->counter++)));
	if (cell >= EDET_CELLS)
		cell = EDET_CELLS - 1;
	add = take_credit(d);
	if (d->alarmed) {
		count_since(d, s, x);
		return watch_recovery(d, cell);
	}
	before = d->evidence + add;
	if (before > 0) {
		e = d->evidence = bet(d, cell, (float)add);
		d->l += log(e / before);
		if (d->l <= 0) {
			d->l = 0;
			d->onset_ts = ts;
			forget_since(d);
		}
	}
	count_since(d, s, x);
	if (d->growing) {
		add_pool(d, s, 1);
		sum_value(d, &d->pool, x);
	}
	if (d->evidence < threshold)
		return EDET_NONE;
	alarm_now(d);
	return EDET_ALARM;
}

void edet_resume(struct edet *d)
{
	memset(d->m, 0, sizeof(d->m));
	d->evidence = d->l = d->log_more = d->recover = 0;
	d->alarmed = false;
	d->credit = 0;
	forget_since(d);
}

double edet_evidence(const struct edet *d)
{
	/* A year of drift would leave the range of doubles; nobody needs more than 1e300. */
	return d->alarmed ? fmin(d->evidence * exp(fmin(d->log_more, 600)), 1e300) : d->evidence;
}
