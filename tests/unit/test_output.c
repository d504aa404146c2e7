// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_output.c - outputs under full disks, stalled and vanished readers: whole lines, exact
 * counts. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "output/output.h"

#define QUEUE ((size_t)8 << 20)

static char dir[] = "/tmp/test_output.XXXXXX";
static char path[64], spec[80];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/test_output.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/out", dir);
	snprintf(spec, sizeof(spec), "jsonl:%s", path);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct output *opened(const char *what, bool blocking, size_t queue)
{
	struct err e;
	struct output *o = output_open(what, blocking, queue, &e);

	if (!o)
		fail_msg("%s: %s", e.what, e.why);
	return o;
}

/* Records numbered from..to-1, each about 450 bytes. */
static void emit_waiting(struct output *o, uint64_t from, uint64_t to)
{
	static char pad[300];
	struct record r;

	memset(pad, 'x', sizeof(pad));
	for (uint64_t i = from; i < to; i++) {
		record_init(&r, RECORD_SELF, 1700000000000000000 + i);
		r.seq = i;
		record_str(&r, "pad", pad, sizeof(pad));
		output_record(o, &r);
	}
}

static void emit(struct output *o, uint64_t from, uint64_t to)
{
	emit_waiting(o, from, to);
	output_flush(o, 0);
}

/*
 * Check that p holds whole records only, in order, and return how many; *last: the last one's
 * number.
 */
static uint64_t check_lines(const char *p, size_t n, uint64_t *last)
{
	const char *end = p + n;
	uint64_t lines = 0;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *seq;
		uint64_t number;

		assert_non_null(nl);
		assert_memory_equal(p, "{\"ts\":", 6);
		assert_memory_equal(nl - 3, "x\"}", 3);
		seq = memmem(p, (size_t)(nl - p), "\"seq\":", 6);
		assert_non_null(seq);
		number = strtoull(seq + 6, NULL, 10);
		if (lines && last)
			assert_true(number > *last);
		if (last)
			*last = number;
		lines++;
		p = nl + 1;
	}
	return lines;
}

static struct buf slurp(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct buf b = { 0 };
	ssize_t n;

	assert_true(fd >= 0);
	do {
		char *d = buf_room(&b, 1 << 16);

		n = read(fd, d, 1 << 16);
		assert_true(n >= 0);
		b.len += (size_t)n;
	} while (n > 0);
	close(fd);
	return b;
}

static uint64_t file_lines(const char *file, uint64_t *last)
{
	struct buf b = slurp(file);
	uint64_t n = check_lines(b.p, b.len, last);

	buf_free(&b);
	return n;
}

static void bad_specs(void **state)
{
	static const struct {
		const char *spec, *why;
	} t[] = {
		{ "csv", "there is no format \"csv\"" },
		{ "", "there is no format \"\"" },
		{ "jsonl:", "there is no path after the colon" },
		{ "JSONL:x", "there is no format \"JSONL\"" },
		{ "prom:x", "the format prom is not in this version" },
		{ "otlp:x", "the format otlp is not in this version" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct err e;

		assert_null(output_open(t[i].spec, false, QUEUE, &e));
		assert_int_equal(e.status, EXIT_USAGE);
		assert_string_equal(e.why, t[i].why);
	}
}

static void assert_refused(const char *what, const char *why)
{
	struct err e;

	assert_null(output_open(what, false, QUEUE, &e));
	assert_int_equal(e.status, EXIT_FAILED);
	assert_non_null(strstr(e.why, why));
}

static void what_is_not_opened(void **state)
{
	char target[80], other[96];
	struct stat st;

	(void)state;
	snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	assert_refused(spec, "symbolic link");
	assert_int_equal(lstat(target, &st), -1); /* not made through it either */
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_refused(spec, "is a directory");
	snprintf(other, sizeof(other), "jsonl:%s/none/out", dir);
	assert_refused(other, "does not exist");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_refused(spec, "nobody reads");
}

static void files_are_private_and_whole(void **state)
{
	struct output_stats s;
	struct output *o;
	struct stat st;
	uint64_t last;
	mode_t mask = umask(0);

	(void)state;
	o = opened(spec, false, QUEUE);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_string_equal(output_name(o), spec);
	emit(o, 0, 10000);
	assert_int_equal(output_close(o, 1000), 0);
	assert_int_equal(file_lines(path, &last), 10000);
	/* appended to, and counted */
	o = opened(spec, false, QUEUE);
	emit(o, 10000, 10001);
	for (double until = now() + 2; now() < until;) {
		output_stats(o, &s);
		if (s.records)
			break;
		usleep(1000);
	}
	assert_int_equal(s.records, 1);
	assert_int_equal(s.lost_records, 0);
	assert_int_equal(s.error, 0);
	assert_int_equal(file_lines(path, &last), 10001);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(output_close(o, 1000), 0);
}

/* What a crash left without a line end is not glued to our first line. */
static void an_unended_line_gets_its_end(void **state)
{
	struct output *o;
	struct buf b;
	FILE *f = fopen(path, "w");

	(void)state;
	fputs("half a li", f);
	fclose(f);
	o = opened(spec, false, QUEUE);
	emit(o, 0, 2);
	assert_int_equal(output_close(o, 1000), 0);
	b = slurp(path);
	assert_memory_equal(b.p, "half a li\n", 10);
	assert_int_equal(check_lines(b.p + 10, b.len - 10, NULL), 2);
	buf_free(&b);
}

static void flushed_soon(void **state)
{
	struct output *o = opened(spec, false, QUEUE);
	double sum = 0;

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		double t = now();
		struct stat st = { 0 };
		off_t before;

		stat(path, &st);
		before = st.st_size;
		emit(o, i, i + 1);
		while (st.st_size == before && now() < t + 2) {
			usleep(500);
			stat(path, &st);
		}
		sum += now() - t;
	}
	assert_true(sum / 5 < 0.1);
	assert_int_equal(output_close(o, 1000), 0);
}

/* ---- readers -------------------------------------------------------------------------------- */

static int fifo_reader(void)
{
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void few_records_wait_for_company(void **state)
{
	struct output *o = opened(spec, false, QUEUE);
	struct output_stats s;
	struct buf b;
	uint64_t last = 0;

	(void)state;
	emit_waiting(o, 1, 4);
	usleep(100000);
	output_stats(o, &s);
	assert_int_equal(s.records, 0);
	assert_int_equal(s.queued, 3);
	output_flush(o, 1000);
	output_stats(o, &s);
	assert_int_equal(s.queued, 3);
	output_flush(o, 50);
	usleep(100000);
	output_stats(o, &s);
	assert_int_equal(s.records, 3);
	/* Many need not be asked for. */
	emit_waiting(o, 4, 1004);
	usleep(200000);
	output_stats(o, &s);
	assert_true(s.records > 500 && s.records + s.queued == 1003);
	assert_int_equal(output_close(o, 1000), 0);
	b = slurp(path);
	assert_int_equal(check_lines(b.p, b.len, &last), 1003);
	assert_int_equal(last, 1003);
	buf_free(&b);
}

/* Read until the writer has gone, slowly at first. */
static void *drain(void *arg)
{
	int fd = *(int *)arg;
	struct buf *b = calloc(1, sizeof(*b));
	double until = now() + 20;

	while (now() < until) {
		char *d = buf_room(b, 1 << 16);
		ssize_t n = read(fd, d, b->len < 100000 ? 1000 : 1 << 16);

		if (n == 0)
			break;
		if (n > 0)
			b->len += (size_t)n;
		usleep(n < 0 ? 1000 : b->len < 100000 ? 500 : 0);
	}
	return b;
}

static void a_stalled_reader_costs_counted_records(void **state)
{
	int fd = fifo_reader();
	struct output *o = opened(spec, false, 256 << 10);
	struct output_stats s;
	pthread_t thread;
	struct buf *b;
	double t;
	void *ret;

	(void)state;
	t = now();
	emit(o, 0, 20000); /* 9 MB */
	assert_true(now() - t < 5); /* it would be for ever */
	output_stats(o, &s);
	assert_true(s.lost_records > 15000);
	assert_true(s.lost_bytes >= 400 * s.lost_records);
	usleep(1500000); /* long enough to be called a stall */
	assert_int_equal(pthread_create(&thread, NULL, drain, &fd), 0);
	t = now();
	do {
		usleep(10000);
		output_stats(o, &s);
	} while (s.records + s.lost_records < 20000 && now() < t + 10);
	assert_int_equal(s.records + s.lost_records, 20000);
	emit(o, 20000, 20100); /* and goes on */
	assert_int_equal(output_close(o, 5000), 0);
	pthread_join(thread, &ret);
	b = ret;
	assert_int_equal(check_lines(b->p, b->len, &(uint64_t){ 0 }), s.records + 100);
	buf_free(b);
	free(b);
	close(fd);
}

static void closing_does_not_wait_for_ever(void **state)
{
	int fd = fifo_reader();
	struct output *o = opened(spec, false, 256 << 10);
	double t;

	(void)state;
	emit(o, 0, 500);
	t = now();
	assert_int_equal(output_close(o, 300), -ETIMEDOUT);
	assert_true(now() - t < 2);
	close(fd);
}

static void blocking_loses_nothing(void **state)
{
	int fd = fifo_reader();
	struct output *o = opened(spec, true, 64 << 10);
	struct output_stats s;
	pthread_t thread;
	struct buf *b;
	void *ret;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, drain, &fd), 0);
	emit(o, 0, 5000);
	output_stats(o, &s);
	assert_int_equal(s.lost_records, 0);
	assert_int_equal(output_close(o, 10000), 0);
	pthread_join(thread, &ret);
	b = ret;
	assert_int_equal(check_lines(b->p, b->len, &(uint64_t){ 0 }), 5000);
	buf_free(b);
	free(b);
	close(fd);
}

static void a_vanished_reader_stops_the_output_only(void **state)
{
	int fd = fifo_reader();
	struct output_stats s;
	double t;

	(void)state;
	for (int blocking = 0; blocking < 2; blocking++) {
		struct output *o;

		if (fd < 0)
			fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		o = opened(spec, blocking, 64 << 10);
		close(fd);
		fd = -1;
		emit(o, 0, 1000);
		t = now();
		do {
			usleep(1000);
			output_stats(o, &s);
		} while (s.lost_records < 1000 && now() < t + 5);
		assert_int_equal(s.records, 0);
		assert_int_equal(s.lost_records, 1000);
		assert_int_equal(s.error, EPIPE);
		assert_int_equal(output_close(o, 100), -EPIPE);
	}
}

static void standard_output(void **state)
{
	int p[2], keep = dup(STDOUT_FILENO);
	struct output *o;
	char text[4096];
	struct err e;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	fflush(stdout);
	dup2(p[1], STDOUT_FILENO);
	o = output_open("jsonl:-", false, QUEUE, &e);
	dup2(keep, STDOUT_FILENO);
	close(p[1]);
	assert_non_null(o);
	/* flags of a shared descriptor are not ours to change */
	assert_int_equal(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	emit(o, 0, 3);
	assert_int_equal(output_close(o, 1000), 0);
	n = read(p[0], text, sizeof(text));
	assert_true(n > 0);
	assert_int_equal(check_lines(text, (size_t)n, NULL), 3);
	close(p[0]);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDOUT_FILENO);
	close(STDOUT_FILENO);
	o = output_open("jsonl", false, QUEUE, &e);
	dup2(keep, STDOUT_FILENO);
	close(keep);
	assert_null(o);
	assert_int_equal(e.status, EXIT_FAILED);
}

/* ---- files that come, go and fill up -------------------------------------------------------- */

static void reopen_after_a_rename(void **state)
{
	struct output *o = opened(spec, false, QUEUE);
	char old[80];
	uint64_t last, first_lines, lines;
	struct stat st;
	double t = now();

	(void)state;
	snprintf(old, sizeof(old), "%s/old", dir);
	emit(o, 0, 1000);
	assert_int_equal(rename(path, old), 0);
	output_reopen(o);
	while (stat(path, &st) != 0 && now() < t + 2)
		usleep(1000);
	emit(o, 1000, 1500);
	assert_int_equal(output_close(o, 1000), 0);
	first_lines = file_lines(old, &last);
	lines = file_lines(path, &last);
	assert_int_equal(first_lines + lines, 1500);
	assert_true(lines >= 500);
	assert_int_equal(last, 1499);
}

/* Until the path can be opened again the old file is written on. */
static void reopen_that_fails_is_retried(void **state)
{
	struct output *o = opened(spec, false, QUEUE);
	char old[80];
	struct stat st;
	double t;

	(void)state;
	snprintf(old, sizeof(old), "%s/old", dir);
	assert_int_equal(rename(path, old), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	output_reopen(o);
	emit(o, 0, 100);
	usleep(300000);
	assert_int_equal(file_lines(old, &(uint64_t){ 0 }), 100);
	unlink(path);
	t = now();
	while (lstat(path, &st) != 0 && now() < t + 3)
		usleep(1000);
	emit(o, 100, 200);
	assert_int_equal(output_close(o, 1000), 0);
	assert_int_equal(file_lines(path, &(uint64_t){ 0 }), 100);
}

static void a_device_that_is_always_full(void **state)
{
	struct output *o = opened("jsonl:/dev/full", true, 64 << 10);
	struct output_stats s;
	double t = now();

	(void)state;
	emit(o, 0, 1000); /* blocking, but nobody waits for a full disk */
	output_stats(o, &s);
	assert_int_equal(s.error, ENOSPC);
	assert_true(s.lost_records > 0);
	assert_int_equal(s.records, 0);
	assert_int_equal(output_close(o, 5000), -ENOSPC);
	assert_true(now() - t < 4);
}

static void fill(const char *file, off_t size)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, size), 0);
	close(fd);
}

static void a_full_disk(void **state)
{
	struct output *o, *other;
	struct output_stats s, before;
	uint64_t last = 0;
	char ballast[80], beside[96];
	double t;

	(void)state;
	/* in a mount namespace of this process: nothing is left behind */
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", dir, "tmpfs", 0, "size=1m") != 0) {
		print_message(
			"not root or no mount namespaces: the full disk is not tested here\n");
		skip();
	}
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	snprintf(beside, sizeof(beside), "jsonl:/tmp/%s.beside", strrchr(dir, '.') + 1);
	fill(ballast, 700 << 10);
	o = opened(spec, false, 256 << 10);
	other = opened(beside, false, QUEUE);
	for (uint64_t i = 0; i < 4000; i += 100) { /* 1.8 MB */
		emit(o, i, i + 100);
		emit(other, i, i + 100);
		usleep(10000);
	}
	usleep(200000);
	output_stats(o, &before);
	assert_int_equal(before.error, ENOSPC);
	assert_true(before.lost_records > 1000);
	/* whole lines while it is full */
	assert_int_equal(file_lines(path, &last), before.records);
	output_stats(other, &s);
	assert_int_equal(s.records, 4000);
	/* room again: what waited is written, then what comes */
	unlink(ballast);
	t = now();
	do {
		usleep(10000);
		output_stats(o, &s);
	} while (s.records + s.lost_records < 4000 && now() < t + 5);
	assert_int_equal(s.records + s.lost_records, 4000);
	assert_int_equal(s.lost_records, before.lost_records);
	assert_int_equal(s.error, 0);
	emit(o, 4000, 4100);
	assert_int_equal(output_close(o, 1000), 0);
	assert_int_equal(file_lines(path, &last), s.records + 100);
	assert_int_equal(last, 4099);
	/* closing while it is full: whole lines, and it says so */
	fill(ballast, 300 << 10);
	o = opened(spec, false, 256 << 10);
	emit(o, 5000, 5400);
	usleep(300000);
	emit(o, 5400, 5900);
	usleep(300000);
	emit(o, 5900, 6000);
	t = now();
	assert_int_equal(output_close(o, 5000), -ENOSPC);
	assert_true(now() - t < 3);
	assert_true(file_lines(path, &last) > 0);
	assert_int_equal(output_close(other, 1000), 0);
	unlink(beside + 6);
	umount2(dir, MNT_DETACH);
}

static void a_record_larger_than_the_queue_is_lost(void **state)
{
	struct output_stats s;
	struct record r;
	char *big = malloc(100000);

	(void)state;
	memset(big, 'y', 100000);
	for (int blocking = 0; blocking < 2; blocking++) {
		struct output *o = opened(spec, blocking, 64 << 10);

		record_init(&r, RECORD_SELF, 1);
		record_str(&r, "pad", big, 100000);
		output_record(o, &r);
		emit(o, 1, 2);
		output_stats(o, &s);
		assert_int_equal(s.lost_records, 1);
		assert_int_equal(output_close(o, 1000), 0);
	}
	assert_int_equal(file_lines(path, NULL), 2);
	free(big);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROW(bad_specs),
		ROW(what_is_not_opened),
		ROW(files_are_private_and_whole),
		ROW(an_unended_line_gets_its_end),
		ROW(flushed_soon),
		ROW(few_records_wait_for_company),
		ROW(a_stalled_reader_costs_counted_records),
		ROW(closing_does_not_wait_for_ever),
		ROW(blocking_loses_nothing),
		ROW(a_vanished_reader_stops_the_output_only),
		ROW(standard_output),
		ROW(reopen_after_a_rename),
		ROW(reopen_that_fails_is_retried),
		ROW(a_device_that_is_always_full),
		ROW(a_full_disk),
		ROW(a_record_larger_than_the_queue_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
