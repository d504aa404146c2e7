/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* err.h - the one error type: what went wrong, why, how to mend it, and the exit status. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* failed while running */
	EXIT_USAGE = 2, /* usage or bad configuration */
	EXIT_HOST = 3, /* the host lacks something */
	EXIT_NO_TARGET = 4, /* no such target */
};

struct err {
	int status; /* enum exit_status */
	char what[256];
	char why[256]; /* may be empty */
	char mend[256]; /* may be empty */
};

/* Fill e (never NULL); returns -1 so that callers can write `return err_set(...)`. */
int err_set(struct err *e, int status, const char *what, ...) __attribute__((format(printf, 3, 4)));
void err_why(struct err *e, const char *why, ...) __attribute__((format(printf, 2, 3)));
void err_mend(struct err *e, const char *mend, ...) __attribute__((format(printf, 2, 3)));

/* "modelsnoop: WHAT: WHY\n  MEND\n" on stderr, control bytes made harmless. */
void err_print(const struct err *e);

/* A diagnostic that is no failure, on stderr with the program's name before it. */
void warn_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
