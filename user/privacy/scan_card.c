/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* scan_card.c - payment card numbers: 13 to 19 digits, in groups or not, of a plausible issuer,
 * with a Luhn sum. */
#include "privacy/scan.h"

#define CARD_MIN 13u
#define CARD_MAX 19u
#define GROUP_MIN 3u /* digits; "1 2 3 4 …" is a list */
#define GROUPS_MAX 6u

static size_t digits_end(const struct text *t, size_t i)
{
	while (i < t->n && scan_is_digit(t->p[i]))
		i++;
	return i;
}

/* ISO/IEC 7812 ranges of the networks that pay; time stamps begin with 1 and are none. */
static bool plausible_issuer(const uint8_t *d, size_t n)
{
	switch (d[0]) {
	case 2:
		return d[1] >= 2 && d[1] <= 7 && n == 16;
	case 3:
		if (d[1] == 4 || d[1] == 7)
			return n == 15;
		return d[1] == 5 ? n >= 16 : (d[1] == 0 || d[1] == 6 || d[1] >= 8) && n >= 14;
	case 4:
		return n == 13 || n == 16 || n == 19;
	case 5:
		return d[1] >= 1 && d[1] <= 5 ? n == 16 : d[1] == 0 || d[1] >= 6;
	case 6:
		return true;
	default:
		return false;
	}
}

static bool luhn(const uint8_t *d, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned v = d[n - 1 - i] * (i % 2 ? 2u : 1u);

		sum += v > 9 ? v - 9 : v;
	}
	return sum % 10 == 0;
}

/* A card number ends before anything but a letter, a digit or a fraction (.0 is none). */
static bool ends_card(const struct text *t, size_t i)
{
	if (i >= t->n)
		return true;
	if (t->p[i] == '.' && i + 1 < t->n && scan_is_digit(t->p[i + 1])) {
		for (i++; i < t->n && t->p[i] == '0'; i++)
			;
		return i == t->n || !scan_is_alnum(t->p[i]);
	}
	return !scan_is_alnum(t->p[i]);
}

static bool starts_card(const struct text *t, size_t from, size_t i)
{
	return scan_starts_word(t, from, i) && (i == from || t->p[i - 1] != '.'); /* a fraction */
}

/* i: first digit of a run. Groups of digits one blank or dash apart, as many as make a card. */
bool scan_card(const struct text *t, size_t from, size_t i, struct span *s, size_t *next)
{
	uint8_t d[CARD_MAX];
	size_t n = 0, end = digits_end(t, i), group = end - i, best = 0;
	size_t at = i;

	*next = end;
	if (group < GROUP_MIN || group > CARD_MAX || !starts_card(t, from, i))
		return false;
	if (group < CARD_MIN && (end + 1 >= t->n || (t->p[end] != ' ' && t->p[end] != '-')))
		return false;
	for (unsigned g = 0; g < GROUPS_MAX; g++) {
		if (group < GROUP_MIN || n + group > CARD_MAX)
			break;
		while (at < end)
			d[n++] = (uint8_t)(t->p[at++] - '0');
		if (n >= CARD_MIN && ends_card(t, end) && plausible_issuer(d, n) && luhn(d, n))
			best = end;
		if (end + 1 >= t->n || (t->p[end] != ' ' && t->p[end] != '-'))
			break;
		at = end + 1;
		end = digits_end(t, at);
		group = end - at;
	}
	if (!best)
		return false;
	*s = (struct span){ .from = i, .to = best, .kind = "card" };
	return true;
}
