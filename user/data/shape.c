/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* shape.c - learn what stands between the values of a JSON body, and find it again in others. */
#include "data/shape.h"

void shape_free(struct shape *s)
{
	buf_free(&s->fixed);
	buf_free(&s->names);
	*s = (struct shape){ 0 };
}

void shape_begin(struct shape_learner *l, struct shape *s, const char *body)
{
	*l = (struct shape_learner){ .s = s, .body = body };
	s->fixed.max = s->names.max = SHAPE_MAX_BYTES;
	buf_clear(&s->fixed);
	buf_clear(&s->names);
	s->n = 0;
	s->known = false;
}

void shape_note(struct shape_learner *l, const struct json_token *t, const char *name, size_t n)
{
	struct shape *s = l->s;
	const bool quoted = t->type == JSON_STR;
	size_t from, len;

	if (!s)
		return;
	from = (size_t)(t->p - l->body) - quoted;
	len = from - l->at;
	if (!name || s->n == SHAPE_MAX_VALUES || from < l->at || len > SHAPE_MAX_BYTES) {
		l->s = NULL;
		return;
	}
	buf_put(&s->fixed, l->body + l->at, len);
	buf_put(&s->names, name, n);
	s->value[s->n++] = (struct shape_value){ (uint16_t)len, (uint16_t)n };
	l->at = from + t->n + (quoted ? 2 : 0);
}

void shape_end(struct shape_learner *l, size_t n)
{
	struct shape *s = l->s;

	if (!s)
		return;
	s->rest = n - l->at;
	buf_put(&s->fixed, l->body + l->at, s->rest);
	s->known = s->n && s->rest && !s->fixed.overflow && !s->names.overflow;
}

bool shape_fits(const struct shape *s, const char *body, size_t n,
		struct json_token t[SHAPE_MAX_VALUES])
{
	const char *fixed = s->fixed.p;
	struct json_reader r;
	size_t at = 0;

	if (!s->known)
		return false;
	json_open(&r, body, n);
	for (unsigned i = 0; i < s->n; i++) {
		const size_t len = s->value[i].fixed_len;

		if (n - at < len || memcmp(body + at, fixed, len))
			return false;
		r.off = at + len;
		if (json_scalar(&r, &t[i]) > JSON_NULL)
			return false;
		fixed += len;
		at = r.off;
	}
	return n - at == s->rest && !memcmp(body + at, fixed, s->rest);
}
