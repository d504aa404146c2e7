/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hook_argv.h - a command line split into words as a shell would, and nothing else of a shell. */
#ifndef ALERT_HOOK_ARGV_H
#define ALERT_HOOK_ARGV_H

#include "base/err.h"

/*
 * Words at blanks; '…' literal; "…" and bare text with backslash escapes. NULL-terminated, one
 * block, freed with free(). NULL and e (EXIT_USAGE) for an open quote or no word at all.
 */
char **hook_argv(const char *cmd, struct err *e);

#endif
