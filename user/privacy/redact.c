/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* redact.c - the rules of a run; plain text, line streams and credentials through them. */
#include "privacy/redactor.h"

#include "base/hash.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RULES_MAX 64u
#define RULE_NAME_MAX 32u
#define REGEX_MAX 1024u
/* A regular expression sees this much at once; windows overlap by what a match may be long. */
#define WINDOW ((size_t)64 << 10)
#define WINDOW_OVERLAP ((size_t)4 << 10)
#define NONE SIZE_MAX

struct rule {
	char name[RULE_NAME_MAX + 1];
	regex_t re;
};

struct redactor {
	enum payload_mode mode;
	uint64_t hash_key[2];
	struct filter filter;
	size_t n_rules;
	struct rule rule[];
};

static int rule_error(struct err *e, const char *spec, const char *why)
{
	err_set(e, EXIT_USAGE, "--redact: '%.100s': %s", spec, why);
	err_mend(e, "write NAME=REGEX with a POSIX extended regular expression");
	return -1;
}

/* An expression with \1 can take exponential time on what others send. */
static bool has_back_reference(const char *re)
{
	for (; *re; re++)
		if (*re == '\\') {
			if (re[1] >= '1' && re[1] <= '9')
				return true;
			if (re[1])
				re++;
		}
	return false;
}

static int rule_compile(struct rule *x, const char *spec, struct err *e)
{
	const char *eq = strchr(spec, '=');
	const size_t n = eq ? (size_t)(eq - spec) : 0;
	char why[160];
	int rc;

	if (!n || !eq[1])
		return rule_error(e, spec, "is not NAME=REGEX");
	if (n > RULE_NAME_MAX ||
	    strspn(spec, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
		return rule_error(e, spec, "NAME is at most 32 letters, digits, _ and -");
	if (strlen(eq + 1) > REGEX_MAX)
		return rule_error(e, spec, "the expression is longer than 1024 bytes");
	if (has_back_reference(eq + 1))
		return rule_error(e, spec, "back references are not allowed");
	memcpy(x->name, spec, n);
	rc = regcomp(&x->re, eq + 1, REG_EXTENDED);
	if (rc) {
		regerror(rc, &x->re, why, sizeof(why));
		return rule_error(e, spec, why);
	}
	if (!regexec(&x->re, "", 0, NULL, 0)) {
		regfree(&x->re);
		return rule_error(e, spec, "the expression matches empty text");
	}
	return 0;
}

struct redactor *redactor_new(enum payload_mode mode, const char *const *rules, size_t n,
			      struct err *e)
{
	struct redactor *r;

	if (n > RULES_MAX) {
		err_set(e, EXIT_USAGE, "--redact: %zu rules, at most %u are allowed", n, RULES_MAX);
		return NULL;
	}
	r = calloc(1, sizeof(*r) + n * sizeof(r->rule[0]));
	if (!r) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	r->mode = mode;
	filter_init(&r->filter);
	for (; r->n_rules < n; r->n_rules++)
		if (rule_compile(&r->rule[r->n_rules], rules[r->n_rules], e)) {
			redactor_free(r);
			return NULL;
		}
	redactor_set_hash_key(r, "modelsnoop", 10);
	return r;
}

void redactor_free(struct redactor *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rules; i++)
		regfree(&r->rule[i].re);
	free(r);
}

enum payload_mode redactor_mode(const struct redactor *r)
{
	return r->mode;
}

const struct filter *redactor_filter(const struct redactor *r)
{
	return r->n_rules ? NULL : &r->filter;
}

bool redactor_has_rules(const struct redactor *r)
{
	return r->n_rules > 0;
}

/* ---- plain text ------------------------------------------------------------------------------ */

/*
 * First match of one rule in [from, to). regexec wants a NUL at the end: the walk's copy of the
 * text gets one there for the moment (REG_STARTEND would do without, and sanitizers do not know
 * it).
 */
static bool rule_match(const struct walk *w, const struct rule *x, size_t from, size_t to,
		       struct span *s)
{
	while (from < to) {
		const size_t end = to - from > WINDOW ? from + WINDOW : to;
		const int flags = (from ? REG_NOTBOL : 0) | (end < w->t.n ? REG_NOTEOL : 0);
		const char kept = w->copy[end];
		regmatch_t m;
		int rc;

		w->copy[end] = '\0';
		rc = regexec(&x->re, w->copy + from, 1, &m, flags);
		w->copy[end] = kept;
		if (rc) {
			from = end < to ? end - WINDOW_OVERLAP : to;
		} else if (m.rm_eo > m.rm_so) {
			s->from = from + (size_t)m.rm_so;
			s->to = from + (size_t)m.rm_eo;
			s->kind = x->name;
			s->quote = 0;
			return true;
		} else {
			from += (size_t)m.rm_so + 1; /* empty: ^ or $ */
		}
	}
	return false;
}

/* First match of any rule at or after `from`; placeholders are walls. */
static void next_user_match(struct walk *w)
{
	size_t from = w->from;

	w->user.from = NONE;
	while (from < w->t.n && w->user.from == NONE) {
		size_t to = from, thick = 0;
		struct span s;

		for (const uint8_t *q; to < w->t.n && !thick; to += !thick) {
			q = memchr(w->t.p + to, '[', w->t.n - to);
			to = q ? (size_t)(q - w->t.p) : w->t.n;
			if (q)
				thick = placeholder_length(q, w->t.n - to);
		}
		if (to > w->t.n)
			to = w->t.n;
		for (size_t i = 0; i < w->r->n_rules; i++)
			if (rule_match(w, &w->r->rule[i], from, to, &s) &&
			    (w->user.from == NONE || s.from < w->user.from))
				w->user = s;
		from = to + thick;
	}
}

/* regexec's view of the text: its own, with an end, and without NULs before it. */
static void start_user_rules(struct walk *w)
{
	w->copy = malloc(w->t.n + 1);
	if (!w->copy) {
		/* What cannot be looked at does not leave. */
		w->user = (struct span){ .from = 0, .to = w->t.n, .kind = "unchecked" };
		return;
	}
	memcpy(w->copy, w->t.p, w->t.n);
	for (char *p = w->copy; (p = memchr(p, '\0', (size_t)(w->copy + w->t.n - p)));)
		*p = '\1';
	next_user_match(w);
}

void walk_start(struct walk *w, const struct redactor *r, const char *p, size_t n, bool cut)
{
	*w = (struct walk){ .r = r, .t = { (const uint8_t *)p, n, cut } };
	if (!scan_next(&w->t, 0, &w->built_in))
		w->built_in.from = NONE;
	w->user.from = NONE;
	if (r->n_rules && n)
		start_user_rules(w);
}

void walk_end(struct walk *w)
{
	free(w->copy);
	w->copy = NULL;
}

bool walk_next(struct walk *w, struct span *s)
{
	struct span *first = w->user.from < w->built_in.from ? &w->user : &w->built_in;
	const struct span *other = first == &w->user ? &w->built_in : &w->user;

	if (first->from == NONE)
		return false;
	*s = *first;
	if (other->from < s->to && other->to > s->to) {
		s->to = other->to;
		s->quote = 0;
	}
	w->from = s->to;
	if (w->built_in.from != NONE && w->built_in.from < w->from &&
	    !scan_next(&w->t, w->from, &w->built_in))
		w->built_in.from = NONE;
	if (w->user.from != NONE && w->user.from < w->from) {
		w->user.from = NONE;
		if (w->copy)
			next_user_match(w);
	}
	return true;
}

void walk_put(struct buf *out, const struct span *s)
{
	if (s->quote)
		buf_putc(out, s->quote);
	placeholder_put(out, s->kind, s->to - s->from);
	if (s->quote)
		buf_putc(out, s->quote);
}

unsigned redact_plain(const struct redactor *r, struct buf *out, const char *p, size_t n, bool cut)
{
	unsigned count = 0;
	size_t done = 0;
	struct walk w;
	struct span s;

	for (walk_start(&w, r, p, n, cut); walk_next(&w, &s); count++) {
		buf_put(out, p + done, s.from - done);
		walk_put(out, &s);
		done = s.to;
	}
	walk_end(&w);
	buf_put(out, p + done, n - done);
	return count;
}

/* ---- server-sent events -----------------------------------------------------------------------
 */

static bool has_data_lines(const char *p, size_t n)
{
	return (n > 5 && !memcmp(p, "data:", 5)) || memmem(p, n, "\ndata:", 6);
}

/* Lines of which some are `data: JSON`: those are read as JSON, so that its escapes hide nothing.
 */
static unsigned redact_events(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	unsigned count = 0;

	while (n) {
		const char *lf = memchr(p, '\n', n);
		const size_t line = lf ? (size_t)(lf - p) + 1 : n;
		size_t i = line > 5 && !memcmp(p, "data:", 5) ? 5 : 0;

		while (i && i < line && p[i] == ' ')
			i++;
		if (i && redact_begins_json(p + i, line - i)) {
			buf_put(out, p, i);
			count += redact_json_at(r, out, p + i, line - i, 0, !lf);
		} else {
			count += redact_plain(r, out, p, line, !lf);
		}
		p += line;
		n -= line;
	}
	return count;
}

unsigned redact_text(const struct redactor *r, struct buf *out, const char *p, size_t n)
{
	if (!n)
		return 0;
	if (!r->n_rules && filter_clean(&r->filter, p, n)) {
		buf_put(out, p, n);
		return 0;
	}
	return has_data_lines(p, n) ? redact_events(r, out, p, n)
				    : redact_plain(r, out, p, n, true);
}

/* ---- credentials ------------------------------------------------------------------------------
 */

void redactor_set_hash_key(struct redactor *r, const void *seed, size_t n)
{
	static const uint64_t first[2] = { 0x6b65795f68617368ull, 1 },
			      second[2] = { 0x6b65795f68617368ull, 2 };

	r->hash_key[0] = hash_keyed(first, seed, n);
	r->hash_key[1] = hash_keyed(second, seed, n);
}

/* The scheme is not part of the key: X of `x-api-key: X` and of `Bearer X` are the same client. */
static size_t scheme_length(const char *p, size_t n)
{
	static const char *const schemes[] = { "bearer", "token", "basic", "apikey" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const size_t len = strlen(schemes[i]);

		if (n > len && !strncasecmp(p, schemes[i], len) &&
		    (p[len] == ' ' || p[len] == '\t'))
			return len;
	}
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void redact_key_hash(const struct redactor *r, const char *p, size_t n, char out[17])
{
	size_t skip;

	while (n && is_blank(*p)) {
		p++;
		n--;
	}
	skip = scheme_length(p, n);
	p += skip;
	n -= skip;
	while (n && is_blank(*p)) {
		p++;
		n--;
	}
	while (n && is_blank(p[n - 1]))
		n--;
	snprintf(out, 17, "%016llx", (unsigned long long)hash_keyed(r->hash_key, p, n));
}
