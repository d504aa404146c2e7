/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd_doctor.c - `doctor`: for each requirement whether it is met, and how to mend it. */
#include "cmd/cmd.h"

#include "probe/probe.h"

#include <stdio.h>
#include <string.h>

#define MAX_CHECKS 64

static const char *const result_name[] = {
	[CHECK_OK] = "ok",
	[CHECK_OPTIONAL] = "optional",
	[CHECK_MISSING] = "missing",
};

static void print_row(const struct check *c, int name_width)
{
	printf("%-*s  %-8s  %s\n", name_width, c->name, result_name[c->result], c->detail);
	if (c->result != CHECK_OK && c->mend[0])
		printf("%-*s  %-8s  -> %s\n", name_width, "", "", c->mend);
}

/* The names of what is missing, joined, for the one line on stderr. */
static void name_missing(const struct check *row, size_t n, struct err *e)
{
	char names[200] = "";
	size_t len = 0;

	for (size_t i = 0; i < n && len < sizeof(names); i++)
		if (row[i].result == CHECK_MISSING)
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
						len ? ", " : "", row[i].name);
	err_set(e, EXIT_HOST, "this host lacks: %s", names);
	err_mend(e, "the rows marked `missing` say how to mend it");
}

int cmd_doctor(const struct options *o, struct err *e)
{
	struct check row[MAX_CHECKS];
	const size_t n = probe_check(row, MAX_CHECKS);
	size_t missing = 0;
	int width = 0;

	(void)o;
	for (size_t i = 0; i < n; i++) {
		const int w = (int)strnlen(row[i].name, sizeof(row[i].name));

		width = w > width ? w : width;
		missing += row[i].result == CHECK_MISSING;
	}
	for (size_t i = 0; i < n; i++)
		print_row(&row[i], width);
	if (fflush(stdout))
		return err_set(e, EXIT_FAILED, "cannot write to stdout"), EXIT_FAILED;
	if (!missing)
		return EXIT_DONE;
	name_missing(row, n, e);
	return EXIT_HOST;
}
