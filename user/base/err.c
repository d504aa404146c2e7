// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* err.c - errors are filled where they happen and said once, on stderr, safe for terminals. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

__attribute__((format(printf, 2, 0))) static void fill(char dst[256], const char *fmt, va_list ap)
{
	if (vsnprintf(dst, 256, fmt, ap) < 0)
		dst[0] = '\0';
}

int err_set(struct err *e, int status, const char *what, ...)
{
	va_list ap;

	e->status = status;
	e->why[0] = e->mend[0] = '\0';
	va_start(ap, what);
	fill(e->what, what, ap);
	va_end(ap);
	return -1;
}

void err_why(struct err *e, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	fill(e->why, why, ap);
	va_end(ap);
}

void err_mend(struct err *e, const char *mend, ...)
{
	va_list ap;

	va_start(ap, mend);
	fill(e->mend, mend, ap);
	va_end(ap);
}

/*
 * What is said may quote paths, arguments and payload. C0, DEL and the C1 controls (which a
 * terminal may also take as single bytes, whatever the locale says about UTF-8) become '?'.
 */
static void make_harmless(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++) {
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
			*p = '?';
		else if (*p >= 0x80 && *p < 0xa0 && (p == (unsigned char *)s || p[-1] < 0x80))
			*p = '?'; /* a lone byte of the C1 range, not part of a UTF-8 sequence */
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

/* One write(2) a message, so that messages of several threads never mix. */
static void say(const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void err_print(const struct err *e)
{
	char what[256], why[256], mend[256], line[LINE_MAX_BYTES];
	int n;

	memcpy(what, e->what, sizeof(what));
	memcpy(why, e->why, sizeof(why));
	memcpy(mend, e->mend, sizeof(mend));
	make_harmless(what);
	make_harmless(why);
	make_harmless(mend);
	n = snprintf(line, sizeof(line), "modelsnoop: %s%s%s\n%s%s%s", what, *why ? ": " : "", why,
		     *mend ? "  " : "", mend, *mend ? "\n" : "");
	if (n > 0)
		say(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void warn_print(const char *fmt, ...)
{
	char text[LINE_MAX_BYTES - 16], line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	make_harmless(text);
	n = snprintf(line, sizeof(line), "modelsnoop: %s\n", text);
	if (n > 0)
		say(line, (size_t)n);
}
