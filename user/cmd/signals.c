/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* signals.c - the program's signals as two flags and a wake-up. */
#include "cmd/cmd.h"

#include <string.h>

struct signals cmd_signals;
static void (*wake_fn)(void);

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		cmd_signals.reload = 1;
	else
		cmd_signals.stop = 1;
	if (wake_fn)
		wake_fn();
}

void cmd_signals_install(void (*wake)(void))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	wake_fn = wake;
	sa.sa_handler = on_signal;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	/* A reader that went away is an output's error, not our death. */
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}
