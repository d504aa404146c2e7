// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * loops.c - system calls in short bursts, timed; what runs and how often is told on standard input.
 *
 * A command is `LOOP CALLS BURSTS PAUSE_US`; the answer is one line, the nanoseconds per call of
 * each burst. A burst in which the thread was taken off its CPU does not count and is run again, up
 * to three times as many as asked for; when that leaves none, all count, by the thread's CPU time.
 * The pause lets a monitor drain what the burst made. Before all this it prints its pid.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_BURSTS 1000

struct ends {
	int pipe[2];
	int tcp[2];
	char bytes[256];
};

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static long taken_off(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nivcsw + u.ru_nvcsw;
}

/* ---- the loops: each returns 0, or -1 when a call did not do what it should ---------------------
 */

static int run_getpid(struct ends *e, unsigned calls)
{
	(void)e;
	for (unsigned i = 0; i < calls; i++)
		syscall(SYS_getpid);
	return 0;
}

static int run_yield(struct ends *e, unsigned calls)
{
	(void)e;
	for (unsigned i = 0; i < calls; i++)
		sched_yield();
	return 0;
}

static int run_pipe(struct ends *e, unsigned calls)
{
	for (unsigned i = 0; i < calls; i += 2) {
		if (write(e->pipe[1], e->bytes, 256) != 256 ||
		    read(e->pipe[0], e->bytes, 256) != 256)
			return -1;
	}
	return 0;
}

static int run_tcp(struct ends *e, unsigned calls)
{
	for (unsigned i = 0; i < calls; i += 2) {
		int from = i >> 1 & 1;

		if (send(e->tcp[from], e->bytes, 200, 0) != 200 ||
		    recv(e->tcp[!from], e->bytes, 200, MSG_WAITALL) != 200)
			return -1;
	}
	return 0;
}

static const struct loop {
	const char *name;
	int (*run)(struct ends *e, unsigned calls);
} loops[] = {
	{ "getpid", run_getpid },
	{ "yield", run_yield },
	{ "pipe", run_pipe },
	{ "tcp", run_tcp },
};

static const struct loop *find_loop(const char *name)
{
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		if (!strcmp(loops[i].name, name))
			return &loops[i];
	return NULL;
}

/* ---- bursts
 * ---------------------------------------------------------------------------------------- */

static int measure(struct ends *e, const struct loop *l, unsigned calls, unsigned bursts,
		   unsigned pause_us)
{
	double whole[MAX_BURSTS], cpu[MAX_BURSTS], *best = whole;
	unsigned n = 0, tried = 0;

	if (l->run(e, calls / 4)) /* warm */
		return -1;
	for (; n < bursts && tried < 3 * bursts && tried < MAX_BURSTS; tried++) {
		uint64_t start, cpu_start;
		long off;

		if (pause_us)
			usleep(pause_us);
		off = taken_off();
		cpu_start = now(CLOCK_THREAD_CPUTIME_ID);
		start = now(CLOCK_MONOTONIC);
		if (l->run(e, calls))
			return -1;
		start = now(CLOCK_MONOTONIC) - start;
		cpu[tried] = (double)(now(CLOCK_THREAD_CPUTIME_ID) - cpu_start) / calls;
		if (taken_off() == off)
			whole[n++] = (double)start / calls;
	}
	if (!n) {
		best = cpu;
		n = tried;
	}
	for (unsigned i = 0; i < n; i++)
		printf("%.2f%c", best[i], i + 1 < n ? ' ' : '\n');
	return 0;
}

static int open_ends(struct ends *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	e->tcp[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (pipe(e->pipe) || listener < 0 || e->tcp[0] < 0 || bind(listener, (void *)&a, len) ||
	    listen(listener, 1) || getsockname(listener, (void *)&a, &len) ||
	    connect(e->tcp[0], (void *)&a, len))
		return -1;
	e->tcp[1] = accept(listener, NULL, NULL);
	if (e->tcp[1] < 0)
		return -1;
	setsockopt(e->tcp[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(e->tcp[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	memset(e->bytes, 'x', sizeof(e->bytes));
	return close(listener);
}

int main(void)
{
	struct ends e;
	char line[128], name[16];
	unsigned calls, bursts, pause_us;

	if (open_ends(&e)) {
		perror("loops");
		return 1;
	}
	printf("%d\n", getpid());
	while (!fflush(stdout) && fgets(line, sizeof(line), stdin)) {
		const struct loop *l;

		if (sscanf(line, "%15s %u %u %u", name, &calls, &bursts, &pause_us) != 4 ||
		    !calls || bursts > MAX_BURSTS / 3 || !(l = find_loop(name))) {
			fprintf(stderr, "loops: what is %s", line);
			return 2;
		}
		if (measure(&e, l, calls, bursts, pause_us)) {
			perror(name);
			return 1;
		}
	}
	return 0;
}
