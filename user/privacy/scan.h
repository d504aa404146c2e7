/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan.h - built-in patterns in plain text, and the placeholder that stands for a secret. Private.
 */
#ifndef PRIVACY_SCAN_H
#define PRIVACY_SCAN_H

#include "privacy/redact.h"

/* Plain text: escapes and percent codes are already undone. */
struct text {
	const uint8_t *p;
	size_t n;
	bool cut; /* may have been cut at its end: half a secret there counts as one */
};

struct span {
	size_t from, to;
	const char *kind;
	char quote; /* put around the placeholder: it takes the place of an unquoted JSON value */
};

/* Bytes at which a pattern can be told; a text without any is clean. */
#define SCAN_ANCHOR 1u
#define SCAN_STRING_END 2u /* quote or backslash: where a JSON string's plain part ends */
extern const uint8_t scan_class[256];

/*
 * First match in [from, n). Nothing before `from` is looked at: what is there was replaced. So the
 * text that comes out is seen by a second run as the first one saw it, and stays as it is.
 */
bool scan_next(const struct text *t, size_t from, struct span *s);

/* scan_*.c: one kind of pattern each, at an anchor. */
bool scan_prefix(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_jwt(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_cloud_key(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_card(const struct text *t, size_t from, size_t i, struct span *s, size_t *next);
bool scan_assignment(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_form_part(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_element(const struct text *t, size_t from, size_t i, struct span *s);
bool scan_at_sign(const struct text *t, size_t from, size_t i, size_t width, struct span *s);

/* Length of a placeholder that stands at p, 0: none. */
size_t placeholder_length(const void *p, size_t n);
bool placeholder_within(const void *p, size_t n);
void placeholder_put(struct buf *out, const char *kind, size_t secret_bytes);

/* True if the JSON that follows a value of a key `token` shows that it is one of a model's tokens.
 */
bool scan_is_model_token(const char *p, size_t n, size_t after_value);
/* The same of an object or array that is the value, from i to end: {"id":1,"logprob":-0.1}, [1,2].
 */
bool scan_holds_model_token(const char *p, size_t i, size_t end);
/* End of the JSON value that begins at i (n if it is cut). */
size_t scan_json_value_end(const char *p, size_t n, size_t i);

static inline bool scan_is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}
static inline bool scan_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Does a literal escape end at i, as \n or \u00e4 in text that was not decoded? */
static inline bool scan_after_escape(const struct text *t, size_t from, size_t i)
{
	return (i - from >= 2 && t->p[i - 2] == '\\') ||
	       (i - from >= 6 && t->p[i - 6] == '\\' && t->p[i - 5] == 'u');
}

/* Does a word begin at i? Nothing before `from` counts. */
static inline bool scan_starts_word(const struct text *t, size_t from, size_t i)
{
	return i == from || !scan_is_alnum(t->p[i - 1]) || scan_after_escape(t, from, i);
}

#endif
