/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_feature.c - any bytes as a body: values stay within their bounds, cuts yield prefixes, a
 * shape changes nothing. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/feature.h"
#include "data/shape.h"

struct seen {
	uint64_t hash[FEATURE_MAX_VALUES];
	int n;
};

static void on_value(void *ctx, const struct feature_value *v)
{
	struct seen *s = ctx;

	assert(v->name_len <= FEATURE_MAX_NAME);
	assert(v->kind != FEATURE_CATEGORICAL || v->str_len <= FEATURE_MAX_STR);
	assert(v->kind != FEATURE_NUMERIC || !isnan(v->num));
	assert(s->n < FEATURE_MAX_VALUES);
	s->hash[s->n] = hash_bytes(v->name, v->name_len) + (uint64_t)v->kind;
	if (v->kind == FEATURE_CATEGORICAL)
		s->hash[s->n] ^= hash_bytes(v->str, v->str_len);
	s->n++;
}

/* By the shape, be it known or not, comes what came by a walk. */
static void check_shape(struct shape *s, const char *prefix, const char *body, size_t n,
			const struct seen *want, int ret)
{
	static struct seen got;
	const struct feature_sink sink = { .ctx = &got, .value = on_value };

	got.n = 0;
	assert(features_by_shape(s, prefix, body, n, &sink) == ret);
	assert(got.n == want->n);
	assert(!memcmp(got.hash, want->hash, (size_t)got.n * sizeof(got.hash[0])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct seen whole, part;
	const struct feature_sink to_whole = { .ctx = &whole, .value = on_value },
				  to_part = { .ctx = &part, .value = on_value };
	const char *prefix, *body;
	struct shape shape = { 0 };
	char *copy;
	int ret;

	if (!n)
		return 0;
	/* The first byte chooses the side, and where to cut. */
	prefix = data[0] & 1 ? "response.body" : "request.body";
	body = (const char *)data + 1;
	whole.n = part.n = 0;
	ret = features_from_json(prefix, body, n - 1, &to_whole);
	assert(ret == -1 || ret == whole.n);
	for (int i = 0; i < 2; i++)
		check_shape(&shape, prefix, body, n - 1, &whole, ret);
	n = (n - 1) * (data[0] >> 1) / 128;
	copy = malloc(n ? n : 1);
	memcpy(copy, body, n);
	ret = features_from_json(prefix, copy, n, &to_part);
	check_shape(&shape, prefix, copy, n, &part, ret);
	shape_free(&shape);
	free(copy);
	/* A lone value is only known as such when nothing follows it. */
	if (part.n > 1 || (n && (copy = memchr(body, '{', n)) == body)) {
		assert(part.n <= whole.n);
		assert(!memcmp(whole.hash, part.hash, (size_t)part.n * sizeof(whole.hash[0])));
	}
	return 0;
}
