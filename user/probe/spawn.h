/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* spawn.h - `-- CMD ARGS…`: a child that waits before its exec until it is watched. */
#ifndef PROBE_SPAWN_H
#define PROBE_SPAWN_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct spawn {
	pid_t pid; /* 0: none */
	int go; /* eventfd: the child waits for a word */
	int failed; /* read end: errno of a failed exec, closed by a successful one */
	bool ended;
	int status; /* as wait(2) has it */
};

/* The file that execvp(3) would run, resolved. 0, or the -errno that it would fail with. */
int spawn_find(const char *name, char path[PATH_MAX]);
/* Fork; the child waits. 0 or -errno. */
int spawn_prepare(struct spawn *s, char *const *cmd);
/* Let it exec. 0, or the -errno of its exec (the child is gone then). */
int spawn_go(struct spawn *s);
/* Has it ended? Never blocks, kills nothing. */
bool spawn_ended(struct spawn *s);
/* It was not let go: it ends by itself. */
void spawn_free(struct spawn *s);

#endif
