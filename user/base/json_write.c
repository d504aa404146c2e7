// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* json_write.c - JSON out: any bytes in, valid UTF-8 out; also the decoder of escapes, and UTF-8
 * itself. */
#include "base/json.h"

#define ONES 0x0101010101010101u
#define HIGHS 0x8080808080808080u

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/*
 * Length of the well-formed UTF-8 sequence at p (RFC 3629, Unicode table 3-7), or minus the number
 * of bytes that one U+FFFD stands for (the longest prefix of a sequence, at least 1). n > 0.
 */
static int utf8_step(const uint8_t *p, size_t n)
{
	uint8_t c = p[0], lo = 0x80, hi = 0xbf;
	int len;

	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return -1;
	len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (c == 0xe0)
		lo = 0xa0; /* no overlong forms */
	else if (c == 0xed)
		hi = 0x9f; /* no surrogates */
	else if (c == 0xf0)
		lo = 0x90;
	else if (c == 0xf4)
		hi = 0x8f; /* not above U+10FFFF */
	for (int i = 1; i < len; i++) {
		if ((size_t)i >= n || p[i] < lo || p[i] > hi)
			return -i;
		lo = 0x80;
		hi = 0xbf;
	}
	return len;
}

bool utf8_valid(const void *s, size_t n)
{
	const uint8_t *p = s, *end = n ? p + n : p;

	while (p < end) {
		int step;

		if (end - p >= 8 && !(load64(p) & HIGHS)) {
			p += 8;
			continue;
		}
		step = utf8_step(p, (size_t)(end - p));
		if (step < 0)
			return false;
		p += step;
	}
	return true;
}

/* How a byte goes into a string: 0: as it is; 'u': as \u00XX; 'm': multi-byte; else: \ and that. */
static const uint8_t esc[256] = {
	[0x00] = 'u', 'u', 'u',         'u',           'u',          'u',
	'u',          'u', 'u',         't',           'n',          'u',
	'u',          'r', 'u',         'u',           [0x10] = 'u', 'u',
	'u',          'u', 'u',         'u',           'u',          'u',
	'u',          'u', 'u',         'u',           'u',          'u',
	'u',          'u', ['"'] = '"', ['\\'] = '\\', [0x7f] = 'u', [0x80 ... 0xff] = 'm',
};

static const char hex[] = "0123456789abcdef";

static char *put_u00(char *d, uint8_t c)
{
	memcpy(d, "\\u00", 4);
	d[4] = hex[c >> 4];
	d[5] = hex[c & 15];
	return d + 6;
}

/* The sequence at *p as one piece of a string: at most 6 bytes out. */
static char *put_multi(char *d, const uint8_t **p, size_t n)
{
	int step = utf8_step(*p, n);

	if (step < 0) {
		memcpy(d, "\xef\xbf\xbd", 3);
		d += 3;
		step = -step;
	} else if ((*p)[0] == 0xc2 && (*p)[1] < 0xa0) {
		d = put_u00(d, (*p)[1]); /* C1 controls: terminals obey some of them */
	} else {
		for (int i = 0; i < step; i++)
			*d++ = (char)(*p)[i];
	}
	*p += step;
	return d;
}

/* The byte at *p, which cannot go into a string as it is, and what belongs to it: at most 6 bytes
 * out. */
static char *put_special(char *d, const uint8_t **p, size_t n)
{
	uint8_t e = esc[**p];

	if (e == 'm')
		return put_multi(d, p, n);
	if (e == 'u')
		return put_u00(d, *(*p)++);
	*d++ = '\\';
	*d++ = (char)e;
	(*p)++;
	return d;
}

/* The n bytes at p, 0 < n < 8, filled up with blanks. */
static inline uint64_t load_part(const uint8_t *p, size_t n)
{
	uint64_t v = ONES * ' ' << (8 * n);

	if (n >= 4) {
		uint32_t lo, hi;

		memcpy(&lo, p, 4);
		memcpy(&hi, p + n - 4, 4); /* they overlap in equal bytes */
		return v | lo | (uint64_t)hi << (8 * (n - 4));
	}
	return v | p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

/* A byte of ones for each of the 16 at p that cannot go into a string as it is. */
static inline words2 special_of_16(const void *p)
{
	bytes16 v;

	memcpy(&v, p, sizeof(v));
	return (words2)((v - 0x20 > 0x7e - 0x20) | (v == '"') | (v == '\\'));
}

/* Of 8, the high bits; no byte's sum carries into the next. */
static inline uint64_t special_of_8(uint64_t v)
{
	const uint64_t low = v & ~HIGHS, sure = ONES * 0x7f;
	const uint64_t plain = (low + ONES * 0x60) & ((low ^ ONES * '"') + sure) &
			       ((low ^ ONES * '\\') + sure) & ~(low + ONES);

	return (~plain | v) & HIGHS;
}

/* More than one step of put_escaped writes: eight plain bytes, eight escapes of two bytes, and
 * eight bytes at once behind them. */
#define STEP_OUT 32

/*
 * The n bytes at *p, n <= 8, loaded into v; m: which are special, at least one. Quotes and
 * backslashes come in numbers and are escaped out of v; any other ends the step. Moves *p; returns
 * where the output ends.
 */
static inline char *put_step(char *d, const uint8_t **p, const uint8_t *end, uint64_t v, uint64_t m,
			     size_t n)
{
	size_t done = 0;

	for (m &= HIGHS; m; m &= m - 1) {
		const size_t at = (size_t)__builtin_ctzll(m) >> 3;
		const uint8_t c = (*p)[at];

		memcpy(d, &v, 8);
		d += at - done;
		if (c != '"' && c != '\\') {
			*p += at;
			return put_special(d, p, (size_t)(end - *p));
		}
		*d++ = '\\';
		*d++ = (char)c;
		v = v >> 8 * (at - done) >> 8; /* by 64 at once would be undefined */
		done = at + 1;
	}
	memcpy(d, &v, 8);
	*p += n;
	return d + (n - done);
}

static inline char *put_16(char *d, const uint8_t **p, const uint8_t *end)
{
	const words2 special = special_of_16(*p);
	uint64_t m = special[0];

	if (!m) {
		memcpy(d, *p, 8);
		d += 8;
		*p += 8;
		m = special[1];
	}
	if (m)
		return put_step(d, p, end, load64(*p), m, 8);
	memcpy(d, *p, 8);
	*p += 8;
	return d + 8;
}

static char *put_rest(char *d, const uint8_t **p, const uint8_t *end)
{
	const size_t left = (size_t)(end - *p), n = left < 8 ? left : 8;
	const uint64_t v = left < 8 ? load_part(*p, left) : load64(*p), m = special_of_8(v);

	if (m)
		return put_step(d, p, end, v, m, n);
	memcpy(d, &v, 8);
	*p += n;
	return d + n;
}

/* Apart from json_quoted, which is to stay small. */
__attribute__((noinline)) static void put_escaped(struct buf *b, const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;

	while (p < end) {
		/* Room as if nothing needed escaping; more when that turns out wrong. */
		const size_t room = (size_t)(end - p) + STEP_OUT;
		char *d = buf_room(b, room), *stop;

		if (!d)
			return;
		stop = d + room - STEP_OUT;
		while (end - p >= 16 && d <= stop)
			d = put_16(d, &p, end);
		while (p < end && d <= stop)
			d = put_rest(d, &p, end);
		b->len = (size_t)(d - b->p);
	}
}

void json_quoted(struct buf *b, const void *s, size_t n)
{
	char *d = buf_room(b, n + 1 + 16);
	words2 special;

	if (!d)
		return;
	/* Nearly all strings need no escapes: copied first, then looked at, blanks behind their
	 * end. */
	*d++ = '"';
	if (n)
		memcpy(d, s, n);
	memset(d + n, ' ', 16);
	for (size_t plain = 0; plain < n; plain += 16) {
		special = special_of_16(d + plain);
		if (!(special[0] | special[1]))
			continue;
		b->len += plain + 1;
		put_escaped(b, (const uint8_t *)s + plain, n - plain);
		buf_putc(b, '"');
		return;
	}
	d[n] = '"';
	b->len += n + 2;
}

static inline void separate(struct buf *b)
{
	if (!b->len)
		return;
	switch (b->p[b->len - 1]) {
	case '{':
	case '[':
	case ',':
	case ':':
	case '\n':
	case '\0':
		break;
	default:
		buf_putc(b, ',');
	}
}

void json_obj(struct buf *b)
{
	separate(b);
	buf_putc(b, '{');
}

void json_obj_end(struct buf *b)
{
	buf_putc(b, '}');
}

void json_arr(struct buf *b)
{
	separate(b);
	buf_putc(b, '[');
}

void json_arr_end(struct buf *b)
{
	buf_putc(b, ']');
}

void json_key(struct buf *b, const char *key)
{
	size_t n = strlen(key);
	char *d;

	separate(b);
	d = buf_room(b, n + 3);
	if (!d)
		return;
	d[0] = '"';
	memcpy(d + 1, key, n);
	d[n + 1] = '"';
	d[n + 2] = ':';
	b->len += n + 3;
}

void json_keyn(struct buf *b, const char *key, size_t n)
{
	json_str(b, key, n);
	buf_putc(b, ':');
}

void json_str(struct buf *b, const void *s, size_t n)
{
	separate(b);
	json_quoted(b, s, n);
}

void json_cstr(struct buf *b, const char *s)
{
	json_str(b, s, strlen(s));
}

void json_u64(struct buf *b, uint64_t v)
{
	separate(b);
	buf_u64(b, v);
}

void json_i64(struct buf *b, int64_t v)
{
	separate(b);
	buf_i64(b, v);
}

void json_f64(struct buf *b, double v)
{
	separate(b);
	buf_f64(b, v);
}

void json_bool(struct buf *b, bool v)
{
	separate(b);
	buf_puts(b, v ? "true" : "false");
}

void json_null(struct buf *b)
{
	separate(b);
	buf_put(b, "null", 4);
}

void json_raw(struct buf *b, const void *s, size_t n)
{
	separate(b);
	buf_put(b, s, n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four hex digits after \u at p, or -1. */
static long unit_at(const char *p, size_t n)
{
	long v = 0;

	if (n < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int h = hex_digit(p[i]);

		if (h < 0)
			return -1;
		v = v << 4 | h;
	}
	return v;
}

static void put_code_point(struct buf *b, uint32_t c)
{
	char t[4];
	size_t n;

	if (c < 0x80) {
		t[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		t[0] = (char)(0xc0 | c >> 6);
		t[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		t[0] = (char)(0xe0 | c >> 12);
		t[1] = (char)(0x80 | (c >> 6 & 0x3f));
		t[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		t[0] = (char)(0xf0 | c >> 18);
		t[1] = (char)(0x80 | (c >> 12 & 0x3f));
		t[2] = (char)(0x80 | (c >> 6 & 0x3f));
		t[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	buf_put(b, t, n);
}

/* p: at a backslash. Returns how many bytes were used. What is no escape at all stays as it is. */
static size_t put_unescaped(struct buf *out, const char *p, size_t n)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *f;
	long u, low;

	if (n < 2) {
		buf_putc(out, '\\');
		return 1;
	}
	if (p[1] != 'u') {
		f = p[1] ? strchr(from, p[1]) : NULL;
		if (!f) {
			buf_putc(out, '\\');
			return 1;
		}
		buf_putc(out, to[f - from]);
		return 2;
	}
	u = unit_at(p + 2, n - 2);
	if (u < 0) {
		buf_putc(out, '\\');
		return 1;
	}
	if (u < 0xd800 || u > 0xdfff) {
		put_code_point(out, (uint32_t)u);
		return 6;
	}
	low = u < 0xdc00 && n >= 12 && p[6] == '\\' && p[7] == 'u' ? unit_at(p + 8, n - 8) : -1;
	if (low < 0xdc00 || low > 0xdfff) {
		put_code_point(out, 0xfffd);
		return 6;
	}
	put_code_point(out, 0x10000 + ((uint32_t)(u - 0xd800) << 10 | (uint32_t)(low - 0xdc00)));
	return 12;
}

void json_unescape(struct buf *out, const char *p, size_t n)
{
	const char *end = n ? p + n : p;

	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		const char *stop = slash ? slash : end;

		while (p < stop) {
			const uint8_t *s = (const uint8_t *)p;
			size_t run = 0, left = (size_t)(stop - p);
			int step = 0;

			while (run < left) {
				if (left - run >= 8 && !(load64(s + run) & HIGHS)) {
					run += 8;
					continue;
				}
				step = utf8_step(s + run, left - run);
				if (step < 0)
					break;
				run += (size_t)step;
			}
			buf_put(out, p, run);
			p += run;
			if (p < stop) {
				buf_put(out, "\xef\xbf\xbd", 3);
				p += -step;
			}
		}
		if (slash)
			p += put_unescaped(out, p, (size_t)(end - p));
	}
}
