// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * calls.c - times one kind of system call in rounds, as told on standard input.
 *
 *   calls KIND      getpid | yield (sched_yield) | pipe N (write and read N bytes) | tcp N (send
 * and recv)
 *
 * For each number read from stdin, makes that many calls and prints ns per call, the least of
 * 25 equal parts: whatever else the machine does only ever adds.
 */
#include <arpa/inet.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PARTS 25
#define MAX_BYTES 65536

static char buffer[MAX_BYTES];
static size_t bytes;
static int to, from;

static void call_getpid(void)
{
	syscall(SYS_getpid);
}

static void call_yield(void)
{
	sched_yield();
}

/* Two calls each: the caller counts pairs as two. */
static void call_pair(void)
{
	size_t left = bytes;

	if (write(to, buffer, bytes) != (ssize_t)bytes)
		abort();
	while (left > 0) {
		ssize_t got = read(from, buffer, left);

		if (got <= 0)
			abort();
		left -= (size_t)got;
	}
}

static void open_pipe(void)
{
	int fd[2];

	if (pipe(fd) < 0)
		abort();
	from = fd[0];
	to = fd[1];
}

static void open_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&a, n) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &n) < 0 ||
	    connect(to, (struct sockaddr *)&a, n) < 0)
		abort();
	from = accept(listener, NULL, NULL);
	close(listener);
}

static double part(void (*call)(void), unsigned long n)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned long i = 0; i < n; i++)
		call();
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / (double)n;
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";
	void (*call)(void) = call_pair;
	unsigned long n, calls = 2;

	bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
	if (bytes == 0 || bytes > MAX_BYTES)
		return 2;
	if (strcmp(kind, "getpid") == 0 || strcmp(kind, "yield") == 0) {
		call = kind[0] == 'g' ? call_getpid : call_yield;
		calls = 1;
	} else if (strcmp(kind, "pipe") == 0) {
		open_pipe();
	} else if (strcmp(kind, "tcp") == 0) {
		open_tcp();
	} else {
		return 2;
	}
	while (scanf("%lu", &n) == 1) {
		double least = 0;

		for (int i = 0; i < PARTS; i++) {
			double ns = part(call, n / calls / PARTS + 1) / (double)calls;

			if (i == 0 || ns < least)
				least = ns;
		}
		printf("%.2f\n", least);
		fflush(stdout);
	}
	return 0;
}
