// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_err.c - what reaches standard error: the whole message, no control byte of what it quotes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"

static char said[4096];

/* Standard error into `said` from here on, until heard(). */
static int listen_in(int pipe_fd[2])
{
	int keep = dup(STDERR_FILENO);

	assert_int_equal(pipe(pipe_fd), 0);
	dup2(pipe_fd[1], STDERR_FILENO);
	close(pipe_fd[1]);
	return keep;
}

static void heard(int pipe_fd[2], int keep)
{
	ssize_t n;

	dup2(keep, STDERR_FILENO);
	close(keep);
	n = read(pipe_fd[0], said, sizeof(said) - 1);
	close(pipe_fd[0]);
	said[n > 0 ? n : 0] = '\0';
}

static void three_parts(void **state)
{
	struct err e;
	int p[2], keep;

	(void)state;
	assert_int_equal(err_set(&e, EXIT_USAGE, "option %s", "--prot"), -1);
	assert_int_equal(e.status, EXIT_USAGE);
	keep = listen_in(p);
	err_print(&e);
	heard(p, keep);
	assert_string_equal(said, "modelsnoop: option --prot\n");
	err_why(&e, "there is none of that name");
	err_mend(&e, "did you mean %s?", "--port");
	keep = listen_in(p);
	err_print(&e);
	heard(p, keep);
	assert_string_equal(said, "modelsnoop: option --prot: there is none of that name\n"
				  "  did you mean --port?\n");
	err_set(&e, EXIT_FAILED, "again");
	assert_string_equal(e.why, "");
	assert_string_equal(e.mend, "");
}

static void controls_are_harmless(void **state)
{
	struct err e;
	int p[2], keep;

	(void)state;
	err_set(&e, EXIT_FAILED, "file \x1b]0;x\a \xc2\x9b \x9b caf\xc3\xa9");
	keep = listen_in(p);
	err_print(&e);
	warn_print("a\nb\x7f");
	heard(p, keep);
	assert_string_equal(said, "modelsnoop: file ?]0;x? ?? ? caf\xc3\xa9\nmodelsnoop: a?b?\n");
}

static void long_texts_are_cut(void **state)
{
	struct err e;
	char big[5000];
	int p[2], keep;

	(void)state;
	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e, EXIT_FAILED, "%s", big);
	err_why(&e, "%s", big);
	err_mend(&e, "%s", big);
	assert_int_equal(strlen(e.what), sizeof(e.what) - 1);
	keep = listen_in(p);
	err_print(&e);
	warn_print("%s", big);
	heard(p, keep);
	assert_true(strlen(said) > 1500);
	assert_int_equal(said[strlen(said) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_parts),
		cmocka_unit_test(controls_are_harmless),
		cmocka_unit_test(long_texts_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
