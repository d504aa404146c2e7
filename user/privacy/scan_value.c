/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan_value.c - NAME=VALUE and "NAME": VALUE in plain text, where the name says that it is a
 * secret. */
#include "privacy/scan.h"

#include "privacy/names.h"

#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 64u
#define BLANKS_MAX 4u /* around the separator */

/* The name to the left of a separator. */
struct name {
	size_t from, to;
	uint8_t quote; /* 0: none */
};

/* A quote, with the backslashes that escape it in a document inside a document. */
struct quote {
	uint8_t mark; /* 0: none */
	size_t slashes;
};

static bool is_name(uint8_t c)
{
	return scan_is_alnum(c) || c == '_' || c == '-' || c == '.';
}

static bool name_before(const struct text *t, size_t from, size_t i, struct name *n)
{
	size_t k = i;

	while (k > from && (t->p[k - 1] == ' ' || t->p[k - 1] == '\t') && i - k < BLANKS_MAX)
		k--;
	*n = (struct name){ 0 };
	if (k > from && (t->p[k - 1] == '"' || t->p[k - 1] == '\'')) {
		n->quote = t->p[--k];
		while (k > from && t->p[k - 1] == '\\')
			k--;
	}
	n->to = k;
	while (k > from && is_name(t->p[k - 1]) && n->to - k < NAME_MAX_BYTES)
		k--;
	n->from = k;
	return n->to > n->from;
}

static size_t skip_blanks(const struct text *t, size_t i)
{
	const size_t start = i;

	while (i < t->n && (t->p[i] == ' ' || t->p[i] == '\t') && i - start < BLANKS_MAX)
		i++;
	return i;
}

static struct quote quote_at(const struct text *t, size_t i)
{
	struct quote q = { 0 };

	while (i + q.slashes < t->n && t->p[i + q.slashes] == '\\')
		q.slashes++;
	i += q.slashes;
	if (i < t->n && (t->p[i] == '"' || t->p[i] == '\'' || (t->p[i] == '`' && !q.slashes)))
		q.mark = t->p[i];
	return q;
}

/* Where a quoted value ends: at the same quote under no more backslashes, or with the text. */
static size_t quoted_end(const struct text *t, size_t i, const struct quote *q)
{
	size_t slashes = 0;

	for (; i < t->n; i++) {
		if (t->p[i] == '\\') {
			slashes++;
			continue;
		}
		if (t->p[i] == q->mark && slashes <= q->slashes)
			return i - slashes;
		slashes = 0;
	}
	return t->n;
}

static bool is_placeholder(const struct text *t, size_t i)
{
	return t->p[i] == '[' && placeholder_length(t->p + i, t->n - i);
}

static bool is_escape(const struct text *t, size_t i)
{
	return t->p[i] == '\\' && i + 1 < t->n && strchr("nrt\"'\\", t->p[i + 1]);
}

static size_t bare_end(const struct text *t, size_t i, bool in_json)
{
	const char *const stops = in_json ? " \t\r\n\"'`<>&,}]" : " \t\r\n\"'`<>&";
	const size_t start = i;

	while (i < t->n && t->p[i] && !strchr(stops, t->p[i]) && !is_escape(t, i) &&
	       !is_placeholder(t, i))
		i++;
	/* A backslash before a placeholder was an escape's, whose letter went with the secret. */
	while (i < t->n && i > start && t->p[i - 1] == '\\' && is_placeholder(t, i))
		i--;
	return i;
}

static bool is_one_of(const struct text *t, size_t from, size_t to, const char *const words[])
{
	for (size_t k = 0; words[k]; k++)
		if (strlen(words[k]) == to - from &&
		    !strncasecmp((const char *)t->p + from, words[k], to - from))
			return true;
	return false;
}

/* Authorization and cookies hold blanks: their value is the rest of the line. */
static bool takes_line(const struct text *t, const struct name *n)
{
	static const char *const names[] = { "authorization", "proxy-authorization", "cookie",
					     "set-cookie", NULL };

	return is_one_of(t, n->from, n->to, names);
}

static size_t line_end(const struct text *t, size_t i)
{
	while (i < t->n && !strchr("\r\n\"'`", t->p[i] ? t->p[i] : 'x') && !is_escape(t, i))
		i++;
	return i;
}

/* "Bearer X" after a name: the scheme alone is not the value. */
static size_t with_scheme(const struct text *t, size_t from, size_t to, bool in_json)
{
	static const char *const schemes[] = { "bearer",           "basic",  "token",
					       "digest",           "apikey", "negotiate",
					       "aws4-hmac-sha256", NULL };
	size_t i = skip_blanks(t, to);

	if (i == to || !is_one_of(t, from, to, schemes))
		return to;
	return bare_end(t, i, in_json);
}

/* A word of prose after a bare `token:` is none of a secret; of a sure name it is. */
static bool is_worth(const struct text *t, enum name_secret sure, size_t from, size_t to,
		     bool colon)
{
	static const char *const empty[] = { "null", "none",      "true", "false",
					     "nil",  "undefined", NULL };
	bool digit = false;

	if (to == from || is_one_of(t, from, to, empty))
		return false;
	if (sure == NAME_SECRET)
		return true;
	for (size_t i = from; i < to; i++)
		digit |= scan_is_digit(t->p[i]);
	return colon ? digit && to - from >= 6 : to - from >= 4;
}

static bool is_token_name(const struct text *t, const struct name *n)
{
	return n->to - n->from == 5 && !memcmp(t->p + n->from, "token", 5);
}

static bool quoted_value(const struct text *t, const struct name *name, size_t v,
			 const struct quote *q, struct span *s)
{
	const size_t from = v + q->slashes + 1;
	const size_t to = quoted_end(t, from, q);
	const size_t after = to + q->slashes + 1;

	if (to <= from || placeholder_length(t->p + from, to - from))
		return false;
	if (name->quote && is_token_name(t, name) && after < t->n &&
	    scan_is_model_token((const char *)t->p, t->n, after))
		return false;
	*s = (struct span){ .from = from, .to = to, .kind = "key" };
	return true;
}

bool scan_assignment(const struct text *t, size_t from, size_t i, struct span *s)
{
	const bool colon = t->p[i] == ':';
	enum name_secret sure;
	struct name name;
	struct quote q;
	size_t v = i + 1, end;

	if (v >= t->n || !name_before(t, from, i, &name))
		return false;
	sure = name_secret((const char *)t->p + name.from, name.to - name.from);
	if (sure == NAME_HARMLESS)
		return false;
	if (t->p[v] == '=' || t->p[v] == '>') /* :=, ==, => */
		v++;
	else if (colon && t->n - v >= 2 && t->p[v] == '/' && t->p[v + 1] == '/')
		return false; /* a scheme of a URL */
	v = skip_blanks(t, v);
	if (v >= t->n || is_placeholder(t, v))
		return false;
	q = quote_at(t, v);
	if (q.mark)
		return quoted_value(t, &name, v, &q, s);
	if (q.slashes)
		return false;
	if (name.quote && (t->p[v] == '{' || t->p[v] == '[')) {
		end = scan_json_value_end((const char *)t->p, t->n, v);
		if (is_token_name(t, &name) && scan_holds_model_token((const char *)t->p, v, end))
			return false;
	} else if (takes_line(t, &name)) {
		end = line_end(t, v);
	} else {
		end = with_scheme(t, v, bare_end(t, v, name.quote), name.quote);
		if (!is_worth(t, name.quote ? NAME_SECRET : sure, v, end, colon))
			return false;
	}
	if (end == v)
		return false;
	*s = (struct span){ .from = v, .to = end, .kind = "key", .quote = (char)name.quote };
	return true;
}

/* ---- JSON values ----------------------------------------------------------------------------- */

static size_t string_end(const char *p, size_t n, size_t i)
{
	for (i++; i < n && p[i] != '"'; i++)
		if (p[i] == '\\')
			i++;
	return i < n ? i + 1 : n;
}

size_t scan_json_value_end(const char *p, size_t n, size_t i)
{
	size_t depth = 0;

	if (i < n && p[i] == '"')
		return string_end(p, n, i);
	if (i >= n || (p[i] != '{' && p[i] != '[')) {
		while (i < n && !strchr(",}] \t\r\n", p[i] ? p[i] : 'x'))
			i++;
		return i;
	}
	while (i < n) {
		switch (p[i]) {
		case '"':
			i = string_end(p, n, i);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return i + 1;
			break;
		default:
			break;
		}
		i++;
	}
	return n;
}

static size_t skip_space(const char *p, size_t n, size_t i)
{
	while (i < n && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r'))
		i++;
	return i;
}

/* Is the string that begins at i the name of what stands beside or in a model's token? */
static bool is_sibling(const char *p, size_t n, size_t i)
{
	static const char *const siblings[] = { "logprob", "top_logprobs", "bytes", "prob",
						"special", "token_str",    "score" };

	for (size_t k = 0; k < sizeof(siblings) / sizeof(siblings[0]); k++) {
		const size_t len = strlen(siblings[k]);

		if (n - i > len + 1 && !memcmp(p + i + 1, siblings[k], len) &&
		    p[i + 1 + len] == '"')
			return true;
	}
	return false;
}

bool scan_is_model_token(const char *p, size_t n, size_t after_value)
{
	size_t i = skip_space(p, n, after_value);

	if (i >= n || p[i] != ',')
		return false;
	i = skip_space(p, n, i + 1);
	return i < n && p[i] == '"' && is_sibling(p, n, i);
}

bool scan_holds_model_token(const char *p, size_t i, size_t end)
{
	if (p[i] == '[') /* ids */
		return !memchr(p + i, '"', end - i);
	do {
		i = skip_space(p, end, i + 1);
		if (i >= end || p[i] != '"')
			return false;
		if (is_sibling(p, end, i))
			return true;
		i = skip_space(p, end, string_end(p, end, i));
		if (i >= end || p[i] != ':')
			return false;
		i = skip_space(p, end, i + 1);
		i = skip_space(p, end, scan_json_value_end(p, end, i));
	} while (i < end && p[i] == ',');
	return false;
}
