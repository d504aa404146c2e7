/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * redact_json.c - JSON, whole or cut at either end, copied with secrets replaced. A lexer and no
 * parser: it follows strings and what stands between them, so a fragment is as good as a document;
 * where even that fails the rest is read as plain text.
 */
#include "privacy/names.h"
#include "privacy/redactor.h"

#include "base/json.h"

#include <string.h>

#define QUOTES_MAX 16u /* of a fragment, looked at to tell in from out of strings */
#define CUT_VALUE_MAX \
	128u /* a string that began before the fragment is replaced whole up to here */
#define KEY_MAX 256u

struct lexer {
	const struct redactor *r;
	struct buf *out;
	const char *p;
	size_t n;
	size_t done; /* input that is in out already */
	unsigned depth;
	bool cut;
	unsigned count;
	struct buf plain; /* a string without its escapes */
	struct buf clean; /* the same without its secrets */
};

struct string {
	size_t from, to; /* between the quotes */
	size_t after; /* past the closing quote */
	bool open; /* the input ends inside */
	bool escapes;
	bool anchors; /* a pattern may be in it as it stands */
	bool unicode; /* \u: may hide anything */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static size_t skip_space(const struct lexer *x, size_t i)
{
	while (i < x->n && is_space(x->p[i]))
		i++;
	return i;
}

static void flush(struct lexer *x, size_t to)
{
	buf_put(x->out, x->p + x->done, to - x->done);
	x->done = to;
}

/* The string whose first byte is at i. */
static void read_string(const struct lexer *x, size_t i, struct string *s)
{
	const uint8_t *p = (const uint8_t *)x->p;
	unsigned seen = 0;

	*s = (struct string){ .from = i };
	while (i < x->n) {
		const unsigned class = scan_class[p[i]];

		seen |= class;
		if (!(class & SCAN_STRING_END)) {
			i++;
			continue;
		}
		if (p[i] == '"')
			break;
		s->escapes = true;
		if (i + 1 < x->n && p[i + 1] == 'u')
			s->unicode = true;
		i += 2;
	}
	s->open = i >= x->n;
	s->to = s->open ? x->n : i;
	s->after = s->open ? x->n : i + 1;
	s->anchors = seen & SCAN_ANCHOR;
}

static void put_placeholder(struct lexer *x, size_t from, size_t to, const char *kind,
			    size_t secret)
{
	flush(x, from);
	buf_putc(x->out, '"');
	placeholder_put(x->out, kind, secret);
	buf_putc(x->out, '"');
	x->done = to;
	x->count++;
}

/* ---- strings ----------------------------------------------------------------------------------
 */

static void scan_plain_string(struct lexer *x, const struct string *s)
{
	struct walk w;
	struct span span;

	walk_start(&w, x->r, x->p + s->from, s->to - s->from, s->open && x->cut);
	while (walk_next(&w, &span)) {
		flush(x, s->from + span.from);
		walk_put(x->out, &span);
		x->done = s->from + span.to;
		x->count++;
	}
	walk_end(&w);
}

/* Decode, clean, and where that changed anything write it anew. */
static void scan_escaped_string(struct lexer *x, const struct string *s)
{
	const bool cut = s->open && x->cut;
	unsigned found;

	buf_clear(&x->plain);
	buf_clear(&x->clean);
	json_unescape(&x->plain, x->p + s->from, s->to - s->from);
	if (x->depth < REDACT_JSON_DEPTH && redact_begins_json(x->plain.p, x->plain.len))
		found = redact_json_at(x->r, &x->clean, x->plain.p, x->plain.len, x->depth + 1,
				       cut);
	else
		found = redact_plain(x->r, &x->clean, x->plain.p, x->plain.len, cut);
	if (!found)
		return;
	x->count += found;
	flush(x, s->from);
	/* json_str writes both quotes: the first stands there already, or lies before the fragment.
	 */
	buf_clear(&x->plain);
	json_str(&x->plain, x->clean.p, x->clean.len);
	buf_put(x->out, x->plain.p + 1, x->plain.len - 2);
	x->done = s->to;
}

static void scan_string(struct lexer *x, const struct string *s)
{
	if (s->unicode || (s->escapes && (s->anchors || redactor_has_rules(x->r))))
		scan_escaped_string(x, s);
	else if (s->anchors || redactor_has_rules(x->r))
		scan_plain_string(x, s);
}

static enum name_secret key_secret(struct lexer *x, const struct string *s)
{
	if (!s->escapes)
		return name_secret(x->p + s->from, s->to - s->from);
	buf_clear(&x->plain);
	json_unescape(&x->plain, x->p + s->from,
		      s->to - s->from < KEY_MAX ? s->to - s->from : KEY_MAX);
	return name_secret(x->plain.p ? x->plain.p : "", x->plain.len);
}

/* ---- values of secret keys --------------------------------------------------------------------
 */

/* The value at i (its end is returned) goes, whatever it is; null is nothing, and a placeholder
 * stays. */
static size_t replace_value(struct lexer *x, size_t i, const char *kind)
{
	const size_t end = scan_json_value_end(x->p, x->n, i);
	size_t from = i, to = end;

	if (end == i)
		return i;
	if (end - i == 4 && !memcmp(x->p + i, "null", 4))
		return end;
	if (x->p[i] == '"') {
		from++;
		if (to > from && x->p[to - 1] == '"')
			to--;
		if (to > from && placeholder_length(x->p + from, to - from) == to - from)
			return end;
	}
	put_placeholder(x, i, end, kind, to - from);
	return end;
}

static bool is_model_token(const struct lexer *x, size_t i)
{
	const size_t end = scan_json_value_end(x->p, x->n, i);

	if (x->p[i] == '{' || x->p[i] == '[')
		return scan_holds_model_token(x->p, i, end);
	return scan_is_model_token(x->p, x->n, end);
}

/* After the colon of a key that may be secret; returns where the lexer goes on. */
static size_t secret_value(struct lexer *x, const struct string *key, enum name_secret sure,
			   size_t i)
{
	i = skip_space(x, i);
	if (i >= x->n)
		return i;
	/* Model servers say "token" for what their model makes. */
	if (sure == NAME_PERHAPS && key->to - key->from == 5 &&
	    !memcmp(x->p + key->from, "token", 5) && is_model_token(x, i))
		return i;
	return replace_value(x, i, "key");
}

/* ---- between strings --------------------------------------------------------------------------
 */

static bool is_number_byte(char c)
{
	return (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

/* What is neither structure nor a literal: up to the next quote or line, as plain text. */
static size_t junk(struct lexer *x, size_t i)
{
	struct string s = { .from = i };

	while (i < x->n && x->p[i] != '"' && x->p[i] != '\n')
		i++;
	s.to = i;
	s.open = i == x->n;
	scan_plain_string(x, &s);
	return i;
}

static size_t number(struct lexer *x, size_t i)
{
	size_t end = i;
	struct walk w;
	struct span s;

	while (end < x->n && is_number_byte(x->p[end]))
		end++;
	if (end < x->n && scan_is_alnum((uint8_t)x->p[end]))
		return junk(x, i);
	if (end - i < 13 && !redactor_has_rules(x->r))
		return end;
	walk_start(&w, x->r, x->p + i, end - i, false);
	if (walk_next(&w, &s))
		put_placeholder(x, i, end, s.kind, end - i);
	walk_end(&w);
	return end;
}

static size_t literal_length(const char *p, size_t n)
{
	static const char *const words[] = { "true", "false", "null", "NaN", "Infinity" };

	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++) {
		const size_t len = strlen(words[k]);

		if (n >= len && !memcmp(p, words[k], len) &&
		    (n == len || !scan_is_alnum((uint8_t)p[len])))
			return len;
	}
	return 0;
}

/* A string ends before one of these, or it was none. */
static bool may_follow_string(const struct lexer *x, size_t i)
{
	for (; i < x->n && is_space(x->p[i]); i++)
		if (x->p[i] == '\n')
			return true;
	return i == x->n || strchr(":,}]", x->p[i] ? x->p[i] : 'x');
}

static void rest_as_text(struct lexer *x, size_t i)
{
	flush(x, i);
	x->count += redact_plain(x->r, x->out, x->p + i, x->n - i, x->cut);
	x->done = x->n;
}

/* A string whose first byte is at `from`; unknown_key: a secret if it is a value. */
static size_t string(struct lexer *x, size_t from)
{
	enum name_secret sure;
	struct string s;
	size_t i;

	read_string(x, from, &s);
	if (!s.open && !may_follow_string(x, s.after)) {
		rest_as_text(x, from);
		return x->n;
	}
	scan_string(x, &s);
	i = skip_space(x, s.after);
	if (s.open || i >= x->n || x->p[i] != ':')
		return s.after;
	sure = key_secret(x, &s);
	return sure == NAME_HARMLESS ? i + 1 : secret_value(x, &s, sure, i + 1);
}

static void lex(struct lexer *x, size_t i)
{
	while (i < x->n) {
		const char c = x->p[i];
		size_t len = 0;

		if (c == '"') {
			i = string(x, i + 1);
		} else if (is_space(c) || (c && strchr(",:{}[]", c))) {
			/* A placeholder, in what is no JSON, stays whole. */
			len = c == '[' ? placeholder_length(x->p + i, x->n - i) : 0;
			i += len ? len : 1;
		} else if ((c >= '0' && c <= '9') || c == '-') {
			i = number(x, i);
		} else {
			len = literal_length(x->p + i, x->n - i);
			i = len ? i + len : junk(x, i);
		}
	}
}

bool redact_begins_json(const char *p, size_t n)
{
	size_t i = 0, next;

	while (i < n && is_space(p[i]))
		i++;
	for (next = i + 1; next < n && is_space(p[next]);)
		next++;
	if (next >= n)
		return false;
	if (p[i] == '{')
		return p[next] == '"' || p[next] == '}';
	return p[i] == '[' &&
	       ((p[next] && strchr("\"{[]-0123456789", p[next])) ||
		literal_length(p + next, n - next)) &&
	       !placeholder_length(p + next, n - next);
}

/* ---- where a fragment begins -------------------------------------------------------------------
 */

/* Quotes that no backslash escapes: up to QUOTES_MAX positions. */
static size_t find_quotes(const struct lexer *x, size_t at[QUOTES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < x->n && n < QUOTES_MAX; i++) {
		const char *q = memchr(x->p + i, '"', x->n - i);
		size_t slashes = 0;

		if (!q)
			break;
		i = (size_t)(q - x->p);
		while (slashes < i && x->p[i - 1 - slashes] == '\\')
			slashes++;
		if (slashes % 2 == 0)
			at[n++] = i;
	}
	return n;
}

static bool looks_opening(const struct lexer *x, size_t q)
{
	while (q && is_space(x->p[q - 1]))
		q--;
	return !q || strchr("{[,:", x->p[q - 1] ? x->p[q - 1] : 'x');
}

static bool looks_closing(const struct lexer *x, size_t q)
{
	q = skip_space(x, q + 1);
	return q == x->n || strchr(":,}]", x->p[q] ? x->p[q] : 'x');
}

/* Does the fragment begin inside a string? The neighbours of its first quotes vote. */
static bool begins_inside(const struct lexer *x, const size_t *quote, size_t n)
{
	unsigned outside = 0, inside = 0;

	for (size_t k = 0; k < n; k++) {
		const bool opening = looks_opening(x, quote[k]),
			   closing = looks_closing(x, quote[k]);

		outside += k % 2 ? closing : opening;
		inside += k % 2 ? opening : closing;
	}
	return inside > outside;
}

/*
 * The rest of a string that began before the fragment may be the rest of a secret. A short one goes
 * whole, of a long one (prose) its first word, which was cut.
 */
static size_t cut_length(const struct lexer *x, size_t quote)
{
	size_t i = 0;

	if (quote <= CUT_VALUE_MAX)
		return quote;
	while (i < quote && is_space(x->p[i]))
		i++;
	while (i < quote && !is_space(x->p[i]))
		i++;
	return i;
}

static size_t begin_inside(struct lexer *x, size_t quote)
{
	struct string s;
	size_t kept = placeholder_length(x->p, quote), i;

	if (!kept && quote) {
		kept = x->done = cut_length(x, quote);
		placeholder_put(x->out, "cut", kept);
		x->count++;
	}
	read_string(x, kept, &s);
	scan_string(x, &s);
	/* A key without its head: it may have named a secret. */
	i = skip_space(x, s.after);
	if (i < x->n && x->p[i] == ':' && (i = skip_space(x, i + 1)) < x->n)
		return replace_value(x, i, "cut");
	return s.after;
}

/* A value first, then more: its key lies before the fragment. */
static size_t begin_outside(struct lexer *x, size_t i)
{
	size_t end, next;
	bool digits = true;

	if (i < x->n && x->p[i] == ':') {
		i = skip_space(x, i + 1);
		return i < x->n ? replace_value(x, i, "cut") : i;
	}
	if (i >= x->n || (x->p[i] != '"' && (x->p[i] < '0' || x->p[i] > '9')))
		return i;
	end = scan_json_value_end(x->p, x->n, i);
	next = skip_space(x, end);
	if (next >= x->n || (x->p[next] != ',' && x->p[next] != '}'))
		return i;
	if (x->p[i] != '"')
		for (size_t k = i; k < end; k++)
			digits &= x->p[k] >= '0' && x->p[k] <= '9';
	/* A float in an array of them is nobody's secret, four digits are a PIN. */
	return digits && end - i >= 4 ? replace_value(x, i, "cut") : i;
}

/* A fragment may begin anywhere; returns where the lexer takes over. */
static size_t begin_fragment(struct lexer *x)
{
	size_t quote[QUOTES_MAX];
	const size_t quotes = find_quotes(x, quote);

	if (quotes && begins_inside(x, quote, quotes))
		return begin_inside(x, quote[0]);
	return begin_outside(x, skip_space(x, 0));
}

unsigned redact_json_at(const struct redactor *r, struct buf *out, const char *p, size_t n,
			unsigned depth, bool cut)
{
	struct lexer x = { .r = r, .out = out, .p = p, .n = n, .depth = depth, .cut = cut };

	lex(&x, redact_begins_json(p, n) ? 0 : begin_fragment(&x));
	flush(&x, n);
	buf_free(&x.plain);
	buf_free(&x.clean);
	return x.count;
}

unsigned redact_json(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	const struct filter *const f = redactor_filter(r);

	if (!n)
		return 0;
	if (f && redact_begins_json(p, n) && filter_clean(f, p, n)) {
		buf_put(out, p, n);
		return 0;
	}
	return redact_json_at(r, out, p, n, 0, true);
}
