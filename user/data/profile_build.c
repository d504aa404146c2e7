/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* profile_build.c - rows in, profile out, in bounded memory. */
#include "data/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/table.h"
#include "data/draw.h"

#define FIRST_VALUES 64
#define RARE_ROWS 32 /* a name seen once and not in so many rows since gives way to a new one */
#define MIN_VALUES 10 /* fewer in a larger reference: an odd visitor, no feature */
#define MIN_RISES 3 /* never falling and rising less often happens by chance */

/* What has been seen of one feature. */
struct column {
	char name[FEATURE_MAX_NAME + 1];
	size_t name_len;
	uint64_t key; /* of its random choices */
	uint64_t last_row, rows; /* rows: with at least one value */
	/* the row that is being read: how many values so far, and the one of them that will count
	 */
	uint32_t in_row;
	bool is_number;
	double number;
	char text[FEATURE_MAX_STR];
	size_t text_len;
	/* numbers */
	double *value; /* in order of arrival until the reservoir starts */
	uint32_t *at; /* which value of the feature it was, modulo 2^32 */
	size_t kept, cap;
	bool sampling;
	double tau; /* of the first `kept` values, taken when sampling starts */
	uint64_t n, finite, rises, falls;
	double last, min, max, mean, m2;
	/* strings */
	struct strtab seen; /* count as pointer */
	uint64_t n_str, unfit;
	size_t bytes; /* taken from the builder's budget */
};

struct profile_builder {
	uint64_t seed, max_values, values; /* values: slots handed out */
	uint64_t rows;
	unsigned folded;
	unsigned n;
	struct column *column[PROFILE_MAX_FEATURES];
	struct strtab by_name;
	struct budget *mem; /* NULL: no limit */
	unsigned next; /* rows have their features in the same order: the likely next one */
	struct column
		*in_row[PROFILE_MAX_FEATURES]; /* with a value in the row that is being read */
	unsigned n_in_row;
};

struct profile_builder *profile_builder_new(uint64_t seed, uint64_t max_values)
{
	struct profile_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->seed = seed;
	b->max_values = max_values;
	strtab_init(&b->by_name, PROFILE_MAX_FEATURES);
	return b;
}

void profile_builder_budget(struct profile_builder *b, struct budget *mem)
{
	b->mem = mem;
}

/* A key in a table: its copy, and its share of slots that have just doubled. */
static size_t key_bytes(size_t n)
{
	return budget_block(n) + 4 * sizeof(struct strtab_slot);
}

static bool column_take(struct profile_builder *b, struct column *c, size_t n)
{
	if (!budget_take(b->mem, n))
		return false;
	c->bytes += n;
	return true;
}

static void column_free(struct profile_builder *b, struct column *c)
{
	budget_give(b->mem, c->bytes);
	free(c->value);
	free(c->at);
	strtab_free(&c->seen);
	free(c);
}

void profile_builder_free(struct profile_builder *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < b->n; i++)
		column_free(b, b->column[i]);
	strtab_free(&b->by_name);
	free(b);
}

uint64_t profile_rows(const struct profile_builder *b)
{
	return b->rows;
}

/*
 * A slot for one more column. Documents whose keys are data (ids, user names) would else take all
 * of them before the features come.
 */
static struct column **column_slot(struct profile_builder *b)
{
	if (b->n < PROFILE_MAX_FEATURES)
		return &b->column[b->n++];
	for (unsigned i = 0; i < b->n; i++) {
		struct column *c = b->column[i];

		if (c->rows > 1 || c->last_row + RARE_ROWS > b->rows)
			continue;
		strtab_del(&b->by_name, c->name, c->name_len);
		b->values -= c->cap;
		b->folded += b->folded < UINT32_MAX;
		column_free(b, c);
		return &b->column[i];
	}
	return NULL;
}

static struct column *column_new(struct profile_builder *b, const char *name, size_t n)
{
	const uint64_t key[2] = { 0x70726f66696c652e, b->seed };
	struct column *c = NULL, **slot;

	if (n <= FEATURE_MAX_NAME)
		c = calloc(1, sizeof(*c));
	slot = c && column_take(b, c, budget_block(sizeof(*c)) + key_bytes(n)) ? column_slot(b)
									       : NULL;
	if (!slot)
		goto full;
	/* The table has as many places as there are slots. */
	*slot = c;
	if (strtab_put(&b->by_name, name, n, c)) {
		*slot = b->column[--b->n];
		goto full;
	}
	memcpy(c->name, name, n);
	c->name_len = n;
	c->key = hash_keyed(key, name, n);
	strtab_init(&c->seen, PROFILE_MAX_DISTINCT);
	return c;
full:
	if (c)
		column_free(b, c);
	b->folded += b->folded < UINT32_MAX;
	return NULL;
}

static bool is_named(const struct column *c, const char *name, size_t n)
{
	return c->name_len == n && !memcmp(c->name, name, n);
}

static struct column *column_of(struct profile_builder *b, const char *name, size_t n)
{
	struct column *c;

	if (b->next < b->n && is_named(b->column[b->next], name, n))
		return b->column[b->next++];
	c = strtab_get(&b->by_name, name, n);
	if (!c)
		return column_new(b, name, n);
	for (unsigned i = 0; i < b->n; i++)
		if (b->column[i] == c)
			b->next = i + 1;
	return c;
}

/* Room for one more value; false when the feature has its share. */
static bool column_grow(struct profile_builder *b, struct column *c)
{
	const size_t cap = c->cap ? c->cap * 2 : FIRST_VALUES;
	double *value;
	uint32_t *at;

	if (cap > PROFILE_MAX_VALUES || cap - c->cap > b->max_values - b->values ||
	    !column_take(b, c, (cap - c->cap) * (sizeof(*value) + sizeof(*at))))
		return false;
	value = realloc(c->value, cap * sizeof(*value));
	if (value)
		c->value = value;
	at = realloc(c->at, cap * sizeof(*at));
	if (at)
		c->at = at;
	if (!value || !at)
		return false;
	b->values += cap - c->cap;
	c->cap = cap;
	return true;
}

static void moments(struct column *c, double x)
{
	double delta;

	if (!c->n || x < c->min)
		c->min = x;
	if (!c->n || x > c->max)
		c->max = x;
	if (c->n) {
		c->rises += x > c->last;
		c->falls += x < c->last;
	}
	c->last = x;
	if (!isfinite(x))
		return;
	c->finite++;
	delta = x - c->mean;
	c->mean += delta / (double)c->finite;
	c->m2 += delta * (x - c->mean);
}

static void add_number(struct profile_builder *b, struct column *c, double x)
{
	uint64_t slot;

	x += 0.0; /* -0 is 0 */
	moments(c, x);
	slot = c->n++;
	if (!c->sampling && (c->kept < c->cap || column_grow(b, c))) {
		c->value[c->kept] = x;
		c->at[c->kept++] = (uint32_t)slot;
		return;
	}
	if (!c->sampling) {
		c->sampling = true;
		c->tau = profile_tau(c->value, c->kept);
	}
	/* Vitter 1985, algorithm R. The bias of the modulus is below 2^-40. */
	slot = draw_u64(c->key, c->n) % c->n;
	if (slot < c->kept) {
		c->value[slot] = x;
		c->at[slot] = (uint32_t)(c->n - 1);
	}
}

static void add_string(struct profile_builder *b, struct column *c, const char *p, size_t n)
{
	const uintptr_t count = (uintptr_t)strtab_get(&c->seen, p, n);

	c->n_str++;
	if ((!count && (c->seen.len == c->seen.max || !column_take(b, c, key_bytes(n)))) ||
	    strtab_put(&c->seen, p, n, (void *)(count + 1)))
		c->unfit++;
}

void profile_row_begin(struct profile_builder *b)
{
	b->next = 0;
	b->n_in_row = 0;
}

static void take(struct column *c, const struct feature_value *v)
{
	c->is_number = v->kind == FEATURE_NUMERIC;
	if (c->is_number) {
		c->number = v->num;
	} else {
		memcpy(c->text, v->str, v->str_len);
		c->text_len = v->str_len;
	}
}

void profile_row_add(struct profile_builder *b, const struct feature_value *v)
{
	struct column *c;

	if (v->kind == FEATURE_MISSING || (v->kind == FEATURE_NUMERIC && isnan(v->num)) ||
	    (v->kind == FEATURE_CATEGORICAL && v->str_len > FEATURE_MAX_STR))
		return;
	c = column_of(b, v->name, v->name_len);
	if (!c)
		return;
	if (c->last_row != b->rows + 1) {
		c->last_row = b->rows + 1;
		c->in_row = 0;
		b->in_row[b->n_in_row++] = c;
	}
	if (draw_instead(c->key, b->rows, ++c->in_row))
		take(c, v);
}

void profile_row_end(struct profile_builder *b)
{
	for (unsigned i = 0; i < b->n_in_row; i++) {
		struct column *c = b->in_row[i];

		c->rows++;
		if (c->is_number)
			add_number(b, c, c->number);
		else
			add_string(b, c, c->text, c->text_len);
	}
	b->rows++;
}

/* ---- building ----------------------------------------------------------------------------------
 */

static int by_number(const void *pa, const void *pb)
{
	const double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static int by_count(const void *pa, const void *pb)
{
	const struct profile_category *a = pa, *b = pb;

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	/* The table's order is random: the values decide. */
	return memcmp(a->value, b->value, sizeof(a->value));
}

/*
 * Edges at the order statistics k/64 of all values: ranks are exact for any edges, and those of a
 * thin pool would say little.
 */
static void make_edges(struct profile_feature *f, double *x, size_t n)
{
	qsort(x, n, sizeof(*x), by_number);
	for (unsigned k = 1; k < PROFILE_BINS; k++) {
		const double e = x[k * n / PROFILE_BINS];

		if (!f->n_edges || e > f->edge[f->n_edges - 1])
			f->edge[f->n_edges++] = e;
	}
}

static void count_pool(struct profile_feature *f, const double *x, size_t n)
{
	size_t finite = 0;

	for (size_t i = 0; i < n; i++) {
		f->count[profile_symbol(f->edge, f->n_edges, x[i])]++;
		if (!isfinite(x[i]))
			continue;
		finite++;
		if (isfinite(f->edge[0]) && x[i] < f->edge[0])
			f->below += f->edge[0] - x[i];
		if (isfinite(f->edge[f->n_edges - 1]) && x[i] > f->edge[f->n_edges - 1])
			f->above += x[i] - f->edge[f->n_edges - 1];
	}
	if (finite) {
		f->below /= (double)finite;
		f->above /= (double)finite;
	}
}

struct placed {
	double x;
	uint32_t at;
};

static int by_place(const void *pa, const void *pb)
{
	const struct placed *a = pa, *b = pb;

	return (a->at > b->at) - (a->at < b->at);
}

/*
 * Every stride-th value on average into pool; returns how many. A reservoir has lost the order:
 * it is made again. -1 when memory is out.
 */
static ssize_t thin(const struct column *c, unsigned stride, double *pool)
{
	struct placed *all = malloc(c->kept * sizeof(*all));
	uint64_t next = 0;
	ssize_t n = 0;

	if (!all)
		return -1;
	for (size_t i = 0; i < c->kept; i++)
		all[i] = (struct placed){ c->value[i], c->at[i] };
	if (c->sampling)
		qsort(all, c->kept, sizeof(*all), by_place);
	for (size_t i = 0; i < c->kept; i++) {
		if (all[i].at < next)
			continue;
		next = all[i].at + (uint64_t)draw_gap(~c->key, (uint64_t)n, stride);
		pool[n++] = all[i].x;
	}
	free(all);
	return n;
}

static int build_numeric(struct profile_feature *f, const struct column *c)
{
	double *x;
	ssize_t n;

	f->kind = FEATURE_NUMERIC;
	f->n = c->n;
	f->min = c->min;
	f->max = c->max;
	/* Values near the end of the double's range overflow their moments: no effect in sigma
	 * then. */
	f->mean = isfinite(c->mean) ? c->mean : 0;
	f->m2 = isfinite(c->mean) && isfinite(c->m2) ? c->m2 : INFINITY;
	f->tau = c->sampling ? c->tau : profile_tau(c->value, c->kept);
	if (f->tau < 0)
		return -1;
	f->stride = profile_stride(f->tau, c->n);
	x = malloc(c->kept * sizeof(*x));
	if (!x)
		return -1;
	memcpy(x, c->value, c->kept * sizeof(*x));
	make_edges(f, x, c->kept);
	n = thin(c, f->stride, x);
	if (n > 0)
		count_pool(f, x, (size_t)n);
	free(x);
	return n < 0 ? -1 : 0;
}

static int build_categorical(struct profile_feature *f, const struct column *c)
{
	const size_t n = c->seen.len;
	struct profile_category *all;
	const char *key;
	size_t i = 0, j = 0, len;
	void *count;

	f->kind = FEATURE_CATEGORICAL;
	f->n = c->n_str;
	f->other = c->unfit;
	f->stride = 1;
	all = calloc(n ? n : 1, sizeof(*all));
	if (!all)
		return -1;
	while ((count = strtab_next(&c->seen, &i, &key, &len))) {
		memcpy(all[j].value, key, len);
		all[j].count = (uintptr_t)count;
		f->singletons += all[j++].count == 1;
	}
	qsort(all, n, sizeof(*all), by_count);
	f->n_categories = n < PROFILE_MAX_CATEGORIES ? (unsigned)n : PROFILE_MAX_CATEGORIES;
	for (i = f->n_categories; i < n; i++)
		f->other += all[i].count;
	f->category = all;
	if (f->n_categories) {
		/* A shorter copy; the long one stays if that fails. */
		all = realloc(all, f->n_categories * sizeof(*all));
		if (all)
			f->category = all;
	}
	return 0;
}

static uint64_t singletons(const struct column *c)
{
	uint64_t n = 0;
	const char *key;
	size_t i = 0, len;
	void *count;

	while ((count = strtab_next(&c->seen, &i, &key, &len)))
		n += (uintptr_t)count == 1;
	return n;
}

/* Why a column is no data, or NULL. */
static const char *unfit(const struct profile_builder *b, const struct column *c)
{
	const uint64_t n = c->n >= c->n_str ? c->n : c->n_str;

	if (!n)
		return "no values";
	if (n < MIN_VALUES && b->rows >= 2 * MIN_VALUES)
		return "too few values";
	if (c->n >= c->n_str && !c->kept)
		return "no memory left for it";
	if (c->n >= c->n_str)
		return n >= MIN_VALUES && !c->falls && c->rises >= MIN_RISES ? "only rises" : NULL;
	/* Identifiers repeat now and then: a retry, a cached answer. */
	if (n >= MIN_VALUES && singletons(c) + c->unfit >= n - n / 20)
		return "all values differ";
	return NULL;
}

static void say_dropped(struct buf *out, const struct column *c, const char *why)
{
	if (!out)
		return;
	if (out->len)
		buf_puts(out, ", ");
	buf_put(out, c->name, c->name_len);
	buf_puts(out, " (");
	buf_puts(out, why);
	buf_putc(out, ')');
}

struct profile *profile_build(const struct profile_builder *b, struct buf *dropped)
{
	struct profile *p = profile_new();

	if (!p)
		return NULL;
	p->rows = b->rows;
	p->folded = b->folded;
	for (unsigned i = 0; i < b->n; i++) {
		const struct column *c = b->column[i];
		const char *why = unfit(b, c);
		struct profile_feature *f;
		int err;

		if (why) {
			say_dropped(dropped, c, why);
			continue;
		}
		f = profile_add(p);
		if (!f)
			goto fail;
		memcpy(f->name, c->name, c->name_len);
		f->missing = b->rows - c->rows;
		err = c->n >= c->n_str ? build_numeric(f, c) : build_categorical(f, c);
		if (err)
			goto fail;
	}
	return p;
fail:
	profile_free(p);
	return NULL;
}
