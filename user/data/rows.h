/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * rows.h - rows of a file (CSV, lines of JSON, modelsnoop's own event lines) as feature values.
 * Readers are fed bytes in any pieces; what they cannot read they count and pass over.
 */
#ifndef DATA_ROWS_H
#define DATA_ROWS_H

#include <stdint.h>

#include "data/feature.h"

#define ROWS_MAX_COLUMNS 4096 /* of a CSV file */
#define ROWS_MAX_ROW                                                                \
	((size_t)16 << 20) /* bytes; longer rows are passed over and counted as bad \
			    */

enum rows_kind {
	ROWS_CSV, /* header row, RFC 4180; separator: the commonest of , ; tab in the header */
	ROWS_JSONL, /* a document a line; names without prefix */
	ROWS_EVENTS, /* lines of `-o jsonl`: bodies of good server exchanges, live names */
};
/* What the first bytes of a file look like. */
enum rows_kind rows_guess(const void *p, size_t n);

struct rows_sink {
	void *ctx;
	void (*begin)(void *ctx);
	void (*value)(void *ctx, const struct feature_value *v);
	void (*end)(void *ctx);
};
struct rows_stats {
	uint64_t rows; /* handed on */
	uint64_t bad; /* could not be read, or no row of this kind */
	uint64_t skipped; /* events that are no good server exchange with a body */
	uint64_t ragged; /* CSV: more or fewer fields than the header has */
	bool no_header; /* CSV: the first row holds nothing but numbers */
	char since[40]; /* events: ts of the first exchange; else "" */
};

struct rows;
/* NULL when memory is out. */
struct rows *rows_new(enum rows_kind kind, const struct rows_sink *sink);
void rows_feed(struct rows *r, const void *p, size_t n);
void rows_end(struct rows *r); /* the last row needs no line feed */
const struct rows_stats *rows_stats(const struct rows *r);
void rows_free(struct rows *r); /* NULL allowed */

#endif
