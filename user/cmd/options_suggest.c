/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options_suggest.c - did-you-mean: the candidate with the fewest typing errors from a word. */
#include "cmd/options_table.h"

#include <string.h>

#define SUGGEST_MAX_WORD 32u

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	const unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours. */
static unsigned edit_distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned row[3][SUGGEST_MAX_WORD + 1];
	unsigned *before = row[0], *last = row[1], *now = row[2];

	for (size_t j = 0; j <= m; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *t;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			const unsigned other = a[i - 1] != b[j - 1];

			now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + other);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < now[j])
				now[j] = before[j - 2] + 1;
		}
		t = before;
		before = last;
		last = now;
		now = t;
	}
	return last[m];
}

void suggest_start(struct suggestion *s, const char *word, size_t n)
{
	s->word = word;
	s->word_len = n;
	s->best = NULL;
	/* A third of the letters may be wrong; of a short word one. */
	s->cost = (n < 6 ? 1 : (unsigned)(n / 3)) + 1;
}

void suggest_offer(struct suggestion *s, const char *candidate)
{
	const size_t m = strlen(candidate);
	unsigned cost;

	if (!s->word_len || s->word_len > SUGGEST_MAX_WORD || m > SUGGEST_MAX_WORD)
		return;
	cost = edit_distance(s->word, s->word_len, candidate, m);
	/* What was cut short ("--out" for --output) is as near as one typing error. */
	if (cost > 1 && s->word_len >= 3 && m > s->word_len &&
	    !memcmp(candidate, s->word, s->word_len))
		cost = 1;
	if (cost < s->cost) {
		s->cost = cost;
		s->best = candidate;
	}
}
