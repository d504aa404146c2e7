/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* rows_impl.h - shared by the row readers. */
#ifndef DATA_ROWS_IMPL_H
#define DATA_ROWS_IMPL_H

#include "base/buf.h"
#include "data/rows.h"

struct rows {
	enum rows_kind kind;
	struct rows_sink sink;
	struct rows_stats stats;
	struct buf row; /* the bytes of the row so far; CSV: its fields without quotes */
	struct buf text; /* unescaped bodies */
	bool too_long;

	/* CSV */
	enum {
		CSV_START,
		CSV_BARE,
		CSV_QUOTED,
		CSV_QUOTE
	} state; /* QUOTE: a quote inside QUOTED */
	char separator; /* 0 until the header is complete */
	bool field_quoted;
	unsigned n_fields;
	size_t field_end[ROWS_MAX_COLUMNS]; /* into row */
	bool quoted[ROWS_MAX_COLUMNS]; /* "" is a string, an empty field is missing */
	struct buf header;
	unsigned n_columns;
	size_t column_end[ROWS_MAX_COLUMNS]; /* into header */
};

void rows_csv_feed(struct rows *r, const char *p, size_t n);
void rows_csv_end(struct rows *r);
/* One line without its line feed. */
void rows_json_line(struct rows *r, const char *p, size_t n);

#endif
