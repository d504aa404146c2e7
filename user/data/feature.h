/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* feature.h - features out of payloads: named values by JSON path, request and response. */
#ifndef DATA_FEATURE_H
#define DATA_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum feature_kind { FEATURE_NUMERIC, FEATURE_CATEGORICAL, FEATURE_MISSING };

struct feature_value {
	const char *name; /* request.body.features.petal_len */
	size_t name_len;
	enum feature_kind kind;
	double num; /* NUMERIC; booleans are CATEGORICAL "true"/"false" */
	const char *str; /* CATEGORICAL: at most FEATURE_MAX_STR bytes, unescaped */
	size_t str_len;
};
#define FEATURE_MAX_STR 64 /* longer strings are text, not categories */
#define FEATURE_MAX_NAME 200 /* values of longer names are left out */
#define FEATURE_MAX_COLUMNS 64 /* longer plain arrays are batches: [] */
#define FEATURE_MAX_VALUES 4096 /* of one document; what follows is left out */

struct feature_sink {
	void *ctx;
	void (*value)(void *ctx,
		      const struct feature_value *v); /* v and what it points to: for the call */
	/* Added to, if not NULL: values with too long a name, and 1 for a document with too many.
	 */
	uint64_t *left_out;
};

/*
 * Walk a JSON document (or the whole part of a cut one) and emit every number, boolean and short
 * string; null and NaN come as FEATURE_MISSING. prefix: "request.body" or "response.body", "" for a
 * plain row. Names: object keys joined by dots; arrays of objects and batches are []; short plain
 * arrays are columns by index ([0]); an array of arrays is a batch of columns ([][0]). Plain arrays
 * under predictions, outputs, scores… of a response are batches.
 * Returns the number of values emitted, or -1 if it is not JSON at all.
 */
int features_from_json(const char *prefix, const char *body, size_t n,
		       const struct feature_sink *sink);

struct shape; /* data/shape.h */
/*
 * The same, faster where bodies are alike: s (zeroed at first, always for the same prefix) holds
 * the shape of one that was met before. What comes out does not depend on it.
 */
int features_by_shape(struct shape *s, const char *prefix, const char *body, size_t n,
		      const struct feature_sink *sink);

#endif
