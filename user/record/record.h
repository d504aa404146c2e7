/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * record.h - one output record: an envelope and a flat list of keys and values. Everything that
 * modelsnoop says goes through this struct; outputs differ only in how they spell it.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
	struct kv kv[RECORD_MAX_KV];
};

void record_init(struct record *r, enum record_type type, uint64_t ts);
/* All add functions keep the pointers: what they point to must live until the record is out. */
void record_str(struct record *r, const char *key, const char *p, size_t n);
void record_cstr(struct record *r, const char *key, const char *s); /* NULL or "": key left out */
void record_u64(struct record *r, const char *key, uint64_t v);
void record_i64(struct record *r, const char *key, int64_t v);
void record_f64(struct record *r, const char *key, double v); /* NaN, infinite: key left out */
void record_bool(struct record *r, const char *key, bool v);
void record_ns(struct record *r, const char *key, int64_t ns);
void record_hex(struct record *r, const char *key, const void *p, size_t n);
void record_time(struct record *r, const char *key, uint64_t realtime_ns);
/* A comma before the value, as the JSON writer puts it between values, is passed over. */
void record_json(struct record *r, const char *key, const char *p, size_t n);
/* The value of a key in the record's own list, or NULL. For tests and the text output. */
const struct kv *record_get(const struct record *r, const char *key);
const struct kv *record_find(const struct record *r, const char *key); /* scopes too */

/* Where records go. The sink sets seq and fans out; it must not keep the record. */
struct record_sink {
	void (*emit)(void *ctx, struct record *r);
	void *ctx;
};

#endif
