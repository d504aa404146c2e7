// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* parent.c - which server exchange a client exchange is a step of: trace headers, else the thread.
 */
#include "exchange/exchange_priv.h"

#define MAX_LOOK 256 /* newest open exchanges that are compared */

void parent_find(struct exchange_ctx *ctx, struct open *o)
{
	const struct exchange *x = &o->x, *on_thread = NULL;
	struct lru_node *n = ctx->open.head.prev;
	size_t same_thread = 0, looked = 0;

	for (; n != &ctx->open.head && looked < MAX_LOOK; n = n->prev, looked++) {
		const struct exchange *c = &open_of(n)->x;

		if (c->role != CONN_SERVER || !c->proc || !x->proc ||
		    c->proc->service != x->proc->service)
			continue;
		if (x->has_parent_span && !memcmp(c->trace_id, x->trace_id, sizeof(c->trace_id))) {
			memcpy(o->x.parent, c->id, sizeof(c->id));
			o->x.has_parent = true;
			return;
		}
		if (c->proc == x->proc && c->tid == x->tid) {
			on_thread = c;
			same_thread++;
		}
	}
	/* The only one open on this thread; "only" needs the whole list. */
	if (same_thread == 1 && n == &ctx->open.head) {
		memcpy(o->x.parent, on_thread->id, sizeof(on_thread->id));
		o->x.has_parent = true;
	}
}
