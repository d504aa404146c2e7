/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * clean.c - what a fingerprint means where it stands, told from the raw bytes: JSON is not decoded,
 * so every doubt counts as dirty. Whatever passes here the scanners would have passed.
 */
#include "privacy/filter.h"

#include "privacy/names.h"

#include <string.h>
#include <strings.h>

#define KEY_MAX 136u /* a JSON key's reach to either side: more than names.c looks at */
#define NAME_MAX_BYTES 64u /* as in scan_value.c */
#define GAP_MAX 16u /* quotes, blanks and backslashes between a name and its separator */
#define ESCAPE_MAX 96u /* bytes of an escape in a document in a document in … */
#define CARD_RUN 13u /* bytes of the shortest card number */

static bool is_name(uint8_t c)
{
	return scan_is_alnum(c) || c == '_' || c == '-' || c == '.';
}

/* The identifier around position i. */
struct name {
	size_t from, to;
};

static struct name name_around(const uint8_t *p, size_t n, size_t i)
{
	struct name x = { i, i };

	while (x.to < n && is_name(p[x.to]))
		x.to++;
	for (x.from = x.to; x.from && is_name(p[x.from - 1]) && x.to - x.from < NAME_MAX_BYTES;)
		x.from--;
	return x;
}

/* Does = or : follow, after quotes and blanks? */
static bool is_assigned(const uint8_t *p, size_t n, size_t i)
{
	for (const size_t end = n - i < GAP_MAX ? n : i + GAP_MAX; i < end; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] != ' ' && p[i] != '\t' && p[i] != '"' && p[i] != '\'')
			return p[i] == '=' || p[i] == ':';
	}
	return false;
}

/* NAME= or "NAME": in text or in a string. */
static bool is_assignment(const uint8_t *p, const struct name *x)
{
	const char *const s = (const char *)p + x->from;
	const size_t n = x->to - x->from;

	/* An escape hangs on the name: \npassword=, \u4e2dpassword= */
	if (x->from && s[-1] == '\\' && n && name_secret(s + 1, n - 1))
		return true;
	if (x->from && s[-1] == '\\' && n > 5 && name_secret(s + 5, n - 5))
		return true;
	return name_secret(s, n) != NAME_HARMLESS;
}

static bool colon_follows(const uint8_t *p, size_t n, size_t i)
{
	while (i < n && (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r')))
		i++;
	return i < n && p[i] == ':';
}

/* A JSON key that is more than the identifier x, around position i. */
static bool is_secret_key(const uint8_t *p, size_t n, size_t i)
{
	const size_t reach = n - i < KEY_MAX ? n - i : KEY_MAX;
	const uint8_t *begin, *end = memchr(p + i, '"', reach);

	/* An escaped quote ends a key of JSON inside a string. */
	while (end && end > p && end[-1] == '\\') {
		if (colon_follows(p, n, (size_t)(end - p) + 1))
			return true;
		end = memchr(end + 1, '"', reach - (size_t)(end + 1 - (p + i)));
	}
	if (!end || !colon_follows(p, n, (size_t)(end - p) + 1))
		return false;
	begin = memrchr(i > KEY_MAX ? p + i - KEY_MAX : p, '"', i > KEY_MAX ? KEY_MAX : i);
	if (!begin || memchr(begin + 1, '\\', (size_t)(end - begin - 1)) ||
	    (begin > p && begin[-1] == '\\'))
		return true;
	return name_secret((const char *)begin + 1, (size_t)(end - begin - 1)) != NAME_HARMLESS;
}

static bool is_tag_byte(uint8_t c)
{
	return is_name(c) || c == ':';
}

/* <NAME, <ns:NAME */
static bool is_secret_tag(const uint8_t *p, size_t n, size_t i)
{
	size_t from = i, to = i;

	while (from && is_tag_byte(p[from - 1]) && i - from < NAME_MAX_BYTES)
		from--;
	if (!from || p[from - 1] != '<')
		return false;
	while (to < n && is_tag_byte(p[to]))
		to++;
	return name_secret((const char *)p + from, to - from) != NAME_HARMLESS;
}

static bool names_secret(const uint8_t *p, size_t n, size_t i)
{
	const struct name x = name_around(p, n, i);
	const bool assigned = is_assigned(p, n, x.to);

	if ((assigned && is_assignment(p, &x)) || is_secret_tag(p, n, i))
		return true;
	/* The identifier is the whole key: that was it. */
	if (assigned && x.from && p[x.from - 1] == '"' && p[x.to] == '"')
		return false;
	return is_secret_key(p, n, i);
}

static bool is_credential_byte(uint8_t c)
{
	return scan_is_alnum(c) || (c && strchr("-._~+/=@%\\", c));
}

/* A scheme's word and after it what may be a credential: any of what scan_scheme asks for. */
static bool is_scheme(const uint8_t *p, size_t n, const char *word)
{
	const size_t len = strlen(word);
	bool digit = false, upper = false, lower = false, equals = false;
	size_t i = len, from;

	if (n < len || strncasecmp((const char *)p, word, len))
		return false;
	while (i < n &&
	       (p[i] == ' ' || p[i] == '\t' || p[i] == '\\' || (p[i] == 't' && p[i - 1] == '\\')))
		i++;
	if (i == len)
		return false;
	for (from = i; i < n && is_credential_byte(p[i]); i++) {
		digit |= scan_is_digit(p[i]);
		upper |= p[i] >= 'A' && p[i] <= 'Z';
		lower |= p[i] >= 'a' && p[i] <= 'z';
		equals |= p[i] == '=';
	}
	if (i == n && i > from) /* cut */
		return true;
	return i - from >= 16 || (i - from >= 6 && (digit || equals || (upper && lower)));
}

static bool is_pem(const uint8_t *p, size_t n)
{
	return n >= 9 && !memcmp(p, "-----", 5) &&
	       (!memcmp(p + 5, "BEGI", 4) || !memcmp(p + 5, "END ", 4));
}

/*
 * The text, or what of it stands before an escape that the end of a sample may have cut: decoded,
 * the run around i ends there.
 */
static struct text up_to_escape(const struct text *t, size_t i)
{
	while (i < t->n && (scan_is_alnum(t->p[i]) || strchr("-_.", t->p[i] ? t->p[i] : 'x')))
		i++;
	if (i < t->n && t->p[i] == '\\' && t->n - i <= ESCAPE_MAX)
		return (struct text){ t->p, i, true };
	return *t;
}

/* Can the fingerprint at i belong to anything? */
static bool is_dirty(const struct text *t, size_t i)
{
	const uint8_t *const p = t->p + i;
	const size_t left = t->n - i;
	const struct text run = up_to_escape(t, i);
	struct span s;

	if (p[2] == '-' || p[2] == '_')
		return (run.n > i + 2 && scan_prefix(&run, 0, i + 2, &s)) || is_pem(p, left);
	if (p[0] == 'm' && p[1] == '-' && p[2] == 'd' && i >= 3 &&
	    !memcmp(p - 3, "form-data", left < 6 ? left + 3 : 9))
		return true;
	switch (p[0]) {
	case '%':
		return true;
	case '\\': /* \u00XY of a printable character */
		return left < 6 || (p[3] == '0' && p[4] >= '2' && p[4] <= '7');
	case 'e':
		return p[2] == 'J' && scan_jwt(&run, 0, i + 2, &s);
	case 'b':
	case 'B':
		if (is_scheme(p, left, "bearer") || is_scheme(p, left, "basic"))
			return true;
		break;
	case 't':
	case 'T':
		if (is_scheme(p, left, "token"))
			return true;
		break;
	case 'A':
		if (scan_cloud_key(&run, 0, i, &s))
			return true;
		break;
	default:
		break;
	}
	return names_secret(t->p, t->n, i);
}

static bool is_card_byte(uint8_t c)
{
	return scan_is_digit(c) || c == ' ' || c == '-';
}

static bool run_has_card(const struct text *t, size_t from, size_t to)
{
	struct span s;

	/* Digits of a \u escape run into it. */
	if (to - from >= CARD_RUN && from &&
	    memrchr(t->p + (from > 5 ? from - 5 : 0), '\\', from > 5 ? 5 : from))
		return true;
	while (to - from >= CARD_RUN) {
		if (!scan_is_digit(t->p[from]))
			from++;
		else if (scan_card(t, 0, from, &s, &from))
			return true;
	}
	return false;
}

/* A run of 13 bytes covers one of every 13: only there one must look. */
static bool has_card(const struct text *t)
{
	size_t i = CARD_RUN - 1, from, to;

	while (i < t->n) {
		if (!is_card_byte(t->p[i])) {
			i += CARD_RUN;
			continue;
		}
		for (from = i; from && is_card_byte(t->p[from - 1]);)
			from--;
		for (to = i; to < t->n && is_card_byte(t->p[to]);)
			to++;
		if (run_has_card(t, from, to))
			return true;
		i = to + CARD_RUN - 1;
	}
	return false;
}

bool filter_clean(const struct filter *f, const char *p, size_t n)
{
	const struct text t = { (const uint8_t *)p, n, true };

	if (memchr(p, '@', n))
		return false;
	for (size_t i = 0; (i = filter_next(f, t.p, n, i)) < n; i++)
		if (is_dirty(&t, i))
			return false;
	return !has_card(&t);
}

bool filter_clean_url(const struct filter *f, const char *p, size_t n)
{
	const struct text t = { (const uint8_t *)p, n, true };

	if (memchr(p, '%', n) || memchr(p, '@', n))
		return false;
	for (size_t i = 0; (i = filter_next(f, t.p, n, i)) < n; i++)
		if ((p[i + 2] != '-' && p[i + 2] != '_') || is_dirty(&t, i))
			return false;
	return !has_card(&t);
}
