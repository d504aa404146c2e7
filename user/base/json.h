/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * json.h - JSON (RFC 8259): a pull tokenizer that yields everything before the cut of a truncated
 * document, and an append-only writer whose output is valid UTF-8 whatever bytes come in.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#define JSON_MAX_DEPTH 64

enum json_type {
	JSON_OBJ, /* { */
	JSON_OBJ_END,
	JSON_ARR, /* [ */
	JSON_ARR_END,
	JSON_KEY,
	JSON_STR,
	JSON_NUM,
	JSON_TRUE,
	JSON_FALSE,
	JSON_NULL,
	JSON_DONE, /* the document was complete (only white space follows, or nothing) */
	JSON_CUT, /* the input ended inside the document; what was yielded stands. reader.off is
		   * where the unfinished token begins (a string: its quote), or len if the cut fell
		   * between tokens */
	JSON_BAD, /* malformed at reader.off, or deeper than JSON_MAX_DEPTH */
};

struct json_token {
	enum json_type type;
	const char *p; /* KEY, STR: between the quotes, escapes not decoded; NUM: the literal */
	size_t n;
	bool escaped; /* KEY, STR: holds a backslash */
	double num; /* NUM (also NaN, Infinity, -Infinity as bare words, as TF Serving has them) */
};

struct json_reader {
	const char *buf;
	size_t len, off;
	uint64_t in_obj; /* bit per depth */
	int depth;
	int state; /* private */
};

/*
 * No allocation; buf must outlive the reader. A leading BOM is passed over. Strict about structure
 * and numbers, not about what is between the quotes of a string (raw controls, unknown escapes, bad
 * UTF-8).
 */
void json_open(struct json_reader *r, const void *buf, size_t len);
/* Next token. After DONE, CUT or BAD the same comes again. A number at the very end of a cut input
 * is never yielded (one that is the whole document is complete). Bytes after the document:
 * JSON_DONE, with r->off < r->len at the first of them that is not white space. */
enum json_type json_next(struct json_reader *r, struct json_token *t);
/* The string, number or word that begins at r->off, wherever that is; r->off is behind it then. CUT
 * or BAD if there is none. For who knows the document's structure already. */
enum json_type json_scalar(struct json_reader *r, struct json_token *t);
/* After OBJ or ARR was yielded: pass over it, its end included. Same end types as json_next or
 * OBJ_END/ARR_END. Fast (the hot path of text that nobody needs). */
enum json_type json_skip(struct json_reader *r);
/* Decode escapes of a KEY or STR token into UTF-8 (lone surrogates and invalid bytes: U+FFFD). */
void json_unescape(struct buf *out, const char *p, size_t n);

/*
 * Writer. Commas are the writer's business: state is what the last byte of b says. None is put at
 * the start of b and after { [ , : newline and NUL; so a value that is to follow other text in the
 * same buffer (a scratch) begins after a NUL or newline, or in a buffer of its own.
 */
void json_obj(struct buf *b); /* { */
void json_obj_end(struct buf *b);
void json_arr(struct buf *b);
void json_arr_end(struct buf *b);
void json_key(struct buf *b, const char *key); /* a literal that needs no escaping */
void json_keyn(struct buf *b, const char *key, size_t n); /* any bytes */
/* A string value: quotes and escapes; invalid UTF-8 becomes U+FFFD. Safe for terminals: C0, DEL and
 * C1 controls are written as \u escapes. */
void json_str(struct buf *b, const void *s, size_t n);
void json_quoted(struct buf *b, const void *s, size_t n); /* json_str without looking for a comma */
void json_cstr(struct buf *b, const char *s);
void json_u64(struct buf *b, uint64_t v);
void json_i64(struct buf *b, int64_t v);
void json_f64(struct buf *b, double v);
void json_bool(struct buf *b, bool v);
void json_null(struct buf *b);
void json_raw(struct buf *b, const void *s, size_t n); /* one value that is JSON already */
/* True if all n bytes are well-formed UTF-8 (RFC 3629). */
bool utf8_valid(const void *s, size_t n);

#endif
