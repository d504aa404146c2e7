/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* signame.h - names of Linux signals as people and manuals write them. */
#ifndef ORIGIN_SIGNAME_H
#define ORIGIN_SIGNAME_H

#define SIGNAME_MAX 16

/* SIGSEGV, SIGRTMIN+3, SIG32; text that lives in buf or forever. NULL for no signal of Linux
 * (1…64). */
const char *signame(int sig, char buf[SIGNAME_MAX]);

#endif
