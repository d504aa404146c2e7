/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* profile.c - a profile in memory: make, free, find features by the names that live traffic has. */
#include "data/profile.h"

#include <stdlib.h>
#include <string.h>

struct profile *profile_new(void)
{
	return calloc(1, sizeof(struct profile));
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n_features; i++) {
		free(p->feature[i]->category);
		free(p->feature[i]);
	}
	free(p);
}

struct profile_feature *profile_add(struct profile *p)
{
	struct profile_feature *f;

	if (p->n_features == PROFILE_MAX_FEATURES)
		return NULL;
	f = calloc(1, sizeof(*f));
	if (f)
		p->feature[p->n_features++] = f;
	return f;
}

unsigned profile_symbol(const double *edge, unsigned m, double x)
{
	unsigned lo = 0, hi = m;

	while (lo < hi) {
		const unsigned mid = (lo + hi) / 2;

		if (edge[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 2 * lo + (lo < m && edge[lo] == x);
}

/* A component starts after a dot or with a bracket. */
static bool is_suffix(const char *name, size_t n, const char *end, size_t m)
{
	if (!m || m >= n || memcmp(name + n - m, end, m))
		return false;
	return name[n - m - 1] == '.' || end[0] == '[';
}

/* A profile made from live traffic says on which side a feature was. */
static bool other_side(const char *name, const char *f)
{
	return (!strncmp(f, "request.", 8) && !memcmp(name, "respon", 6)) ||
	       (!strncmp(f, "response.", 9) && !memcmp(name, "reques", 6));
}

static size_t last_component(const char *name, size_t n)
{
	size_t i = n;

	while (i && name[i - 1] != '.')
		i--;
	return i;
}

int profile_index(const struct profile *p, const char *name, size_t n)
{
	const size_t last = last_component(name, n);
	size_t best_len = 0;
	int best = -1, tail = -1;
	bool unique = true;

	for (unsigned i = 0; i < p->n_features; i++) {
		const char *f = p->feature[i]->name;
		const size_t m = strlen(f);
		size_t at;

		if (m == n && !memcmp(f, name, n))
			return (int)i;
		/* Names differ, so two suffixes of one name differ in length. */
		if (is_suffix(name, n, f, m) && m > best_len) {
			best_len = m;
			best = (int)i;
		}
		at = last_component(f, m);
		if (n > 6 && other_side(name, f))
			continue;
		if (m - at == n - last && m > at && !memcmp(f + at, name + last, n - last)) {
			unique = tail < 0;
			tail = (int)i;
		}
	}
	if (best >= 0)
		return best;
	return unique ? tail : -1;
}

const struct profile_feature *profile_find(const struct profile *p, const char *name, size_t n)
{
	const int i = profile_index(p, name, n);

	return i < 0 ? NULL : p->feature[i];
}
