/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan_mail.c - what stands around an @: the password of a URL, or an e-mail address. */
#include "privacy/scan.h"

#include <string.h>

#define LOCAL_MAX 128u
#define DOMAIN_MAX 255u
#define USERINFO_MAX 512u

static bool ends_url(uint8_t c)
{
	return c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '`' || c == 0x7f;
}

/* Position after the :// to the left of i, or false. */
static bool authority_start(const struct text *t, size_t from, size_t i, size_t *start)
{
	const size_t floor = i - from > USERINFO_MAX ? i - USERINFO_MAX : from;

	for (size_t k = i; k > floor && !ends_url(t->p[k - 1]); k--)
		if (k - floor >= 3 && t->p[k - 1] == '/' && t->p[k - 2] == '/' &&
		    t->p[k - 3] == ':') {
			*start = k;
			return true;
		}
	return false;
}

static bool all_digits(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!scan_is_digit(p[i]))
			return false;
	return true;
}

/* scheme://USER:PASSWORD@host. i is at an @. */
static bool scan_url_password(const struct text *t, size_t from, size_t i, struct span *s)
{
	const uint8_t *colon, *slash;
	size_t start, last = i;

	if (!authority_start(t, from, i, &start))
		return false;
	colon = memchr(t->p + start, ':', i - start);
	slash = memchr(t->p + start, '/', i - start);
	if (!colon || colon + 1 == t->p + i ||
	    placeholder_length(colon + 1, (size_t)(t->p + i - colon - 1)))
		return false;
	/* host:8080/path@x has no password; user:pa/ss@host has one, badly written. */
	if (slash && (slash < colon || all_digits(colon + 1, (size_t)(slash - colon - 1))))
		return false;
	/* A raw @ in the password: the last one before the host counts. */
	for (size_t k = i + 1; k < t->n && !ends_url(t->p[k]) && !strchr("/?#", t->p[k]); k++)
		if (t->p[k] == '@')
			last = k;
	*s = (struct span){ .from = (size_t)(colon + 1 - t->p), .to = last, .kind = "password" };
	return true;
}

static bool is_local(uint8_t c)
{
	return scan_is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

/* Letters of two UTF-8 bytes (Latin, Greek, Cyrillic …) belong to a name, ideographs stand beside.
 */
static size_t local_start(const struct text *t, size_t from, size_t i)
{
	size_t k = i;

	while (k > from && i - k < LOCAL_MAX) {
		if (is_local(t->p[k - 1]) &&
		    !(scan_after_escape(t, from, k) && strchr("nrt", t->p[k - 1])))
			k--;
		else if (k - from >= 2 && (t->p[k - 1] & 0xc0) == 0x80 && t->p[k - 2] >= 0xc3 &&
			 t->p[k - 2] <= 0xdf)
			k -= 2;
		else
			break;
	}
	return k;
}

static size_t domain_end(const struct text *t, size_t i, bool any_letters)
{
	const size_t max = t->n - i > DOMAIN_MAX ? i + DOMAIN_MAX : t->n;

	while (i < max && (scan_is_alnum(t->p[i]) || t->p[i] == '.' || t->p[i] == '-' ||
			   (any_letters && t->p[i] >= 0x80)))
		i++;
	return i;
}

/* A dot with two letters after it: 1.2.3 is a version, not a host. */
static bool has_top_level(const struct text *t, size_t from, size_t to)
{
	for (size_t i = from + 1; i + 2 < to; i++)
		if (t->p[i] == '.' && !scan_is_digit(t->p[i + 1]) && !scan_is_digit(t->p[i + 2]) &&
		    t->p[i + 1] != '.' && t->p[i + 2] != '.' && t->p[i + 1] != '-')
			return true;
	return false;
}

/* i: the @, or the %40 of `width` bytes. */
static bool scan_email(const struct text *t, size_t from, size_t i, size_t width, struct span *s)
{
	const size_t local = local_start(t, from, i), host = i + width;
	size_t end;

	if (local == i)
		return false;
	end = domain_end(t, host, false);
	if (!has_top_level(t, host, end))
		end = domain_end(t, host, true);
	while (end > host && (t->p[end - 1] == '.' || t->p[end - 1] == '-'))
		end--;
	if (!has_top_level(t, host, end)) {
		/* Cut in the middle of the host, at the end of a sample. */
		if (!t->cut || domain_end(t, host, true) != t->n || i - local < 2)
			return false;
		end = t->n;
	}
	*s = (struct span){ .from = local, .to = end, .kind = "email" };
	return true;
}

bool scan_at_sign(const struct text *t, size_t from, size_t i, size_t width, struct span *s)
{
	return (width == 1 && scan_url_password(t, from, i, s)) || scan_email(t, from, i, width, s);
}
