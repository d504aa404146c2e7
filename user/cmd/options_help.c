/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* options_help.c - --help, made from the same table that the parser reads. */
#include "cmd/options_table.h"

#include <stdio.h>
#include <string.h>

#define HELP_WIDTH 100
#define HELP_COLUMN 33 /* where the explanations begin */
#define COMMAND_COLUMN 12

/* Letters, not bytes: help texts have … in them. */
static int letters(const char *s, size_t n)
{
	int count = 0;

	for (size_t i = 0; i < n; i++)
		count += ((unsigned char)s[i] & 0xc0) != 0x80;
	return count;
}

/* Print text from column `at` on, broken at blanks and indented to `column`. */
static void wrap(const char *text, int at, int column)
{
	while (*text) {
		const size_t n = strcspn(text, " ");
		const int w = letters(text, n);

		if (at > column && at + 1 + w > HELP_WIDTH) {
			putchar('\n');
			at = 0;
		}
		if (at > column) {
			putchar(' ');
			at++;
		}
		for (; at < column; at++)
			putchar(' ');
		printf("%.*s", (int)n, text);
		at += w;
		text += n + strspn(text + n, " ");
	}
	putchar('\n');
}

static void help_option(const struct opt *row)
{
	char head[96], text[400];
	int n;

	if (row->abbr)
		n = snprintf(head, sizeof(head), "  -%c, --%s %s", row->abbr, row->name,
			     row->metavar ? row->metavar : "");
	else
		n = snprintf(head, sizeof(head), "      --%s %s", row->name,
			     row->metavar ? row->metavar : "");
	fputs(head, stdout);
	if (n >= HELP_COLUMN) {
		putchar('\n');
		n = 0;
	}
	snprintf(text, sizeof(text), row->def ? "%s (default %s)" : "%s", row->help, row->def);
	wrap(text, n, HELP_COLUMN);
}

/* Options of a command (mask of one bit) or of all commands, by group, then those of later
 * versions. */
static void help_options(unsigned mask)
{
	char later[600] = "";
	size_t len = 0;

	for (unsigned g = 0; g < OPT_GROUPS; g++) {
		bool titled = false;

		for (size_t i = 0; i < opt_count; i++) {
			const struct opt *row = &opt_table[i];

			if (row->group != g || !(row->commands & mask))
				continue;
			if (!(row->commands & ~row->later & mask)) {
				if (len < sizeof(later))
					len += (size_t)snprintf(later + len, sizeof(later) - len,
								"%s--%s", len ? ", " : "",
								row->name);
				continue;
			}
			if (!titled)
				printf("\n%s:\n", opt_group_title[g]);
			titled = true;
			help_option(row);
		}
	}
	if (len) {
		fputs("\nNot in this version:\n", stdout);
		wrap(later, 0, 2);
	}
}

static void help_commands(void)
{
	puts("Usage: modelsnoop COMMAND [OPTIONS] [-- CMD ARGS…]\n\n"
	     "Watches model servers from outside: no change to the server, its image or its "
	     "code.\n\n"
	     "Commands:");
	for (size_t i = 0; i < command_count; i++) {
		const struct command_row *c = &command_table[i];
		char text[200];
		const int n = printf("  %s", c->name);

		snprintf(text, sizeof(text), "%s%s", c->help,
			 c->cmd == CMD_LATER ? " (not in this version)" : "");
		wrap(text, n, COMMAND_COLUMN);
	}
}

void options_help(enum command cmd)
{
	const unsigned now = ~CMD_BIT(CMD_LATER);

	if (cmd == CMD_NONE || cmd == CMD_LATER) {
		help_commands();
		help_options(now);
	} else {
		const struct command_row *c = command_table;

		while (c->cmd != cmd)
			c++;
		printf("Usage: modelsnoop %s [OPTIONS]%s%s\n\n", c->name, *c->args ? " " : "",
		       c->args);
		wrap(c->help, 0, 2);
		help_options(CMD_BIT(cmd));
	}
	fputs("\nExit status: 0 done, 1 failed while running, 2 usage or bad configuration,\n"
	      "3 the host lacks something (doctor says what), 4 no such target; with -- CMD: CMD's "
	      "own.\n",
	      stdout);
}
