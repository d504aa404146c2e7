// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* signame.c - a table of the signals that are numbered alike on x86_64 and arm64. */
#include "origin/signame.h"

#include <stdio.h>

/* glibc keeps 32 and 33 for its threads, so SIGRTMIN is 34 for every program linked with it. */
#define RT_MIN 34
#define RT_MAX 64

static const char *const name[] = {
	NULL,        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
	"SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
	"SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
	"SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
};

const char *signame(int sig, char buf[SIGNAME_MAX])
{
	if (sig < 1 || sig > RT_MAX)
		return NULL;
	if ((unsigned)sig < sizeof(name) / sizeof(name[0]))
		return name[sig];
	if (sig < RT_MIN)
		snprintf(buf, SIGNAME_MAX, "SIG%d", sig);
	else if (sig == RT_MIN)
		return "SIGRTMIN";
	else
		snprintf(buf, SIGNAME_MAX, "SIGRTMIN+%d", sig - RT_MIN);
	return buf;
}
