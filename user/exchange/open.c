// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* open.c - the objects of open exchanges: pooled, and accounted for by what they hold. */
#include "exchange/exchange_priv.h"

#include <stdlib.h>

#define MAX_POOL 256 /* ended exchanges kept for reuse */
#define MAX_TEXT_KEPT 8192 /* of a pooled exchange's text */
/* An exchange of which nothing is kept yet, with its share of a table that may be just growing. */
#define OBJECT_BYTES (sizeof(struct open) + 16 + 4 * sizeof(struct table_slot))

static void forget(struct exchange_ctx *ctx, struct open *o)
{
	buf_free(&o->x.text);
	sample_free(&o->x.req.body);
	sample_free(&o->x.res.body);
	ctx->bytes -= o->bytes;
	ctx->sample_bytes -= o->sample_bytes;
	free(o);
}

struct open *open_new(struct exchange_ctx *ctx)
{
	struct open *o = ctx->pool, old;

	if (!o)
		return calloc(1, sizeof(*o));
	ctx->pool = o->next;
	ctx->n_pool--;
	old.x.text = o->x.text;
	old.x.req.body = o->x.req.body;
	old.x.res.body = o->x.res.body;
	old.bytes = o->bytes;
	old.sample_bytes = o->sample_bytes;
	/* Header slots are written before they are read. */
	memset(&o->x, 0, offsetof(struct exchange, header));
	memset((char *)o + offsetof(struct exchange, n_headers), 0,
	       sizeof(*o) - offsetof(struct exchange, n_headers));
	o->x.text = old.x.text;
	o->x.req.body = old.x.req.body;
	o->x.res.body = old.x.res.body;
	o->bytes = old.bytes;
	o->sample_bytes = old.sample_bytes;
	return o;
}

void open_put(struct exchange_ctx *ctx, struct open *o)
{
	const size_t max = ctx->opts.max_memory;

	lru_remove(&o->sampled);
	if (ctx->n_pool == MAX_POOL || (max && ctx->bytes > max / 2)) {
		forget(ctx, o);
		return;
	}
	if (o->x.text.cap > MAX_TEXT_KEPT)
		buf_free(&o->x.text);
	buf_clear(&o->x.text);
	sample_reset(&o->x.req.body);
	sample_reset(&o->x.res.body);
	open_account(ctx, o);
	o->next = ctx->pool;
	ctx->pool = o;
	ctx->n_pool++;
}

bool open_account(struct exchange_ctx *ctx, struct open *o)
{
	const size_t samples = sample_memory(&o->x.req.body) + sample_memory(&o->x.res.body);
	const size_t bytes = OBJECT_BYTES + o->x.text.cap + samples;

	if (bytes == o->bytes && samples == o->sample_bytes)
		return false;
	ctx->bytes += bytes - o->bytes;
	ctx->sample_bytes += samples - o->sample_bytes;
	o->bytes = bytes;
	o->sample_bytes = samples;
	return true;
}

void open_drop_samples(struct exchange_ctx *ctx, struct open *o)
{
	sample_drop(&o->x.req.body);
	sample_drop(&o->x.res.body);
	lru_remove(&o->sampled);
	o->unsampled = true;
	open_account(ctx, o);
}

void open_empty_pool(struct exchange_ctx *ctx)
{
	while (ctx->pool) {
		struct open *o = ctx->pool;

		ctx->pool = o->next;
		forget(ctx, o);
	}
	ctx->n_pool = 0;
}

void open_free_all(struct exchange_ctx *ctx)
{
	struct lru_node *n;

	while ((n = lru_oldest(&ctx->open))) {
		struct open *o = open_of(n);

		if (o->x.proc)
			o->x.proc->pins--;
		lru_remove(n);
		forget(ctx, o);
	}
	open_empty_pool(ctx);
}
