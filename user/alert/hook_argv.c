/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hook_argv.c - split a command line into words, quotes honoured, nothing expanded. */
#include "alert/hook_argv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* One word from *in to out, NUL-terminated; returns its end, NULL for an open quote. */
static char *word(const char **in, char *out)
{
	const char *p = *in;
	char quote = 0;

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (quote != '\'' && *p == '\\' && p[1])
			*out++ = *++p;
		else if (*p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else
			*out++ = *p;
	}
	*out++ = '\0';
	*in = p;
	return quote ? NULL : out;
}

char **hook_argv(const char *cmd, struct err *e)
{
	/* A word takes two bytes of cmd at least, its blank and its first character. */
	const size_t n = strlen(cmd), words = n / 2 + 2;
	char **argv = malloc(words * sizeof(*argv) + n + 2);
	char *out;
	size_t argc = 0;

	if (!argv) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	out = (char *)(argv + words);
	for (;;) {
		while (is_blank(*cmd))
			cmd++;
		if (!*cmd)
			break;
		argv[argc++] = out;
		out = word(&cmd, out);
		if (!out) {
			err_set(e, EXIT_USAGE, "--on-alert: a quote is not closed");
			free(argv);
			return NULL;
		}
	}
	argv[argc] = NULL;
	if (!argc) {
		err_set(e, EXIT_USAGE, "--on-alert: the command is empty");
		free(argv);
		return NULL;
	}
	return argv;
}
