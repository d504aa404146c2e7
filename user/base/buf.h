/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * buf.h - a growing byte buffer with a ceiling. Writes past the ceiling (or when memory is out) are
 * dropped whole and set `overflow`; nothing else fails, so callers check once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
	char *p; /* not NUL-terminated; NULL while empty */
	size_t len, cap;
	size_t max; /* ceiling in bytes; 0: BUF_MAX_DEFAULT */
	bool overflow;
};
#define BUF_MAX_DEFAULT ((size_t)64 << 20)

void buf_free(struct buf *b);
static inline void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
}

/* Make room for n more bytes; NULL (and overflow set) if that is not allowed. len stays. */
char *buf_grow(struct buf *b, size_t n);
static inline char *buf_room(struct buf *b, size_t n)
{
	return b->cap - b->len >= n && b->p ? b->p + b->len : buf_grow(b, n);
}

static inline void buf_put(struct buf *b, const void *src, size_t n)
{
	char *d = n ? buf_room(b, n) : NULL;

	if (d) {
		memcpy(d, src, n);
		b->len += n;
	}
}
static inline void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}
static inline void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Decimal integers. */
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
/* Shortest decimal that reads back as the same double; NaN and infinities become null. */
void buf_f64(struct buf *b, double v);
/* Nanoseconds as decimal seconds, exactly, trailing zeros cut: 1500000 -> 0.0015. */
void buf_seconds(struct buf *b, int64_t ns);
void buf_hex(struct buf *b, const void *src, size_t n);
/* RFC 3339 UTC with nine decimals: 2026-11-24T22:13:14.123456789Z, from ns since the epoch. */
void buf_rfc3339(struct buf *b, uint64_t realtime_ns);
void buf_base64(struct buf *b, const void *src, size_t n);

#endif
