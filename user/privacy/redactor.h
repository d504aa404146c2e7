/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* redactor.h - the rules of one run, and plain text through them. Private to this folder. */
#ifndef PRIVACY_REDACTOR_H
#define PRIVACY_REDACTOR_H

#include "privacy/filter.h"
#include "privacy/scan.h"

/* Patterns and user rules over plain text, matches that overlap made one. */
struct walk {
	const struct redactor *r;
	struct text t;
	size_t from; /* end of the last match */
	char *copy; /* of the text, for user rules; NULL: there are none */
	struct span built_in, user; /* the next match of each; from == SIZE_MAX: none */
};
void walk_start(struct walk *w, const struct redactor *r, const char *p, size_t n, bool cut);
bool walk_next(struct walk *w, struct span *s);
void walk_end(struct walk *w);
void walk_put(struct buf *out, const struct span *s);

/* NULL: user rules must see everything. */
const struct filter *redactor_filter(const struct redactor *r);
bool redactor_has_rules(const struct redactor *r);
/* Plain text; cut: its end may be missing. */
unsigned redact_plain(const struct redactor *r, struct buf *out, const char *p, size_t n, bool cut);
/* Begins as a JSON object or array does (a placeholder does not): what else is inside strings and
 * values is plain text. */
bool redact_begins_json(const char *p, size_t n);
/* JSON inside JSON strings inside …; cut as above. */
unsigned redact_json_at(const struct redactor *r, struct buf *out, const char *p, size_t n,
			unsigned depth, bool cut);
#define REDACT_JSON_DEPTH 4u

#endif
