/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * cmd.h - the commands. Each returns an exit status (enum exit_status, or a wait status of `-- CMD`
 * turned into one); a failure that was not yet said is in e with status set.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <signal.h>

#include "cmd/options.h"

int cmd_run(const struct options *o, struct err *e);
int cmd_record(const struct options *o, struct err *e);
int cmd_replay(const struct options *o, struct err *e);
int cmd_baseline(const struct options *o, struct err *e);
int cmd_doctor(const struct options *o, struct err *e);

/* SIGINT/SIGTERM set stop, SIGHUP sets reload; wake (may be NULL) is called from the handler. */
struct signals {
	volatile sig_atomic_t stop, reload;
};
extern struct signals cmd_signals;
void cmd_signals_install(void (*wake)(void));

#endif
