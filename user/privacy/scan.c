/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * scan.c - built-in patterns in plain text, in one pass: a class table finds the few bytes at which
 * a pattern can be told (rare ones: the `_` of hf_, the `J` of eyJ), a look around decides.
 */
#include "privacy/scan.h"

#include <string.h>
#include <strings.h>

#define A SCAN_ANCHOR
const uint8_t scan_class[256] = {
	['"'] = SCAN_STRING_END,
	['\\'] = SCAN_STRING_END,
	['@'] = A,
	['%'] = A,
	['_'] = A,
	['-'] = A,
	['['] = A,
	['='] = A,
	['>'] = A,
	[':'] = A,
	['A'] = A,
	['J'] = A,
	['B'] = A,
	['b'] = A,
	['K'] = A,
	['k'] = A,
	['0'] = A,
	['1'] = A,
	['2'] = A,
	['3'] = A,
	['4'] = A,
	['5'] = A,
	['6'] = A,
	['7'] = A,
	['8'] = A,
	['9'] = A,
};
#undef A

/* ---- sets of characters ------------------------------------------------------------------- */

static bool is_base62_dash(uint8_t c)
{
	return scan_is_alnum(c) || c == '_' || c == '-';
}

static bool is_token(uint8_t c) /* RFC 6750 b64token, and base64 */
{
	return scan_is_alnum(c) || (c && strchr("-._~+/=", c));
}

static bool is_token_or_address(uint8_t c)
{
	return is_token(c) || c == '@' || c == '%';
}

static size_t run_end(const struct text *t, size_t i, bool (*member)(uint8_t))
{
	while (i < t->n && member(t->p[i]))
		i++;
	return i;
}

struct mix {
	bool digit, upper, lower, other;
};

static struct mix mix_of(const struct text *t, size_t from, size_t to)
{
	struct mix m = { 0 };

	for (size_t i = from; i < to; i++) {
		const uint8_t c = t->p[i];

		m.digit |= scan_is_digit(c);
		m.upper |= c >= 'A' && c <= 'Z';
		m.lower |= c >= 'a' && c <= 'z';
		m.other |= !scan_is_alnum(c);
	}
	return m;
}

/* Does the text before position i end with these bytes, not reaching before `from`? */
static bool preceded(const struct text *t, size_t from, size_t i, const char *s, size_t n)
{
	return i - from >= n && !memcmp(t->p + i - n, s, n);
}

static bool found(struct span *s, size_t from, size_t to, const char *kind)
{
	*s = (struct span){ .from = from, .to = to, .kind = kind };
	return true;
}

/* ---- keys with a prefix ------------------------------------------------------------------- */

struct prefix {
	const char *text; /* its last byte, `_` or `-`, is the anchor */
	uint8_t len;
	uint8_t min; /* bytes after it */
	const char *kind;
};
#define P(text, min, kind)                        \
	{                                         \
		text, sizeof(text) - 1, min, kind \
	}
static const struct prefix prefixes[] = {
	P("sk-", 16, "api_key"),       P("hf_", 20, "hf_token"),
	P("ghp_", 20, "github_token"), P("gho_", 20, "github_token"),
	P("ghu_", 20, "github_token"), P("ghs_", 20, "github_token"),
	P("ghr_", 20, "github_token"), P("github_pat_", 20, "github_token"),
	P("xoxb-", 10, "slack_token"), P("xoxa-", 10, "slack_token"),
	P("xoxp-", 10, "slack_token"), P("xoxr-", 10, "slack_token"),
	P("xoxs-", 10, "slack_token"), P("xoxe-", 10, "slack_token"),
	P("xapp-", 10, "slack_token"), P("glpat-", 16, "api_key"),
	P("nvapi-", 16, "api_key"),    P("pplx-", 16, "api_key"),
	P("xai-", 16, "api_key"),      P("gsk_", 20, "api_key"),
	P("sk_live_", 16, "api_key"),  P("sk_test_", 16, "api_key"),
	P("rk_live_", 16, "api_key"),  P("npm_", 20, "api_key"),
	P("dckr_pat_", 16, "api_key"), P("whsec_", 16, "api_key"),
	P("r8_", 20, "api_key"),
};
#undef P

/* The bytes that stand before the anchor in `prefixes`: anything else is none of them. */
static const uint8_t before_anchor[256] = {
	['k'] = 1, ['f'] = 1, ['p'] = 1, ['o'] = 1, ['u'] = 1, ['s'] = 1, ['r'] = 1, ['t'] = 1,
	['b'] = 1, ['a'] = 1, ['e'] = 1, ['i'] = 1, ['x'] = 1, ['m'] = 1, ['c'] = 1, ['8'] = 1,
};

bool scan_prefix(const struct text *t, size_t from, size_t i, struct span *s)
{
	if (i == from || !before_anchor[t->p[i - 1]])
		return false;
	for (size_t k = 0; k < sizeof(prefixes) / sizeof(prefixes[0]); k++) {
		const struct prefix *x = &prefixes[k];
		const size_t start = i + 1 - x->len;
		struct mix m;
		size_t end;

		if (!preceded(t, from, i + 1, x->text, x->len) || !scan_starts_word(t, from, start))
			continue;
		end = run_end(t, i + 1, is_base62_dash);
		/* Cut: too short to be told from prose, and all the same a key's first bytes. */
		if (t->cut && end == t->n && end > i + 1 && end - i - 1 < x->min)
			return found(s, start, end, x->kind);
		m = mix_of(t, i + 1, end);
		if (!m.digit && !m.upper) /* sk-learn-estimator-of-something */
			return false;
		if (end - i - 1 < x->min)
			return false;
		return found(s, start, end, x->kind);
	}
	return false;
}

/* ---- JWT, AWS, Google, authentication schemes, PEM ------------------------------------------ */

static bool is_jwt(uint8_t c)
{
	return is_base62_dash(c) || c == '.';
}

/* eyJ…​.…​[.…]: base64url of {" begins so. i is at the J. */
bool scan_jwt(const struct text *t, size_t from, size_t i, struct span *s)
{
	const uint8_t *dot;
	size_t start = i - 2, end;

	if (!preceded(t, from, i, "ey", 2))
		return false;
	/* What hangs on its left goes with it: alone it would look different to a second run. */
	while (start > from && is_base62_dash(t->p[start - 1]))
		start--;
	end = run_end(t, i, is_jwt);
	dot = memchr(t->p + i, '.', end - i);
	while (end > i && t->p[end - 1] == '.' && !(t->cut && end == t->n))
		end--;
	if (dot && (size_t)(dot - t->p) - i >= 8 && end - (size_t)(dot - t->p) >= 2)
		return found(s, start, end, "jwt");
	return t->cut && end == t->n && end - i >= 2 && found(s, start, end, "jwt");
}

static bool is_upper_digit(uint8_t c)
{
	return scan_is_digit(c) || (c >= 'A' && c <= 'Z');
}

bool scan_cloud_key(const struct text *t, size_t from, size_t i, struct span *s)
{
	const size_t left = t->n - i;
	bool aws, google;
	size_t end;

	if (left < 4 || !scan_starts_word(t, from, i))
		return false;
	aws = !memcmp(t->p + i, "AKIA", 4) || !memcmp(t->p + i, "ASIA", 4);
	google = !memcmp(t->p + i, "AIza", 4);
	if (!aws && !google)
		return false;
	end = run_end(t, i + 4, aws ? is_upper_digit : is_base62_dash);
	if (end - i < (aws ? 20 : 34) && !(t->cut && end == t->n && end > i + 4))
		return false;
	return found(s, i, end, aws ? "aws_key" : "google_key");
}

/* Not a word of prose after "bearer" or "basic". */
static bool looks_like_token(const struct text *t, size_t from, size_t to)
{
	const size_t n = to - from;
	const struct mix m = mix_of(t, from, to);

	return n >= 16 || (n >= 6 && m.digit) ||
	       (n >= 8 && m.upper && m.lower && t->p[from] >= 'a') ||
	       (n >= 8 && t->p[to - 1] == '=' && (to == t->n || t->p[to] != '['));
}

/* Bearer X, Basic X, Token X. start: where the word begins; the scheme stays, the credential goes.
 */
static bool scan_scheme(const struct text *t, size_t from, size_t start, const char *word, size_t n,
			size_t min, const char *kind, struct span *s)
{
	size_t i = start + n, end;

	if (start < from || t->n - start < n + 2 ||
	    strncasecmp((const char *)t->p + start, word, n) || !scan_starts_word(t, from, start))
		return false;
	while (i < t->n && (t->p[i] == ' ' || t->p[i] == '\t'))
		i++;
	end = run_end(t, i, is_token);
	if (end < t->n &&
	    (t->p[end] == '@' || t->p[end] == '%')) /* "basic joe@…": as a whole or not at all */
		end = run_end(t, end, is_token_or_address);
	if (i == start + n || end == i)
		return false;
	/* Cut off after "Bearer a"; "the bearer of" is prose. */
	if (t->cut && end == t->n && t->p[start] == 'B' && n == 6)
		return found(s, i, end, kind);
	if (end - i < min || !looks_like_token(t, i, end))
		return false;
	return found(s, i, end, kind);
}

static bool find(const struct text *t, size_t i, const char *s, size_t *at)
{
	const uint8_t *q = i < t->n ? memmem(t->p + i, t->n - i, s, strlen(s)) : NULL;

	if (q)
		*at = (size_t)(q - t->p);
	return q;
}

#define PEM_LABEL_MAX 64u

/* -----BEGIN … PRIVATE KEY …----- up to its end line; an end line alone: the key began before. */
static bool scan_pem(const struct text *t, size_t from, size_t i, struct span *s)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----END ";
	const bool begins = t->n - i > sizeof(begin) && !memcmp(t->p + i, begin, sizeof(begin) - 1);
	struct text label;
	size_t at;

	if (!begins && (t->n - i <= sizeof(end) || memcmp(t->p + i, end, sizeof(end) - 1)))
		return false;
	label = (struct text){ .p = t->p,
			       .n = t->n - i > PEM_LABEL_MAX ? i + PEM_LABEL_MAX : t->n };
	if (!find(&label, i, "PRIVATE KEY", &at))
		return false;
	if (!begins) {
		if (!find(t, at, "-----", &at))
			at = t->n - 5;
		return found(s, from, at + 5, "private_key");
	}
	if (!find(t, at, end, &at))
		return found(s, i, t->n, "private_key");
	at += sizeof(end) - 1;
	return found(s, i, find(t, at, "-----", &at) ? at + 5 : t->n, "private_key");
}

/* ---- the pass ------------------------------------------------------------------------------ */

static size_t next_anchor(const uint8_t *p, size_t i, size_t n)
{
	for (; i + 4 <= n; i += 4) {
		if (scan_class[p[i]] & SCAN_ANCHOR)
			return i;
		if (scan_class[p[i + 1]] & SCAN_ANCHOR)
			return i + 1;
		if (scan_class[p[i + 2]] & SCAN_ANCHOR)
			return i + 2;
		if (scan_class[p[i + 3]] & SCAN_ANCHOR)
			return i + 3;
	}
	while (i < n && !(scan_class[p[i]] & SCAN_ANCHOR))
		i++;
	return i;
}

/* One anchor. True: *s is a match. Else the pass goes on at *next (one further if left alone). */
static bool scan_at(const struct text *t, size_t from, size_t i, struct span *s, size_t *next)
{
	switch (t->p[i]) {
	case '@':
		return scan_at_sign(t, from, i, 1, s);
	case '%':
		return t->n - i > 2 && t->p[i + 1] == '4' && t->p[i + 2] == '0' &&
		       scan_at_sign(t, from, i, 3, s);
	case '_':
		return scan_prefix(t, from, i, s);
	case '-':
		return scan_prefix(t, from, i, s) || scan_pem(t, from, i, s);
	case '>':
		return scan_element(t, from, i, s);
	case '=':
		if (scan_form_part(t, from, i, s))
			return true;
		/* fall through */
	case ':':
		return scan_assignment(t, from, i, s);
	case 'A':
		return scan_cloud_key(t, from, i, s);
	case 'J':
		return scan_jwt(t, from, i, s);
	case 'B':
	case 'b':
		return scan_scheme(t, from, i, "bearer", 6, 6, "bearer", s) ||
		       scan_scheme(t, from, i, "basic", 5, 6, "basic", s);
	case 'K':
	case 'k':
		return i >= 2 && scan_scheme(t, from, i - 2, "token", 5, 20, "token", s);
	default:
		return scan_card(t, from, i, s, next);
	}
}

bool scan_next(const struct text *t, size_t from, struct span *s)
{
	for (size_t i = next_anchor(t->p, from, t->n), next; i < t->n;
	     i = next_anchor(t->p, next, t->n)) {
		const size_t skip = t->p[i] == '[' ? placeholder_length(t->p + i, t->n - i) : 0;

		next = i + 1;
		if (skip)
			from = next = i + skip;
		else if (t->p[i] != '[' && scan_at(t, from, i, s, &next))
			return true;
	}
	return false;
}

/* ---- placeholder ---------------------------------------------------------------------------- */

#define PLACEHOLDER "[REDACTED:"
#define PLACEHOLDER_LEN (sizeof(PLACEHOLDER) - 1)
#define PLACEHOLDER_KIND_MAX 32u
#define PLACEHOLDER_DIGITS_MAX 20u

size_t placeholder_length(const void *p, size_t n)
{
	const uint8_t *s = p;
	size_t i = PLACEHOLDER_LEN, kind, digits;

	if (n < PLACEHOLDER_LEN || memcmp(s, PLACEHOLDER, PLACEHOLDER_LEN))
		return 0;
	for (kind = 0; i < n && is_base62_dash(s[i]); i++)
		kind++;
	if (!kind || kind > PLACEHOLDER_KIND_MAX || i == n || s[i++] != ':')
		return 0;
	for (digits = 0; i < n && scan_is_digit(s[i]); i++)
		digits++;
	if (!digits || digits > PLACEHOLDER_DIGITS_MAX || i == n || s[i] != ']')
		return 0;
	return i + 1;
}

bool placeholder_within(const void *p, size_t n)
{
	const uint8_t *s = p, *const end = s + n;

	while ((s = memchr(s, '[', (size_t)(end - s)))) {
		if (placeholder_length(s, (size_t)(end - s)))
			return true;
		s++;
	}
	return false;
}

void placeholder_put(struct buf *out, const char *kind, size_t secret_bytes)
{
	uint64_t size = 1;

	while (size < secret_bytes)
		size *= 2;
	buf_puts(out, PLACEHOLDER);
	buf_puts(out, kind);
	buf_putc(out, ':');
	buf_u64(out, secret_bytes ? size : 0);
	buf_putc(out, ']');
}
