/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* observe.h - the feature values of one exchange, collected from its bodies for drift and profiles.
 */
#ifndef CMD_OBSERVE_H
#define CMD_OBSERVE_H

#include "base/buf.h"
#include "data/feature.h"
#include "data/shape.h"
#include "exchange/exchange.h"

#define OBSERVE_MAX_VALUES 512 /* of one exchange; more are counted as folded */
#define OBSERVE_SHAPES 64 /* of bodies, by method, path and side */

struct observed {
	struct feature_value value[OBSERVE_MAX_VALUES];
	size_t n;
	uint64_t folded; /* values of all exchanges so far that were left out */
	struct buf text; /* names and strings of the values */
	struct shape
		shape[OBSERVE_SHAPES]; /* of requests at even places, of responses at odd ones */
};

/* Values of request and response body into v (emptied first). Only JSON bodies that were seen from
 * their start. */
void observe_exchange(const struct exchange *x, struct observed *v);
void observe_free(struct observed *v);

#endif
