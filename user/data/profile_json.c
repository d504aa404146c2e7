/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* profile_json.c - profiles as JSON text, out and in (format: README.md of this folder). */
#include "data/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"

#define MAX_COUNT ((uint64_t)1 << 53) /* what a double, hence any JSON reader, holds exactly */
#define MAX_POOL ((uint64_t)UINT32_MAX) /* sum of the counts of one numeric feature */
#define MAX_FILE ((size_t)64 << 20)

/* ---- out ---------------------------------------------------------------------------------------
 */

/* Infinities are strings: JSON has no number for them. */
static void put_number(struct buf *out, double v)
{
	if (isinf(v))
		json_cstr(out, v > 0 ? "Infinity" : "-Infinity");
	else
		json_f64(out, v);
}

static void key_u64(struct buf *out, const char *key, uint64_t v)
{
	json_key(out, key);
	json_u64(out, v);
}

static void key_number(struct buf *out, const char *key, double v)
{
	json_key(out, key);
	put_number(out, v);
}

static void write_numeric(const struct profile_feature *f, struct buf *out)
{
	key_number(out, "min", f->min);
	key_number(out, "max", f->max);
	key_number(out, "mean", f->mean);
	key_number(out, "m2", f->m2);
	key_number(out, "below", f->below);
	key_number(out, "above", f->above);
	key_number(out, "tau", f->tau);
	key_u64(out, "stride", f->stride);
	json_key(out, "edges");
	json_arr(out);
	for (unsigned i = 0; i < f->n_edges; i++)
		put_number(out, f->edge[i]);
	json_arr_end(out);
	json_key(out, "counts");
	json_arr(out);
	for (unsigned i = 0; i < 2 * f->n_edges + 1; i++)
		json_u64(out, f->count[i]);
	json_arr_end(out);
}

static void write_categorical(const struct profile_feature *f, struct buf *out)
{
	key_u64(out, "other", f->other);
	key_u64(out, "singletons", f->singletons);
	json_key(out, "categories");
	json_arr(out);
	for (unsigned i = 0; i < f->n_categories; i++) {
		json_arr(out);
		json_cstr(out, f->category[i].value);
		json_u64(out, f->category[i].count);
		json_arr_end(out);
	}
	json_arr_end(out);
}

void profile_write(const struct profile *p, struct buf *out)
{
	json_obj(out);
	key_u64(out, "modelsnoop.profile", PROFILE_VERSION);
	json_key(out, "source");
	json_cstr(out, p->source);
	json_key(out, "since");
	json_cstr(out, p->since);
	key_u64(out, "rows", p->rows);
	key_u64(out, "folded", p->folded);
	json_key(out, "features");
	json_arr(out);
	for (unsigned i = 0; i < p->n_features; i++) {
		const struct profile_feature *f = p->feature[i];

		buf_puts(out, i ? ",\n" : "\n"); /* a line a feature: people compare profiles */
		json_obj(out);
		json_key(out, "name");
		json_cstr(out, f->name);
		json_key(out, "kind");
		json_cstr(out, f->kind == FEATURE_NUMERIC ? "numeric" : "categorical");
		key_u64(out, "n", f->n);
		key_u64(out, "missing", f->missing);
		if (f->kind == FEATURE_NUMERIC)
			write_numeric(f, out);
		else
			write_categorical(f, out);
		json_obj_end(out);
	}
	json_arr_end(out);
	json_obj_end(out);
	buf_putc(out, '\n');
}

/* ---- in ----------------------------------------------------------------------------------------
 */

struct reader {
	struct json_reader r;
	struct json_token t; /* the token to be looked at */
	struct buf text;
	const char *bad; /* what is wrong; the first one counts */
};

static bool fail(struct reader *in, const char *what)
{
	if (!in->bad)
		in->bad = what;
	return false;
}

static void next(struct reader *in)
{
	json_next(&in->r, &in->t);
}

static bool is_key(const struct reader *in, const char *key)
{
	return in->t.n == strlen(key) && !memcmp(in->t.p, key, in->t.n);
}

/* Each of these reads the value that in->t is, and moves to the token after it. */
static bool read_u64(struct reader *in, uint64_t max, uint64_t *v)
{
	const double d = in->t.num;

	if (in->t.type != JSON_NUM || !(d >= 0 && d <= (double)max) || d != floor(d))
		return fail(in, "a count is no whole number in its range");
	*v = (uint64_t)d;
	next(in);
	return true;
}

static bool read_unsigned(struct reader *in, unsigned *v)
{
	uint64_t u;

	if (!read_u64(in, UINT32_MAX, &u))
		return false;
	*v = (unsigned)u;
	return true;
}

static bool read_number(struct reader *in, double *v)
{
	const struct json_token *t = &in->t;

	if (t->type == JSON_STR && t->n == 8 && !memcmp(t->p, "Infinity", 8))
		*v = INFINITY;
	else if (t->type == JSON_STR && t->n == 9 && !memcmp(t->p, "-Infinity", 9))
		*v = -INFINITY;
	else if (t->type == JSON_NUM && !isnan(t->num))
		*v = t->num + 0.0;
	else
		return fail(in, "a number is missing");
	next(in);
	return true;
}

static bool read_string(struct reader *in, char *out, size_t max)
{
	if (in->t.type != JSON_STR)
		return fail(in, "a string is missing");
	buf_clear(&in->text);
	json_unescape(&in->text, in->t.p, in->t.n);
	if (in->text.len >= max)
		return fail(in, "a string is too long");
	memcpy(out, in->text.p ? in->text.p : "", in->text.len);
	out[in->text.len] = '\0';
	next(in);
	return true;
}

/* Unknown keys come from later versions and are passed over. */
static bool skip_value(struct reader *in)
{
	if (in->t.type == JSON_OBJ || in->t.type == JSON_ARR)
		json_skip(&in->r);
	next(in);
	return true;
}

static bool open_array(struct reader *in)
{
	if (in->t.type != JSON_ARR)
		return fail(in, "an array is missing");
	next(in);
	return true;
}

/* True while in->t is an element; at the end of the array moves past it. */
static bool element(struct reader *in)
{
	if (in->bad)
		return false;
	if (in->t.type == JSON_ARR_END) {
		next(in);
		return false;
	}
	return in->t.type < JSON_DONE || fail(in, "it ends too early");
}

static bool read_edges(struct reader *in, struct profile_feature *f)
{
	f->n_edges = 0;
	if (!open_array(in))
		return false;
	while (element(in)) {
		if (f->n_edges == PROFILE_MAX_EDGES)
			return fail(in, "too many edges");
		if (!read_number(in, &f->edge[f->n_edges]))
			return false;
		if (f->n_edges && !(f->edge[f->n_edges] > f->edge[f->n_edges - 1]))
			return fail(in, "edges do not rise");
		f->n_edges++;
	}
	return !in->bad;
}

static bool read_counts(struct reader *in, struct profile_feature *f, unsigned *n)
{
	uint64_t sum = 0;

	*n = 0;
	if (!open_array(in))
		return false;
	while (element(in)) {
		if (*n == PROFILE_MAX_SYMBOLS)
			return fail(in, "too many counts");
		if (!read_u64(in, MAX_POOL, &f->count[*n]))
			return false;
		sum += f->count[(*n)++];
		if (sum > MAX_POOL)
			return fail(in, "counts are too large");
	}
	return !in->bad;
}

static bool read_categories(struct reader *in, struct profile_feature *f)
{
	if (f->category)
		return fail(in, "categories stand twice");
	f->category = calloc(PROFILE_MAX_CATEGORIES, sizeof(*f->category));
	if (!f->category)
		return fail(in, "out of memory");
	if (!open_array(in))
		return false;
	while (element(in)) {
		struct profile_category *c = &f->category[f->n_categories];

		if (f->n_categories == PROFILE_MAX_CATEGORIES)
			return fail(in, "too many categories");
		if (!open_array(in) || !read_string(in, c->value, sizeof(c->value)) ||
		    !read_u64(in, MAX_COUNT, &c->count))
			return false;
		if (in->t.type != JSON_ARR_END)
			return fail(in, "a category is no pair");
		next(in);
		f->n_categories++;
	}
	return !in->bad;
}

static bool read_kind(struct reader *in, struct profile_feature *f)
{
	char kind[16];

	if (!read_string(in, kind, sizeof(kind)))
		return false;
	if (!strcmp(kind, "numeric"))
		f->kind = FEATURE_NUMERIC;
	else if (!strcmp(kind, "categorical"))
		f->kind = FEATURE_CATEGORICAL;
	else
		return fail(in, "a feature is neither numeric nor categorical");
	return true;
}

static bool feature_key(struct reader *in, struct profile_feature *f, unsigned *n_counts)
{
	static const struct {
		const char *key;
		size_t at;
	} numbers[] = {
		{ "min", offsetof(struct profile_feature, min) },
		{ "max", offsetof(struct profile_feature, max) },
		{ "mean", offsetof(struct profile_feature, mean) },
		{ "m2", offsetof(struct profile_feature, m2) },
		{ "below", offsetof(struct profile_feature, below) },
		{ "above", offsetof(struct profile_feature, above) },
		{ "tau", offsetof(struct profile_feature, tau) },
	}, counts[] = {
		{ "n", offsetof(struct profile_feature, n) },
		{ "missing", offsetof(struct profile_feature, missing) },
		{ "other", offsetof(struct profile_feature, other) },
		{ "singletons", offsetof(struct profile_feature, singletons) },
	};
	const struct json_token key = in->t;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (is_key(in, numbers[i].key)) {
			next(in);
			return read_number(in, (double *)((char *)f + numbers[i].at));
		}
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (is_key(in, counts[i].key)) {
			next(in);
			return read_u64(in, MAX_COUNT, (uint64_t *)((char *)f + counts[i].at));
		}
	next(in);
#define IS(name) (key.n == sizeof(name) - 1 && !memcmp(key.p, name, key.n))
	if (IS("name"))
		return read_string(in, f->name, sizeof(f->name));
	if (IS("kind"))
		return read_kind(in, f);
	if (IS("stride"))
		return read_unsigned(in, &f->stride);
	if (IS("edges"))
		return read_edges(in, f);
	if (IS("counts"))
		return read_counts(in, f, n_counts);
	if (IS("categories"))
		return read_categories(in, f);
#undef IS
	return skip_value(in);
}

static bool read_feature(struct reader *in, struct profile *p)
{
	struct profile_feature *f = profile_add(p);
	unsigned n_counts = 0;

	if (!f)
		return fail(in, "too many features");
	if (in->t.type != JSON_OBJ)
		return fail(in, "a feature is no object");
	f->kind = FEATURE_MISSING;
	next(in);
	while (in->t.type == JSON_KEY)
		if (!feature_key(in, f, &n_counts))
			return false;
	if (in->t.type != JSON_OBJ_END)
		return fail(in, "it ends too early");
	next(in);
	if (!f->name[0] || f->kind == FEATURE_MISSING)
		return fail(in, "a feature has no name or kind");
	if (f->kind == FEATURE_NUMERIC && n_counts != 2 * f->n_edges + 1)
		return fail(in, "edges and counts do not fit together");
	if (!f->stride)
		f->stride = 1;
	for (unsigned i = 0; i + 1 < p->n_features; i++)
		if (!strcmp(p->feature[i]->name, f->name))
			return fail(in, "a feature stands twice");
	return true;
}

static bool read_features(struct reader *in, struct profile *p)
{
	if (!open_array(in))
		return false;
	while (element(in))
		if (!read_feature(in, p))
			return false;
	return !in->bad;
}

static bool read_profile(struct reader *in, struct profile *p)
{
	uint64_t version = 0;

	next(in);
	if (in->t.type != JSON_OBJ)
		return fail(in, "it is no JSON object");
	next(in);
	while (in->t.type == JSON_KEY && !in->bad) {
		const struct json_token key = in->t;

		next(in);
#define IS(name) (key.n == sizeof(name) - 1 && !memcmp(key.p, name, key.n))
		if (IS("modelsnoop.profile"))
			read_u64(in, MAX_COUNT, &version);
		else if (IS("source"))
			read_string(in, p->source, sizeof(p->source));
		else if (IS("since"))
			read_string(in, p->since, sizeof(p->since));
		else if (IS("rows"))
			read_u64(in, MAX_COUNT, &p->rows);
		else if (IS("folded"))
			read_unsigned(in, &p->folded);
		else if (IS("features"))
			read_features(in, p);
		else
			skip_value(in);
#undef IS
	}
	if (in->bad)
		return false;
	if (in->t.type != JSON_OBJ_END)
		return fail(in, "it ends too early");
	if (!version)
		return fail(in, "it has no modelsnoop.profile key");
	if (version != PROFILE_VERSION)
		return fail(in, "it was written by a later version");
	return true;
}

struct profile *profile_parse(const char *text, size_t n, struct err *e)
{
	struct reader in = { .bad = NULL };
	struct profile *p = profile_new();

	if (!p) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	json_open(&in.r, text, n);
	if (!read_profile(&in, p)) {
		err_set(e, EXIT_USAGE, "not a profile");
		err_why(e, "%s (at byte %zu)", in.bad, in.r.off);
		err_mend(e, "make one with: modelsnoop baseline FILE -o PROFILE");
		profile_free(p);
		p = NULL;
	}
	buf_free(&in.text);
	return p;
}

static int read_all(int fd, struct buf *out)
{
	for (;;) {
		char *room = buf_room(out, 65536);
		ssize_t got;

		if (!room)
			return -EFBIG;
		got = read(fd, room, 65536);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return 0;
		out->len += (size_t)got;
	}
}

struct profile *profile_load(const char *path, struct err *e)
{
	struct buf text = { .max = MAX_FILE };
	struct profile *p = NULL;
	char what[sizeof(e->what)];
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		err_set(e, EXIT_USAGE, "cannot read the profile %s", path);
		err_why(e, "%s", strerror(errno));
		return NULL;
	}
	ret = read_all(fd, &text);
	close(fd);
	if (ret) {
		err_set(e, EXIT_FAILED, "cannot read the profile %s", path);
		err_why(e, "%s", strerror(-ret));
	} else {
		p = profile_parse(text.p ? text.p : "", text.len, e);
		if (!p) {
			memcpy(what, e->what, sizeof(what));
			snprintf(e->what, sizeof(e->what), "%.200s: %.50s", path, what);
		}
	}
	buf_free(&text);
	return p;
}
