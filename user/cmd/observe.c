/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* observe.c - collect the feature values of one exchange. */
#include "cmd/observe.h"

#include <string.h>

#include "base/hash.h"

/* Names are kept as offsets until the text has stopped growing: it may move meanwhile. */
static const char *keep(struct observed *v, const char *p, size_t n)
{
	const size_t at = v->text.len;

	buf_put(&v->text, p, n);
	return (const char *)(uintptr_t)at;
}

static void on_value(void *ctx, const struct feature_value *in)
{
	struct observed *v = ctx;
	struct feature_value *out;

	if (v->n == OBSERVE_MAX_VALUES) {
		v->folded++;
		return;
	}
	out = &v->value[v->n++];
	*out = *in;
	out->name = keep(v, in->name, in->name_len);
	if (in->kind == FEATURE_CATEGORICAL)
		out->str = keep(v, in->str, in->str_len);
}

static bool is_json(const struct exchange *x, bool response, const struct sample *s)
{
	const char *type;
	const size_t n = exchange_content_type(x, response, &type);
	const char *p = s->head.p;

	if (n >= 4 && (!memcmp(type + n - 4, "json", 4)))
		return true;
	/* Servers that name no type are as common as those that do. */
	return !n && s->head.len && (p[0] == '{' || p[0] == '[');
}

/* What is asked by one method of one path, and answered to it, looks alike as a rule. */
static struct shape *shape_of(struct observed *v, const struct exchange *x, bool response)
{
	const char *target = x->target_len ? x->text.p + x->target_off : "";
	const char *query = memchr(target, '?', x->target_len);
	const size_t path = query ? (size_t)(query - target) : x->target_len;
	/* The target lies behind the method. */
	const uint64_t h = x->target_len ? hash_bytes(x->text.p, x->target_off + path) : 0;

	return &v->shape[(h * 2 + response) % OBSERVE_SHAPES];
}

static void collect(const struct exchange *x, bool response, const char *prefix, struct observed *v,
		    const struct feature_sink *sink)
{
	const struct message *m = response ? &x->res : &x->req;

	if (!m->body.head.len || !is_json(x, response, &m->body))
		return;
	if (exchange_header(x, response, "content-encoding"))
		return;
	features_by_shape(shape_of(v, x, response), prefix, m->body.head.p, m->body.head.len, sink);
}

void observe_exchange(const struct exchange *x, struct observed *v)
{
	const struct feature_sink sink = { v, on_value, &v->folded };

	v->n = 0;
	buf_clear(&v->text);
	collect(x, false, "request.body", v, &sink);
	collect(x, true, "response.body", v, &sink);
	for (size_t i = 0; i < v->n; i++) {
		v->value[i].name = v->text.p + (uintptr_t)v->value[i].name;
		if (v->value[i].kind == FEATURE_CATEGORICAL)
			v->value[i].str = v->text.p + (uintptr_t)v->value[i].str;
	}
}

void observe_free(struct observed *v)
{
	buf_free(&v->text);
	for (unsigned i = 0; i < OBSERVE_SHAPES; i++)
		shape_free(&v->shape[i]);
}
