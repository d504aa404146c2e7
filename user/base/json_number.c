// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* json_number.c - the double that a JSON number means, correctly rounded, in any locale. */
#include "base/json_number.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* 5^n; 10^n = 5^n * 2^n. */
static const uint64_t pow5[] = {
	1u,
	5u,
	25u,
	125u,
	625u,
	3125u,
	15625u,
	78125u,
	390625u,
	1953125u,
	9765625u,
	48828125u,
	244140625u,
	1220703125u,
	6103515625u,
	30517578125u,
	152587890625u,
	762939453125u,
	3814697265625u,
	19073486328125u,
	95367431640625u,
	476837158203125u,
	2384185791015625u,
	11920928955078125u,
	59604644775390625u,
	298023223876953125u,
	1490116119384765625u,
	7450580596923828125u,
};
#define POW5_MAX ((int)(sizeof(pow5) / sizeof(*pow5)) - 1)

__extension__ typedef unsigned __int128 u128;

/* v * 2^e2, v >= 2^63, rounded half to even; sticky: non-zero bits follow v. Never denormal. */
static double round_to_double(uint64_t v, int e2, bool sticky)
{
	uint64_t m = v >> 11, rest = v & 0x7ff, bits;
	double d;

	if (rest > 0x400 || (rest == 0x400 && (sticky || (m & 1))))
		m++; /* a carry out of the 53 bits goes on into the exponent, as it should */
	bits = ((uint64_t)(e2 + 11 + 52 + 1022) << 52) + m; /* m's top bit adds the missing one */
	memcpy(&d, &bits, sizeof(d));
	return d;
}

/* m * 10^e10, correctly rounded; m > 0, |e10| <= POW5_MAX: the result is never denormal. */
static double scale_exact(uint64_t m, int e10)
{
	uint64_t f = pow5[e10 < 0 ? -e10 : e10], q;
	int sm, sf, up;
	u128 x, rem;

	if (e10 >= 0) {
		x = (u128)m * f;
		up = x >> 64 ? __builtin_clzll((uint64_t)(x >> 64))
			     : 64 + __builtin_clzll((uint64_t)x);
		x <<= up;
		return round_to_double((uint64_t)(x >> 64), 64 - up + e10, (uint64_t)x != 0);
	}
	/* Both with their top bit set, and shifted so that the quotient has 64 bits, the top one
	 * set. */
	sm = __builtin_clzll(m);
	sf = __builtin_clzll(f);
	m <<= sm;
	f <<= sf;
	x = m >= f ? (u128)m << 63 : (u128)m << 64;
	up = m >= f ? 63 : 64;
	q = (uint64_t)(x / f);
	rem = x - (u128)q * f;
	return round_to_double(q, e10 - up - sm + sf, rem != 0);
}

/* Literals that the exact ways do not cover: too many digits, or exponents beyond them. */
static double number_slow(const char *p, size_t n)
{
	/*
	 * strtod without a decimal point, so the locale has no say: the digits, then an exponent.
	 * 770 digits decide every double; what follows them only has to be known as zero or not.
	 */
	enum { KEEP = 780 };
	char t[KEEP + 32], *d = t;
	long exp10 = 0, e = 0;
	bool fraction = false, sticky = false, neg_exp = false;
	size_t i = 0;

	if (p[0] == '-')
		*d++ = p[i++];
	for (; i < n && (is_digit(p[i]) || p[i] == '.'); i++) {
		if (p[i] == '.') {
			fraction = true;
			continue;
		}
		if (d - t < KEEP) {
			if (d == t + (p[0] == '-') && p[i] == '0') {
				exp10 -= fraction; /* leading zeros decide nothing */
				continue;
			}
			*d++ = p[i];
			exp10 -= fraction;
		} else {
			sticky |= p[i] != '0';
			exp10 += !fraction;
		}
	}
	if (d == t + (p[0] == '-'))
		*d++ = '0';
	if (sticky) {
		*d++ = '1';
		exp10--;
	}
	if (i < n) {
		i++; /* e */
		neg_exp = p[i] == '-';
		if (p[i] == '-' || p[i] == '+')
			i++;
		for (; i < n; i++)
			if (e < 100000000)
				e = e * 10 + (p[i] - '0');
	}
	exp10 += neg_exp ? -e : e;
	if (exp10 > 99999)
		exp10 = 99999;
	if (exp10 < -99999)
		exp10 = -99999;
	*d++ = 'e';
	if (exp10 < 0) {
		*d++ = '-';
		exp10 = -exp10;
	}
	for (long unit = 10000; unit; unit /= 10)
		*d++ = (char)('0' + exp10 / unit % 10);
	*d = '\0';
	return strtod(t, NULL);
}

double json_number(const char *p, size_t n, bool neg, uint64_t m, size_t digits, long e10)
{
	/* Exact powers of ten (Clinger 1990): one correctly rounded operation on exact operands. */
	static const double pow10[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
					1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
					1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	double v;

	if (digits > 19)
		return number_slow(p, n);
	if (m == 0)
		v = 0;
	else if (m <= (uint64_t)1 << 53 && e10 >= -22 && e10 <= 22)
		v = e10 < 0 ? (double)m / pow10[-e10] : (double)m * pow10[e10];
	else if (e10 >= -POW5_MAX && e10 <= POW5_MAX)
		v = scale_exact(m, (int)e10);
	else
		return number_slow(p, n);
	return neg ? -v : v;
}
