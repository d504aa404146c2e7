/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * shape.h - what the JSON bodies of one route have in common: everything but the values. A body
 * that has the shape of one before it has its values, under their names, where that one had them;
 * it needs no walk. Found by feature.c, used by it.
 */
#ifndef DATA_SHAPE_H
#define DATA_SHAPE_H

#include "base/buf.h"
#include "base/json.h"

#define SHAPE_MAX_VALUES 64
#define SHAPE_MAX_BYTES 4096 /* what stands between the values, and their names */

struct shape {
	struct buf fixed; /* what stands between the values, one after another */
	struct buf names;
	struct shape_value {
		uint16_t fixed_len; /* of what stands before it */
		uint16_t name_len;
	} value[SHAPE_MAX_VALUES];
	unsigned n;
	size_t rest; /* behind the last value */
	bool known;
	unsigned misses; /* bodies that did not have it */
};

void shape_free(struct shape *s);

/* Learn: begin, note each value of a body in order, end. What does not fit is not learned. */
struct shape_learner {
	struct shape *s; /* NULL: not learning, or given up */
	const char *body;
	size_t at; /* up to where it is noted */
};
void shape_begin(struct shape_learner *l, struct shape *s, const char *body);
/* t: a scalar; name NULL: it has none. */
void shape_note(struct shape_learner *l, const struct json_token *t, const char *name, size_t n);
/* n: bytes of the whole body, which is well-formed. */
void shape_end(struct shape_learner *l, size_t n);

/* Has the body this shape? Then t[0 … s->n-1] are its values. */
bool shape_fits(const struct shape *s, const char *body, size_t n,
		struct json_token t[SHAPE_MAX_VALUES]);

#endif
