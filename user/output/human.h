/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* human.h - values as people read them: units of fitting size, and text that is safe for terminals.
 */
#ifndef OUTPUT_HUMAN_H
#define OUTPUT_HUMAN_H

#include "base/buf.h"

/* Three significant digits: 850 ns, 12.3 µs, 1.50 s; from two minutes on 2m05s, 3h07m, 4d02h. */
void human_duration(struct buf *b, int64_t ns);
/* 87 B, 1.50 KiB, 12.3 MiB. */
void human_bytes(struct buf *b, uint64_t n);
/* Up to four significant digits, or an exponent. */
void human_number(struct buf *b, double v);
/*
 * At most `most` characters of a text, then an ellipsis; 0: no limit. Controls and the marks that
 * turn the direction of writing become visible escapes, bytes that are no UTF-8 become U+FFFD.
 * Returns the number of characters written (each is taken to be one column wide).
 */
size_t human_text(struct buf *b, const char *p, size_t n, size_t most);

#endif
