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

/* More than one step of put_escaped writes. */
#define STEP_OUT 16

static void put_escaped(struct buf *b, const uint8_t *p, size_t n)
{
	const uint8_t *end = n ? p + n : p;
	char *d, *stop;

	while (p < end) {
		/* Room as if nothing needed escaping; more when that turns out wrong. */
		size_t room = (size_t)(end - p) + STEP_OUT;

		d = buf_room(b, room);
		if (!d)
			return;
		stop = d + room - STEP_OUT;
		while (p < end && d <= stop) {
			size_t left = (size_t)(end - p), clean = left < 8 ? left : 8;
			uint64_t v = left < 8 ? load_part(p, left) : load64(p), m;

			m = ((v - ONES * 0x20) | ((v ^ ONES * '"') - ONES) |
			     ((v ^ ONES * '\\') - ONES) | ((v ^ ONES * 0x7f) - ONES) | v) &
			    HIGHS;
			memcpy(d, &v, 8);
			if (m)
				clean = (size_t)__builtin_ctzll(m) >> 3;
			d += clean;
			p += clean;
			if (m)
				d = put_special(d, &p, (size_t)(end - p));
		}
		b->len = (size_t)(d - b->p);
	}
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
	buf_putc(b, '"');
	put_escaped(b, s, n);
	buf_putc(b, '"');
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
