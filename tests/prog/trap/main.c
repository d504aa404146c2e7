// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * main.c - one static program for guests that have nothing else: a server full of traps (serve),
 * the client that drives it and writes down the truth (drive), and the comparison (check).
 */
#include "trap.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} command[] = {
		{ "serve", trap_serve },
		{ "drive", trap_drive },
		{ "check", trap_check },
		{ "load", trap_load },
	};

	for (size_t i = 0; i < sizeof(command) / sizeof(command[0]) && argc > 1; i++)
		if (strcmp(argv[1], command[i].name) == 0)
			return command[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: trapserver serve|drive|check|load ... (see tests/README.md)\n");
	return 2;
}
