// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * server.c - an HTTP/1.1 server whose client chooses by the query string how its requests are read
 * and answered.
 *
 *   trapserver serve --port P [--unix PATH] [--workers N]
 *
 * Port P (127.0.0.1 and ::1) and the unix socket are served by threads of one process, port P+1 by
 * N forked workers, replaced when they die. One more process answers what is passed to it.
 */
#include "trap.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_WORKERS 16

static int pass_fd = -1; /* to the process that answers requests which another has read */

void trap_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* Hand an open connection and a request to the process behind pass_fd. */
static void pass_on(int fd, struct trap_request *q)
{
	char space[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { q, sizeof(*q) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(int));
	if (sendmsg(pass_fd, &m, 0) < 0)
		perror("trapserver: pass");
}

/* A child answers on the connection that it inherited, then exits with the code asked for. */
static bool answer_forked(struct trap_conn *c, const struct trap_request *q)
{
	pid_t child = fork();

	if (child == 0) {
		trap_answer(c, q);
		_exit((int)trap_param_num(q, "code", 0));
	}
	return child > 0 && waitpid(child, NULL, 0) == child;
}

static bool one_request(struct trap_conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct trap_request q;

	if (!trap_read_head(c, &q))
		return false;
	if (trap_param_num(&q, "refuse", 0)) { /* the body is never read */
		trap_answer(c, &q);
		return false;
	}
	if (q.expect && !trap_send_all(c->fd, go_on, sizeof(go_on) - 1, 0))
		return false;
	if (!trap_read_body(c, &q))
		return false;
	if (trap_param_num(&q, "handover", 0)) {
		pass_on(c->fd, &q);
		return false;
	}
	if (strncmp(q.path, "/mode", 5) == 0)
		trap_param(&q, "read", "read", c->read_how, sizeof(c->read_how));
	return trap_param_num(&q, "fork", 0) ? answer_forked(c, &q) : trap_answer(c, &q);
}

static void *serve_conn(void *arg)
{
	struct trap_conn *c = arg;

	while (one_request(c))
		;
	close(c->fd);
	free(c);
	return NULL;
}

static struct trap_conn *new_conn(int fd)
{
	struct trap_conn *c = fd < 0 ? NULL : calloc(1, sizeof(*c));
	int on = 1;

	/* As all servers do; else Nagle and delayed acknowledgements add 40 ms to answers in two
	 * writes. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (c != NULL)
		c->fd = fd;
	else if (fd >= 0)
		close(fd);
	return c;
}

static void in_thread(void *(*run)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, run, arg) == 0)
		pthread_detach(t);
	else
		run(arg);
}

static void *accept_loop(void *arg)
{
	for (;;) {
		struct trap_conn *c = new_conn(accept4(*(int *)arg, NULL, NULL, SOCK_CLOEXEC));

		if (c != NULL)
			in_thread(serve_conn, c);
	}
	return NULL;
}

struct passed {
	struct trap_conn *conn;
	struct trap_request request;
};

static void *serve_passed(void *arg)
{
	struct passed *p = arg;
	struct trap_conn *c = p->conn;
	bool more = trap_answer(c, &p->request);

	free(p);
	if (more)
		return serve_conn(c);
	close(c->fd);
	free(c);
	return NULL;
}

/* The process at the other end of pass_fd. */
static void passed_loop(int from)
{
	for (;;) {
		struct passed *p = calloc(1, sizeof(*p));
		char space[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { &p->request, sizeof(p->request) };
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = space,
				    .msg_controllen = sizeof(space) };
		int fd;

		if (recvmsg(from, &m, MSG_WAITALL) != (ssize_t)sizeof(p->request) ||
		    CMSG_FIRSTHDR(&m) == NULL)
			_exit(0);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
		p->conn = new_conn(fd);
		if (p->conn != NULL)
			in_thread(serve_passed, p);
	}
}

static int start_passed(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		close(pair[0]);
		passed_loop(pair[1]);
	}
	close(pair[1]);
	return pair[0];
}

static pid_t start_worker(int listener)
{
	pid_t pid = fork();

	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (pid == 0) {
		struct trap_conn *c = new_conn(accept4(listener, NULL, NULL, SOCK_CLOEXEC));

		if (c != NULL)
			serve_conn(c);
	}
	return pid;
}

static int listen_on(int family, const void *address, socklen_t n)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (fd < 0 || bind(fd, address, n) < 0 || listen(fd, 128) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int listen_v4(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return listen_on(AF_INET, &a, sizeof(a));
}

static int listen_v6(int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	a.sin6_addr = in6addr_loopback;
	return listen_on(AF_INET6, &a, sizeof(a));
}

static int listen_unix(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	return listen_on(AF_UNIX, &a, sizeof(a));
}

static void keep_workers(int listener, int n)
{
	pid_t worker[MAX_WORKERS] = { 0 };

	for (;;) {
		for (int i = 0; i < n; i++)
			if (worker[i] == 0 || waitpid(worker[i], NULL, WNOHANG) == worker[i])
				worker[i] = start_worker(listener);
		trap_sleep_ms(20);
	}
}

int trap_serve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, 0, 'p' }, { "unix", 1, 0, 'u' }, { "workers", 1, 0, 'w' }, { 0 }
	};
	static int listener[3];
	const char *path = NULL;
	int port = 0, workers = 2, o, forked;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			port = atoi(optarg);
		else if (o == 'u')
			path = optarg;
		else if (o == 'w')
			workers = atoi(optarg) < MAX_WORKERS ? atoi(optarg) : MAX_WORKERS;
		else
			return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	pass_fd = start_passed();
	listener[0] = listen_v4(port);
	listener[1] = listen_v6(port); /* may be missing: no IPv6 here */
	listener[2] = path == NULL ? -1 : listen_unix(path);
	forked = listen_v4(port + 1);
	if (listener[0] < 0 || forked < 0 || (path != NULL && listener[2] < 0)) {
		fprintf(stderr, "trapserver: cannot listen: %s\n", strerror(errno));
		return 1;
	}
	for (int i = 0; i < 3; i++)
		if (listener[i] >= 0)
			in_thread(accept_loop, &listener[i]);
	fprintf(stderr, "trapserver: ready\n");
	keep_workers(forked, workers);
	return 0;
}
