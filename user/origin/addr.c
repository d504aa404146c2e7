// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* addr.c - IPv4 and IPv6 addresses to text. */
#include "origin/addr.h"

#include <string.h>
#include <sys/socket.h>

static size_t put_v4(const uint8_t a[4], char *out)
{
	char *p = out;

	for (int i = 0; i < 4; i++) {
		unsigned v = a[i];

		if (i)
			*p++ = '.';
		if (v >= 100)
			*p++ = (char)('0' + v / 100);
		if (v >= 10)
			*p++ = (char)('0' + v / 10 % 10);
		*p++ = (char)('0' + v % 10);
	}
	return (size_t)(p - out);
}

static char *put_group(char *p, unsigned v)
{
	static const char hex[] = "0123456789abcdef";

	if (v >= 0x1000)
		*p++ = hex[v >> 12];
	if (v >= 0x100)
		*p++ = hex[v >> 8 & 15];
	if (v >= 0x10)
		*p++ = hex[v >> 4 & 15];
	*p++ = hex[v & 15];
	return p;
}

/* RFC 5952 4.2: the longest run of at least two zero groups is "::", the first of equals. */
static size_t put_v6(const uint8_t a[16], char *out)
{
	unsigned g[8];
	int best = -1, best_len = 1;
	char *p = out;

	for (int i = 0; i < 8; i++)
		g[i] = (unsigned)a[2 * i] << 8 | a[2 * i + 1];
	for (int i = 0, run = 0; i < 8; i++) {
		run = g[i] ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			*p++ = ':';
			*p++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i && p[-1] != ':')
			*p++ = ':';
		p = put_group(p, g[i]);
	}
	return (size_t)(p - out);
}

size_t addr_text(uint16_t family, const uint8_t addr[16], char out[ADDR_TEXT_MAX])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == AF_INET)
		return put_v4(addr, out);
	if (family != AF_INET6)
		return 0;
	if (!memcmp(addr, mapped, sizeof(mapped)))
		return put_v4(addr + 12, out);
	return put_v6(addr, out);
}
