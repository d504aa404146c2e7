/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options_output.c - what -o means for each command: FORMAT[:PATH] against the table of formats. */
#include "cmd/options_table.h"

#include "output/output.h"

#include <string.h>

/* Formats that a later version adds. */
static const char *const later_formats[] = { "otlp", "prom" };

static int unknown_format(const char *spec, size_t n, struct err *e)
{
	struct suggestion near;

	for (size_t i = 0; i < sizeof(later_formats) / sizeof(later_formats[0]); i++)
		if (strlen(later_formats[i]) == n && !memcmp(later_formats[i], spec, n))
			return err_set(e, EXIT_USAGE, "--output: %s: not in this version",
				       later_formats[i]);
	err_set(e, EXIT_USAGE, "--output: unknown format '%.*s'", (int)(n < 64 ? n : 64), spec);
	suggest_start(&near, spec, n);
	for (size_t i = 0; format_table[i]; i++)
		suggest_offer(&near, format_table[i]->name);
	if (near.best)
		err_mend(e, "did you mean %s%.64s?", near.best, spec + n);
	else
		err_mend(e, "write FORMAT[:PATH] with text or jsonl: -o jsonl:%.64s", spec);
	return -1;
}

/* Where a spec writes to; "-" is stdout. NULL: unknown format, e filled. */
static const char *output_place(const char *spec, struct err *e)
{
	const size_t n = strcspn(spec, ":");

	for (size_t i = 0; format_table[i]; i++)
		if (strlen(format_table[i]->name) == n && !memcmp(format_table[i]->name, spec, n))
			return spec[n] && spec[n + 1] ? spec + n + 1 : "-";
	unknown_format(spec, n, e);
	return NULL;
}

static int check_formats(const struct str_list *l, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *place = output_place(l->v[i], e);

		if (!place)
			return -1;
		/* Lines of two formats in one file are good for nobody. */
		for (size_t j = 0; j < i; j++)
			if (!strcmp(output_place(l->v[j], e), place))
				return err_set(e, EXIT_USAGE,
					       "--output: '%.64s' and '%.64s' write to the same %s",
					       l->v[j], l->v[i],
					       strcmp(place, "-") ? "file" : "stdout");
	}
	return 0;
}

int opt_check_outputs(const struct options *o, enum command cmd, struct err *e)
{
	if (cmd == CMD_RUN || cmd == CMD_REPLAY)
		return check_formats(&o->outputs, e);
	if (o->outputs.n > 1)
		return err_set(e, EXIT_USAGE, "%s writes one file; -o was given %zu times",
			       command_name(cmd), o->outputs.n);
	if (cmd == CMD_RECORD && !o->outputs.n) {
		err_set(e, EXIT_USAGE, "record: no output file");
		err_mend(e, "say where to: -o PATH (-o - is stdout)");
		return -1;
	}
	return 0;
}
