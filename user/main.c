/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* main.c - parse the command line, run one command, turn its error into one message and an exit
 * status. */
#include <stdio.h>
#include <sys/resource.h>

#include "cmd/cmd.h"

static int run_command(enum command cmd, const struct options *o, struct err *e)
{
	switch (cmd) {
	case CMD_RUN:
		return cmd_run(o, e);
	case CMD_RECORD:
		return cmd_record(o, e);
	case CMD_REPLAY:
		return cmd_replay(o, e);
	case CMD_BASELINE:
		return cmd_baseline(o, e);
	case CMD_DOCTOR:
		return cmd_doctor(o, e);
	case CMD_NONE:
	case CMD_LATER:
		break;
	}
	options_help(CMD_NONE);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	/* Memory of this process is other people's payload: no core file may hold it. */
	const struct rlimit no_core = { 0, 0 };
	struct options o;
	struct err e = { 0 };
	enum command cmd;
	int status;

	setrlimit(RLIMIT_CORE, &no_core);
	if (options_parse(&o, &cmd, argc, argv, &e)) {
		err_print(&e);
		return e.status;
	}
	if (o.version) {
		printf("modelsnoop %s\n", MODELSNOOP_VERSION);
		status = EXIT_DONE;
	} else if (o.help) {
		options_help(cmd);
		status = EXIT_DONE;
	} else {
		status = run_command(cmd, &o, &e);
		if (e.status)
			err_print(&e);
	}
	options_free(&o);
	return status;
}
