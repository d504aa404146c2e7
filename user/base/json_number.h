/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* json_number.h - inside the JSON reader: from a literal that was scanned to its double. */
#ifndef BASE_JSON_NUMBER_H
#define BASE_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The literal (p, n) is well formed. The scan found: neg, its sign; m, its digits without the
 * leading zeros as an integer (modulo 2^64); digits, how many these are; e10, the power of ten by
 * which m is to be multiplied. Beyond the range of doubles: infinite or zero, as strtod has it.
 */
double json_number(const char *p, size_t n, bool neg, uint64_t m, size_t digits, long e10);

#endif
