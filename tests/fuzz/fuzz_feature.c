/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* fuzz_feature.c - any bytes as a body: values stay within their bounds, cuts yield prefixes. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/feature.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct seen whole, part;
	const struct feature_sink to_whole = { .ctx = &whole, .value = on_value },
				  to_part = { .ctx = &part, .value = on_value };
	const char *prefix, *body;
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
	n = (n - 1) * (data[0] >> 1) / 128;
	copy = malloc(n ? n : 1);
	memcpy(copy, body, n);
	features_from_json(prefix, copy, n, &to_part);
	free(copy);
	/* A lone value is only known as such when nothing follows it. */
	if (part.n > 1 || (n && (copy = memchr(body, '{', n)) == body)) {
		assert(part.n <= whole.n);
		assert(!memcmp(whole.hash, part.hash, (size_t)part.n * sizeof(whole.hash[0])));
	}
	return 0;
}
