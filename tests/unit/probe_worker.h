/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe_worker.h - the watched process of test_probe_live: does single operations on request.
 *
 * Requests go through shared memory and are polled for, so that the worker makes no system call on
 * a socket or pipe but those that a test asks for. Bytes of a stream are a function of their
 * position, so a test knows the payload of any record from its position alone.
 */
#ifndef PROBE_WORKER_H
#define PROBE_WORKER_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum worker_op {
	OP_NONE,
	OP_LISTEN, /* arg: AF_INET, AF_INET6, AF_UNIX -> fd, port */
	OP_ACCEPT, /* fd -> fd */
	OP_CONNECT, /* arg: port of 127.0.0.1, how 1: non-blocking -> fd */
	OP_CONNECT_UNIX, /* -> fd */
	OP_IO, /* fd, how, n, dir by how -> bytes moved, checked on reads */
	OP_CLOSE,
	OP_SHUTDOWN, /* how */
	OP_LINGER0,
	OP_NONBLOCK,
	OP_PIPE, /* -> fd (read end); write end is the next one */
	OP_PIPE_FLOOD, /* fd: read end; write and read n bytes arg times, with a nap now and then */
	OP_THREADS, /* fd: two threads write arg times n bytes each, without a lock */
	OP_SLEEP, /* arg: ms */
	OP_FORK, /* arg: exit code of the child, how 1: it execs `true`-like self -> its pid */
	OP_DUP,
	OP_EXIT, /* arg */
	OP_SEGV,
};

enum worker_how {
	BY_READ,
	BY_READV,
	BY_RECVFROM,
	BY_RECVMSG,
	BY_RECVMMSG,
	BY_PREADV2,
	BY_PEEK,
	BY_TRUNC,
	FIRST_WRITE,
	BY_WRITE = FIRST_WRITE,
	BY_WRITEV,
	BY_SENDTO,
	BY_SENDMSG,
	BY_SENDMMSG,
	BY_PWRITEV2,
	BY_SENDFILE,
	BY_ZEROCOPY,
	BY_MANY_IOVS,
};

struct worker_shared {
	volatile int op; /* set last; OP_NONE when done */
	volatile int fd, arg, how;
	volatile size_t n;
	volatile int64_t ret; /* or -errno */
	volatile uint64_t rx[64], tx[64]; /* position of each descriptor's stream */
	volatile int bad; /* bytes read that were not as they should be */
	char path[100]; /* unix socket */
};

static uint8_t pattern(uint64_t pos)
{
	return (uint8_t)(pos * 7 + pos / 251);
}

static void pattern_fill(uint8_t *p, size_t n, uint64_t pos)
{
	for (size_t i = 0; i < n; i++)
		p[i] = pattern(pos + i);
}

#define WORKER_BUF (8u << 20)
static uint8_t *worker_buf;

/* Cut buffer p into k iovs of uneven size, with an empty and a NULL one among them. */
static size_t cut(struct iovec *v, size_t k, uint8_t *p, size_t n)
{
	size_t at = 0, used = 0;

	for (size_t i = 0; i < k; i++) {
		size_t len = i + 1 == k ? n - at : (n - at) / 3 + (n - at > 2);

		if (i == 1) {
			v[used++] = (struct iovec){ .iov_base = NULL, .iov_len = 0 };
			v[used++] = (struct iovec){ .iov_base = p + at, .iov_len = 0 };
		}
		v[used++] = (struct iovec){ .iov_base = p + at, .iov_len = len };
		at += len;
	}
	return used;
}

static ssize_t worker_mmsg(int fd, uint8_t *p, size_t n, bool out)
{
	struct iovec v[3][8];
	struct mmsghdr m[3];
	ssize_t sum = 0;
	int k;

	memset(m, 0, sizeof(m));
	for (size_t i = 0; i < 3; i++) {
		const size_t from = n * i / 3, to = n * (i + 1) / 3;

		m[i].msg_hdr.msg_iov = v[i];
		m[i].msg_hdr.msg_iovlen = cut(v[i], 3, p + from, to - from);
	}
	k = out ? sendmmsg(fd, m, 3, 0) : recvmmsg(fd, m, 3, MSG_WAITFORONE, NULL);
	for (int i = 0; i < k; i++)
		sum += m[i].msg_len;
	return k < 0 ? -1 : sum;
}

static ssize_t worker_sendfile(int fd, const uint8_t *p, size_t n)
{
	int f = memfd_create("payload", MFD_CLOEXEC);
	off_t off = 0;
	ssize_t r;

	if (f < 0 || write(f, p, n) != (ssize_t)n)
		return -1;
	r = sendfile(fd, f, &off, n);
	close(f);
	return r;
}

static ssize_t worker_transfer(int fd, int how, uint8_t *p, size_t n)
{
	static struct iovec many[1024];
	struct iovec v[8];
	struct msghdr m = { .msg_iov = v };
	const size_t k = how == BY_MANY_IOVS ? 0 : cut(v, 4, p, n);
	const int one = 1;

	m.msg_iovlen = k;
	switch (how) {
	case BY_READ:
		return read(fd, p, n);
	case BY_READV:
		return readv(fd, v, (int)k);
	case BY_RECVFROM:
		return recv(fd, p, n, 0);
	case BY_RECVMSG:
		return recvmsg(fd, &m, 0);
	case BY_RECVMMSG:
		return worker_mmsg(fd, p, n, false);
	case BY_PREADV2:
		return preadv2(fd, v, (int)k, -1, 0);
	case BY_PEEK:
		return recv(fd, p, n, MSG_PEEK);
	case BY_TRUNC:
		return recv(fd, p, n, MSG_TRUNC);
	case BY_WRITE:
		return write(fd, p, n);
	case BY_WRITEV:
		return writev(fd, v, (int)k);
	case BY_SENDTO:
		return send(fd, p, n, MSG_NOSIGNAL);
	case BY_SENDMSG:
		return sendmsg(fd, &m, MSG_NOSIGNAL);
	case BY_SENDMMSG:
		return worker_mmsg(fd, p, n, true);
	case BY_PWRITEV2:
		return pwritev2(fd, v, (int)k, -1, 0);
	case BY_SENDFILE:
		return worker_sendfile(fd, p, n);
	case BY_ZEROCOPY:
		setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one));
		return send(fd, p, n, MSG_ZEROCOPY | MSG_NOSIGNAL);
	case BY_MANY_IOVS:
		for (size_t i = 0; i < 1000; i++)
			many[i] = (struct iovec){ .iov_base = p + n * i / 1000,
						  .iov_len = n * (i + 1) / 1000 - n * i / 1000 };
		return writev(fd, many, 1000);
	}
	errno = EINVAL;
	return -1;
}

static int64_t worker_io(struct worker_shared *s)
{
	const bool out = s->how >= FIRST_WRITE;
	const int fd = s->fd;
	const size_t n = s->n;
	ssize_t r;

	if (out)
		pattern_fill(worker_buf, n, s->tx[fd]);
	r = worker_transfer(fd, s->how, worker_buf, n);
	if (r < 0)
		return -errno;
	if (out) {
		s->tx[fd] += (uint64_t)r;
	} else if (s->how == BY_TRUNC) {
		s->rx[fd] += (uint64_t)r;
	} else {
		for (ssize_t i = 0; i < r; i++)
			s->bad += worker_buf[i] != pattern(s->rx[fd] + (uint64_t)i);
		if (s->how != BY_PEEK)
			s->rx[fd] += (uint64_t)r;
	}
	return r;
}

static int64_t worker_listen(struct worker_shared *s)
{
	const int fd = socket(s->arg, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t n = sizeof(a6);
	int r;

	a4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s->arg == AF_UNIX) {
		memcpy(un.sun_path, s->path, sizeof(s->path));
		unlink(s->path);
		r = bind(fd, (void *)&un, sizeof(un));
	} else if (s->arg == AF_INET) {
		r = bind(fd, (void *)&a4, sizeof(a4));
	} else {
		r = bind(fd, (void *)&a6, sizeof(a6));
	}
	if (r || listen(fd, 77))
		return -errno;
	getsockname(fd, (void *)&a6, &n);
	s->arg = s->arg == AF_INET ? ntohs(((struct sockaddr_in *)(void *)&a6)->sin_port)
				   : ntohs(a6.sin6_port);
	return fd;
}

static int64_t worker_connect(struct worker_shared *s)
{
	const int type = SOCK_STREAM | (s->how ? SOCK_NONBLOCK : 0);
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->arg) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, r;

	if (s->op == OP_CONNECT_UNIX) {
		memcpy(un.sun_path, s->path, sizeof(s->path));
		fd = socket(AF_UNIX, type, 0);
		r = connect(fd, (void *)&un, sizeof(un));
	} else {
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, type, 0);
		r = connect(fd, (void *)&a, sizeof(a));
		if (r && errno == EINPROGRESS) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			r = poll(&p, 1, 2000) == 1 ? 0 : -1;
			fcntl(fd, F_SETFL, 0);
		}
	}
	return r ? -errno : fd;
}

static int64_t worker_fork(struct worker_shared *s)
{
	const pid_t pid = fork();
	int status;

	if (!pid) {
		if (s->how)
			execl("/proc/self/exe", "worker-child", "--exit", "7", (char *)NULL);
		_exit(s->arg);
	}
	waitpid(pid, &status, 0);
	return pid;
}

static int64_t worker_flood(struct worker_shared *s)
{
	const struct timespec nap = { .tv_nsec = 1000000 };

	for (int i = 0; i < s->arg; i++) {
		if (write(s->fd + 1, worker_buf, s->n) < 0 || read(s->fd, worker_buf, s->n) < 0)
			return -errno;
		if (i % 10 == 9)
			nanosleep(&nap, NULL); /* as a server would now and then */
	}
	return 0;
}

static void *worker_thread(void *arg)
{
	struct worker_shared *s = arg;

	for (int i = 0; i < s->arg; i++)
		if (send(s->fd, worker_buf, s->n, MSG_NOSIGNAL) != (ssize_t)s->n)
			break;
	return NULL;
}

static int64_t worker_threads(struct worker_shared *s)
{
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, worker_thread, s))
			return -EAGAIN;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	return 0;
}

static int64_t worker_do(struct worker_shared *s)
{
	const struct linger l = { .l_onoff = 1, .l_linger = 0 };
	const struct timespec t = { .tv_sec = s->arg / 1000,
				    .tv_nsec = (long)(s->arg % 1000) * 1000000 };
	int fd, two[2];

	switch (s->op) {
	case OP_LISTEN:
		return worker_listen(s);
	case OP_ACCEPT:
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		break;
	case OP_CONNECT:
	case OP_CONNECT_UNIX:
		fd = (int)worker_connect(s);
		break;
	case OP_IO:
		return worker_io(s);
	case OP_CLOSE:
		return close(s->fd) ? -errno : 0;
	case OP_SHUTDOWN:
		return shutdown(s->fd, s->how) ? -errno : 0;
	case OP_LINGER0:
		return setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) ? -errno : 0;
	case OP_NONBLOCK:
		return fcntl(s->fd, F_SETFL, O_NONBLOCK);
	case OP_PIPE:
		if (pipe(two))
			return -errno;
		s->rx[two[0]] = s->tx[two[1]] = 0;
		return two[0];
	case OP_PIPE_FLOOD:
		return worker_flood(s);
	case OP_THREADS:
		return worker_threads(s);
	case OP_SLEEP:
		nanosleep(&t, NULL);
		return 0;
	case OP_FORK:
		return worker_fork(s);
	case OP_DUP:
		fd = dup(s->fd);
		s->rx[fd] = s->rx[s->fd];
		s->tx[fd] = s->tx[s->fd];
		return fd;
	case OP_EXIT:
		_exit(s->arg);
	case OP_SEGV:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		return 0;
	default:
		return -EINVAL;
	}
	if (fd < 0)
		return fd == -1 ? -errno : fd;
	s->rx[fd] = s->tx[fd] = 0;
	return fd;
}

static void worker_loop(struct worker_shared *s, pid_t parent)
{
	const struct timespec nap = { .tv_nsec = 100000 };

	worker_buf =
		mmap(NULL, WORKER_BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGPIPE, SIG_IGN);
	while (getppid() == parent) {
		if (s->op == OP_NONE) {
			nanosleep(&nap, NULL);
			continue;
		}
		s->ret = worker_do(s);
		__atomic_store_n((int *)(uintptr_t)&s->op, OP_NONE, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

#endif
