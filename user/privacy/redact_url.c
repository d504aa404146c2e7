/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* redact_url.c - paths and queries (also form bodies), seen through their percent codes. */
#include "privacy/names.h"
#include "privacy/redactor.h"

#include <string.h>
#include <strings.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void percent_decode(struct buf *out, const char *p, size_t n, bool plus)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '%' && n - i > 2 && hex_value(p[i + 1]) >= 0 &&
		    hex_value(p[i + 2]) >= 0) {
			buf_putc(out, (char)(hex_value(p[i + 1]) << 4 | hex_value(p[i + 2])));
			i += 2;
		} else {
			buf_putc(out, plus && p[i] == '+' ? ' ' : p[i]);
		}
	}
}

/* What would end a value or be decoded is coded; a placeholder stays readable. */
static void percent_encode(struct buf *out, const char *p, size_t n)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < n; i++) {
		const uint8_t c = (uint8_t)p[i];

		if (c > ' ' && c < 0x7f && !strchr("%&=+#?/\"<>\\", c)) {
			buf_putc(out, (char)c);
		} else {
			buf_putc(out, '%');
			buf_putc(out, hex[c >> 4]);
			buf_putc(out, hex[c & 15]);
		}
	}
}

/* Scratch of one call. */
struct url {
	const struct redactor *r;
	struct buf *out;
	struct buf plain, clean;
};

/* A part that may hold percent codes. Unchanged parts stay as they were spelt. */
static unsigned scan_part(struct url *u, const char *p, size_t n, bool plus, bool cut)
{
	unsigned count;

	if (!memchr(p, '%', n) && !(plus && memchr(p, '+', n)))
		return redact_plain(u->r, u->out, p, n, cut);
	buf_clear(&u->plain);
	buf_clear(&u->clean);
	percent_decode(&u->plain, p, n, plus);
	if (redact_begins_json(u->plain.p, u->plain.len))
		count = redact_json_at(u->r, &u->clean, u->plain.p, u->plain.len, 1, cut);
	else
		count = redact_plain(u->r, &u->clean, u->plain.p, u->plain.len, cut);
	if (count)
		percent_encode(u->out, u->clean.p, u->clean.len);
	else
		buf_put(u->out, p, n);
	return count;
}

/* ---- query ----------------------------------------------------------------------------------- */

/* Names that are secrets in a URL and ordinary elsewhere: signed links, Google's ?key=. */
static bool is_secret_in_query(const char *name, size_t n)
{
	static const char *const names[] = { "sig", "signature", "x-amz-signature",
					     "x-goog-signature", "key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == n && !strncasecmp(names[i], name, n))
			return true;
	return redact_key_is_secret(name, n);
}

static bool name_is_secret(struct url *u, const char *p, size_t n)
{
	if (!memchr(p, '%', n))
		return is_secret_in_query(p, n);
	buf_clear(&u->plain);
	percent_decode(&u->plain, p, n, true);
	return u->plain.len && is_secret_in_query(u->plain.p, u->plain.len);
}

/* cut: the last one, whose end may be missing. */
static unsigned query_pair(struct url *u, const char *p, size_t n, bool cut)
{
	const char *eq = memchr(p, '=', n);
	const size_t name = eq ? (size_t)(eq - p) : 0;
	const char *value = eq ? eq + 1 : p;
	const size_t len = n - (size_t)(value - p);
	unsigned count;

	if (!eq)
		return scan_part(u, p, n, true, cut);
	if (name_is_secret(u, p, name) && len) {
		buf_put(u->out, p, name + 1);
		if (placeholder_length(value, len) == len) {
			buf_put(u->out, value, len);
			return 0;
		}
		placeholder_put(u->out, "key", len);
		return 1;
	}
	count = scan_part(u, p, name, true, false);
	buf_putc(u->out, '=');
	return count + scan_part(u, value, len, true, cut);
}

/* `+` is a blank, and `sig` a secret in queries only: neither is the filter's business. */
static bool is_clean_query(const struct filter *f, const char *p, size_t n)
{
	if (!f || memchr(p, '+', n) || !filter_clean_url(f, p, n))
		return false;
	for (size_t i = 0; i + 2 < n; i++)
		if ((p[i] | 0x20) == 's' && (p[i + 1] | 0x20) == 'i' && (p[i + 2] | 0x20) == 'g')
			return false;
	return true;
}

unsigned redact_query(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	struct url u = { .r = r, .out = out };
	unsigned count = 0;

	if (!n || is_clean_query(redactor_filter(r), p, n)) {
		buf_put(out, p, n);
		return 0;
	}
	while (n) {
		const char *amp = memchr(p, '&', n);
		const size_t len = amp ? (size_t)(amp - p) : n;

		count += query_pair(&u, p, len, !amp);
		if (!amp)
			break;
		buf_putc(out, '&');
		p += len + 1;
		n -= len + 1;
	}
	buf_free(&u.plain);
	buf_free(&u.clean);
	return count;
}

/* ---- path ------------------------------------------------------------------------------------ */

#define KEY_RUN \
	20u /* letters and digits in a row: longer than names of models, shorter than keys */
#define KEY_CHANGES 5u /* of case or from letters to digits within it */

static unsigned kind_of(uint8_t c)
{
	return scan_is_digit(c) ? 1 : c >= 'a' ? 2 : 3;
}

/* Random letters of both cases and digits in one run: no model's name, no UUID, no digest. */
static bool looks_like_key(const char *p, size_t n)
{
	size_t run = 0;
	unsigned seen = 0, changes = 0;

	for (size_t i = 0; i < n; i++) {
		const uint8_t c = (uint8_t)p[i];

		if (!scan_is_alnum(c)) {
			run = seen = changes = 0;
			continue;
		}
		changes += run && kind_of(c) != kind_of((uint8_t)p[i - 1]);
		seen |= 1u << kind_of(c);
		if (++run >= KEY_RUN && seen == 14 && changes >= KEY_CHANGES)
			return true;
	}
	return false;
}

static bool has_digit(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (scan_is_digit((uint8_t)p[i]))
			return true;
	return false;
}

static bool is_key_segment(struct url *u, const char *p, size_t n)
{
	if (!memchr(p, '%', n))
		return looks_like_key(p, n);
	buf_clear(&u->plain);
	percent_decode(&u->plain, p, n, false);
	return looks_like_key(u->plain.p, u->plain.len);
}

static unsigned path_segment(struct url *u, const char *before, size_t before_len, const char *p,
			     size_t n)
{
	const bool after_name =
		n >= 8 && has_digit(p, n) && redact_key_is_secret(before, before_len);

	if ((after_name || is_key_segment(u, p, n)) && !placeholder_within(p, n)) {
		placeholder_put(u->out, "key", n);
		return 1;
	}
	return scan_part(u, p, n, false, false);
}

static bool is_clean_path(const struct filter *f, const char *p, size_t n)
{
	size_t run = 0;

	if (!f || !filter_clean_url(f, p, n))
		return false;
	for (size_t i = 0; i < n && run < KEY_RUN; i++)
		run = scan_is_alnum((uint8_t)p[i]) ? run + 1 : 0;
	return run < KEY_RUN;
}

unsigned redact_path(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	struct url u = { .r = r, .out = out };
	const char *before = p;
	size_t before_len = 0;
	unsigned count = 0;

	if (!n || is_clean_path(redactor_filter(r), p, n)) {
		buf_put(out, p, n);
		return 0;
	}
	for (;;) {
		const char *slash = memchr(p, '/', n);
		const size_t len = slash ? (size_t)(slash - p) : n;

		count += path_segment(&u, before, before_len, p, len);
		if (!slash)
			break;
		buf_putc(out, '/');
		before = p;
		before_len = len;
		p += len + 1;
		n -= len + 1;
	}
	buf_free(&u.plain);
	buf_free(&u.clean);
	return count;
}
