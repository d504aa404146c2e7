/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* edet_table.h - layout of the bet tables, for edet.c and tests. */
#ifndef DRIFT_EDET_TABLE_H
#define DRIFT_EDET_TABLE_H

#include "drift/edet.h"

struct edet_table {
	float g[EDET_CELLS][EDET_LANES]
		__attribute__((aligned(16))); /* density / tolerance factor */
	float w[EDET_LANES] __attribute__((aligned(16))); /* sums to 1 at most */
	double tolerance[EDET_BETS]; /* the factor: largest mean over the tolerated neighbourhood */
	double h;
};

#endif
