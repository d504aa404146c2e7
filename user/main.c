/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* main.c - parse the command line, run one command, turn its error into one message and an exit
 * status. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

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

/* A closed descriptor 0, 1 or 2 would be handed to the next file that is opened, and diagnostics or
 * records would end up in it. */
static void hold_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) < 0)
			_exit(EXIT_FAILED);
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
	hold_standard_fds();
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
