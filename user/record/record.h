/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record.h - one output record: an envelope and a flat list of keys and values. Everything that
 * modelsnoop says goes through this struct; outputs differ only in how they spell it.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum record_type {
	RECORD_CONFIG,
	RECORD_LIFECYCLE,
	RECORD_EXCHANGE,
	RECORD_LOG,
	RECORD_METRIC,
	RECORD_DRIFT,
	RECORD_ALERT,
	RECORD_SELF,
	RECORD_TYPES
};
extern const char *const record_type_name[RECORD_TYPES];

enum kv_type {
	KV_STR, /* any bytes; written as a JSON string */
	KV_U64,
	KV_I64,
	KV_F64,
	KV_BOOL,
	KV_NS, /* nanoseconds, written as decimal seconds */
	KV_HEX, /* bytes, written as lower-case hex in a string */
	KV_TIME, /* realtime ns, written as RFC 3339 in a string */
	KV_JSON, /* one complete JSON value */
};

struct kv {
	const char *key; /* static or living as long as the record: needs no escaping */
	enum kv_type type;
	uint32_t key_len; /* of a scope's keys: set by scope_render */
	union {
		struct {
			const char *p;
			size_t n;
		} s;
		uint64_t u;
		int64_t i;
		double f;
		bool b;
	};
};

/*
 * Keys shared by many records (host; process). `json` caches their rendering, comma first:
 * ,"host.name":"x",...  It is made by the owner when the values change (scope_render).
 */
struct scope {
	struct kv *kv;
	size_t n;
	char *json;
	size_t json_len;
};
void scope_render(struct scope *s);
void scope_free(struct scope *s); /* frees kv array and json; the strings are the owner's */

struct buf; /* base/buf.h */
/* Append ,"key":value to b: how scopes and records spell a pair in JSON, always on one line. */
void kv_write_json(struct buf *b, const struct kv *kv);

#define RECORD_MAX_KV 112

struct record {
	enum record_type type;
	uint64_t ts; /* realtime ns: when it happened */
	uint8_t id[16];
	uint64_t seq; /* set when it is emitted */
	const struct scope *host; /* run.id, host, boot, tags; never NULL once emitted */
	const struct scope *proc; /* service, process, container; may be NULL */
	size_t n;
	bool overflow; /* a key did not fit: a bug, asserted in tests */
	struct kv kv[RECORD_MAX_KV + 1]; /* the last one: see record_add */
};

void record_init(struct record *r, enum record_type type, uint64_t ts);
/*
 * The next pair, whose value is to be set. Never NULL: what does not fit (overflow is set) goes
 * into a slot that nobody reads.
 */
static inline struct kv *record_add(struct record *r, const char *key, size_t key_len,
				    enum kv_type type)
{
	struct kv *kv = &r->kv[r->n];

	if (r->n < RECORD_MAX_KV)
		r->n++;
	else
		r->overflow = true;
	kv->key = key;
	kv->type = type;
	kv->key_len = (uint32_t)key_len;
	return kv;
}

/*
 * All add functions keep the pointers: what they point to must live until the record is out. They
 * are inline because keys are literals: their lengths are known then.
 */
static inline void record_bytes(struct record *r, const char *key, enum kv_type type, const char *p,
				size_t n)
{
	struct kv *kv = record_add(r, key, strlen(key), type);

	kv->s.p = p;
	kv->s.n = n;
}
static inline void record_str(struct record *r, const char *key, const char *p, size_t n)
{
	record_bytes(r, key, KV_STR, p, n);
}
static inline void record_cstr(struct record *r, const char *key, const char *s)
{
	if (s && *s) /* NULL or "": key left out */
		record_bytes(r, key, KV_STR, s, strlen(s));
}
static inline void record_hex(struct record *r, const char *key, const void *p, size_t n)
{
	record_bytes(r, key, KV_HEX, p, n);
}
static inline void record_u64(struct record *r, const char *key, uint64_t v)
{
	record_add(r, key, strlen(key), KV_U64)->u = v;
}
static inline void record_i64(struct record *r, const char *key, int64_t v)
{
	record_add(r, key, strlen(key), KV_I64)->i = v;
}
static inline void record_f64(struct record *r, const char *key, double v)
{
	if (isfinite(v)) /* NaN, infinite: key left out */
		record_add(r, key, strlen(key), KV_F64)->f = v;
}
static inline void record_bool(struct record *r, const char *key, bool v)
{
	record_add(r, key, strlen(key), KV_BOOL)->b = v;
}
static inline void record_ns(struct record *r, const char *key, int64_t ns)
{
	record_add(r, key, strlen(key), KV_NS)->i = ns;
}
static inline void record_time(struct record *r, const char *key, uint64_t realtime_ns)
{
	record_add(r, key, strlen(key), KV_TIME)->u = realtime_ns;
}
/* A comma before the value, as the JSON writer puts it between values, is passed over. */
static inline void record_json(struct record *r, const char *key, const char *p, size_t n)
{
	const bool comma = n && *p == ',';

	record_bytes(r, key, KV_JSON, p + comma, n - comma);
}
/* The value of a key in the record's own list, or NULL. For tests and the text output. */
const struct kv *record_get(const struct record *r, const char *key);
const struct kv *record_find(const struct record *r, const char *key); /* scopes too */

/* Where records go. The sink sets seq and fans out; it must not keep the record. */
struct record_sink {
	void (*emit)(void *ctx, struct record *r);
	void *ctx;
};

#endif
