// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* traceparent.c - the header of W3C Trace Context (Recommendation, 23 November 2021, section 3.2).
 */
#include "exchange/exchange_priv.h"

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	/* Lower case only, says the grammar (HEXDIGLC). */
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes of hex; false on another character or if all are zero. */
static bool id(const char *p, uint8_t *out, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++) {
		const int hi = digit(p[2 * i]), lo = digit(p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
		any |= out[i];
	}
	return any;
}

/* 00-<32>-<16>-<2>; a later version may go on after that with '-'. */
bool traceparent_parse(const char *p, size_t n, uint8_t trace_id[16], uint8_t span_id[8])
{
	uint8_t trace[16], span[8];
	bool version0;

	if (n < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	if (digit(p[0]) < 0 || digit(p[1]) < 0 || (p[0] == 'f' && p[1] == 'f'))
		return false;
	version0 = p[0] == '0' && p[1] == '0';
	if (n > 55 && (version0 || p[55] != '-'))
		return false;
	if (digit(p[53]) < 0 || digit(p[54]) < 0 || !id(p + 3, trace, 16) || !id(p + 36, span, 8))
		return false;
	memcpy(trace_id, trace, sizeof(trace));
	memcpy(span_id, span, sizeof(span));
	return true;
}
