// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* record.c - filling records and scopes, finding keys in them, and a pair's spelling in JSON. */
#include "record/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

const char *const record_type_name[RECORD_TYPES] = {
	[RECORD_CONFIG] = "config",     [RECORD_LIFECYCLE] = "lifecycle",
	[RECORD_EXCHANGE] = "exchange", [RECORD_LOG] = "log",
	[RECORD_METRIC] = "metric",     [RECORD_DRIFT] = "drift",
	[RECORD_ALERT] = "alert",       [RECORD_SELF] = "self",
};

void record_init(struct record *r, enum record_type type, uint64_t ts)
{
	/* Not the array: 3.5 KiB that nobody reads before it is written. */
	memset(r, 0, offsetof(struct record, kv));
	r->type = type;
	r->ts = ts;
}

static struct kv *add(struct record *r, const char *key, enum kv_type type)
{
	struct kv *kv;

	if (r->n >= RECORD_MAX_KV) {
		r->overflow = true;
		return NULL;
	}
	kv = &r->kv[r->n++];
	kv->key = key;
	kv->type = type;
	return kv;
}

static void add_bytes(struct record *r, const char *key, enum kv_type type, const char *p, size_t n)
{
	struct kv *kv = add(r, key, type);

	if (kv) {
		kv->s.p = p;
		kv->s.n = n;
	}
}

void record_str(struct record *r, const char *key, const char *p, size_t n)
{
	add_bytes(r, key, KV_STR, p, n);
}

void record_cstr(struct record *r, const char *key, const char *s)
{
	if (s && *s)
		add_bytes(r, key, KV_STR, s, strlen(s));
}

void record_hex(struct record *r, const char *key, const void *p, size_t n)
{
	add_bytes(r, key, KV_HEX, p, n);
}

void record_json(struct record *r, const char *key, const char *p, size_t n)
{
	/* Several values written one after another into one buffer are joined by the writer's
	 * commas. */
	if (n && *p == ',') {
		p++;
		n--;
	}
	add_bytes(r, key, KV_JSON, p, n);
}

void record_u64(struct record *r, const char *key, uint64_t v)
{
	struct kv *kv = add(r, key, KV_U64);

	if (kv)
		kv->u = v;
}

void record_i64(struct record *r, const char *key, int64_t v)
{
	struct kv *kv = add(r, key, KV_I64);

	if (kv)
		kv->i = v;
}

void record_f64(struct record *r, const char *key, double v)
{
	struct kv *kv = isfinite(v) ? add(r, key, KV_F64) : NULL;

	if (kv)
		kv->f = v;
}

void record_bool(struct record *r, const char *key, bool v)
{
	struct kv *kv = add(r, key, KV_BOOL);

	if (kv)
		kv->b = v;
}

void record_ns(struct record *r, const char *key, int64_t ns)
{
	struct kv *kv = add(r, key, KV_NS);

	if (kv)
		kv->i = ns;
}

void record_time(struct record *r, const char *key, uint64_t realtime_ns)
{
	struct kv *kv = add(r, key, KV_TIME);

	if (kv)
		kv->u = realtime_ns;
}

static const struct kv *find(const struct kv *kv, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(kv[i].key, key) == 0)
			return &kv[i];
	return NULL;
}

const struct kv *record_get(const struct record *r, const char *key)
{
	return find(r->kv, r->n, key);
}

const struct kv *record_find(const struct record *r, const char *key)
{
	const struct kv *kv = record_get(r, key);

	if (!kv && r->proc)
		kv = find(r->proc->kv, r->proc->n, key);
	if (!kv && r->host)
		kv = find(r->host->kv, r->host->n, key);
	return kv;
}

static void blank_out(char *p, size_t n, char what)
{
	char *end = p + n;

	while ((p = memchr(p, what, (size_t)(end - p))))
		*p++ = ' ';
}

/* A value that is JSON already may be spread over lines; between tokens a blank says the same. */
static void put_one_line(struct buf *b, const char *p, size_t n)
{
	if (!n) {
		buf_put(b, "null", 4);
		return;
	}
	if (!buf_room(b, n))
		return;
	buf_put(b, p, n);
	blank_out(b->p + b->len - n, n, '\n');
	blank_out(b->p + b->len - n, n, '\r');
}

void kv_write_json(struct buf *b, const struct kv *kv)
{
	size_t n = strlen(kv->key);
	char *d = buf_room(b, n + 4);

	if (!d)
		return;
	d[0] = ',';
	d[1] = '"';
	memcpy(d + 2, kv->key, n);
	d[n + 2] = '"';
	d[n + 3] = ':';
	b->len += n + 4;
	switch (kv->type) {
	case KV_STR:
		json_str(b, kv->s.p, kv->s.n);
		break;
	case KV_U64:
		buf_u64(b, kv->u);
		break;
	case KV_I64:
		buf_i64(b, kv->i);
		break;
	case KV_F64:
		buf_f64(b, kv->f);
		break;
	case KV_BOOL:
		if (kv->b)
			buf_put(b, "true", 4);
		else
			buf_put(b, "false", 5);
		break;
	case KV_NS:
		buf_seconds(b, kv->i);
		break;
	case KV_HEX:
		buf_putc(b, '"');
		buf_hex(b, kv->s.p, kv->s.n);
		buf_putc(b, '"');
		break;
	case KV_TIME:
		buf_putc(b, '"');
		buf_rfc3339(b, kv->u);
		buf_putc(b, '"');
		break;
	case KV_JSON:
		put_one_line(b, kv->s.p, kv->s.n);
		break;
	}
}

void scope_render(struct scope *s)
{
	struct buf b = { 0 };

	for (size_t i = 0; i < s->n; i++)
		kv_write_json(&b, &s->kv[i]);
	free(s->json);
	if (b.overflow) {
		buf_free(&b); /* memory is out: better no scope than half a key */
		b.len = 0;
	}
	s->json = b.p;
	s->json_len = b.len;
}

void scope_free(struct scope *s)
{
	free(s->kv);
	free(s->json);
	*s = (struct scope){ 0 };
}
