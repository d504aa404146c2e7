/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_hook.c - the alert command: words, stdin, order, failures, time-outs, what it inherits. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alert/hook.h"
#include "alert/hook_argv.h"

static char dir[] = "/tmp/hookXXXXXX";
static int real_stderr;

/* What the commands and we say on stderr would look like failures of the test. */
static int setup(void **state)
{
	const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)state;
	real_stderr = dup(STDERR_FILENO);
	dup2(null, STDERR_FILENO);
	close(null);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char cmd[64];

	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

static const char *path(const char *name)
{
	static char p[128];

	snprintf(p, sizeof(p), "%s/%s", dir, name);
	return p;
}

static char *slurp(const char *name)
{
	static char text[200000];
	FILE *f = fopen(path(name), "r");
	size_t n = 0;

	if (f) {
		n = fread(text, 1, sizeof(text) - 1, f);
		fclose(f);
	}
	text[n] = '\0';
	return text;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct hook *start(unsigned timeout_s, const char *format, ...)
{
	struct err e = { 0 };
	char cmd[512];
	struct hook *h;
	va_list ap;

	va_start(ap, format);
	vsnprintf(cmd, sizeof(cmd), format, ap);
	va_end(ap);
	h = hook_new(cmd, timeout_s, &e);
	assert_non_null(h);
	return h;
}

static void send(struct hook *h, const char *text)
{
	hook_submit(h, text, strlen(text));
}

static void test_argv(void **state)
{
	static const struct {
		const char *cmd, *want; /* words, each followed by | */
	} kase[] = {
		{ "a", "a|" },
		{ "  a  b\tc ", "a|b|c|" },
		{ "a 'b c' \"d e\"", "a|b c|d e|" },
		{ "a'b'\"c\" ''", "abc||" },
		{ "a \\' \\\\ \"\\\"\" '\\'", "a|'|\\|\"|\\|" },
		{ "a $HOME `x` ; > *", "a|$HOME|`x`|;|>|*|" },
		{ "a\\", "a\\|" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(kase) / sizeof(kase[0]); i++) {
		char **argv = hook_argv(kase[i].cmd, &e), got[256] = "";

		assert_non_null(argv);
		for (char **a = argv; *a; a++) {
			strcat(got, *a);
			strcat(got, "|");
		}
		assert_string_equal(got, kase[i].want);
		free(argv);
	}
	assert_null(hook_argv("a 'b", &e));
	assert_int_equal(e.status, EXIT_USAGE);
	assert_null(hook_argv("a \"b'", &e));
	assert_null(hook_argv(" \t", &e));
	assert_int_equal(e.status, EXIT_USAGE);
}

/* Any text: words never hold what was not there, and the block is never left. */
static void test_argv_any(void **state)
{
	static const char alphabet[] = "a '\"\\b\t";
	struct err e;

	(void)state;
	srand(1);
	for (int run = 0; run < 20000; run++) {
		char cmd[24];
		const int n = rand() % 20;
		char **argv;
		size_t total = 0;

		for (int i = 0; i < n; i++)
			cmd[i] = alphabet[rand() % 7];
		cmd[n] = '\0';
		argv = hook_argv(cmd, &e);
		for (char **a = argv; argv && *a; a++)
			total += strlen(*a) + 1;
		assert_true(total <= (size_t)n + 1);
		free(argv);
	}
}

static void test_refused(void **state)
{
	struct err e = { 0 };

	(void)state;
	assert_null(hook_new("/no/such/command", 0, &e));
	assert_int_equal(e.status, EXIT_USAGE);
	assert_null(hook_new("no-such-command-here x", 0, &e));
	assert_null(hook_new("'", 0, &e));
}

/* In order, one at a time, all of them before hook_free returns. */
static void test_runs(void **state)
{
	struct hook_stats s;
	struct hook *h;
	char text[16], want[256] = "";

	(void)state;
	h = start(5, "sh -c 'cat >> %s; echo >> %s'", path("order"), path("order"));
	for (int i = 0; i < 10; i++) {
		snprintf(text, sizeof(text), "{%d}", i);
		strcat(want, text);
		strcat(want, "\n");
		send(h, text);
	}
	hook_free(h);
	assert_string_equal(slurp("order"), want);
	h = start(5, "true");
	send(h, "x");
	while (hook_stats(h, &s), !s.run)
		usleep(1000);
	hook_free(h);
}

/* More than a pipe holds, and a command that reads none of it. */
static void test_large(void **state)
{
	const size_t n = 150000;
	char *text = malloc(n + 1);
	struct hook *h;

	(void)state;
	memset(text, 'x', n);
	text[n] = '\0';
	h = start(5, "sh -c 'wc -c > %s'", path("size"));
	send(h, text);
	hook_free(h);
	assert_int_equal(atoi(slurp("size")), n);
	h = start(5, "true");
	send(h, text);
	hook_free(h);
	free(text);
}

static void test_failures(void **state)
{
	struct hook *h = start(5, "sh -c 'exit 3'");
	struct hook_stats s;

	(void)state;
	for (int i = 0; i < 3; i++)
		send(h, "x");
	do {
		usleep(1000);
		hook_stats(h, &s);
	} while (s.failed < 3);
	assert_int_equal(s.run, 3);
	assert_int_equal(s.timed_out, 0);
	hook_free(h);
	h = start(5, "sh -c 'kill -9 $$'");
	send(h, "x");
	do {
		usleep(1000);
		hook_stats(h, &s);
	} while (!s.failed);
	hook_free(h);
}

/* Killed with all that it started; the next alert still gets its run. */
static void test_timeout(void **state)
{
	const double from = seconds();
	struct hook_stats s;
	struct hook *h;
	int pid;

	(void)state;
	h = start(1, "sh -c 'sleep 100 & echo $! > %s; wait'", path("child"));
	send(h, "x");
	do {
		usleep(10000);
		hook_stats(h, &s);
	} while (!s.timed_out);
	assert_true(seconds() - from < 4);
	pid = atoi(slurp("child"));
	assert_true(pid > 1);
	/* Its parent is gone: init reaps it, in a container perhaps nobody. */
	for (int i = 0; i < 100 && !kill(pid, 0); i++) {
		char stat[64], line[256] = "";
		FILE *f;

		snprintf(stat, sizeof(stat), "/proc/%d/stat", pid);
		f = fopen(stat, "r");
		if (f && fgets(line, sizeof(line), f) && strstr(line, ") Z")) {
			fclose(f);
			break;
		}
		if (f)
			fclose(f);
		usleep(10000);
		assert_true(i < 99);
	}
	assert_int_equal(s.failed, 1);
	hook_free(h);
}

static void test_queue_is_bounded(void **state)
{
	struct hook *h = start(1, "sleep 100");
	const double from = seconds();
	struct hook_stats s;

	(void)state;
	for (int i = 0; i < HOOK_QUEUE + 20; i++)
		send(h, "x");
	hook_stats(h, &s);
	assert_true(s.dropped >= 19 && s.dropped <= 20);
	/* Submitting never waits, and the end is bounded whatever is queued. */
	assert_true(seconds() - from < 0.5);
	hook_free(h);
	assert_true(seconds() - from < HOOK_DRAIN_S + 3);
}

/* Descriptors closed, signals as by default, few variables, our stdout untouched. */
static void test_inherits_little(void **state)
{
	struct hook *h;
	sigset_t usr1;
	char *text, *ignored;
	int fd;

	(void)state;
	fd = open("/dev/null", O_RDONLY); /* no CLOEXEC on purpose */
	setenv("SECRET_TOKEN", "x", 1);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGPIPE, SIG_IGN);
	h = start(5, "sh -c 'ls /proc/$$/fd > %s; grep Sig /proc/self/status >> %s; env >> %s'",
		  path("inherits"), path("inherits"), path("inherits"));
	send(h, "x");
	hook_free(h);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	close(fd);
	text = slurp("inherits");
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
	/* glibc's posix_spawn leaves its own two (32 and 33) ignored. */
	ignored = strstr(text, "SigIgn:\t");
	assert_non_null(ignored);
	assert_int_equal(strtoull(ignored + 8, NULL, 16) & 0x7fffffff, 0);
	assert_non_null(strstr(text, "PATH="));
	assert_null(strstr(text, "SECRET_TOKEN"));
	for (int i = 3; i < 10; i++) {
		char line[16];

		snprintf(line, sizeof(line), "\n%d\n", i);
		assert_null(strstr(text, line));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),
		cmocka_unit_test(test_argv_any),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_inherits_little),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
