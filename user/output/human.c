// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* human.c - durations, sizes and text for the eyes of people, without printf where it is hot. */
#include "output/human.h"

#include <math.h>

#include "base/json.h"

/* v / unit with three significant digits, v < 1000 * unit. */
static void three_digits(struct buf *b, uint64_t v, uint64_t unit)
{
	uint64_t whole = v / unit, rest = v % unit, hundredths;

	while (unit > (uint64_t)1 << 50) { /* so that the product fits */
		unit >>= 10;
		rest >>= 10;
	}
	hundredths = rest * 100 / unit;
	buf_u64(b, whole);
	if (whole >= 100)
		return;
	buf_putc(b, '.');
	buf_putc(b, (char)('0' + hundredths / 10));
	if (whole < 10)
		buf_putc(b, (char)('0' + hundredths % 10));
}

static void two_units(struct buf *b, uint64_t big, const char *big_unit, uint64_t small,
		      const char *small_unit)
{
	buf_u64(b, big);
	buf_puts(b, big_unit);
	if (small < 10)
		buf_putc(b, '0');
	buf_u64(b, small);
	buf_puts(b, small_unit);
}

void human_duration(struct buf *b, int64_t ns)
{
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns, s = v / 1000000000;

	if (ns < 0)
		buf_putc(b, '-');
	if (v == 0) {
		buf_puts(b, "0 s");
	} else if (v < 1000) {
		buf_u64(b, v);
		buf_puts(b, " ns");
	} else if (v < 1000000) {
		three_digits(b, v, 1000);
		buf_puts(b, " µs");
	} else if (v < 1000000000) {
		three_digits(b, v, 1000000);
		buf_puts(b, " ms");
	} else if (s < 120) {
		three_digits(b, v, 1000000000);
		buf_puts(b, " s");
	} else if (s < 7200) {
		two_units(b, s / 60, "m", s % 60, "s");
	} else if (s < 172800) {
		two_units(b, s / 3600, "h", s / 60 % 60, "m");
	} else {
		two_units(b, s / 86400, "d", s / 3600 % 24, "h");
	}
}

void human_bytes(struct buf *b, uint64_t n)
{
	static const char *const unit[] = { " B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB" };
	unsigned u = 0;

	while (u < 6 && n >> (10 * u) >= 1000) /* 1000 and not 1024: never four digits */
		u++;
	if (u == 0)
		buf_u64(b, n);
	else
		three_digits(b, n, (uint64_t)1 << (10 * u));
	buf_puts(b, unit[u]);
}

void human_number(struct buf *b, double v)
{
	if (fabs(v) < 1e15 && v == (double)(int64_t)v)
		buf_i64(b, (int64_t)v);
	else
		buf_printf(b, "%.4g", v);
}

/* The sequence at p, n > 0: its length, its code point in *c; 0 for a byte that begins none. */
static size_t decode(const unsigned char *p, size_t n, uint32_t *c)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len == 1) {
		*c = p[0];
		return 1;
	}
	if (len > n || !utf8_valid(p, len))
		return 0;
	*c = len == 2 ? p[0] & 0x1fu : len == 3 ? p[0] & 0x0fu : p[0] & 0x07u;
	for (size_t i = 1; i < len; i++)
		*c = *c << 6 | (p[i] & 0x3fu);
	return len;
}

/* Invisible or turning the direction of what follows: shown as \uXXXX. */
static bool is_hidden(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

static size_t put_escape(struct buf *b, uint32_t c)
{
	static const char hex[] = "0123456789abcdef";
	char t[6] = {
		'\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15]
	};

	if (c == '\n' || c == '\r' || c == '\t') {
		t[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : 't';
		buf_put(b, t, 2);
		return 2;
	}
	if (c < 0x80) { /* \x1b */
		t[1] = 'x';
		t[2] = t[4];
		t[3] = t[5];
		buf_put(b, t, 4);
		return 4;
	}
	buf_put(b, t, 6);
	return 6;
}

size_t human_text(struct buf *b, const char *s, size_t n, size_t most)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + n;
	size_t width = 0;

	while (p < end) {
		const unsigned char *run = p;
		uint32_t c;
		size_t len;

		if (most && width >= most) {
			buf_puts(b, "…");
			return width + 1;
		}
		while (p < end && *p >= 0x20 && *p < 0x7f && (!most || width < most)) {
			p++;
			width++;
		}
		buf_put(b, run, (size_t)(p - run));
		if (p == end || p != run)
			continue;
		len = decode(p, (size_t)(end - p), &c);
		if (!len) {
			buf_puts(b, "\xef\xbf\xbd");
			len = 1;
			width++;
		} else if (c < 0x20 || c == 0x7f || is_hidden(c)) {
			width += put_escape(b, c);
		} else {
			buf_put(b, p, len);
			width++;
		}
		p += len;
	}
	return width;
}
