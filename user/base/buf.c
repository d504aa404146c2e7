// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* buf.c - the growing byte buffer, and numbers, times and bytes as text, without printf where it is
 * hot. */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST 256

void buf_free(struct buf *b)
{
	free(b->p);
	b->p = NULL;
	b->len = b->cap = 0;
	b->overflow = false;
}

char *buf_grow(struct buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX_DEFAULT;
	size_t cap = b->cap;
	char *p;

	if (b->len > max || n > max - b->len)
		goto full;
	if (b->p && cap - b->len >= n)
		return b->p + b->len;
	if (cap < BUF_FIRST)
		cap = BUF_FIRST;
	while (cap < b->len + n)
		cap = cap > max / 2 ? max : cap * 2;
	if (cap > max)
		cap = max;
	p = realloc(b->p, cap ? cap : 1);
	if (!p)
		goto full;
	b->p = p;
	b->cap = cap;
	return p + b->len;
full:
	b->overflow = true;
	return NULL;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char small[256], *d;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n < sizeof(small)) {
		buf_put(b, small, (size_t)n);
		return;
	}
	d = buf_room(b, (size_t)n + 1);
	if (!d)
		return;
	va_start(ap, fmt);
	vsnprintf(d, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

/* 00 01 02 ... 99 */
static const char digit_pair[201] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

/* Decimal of v right-aligned before end; returns where it begins. At most 20 bytes. */
static char *u64_before(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, digit_pair + 2 * (v % 100), 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, digit_pair + 2 * v, 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

/* How many decimal digits v has. */
static inline unsigned u64_digits(uint64_t v)
{
	static const uint64_t pow10[] = {
		0,
		10u,
		100u,
		1000u,
		10000u,
		100000u,
		1000000u,
		10000000u,
		100000000u,
		1000000000u,
		10000000000u,
		100000000000u,
		1000000000000u,
		10000000000000u,
		100000000000000u,
		1000000000000000u,
		10000000000000000u,
		100000000000000000u,
		1000000000000000000u,
		10000000000000000000u,
	};
	/* log10(2) is 1233/4096, to the precision that 64 bits need: one too few at most. */
	const unsigned n = (unsigned)(64 - __builtin_clzll(v | 1)) * 1233 >> 12;

	return n + (v >= pow10[n]);
}

/* At d, where there is room for 20 bytes; returns where it ends. */
static inline char *put_u64(char *d, uint64_t v)
{
	char *end = d + u64_digits(v);

	u64_before(end, v);
	return end;
}

static inline char *put_i64(char *d, int64_t v)
{
	if (v < 0)
		*d++ = '-';
	return put_u64(d, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_u64(struct buf *b, uint64_t v)
{
	char *d = buf_room(b, 20);

	if (d)
		b->len += (size_t)(put_u64(d, v) - d);
}

void buf_i64(struct buf *b, int64_t v)
{
	char *d = buf_room(b, 20);

	if (d)
		b->len += (size_t)(put_i64(d, v) - d);
}

/* Nine digits of v < 10^9, leading zeros kept. */
static void put_nine(char *d, uint32_t v)
{
	d[8] = (char)('0' + v % 10);
	v /= 10;
	for (int i = 6; i >= 0; i -= 2) {
		memcpy(d + i, digit_pair + 2 * (v % 100), 2);
		v /= 100;
	}
}

void buf_seconds(struct buf *b, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint32_t frac = (uint32_t)(v % 1000000000);
	char *d = buf_room(b, 32), *end = d;

	if (!d)
		return;
	if (ns < 0)
		*end++ = '-';
	end = put_u64(end, v / 1000000000);
	if (frac) {
		*end = '.';
		put_nine(end + 1, frac);
		end += 10;
		while (end[-1] == '0')
			end--;
	}
	b->len += (size_t)(end - d);
}

/* m * 10^-decimals, m > 0, decimals 1...17, without trailing zeros to cut: the caller found the
 * fewest. */
static char *fixed_before(char *end, uint64_t m, unsigned decimals)
{
	char *p = u64_before(end, m), *point = end - decimals;

	while (p >= point)
		*--p = '0'; /* also the zero before the point */
	memmove(p - 1, p, (size_t)(point - p));
	point[-1] = '.';
	return p - 1;
}

/*
 * The rare rest: 15, 16 or 17 significant digits by the C library, the fewest that read back. Both
 * printf and strtod follow the locale's decimal point; only here does it become JSON's.
 */
static void f64_slow(struct buf *b, double v)
{
	char t[64], *d;
	int n = 0;

	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(t, sizeof(t), "%.*g", digits, v);
		if (strtod(t, NULL) == v)
			break;
	}
	d = buf_room(b, (size_t)n);
	if (!d)
		return;
	for (int i = 0; i < n; i++) {
		char c = t[i];

		if ((c >= '0' && c <= '9') || c == 'e' || c == '-' || c == '+')
			*d++ = c;
		else if (d == b->p + b->len || d[-1] != '.')
			*d++ = '.';
	}
	b->len = (size_t)(d - b->p);
}

#define F64_EXACT 9007199254740992.0 /* 2^53: below it every integer is a double */

void buf_f64(struct buf *b, double v)
{
	/* Powers of ten that are exact doubles, as far as they are needed. */
	static const double pow10[] = { 1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,
					1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17 };
	double a = fabs(v);
	char t[64], *end = t + sizeof(t), *p;

	if (!isfinite(v)) {
		buf_put(b, "null", 4);
		return;
	}
	if (a < F64_EXACT && a == (double)(uint64_t)a) {
		if (signbit(v))
			buf_putc(b, '-');
		buf_u64(b, (uint64_t)a);
		return;
	}
	/*
	 * m and 10^d are exact doubles, so m / 10^d is rounded once, just as a reader of the
	 * decimal m * 10^-d would: when it gives a back, these digits do.
	 */
	for (unsigned d = 1; a >= 1e-5 && d < sizeof(pow10) / sizeof(*pow10); d++) {
		double scaled = a * pow10[d], m;

		if (scaled >= F64_EXACT)
			break;
		m = (double)(uint64_t)(scaled + 0.5);
		if (fabs(scaled - m) <= scaled * 0x1p-51 && m / pow10[d] == a) {
			p = fixed_before(end, (uint64_t)m, d);
			if (v < 0)
				*--p = '-';
			buf_put(b, p, (size_t)(end - p));
			return;
		}
	}
	f64_slow(b, v);
}

/* Four bytes as eight hex digits. */
static inline void put_hex4(char *d, const uint8_t *s)
{
	const uint64_t ones = 0x0101010101010101u;
	/* One nibble a byte, the first digit lowest. */
	uint64_t v =
		(uint64_t)s[0] | (uint64_t)s[1] << 16 | (uint64_t)s[2] << 32 | (uint64_t)s[3] << 48;

	v = (v >> 4 | v << 8) & ones * 0x0f;
	/* '0' to each, and what lies between '9' and 'a' to those above nine. */
	v += ones * '0' + (((v + ones * 6) >> 4) & ones) * ('a' - '9' - 1);
	memcpy(d, &v, 8);
}

void buf_hex(struct buf *b, const void *src, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *s = src;
	char *d;
	size_t i = 0;

	if (n > SIZE_MAX / 2) {
		b->overflow = true;
		return;
	}
	d = buf_room(b, 2 * n);
	if (!d)
		return;
	for (; n - i >= 4; i += 4)
		put_hex4(d + 2 * i, s + i);
	for (; i < n; i++) {
		d[2 * i] = hex[s[i] >> 4];
		d[2 * i + 1] = hex[s[i] & 15];
	}
	b->len += 2 * n;
}

void buf_rfc3339(struct buf *b, uint64_t realtime_ns)
{
	uint64_t s = realtime_ns / 1000000000;
	uint32_t sod = (uint32_t)(s % 86400);
	/*
	 * Days since 1970 to a civil date (Howard Hinnant, "chrono-compatible low-level date
	 * algorithms"): eras of 400 years that begin on 1 March. 64 bits of ns end in 2554.
	 */
	uint32_t z = (uint32_t)(s / 86400) + 719468;
	uint32_t era = z / 146097, doe = z % 146097;
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t mp = (5 * doy + 2) / 153;
	uint32_t day = doy - (153 * mp + 2) / 5 + 1;
	uint32_t month = mp < 10 ? mp + 3 : mp - 9;
	uint32_t year = yoe + era * 400 + (month <= 2);
	char *d = buf_room(b, 30);

	if (!d)
		return;
	memcpy(d, digit_pair + 2 * (year / 100 % 100), 2);
	memcpy(d + 2, digit_pair + 2 * (year % 100), 2);
	d[4] = '-';
	memcpy(d + 5, digit_pair + 2 * month, 2);
	d[7] = '-';
	memcpy(d + 8, digit_pair + 2 * day, 2);
	d[10] = 'T';
	memcpy(d + 11, digit_pair + 2 * (sod / 3600), 2);
	d[13] = ':';
	memcpy(d + 14, digit_pair + 2 * (sod / 60 % 60), 2);
	d[16] = ':';
	memcpy(d + 17, digit_pair + 2 * (sod % 60), 2);
	d[19] = '.';
	put_nine(d + 20, (uint32_t)(realtime_ns % 1000000000));
	d[29] = 'Z';
	b->len += 30;
}

void buf_base64(struct buf *b, const void *src, size_t n)
{
	static const char abc[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *s = src;
	char *d;

	if (n > SIZE_MAX / 2) {
		b->overflow = true;
		return;
	}
	d = buf_room(b, (n + 2) / 3 * 4);
	if (!d)
		return;
	b->len += (n + 2) / 3 * 4;
	for (; n >= 3; n -= 3, s += 3, d += 4) {
		uint32_t v = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];

		d[0] = abc[v >> 18];
		d[1] = abc[v >> 12 & 63];
		d[2] = abc[v >> 6 & 63];
		d[3] = abc[v & 63];
	}
	if (n) {
		uint32_t v = (uint32_t)s[0] << 16 | (n > 1 ? (uint32_t)s[1] << 8 : 0);

		d[0] = abc[v >> 18];
		d[1] = abc[v >> 12 & 63];
		d[2] = n > 1 ? abc[v >> 6 & 63] : '=';
		d[3] = '=';
	}
}
