// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * write.c - writes answers with the system calls that were asked for: the traps of a monitor's
 * write side (vectors with empty entries, short writes, zero copy, sendfile, cold pages, other
 * descriptors).
 */
#include "trap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif
#ifndef MSG_ZEROCOPY
#define MSG_ZEROCOPY 0x4000000
#endif

/* One answer on its way out. */
struct out {
	int fd;
	char *head, *body;
	size_t head_n, body_n;
	long gap_ms; /* between head and body, where they are written apart */
};

bool trap_send_all(int fd, const char *p, size_t n, int flags)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, flags | MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool write_pieces(int fd, const char *p, size_t n, size_t piece)
{
	while (n > 0) {
		ssize_t sent = write(fd, p, n < piece ? n : piece);

		if (sent < 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool send_head(const struct out *o, int flags)
{
	if (!trap_send_all(o->fd, o->head, o->head_n, flags))
		return false;
	trap_sleep_ms(o->gap_ms);
	return true;
}

static bool out_plain(const struct out *o)
{
	return send_head(o, 0) && write_pieces(o->fd, o->body, o->body_n, o->body_n);
}

static void iov_skip(struct iovec *iov, size_t n_iov, size_t n)
{
	for (size_t i = 0; i < n_iov && n > 0; i++) {
		size_t here = iov[i].iov_len < n ? iov[i].iov_len : n;

		iov[i].iov_base = (char *)iov[i].iov_base + here;
		iov[i].iov_len -= here;
		n -= here;
	}
}

/* writev or sendmsg with empty entries in between, as node has them. */
static bool send_vector(const struct out *o, bool by_sendmsg)
{
	size_t half = o->body_n / 2, left = o->head_n + o->body_n;
	struct iovec iov[] = {
		{ NULL, 0 },
		{ o->head, o->head_n },
		{ o->head, 0 },
		{ NULL, 0 },
		{ o->body, half },
		{ NULL, 0 },
		{ o->body + half, o->body_n - half },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 7 };

	while (left > 0) {
		ssize_t sent =
			by_sendmsg ? sendmsg(o->fd, &m, MSG_NOSIGNAL) : writev(o->fd, iov, 7);

		if (sent < 0)
			return false;
		iov_skip(iov, 7, (size_t)sent);
		left -= (size_t)sent;
	}
	return true;
}

static bool out_writev(const struct out *o)
{
	return send_vector(o, false);
}

static bool out_sendmsg(const struct out *o)
{
	return send_vector(o, true);
}

static bool out_sendmmsg(const struct out *o)
{
	struct iovec iov[2] = { { o->head, o->head_n }, { o->body, o->body_n } };
	struct mmsghdr m[2] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
	};
	int sent = sendmmsg(o->fd, m, 2, MSG_NOSIGNAL);
	size_t head = sent > 0 ? m[0].msg_len : 0, body = sent > 1 ? m[1].msg_len : 0;

	return sent > 0 && trap_send_all(o->fd, o->head + head, o->head_n - head, 0) &&
	       trap_send_all(o->fd, o->body + body, o->body_n - body, 0);
}

static bool out_onebyte(const struct out *o)
{
	return write_pieces(o->fd, o->head, o->head_n, 1) &&
	       write_pieces(o->fd, o->body, o->body_n, 1);
}

static int memory_file(const char *p, size_t n)
{
	int fd = memfd_create("body", MFD_CLOEXEC);

	if (fd >= 0 && !write_pieces(fd, p, n, n)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool out_sendfile(const struct out *o)
{
	int file = memory_file(o->body, o->body_n);
	bool good = file >= 0 && send_head(o, MSG_MORE);
	off_t at = 0;

	while (good && (size_t)at < o->body_n)
		good = sendfile(o->fd, file, &at, o->body_n - (size_t)at) > 0;
	close(file);
	return good;
}

static bool out_splice(const struct out *o)
{
	int file = memory_file(o->body, o->body_n), pipes[2] = { -1, -1 };
	bool good = file >= 0 && pipe(pipes) == 0 && send_head(o, 0);
	off_t at = 0;

	while (good && (size_t)at < o->body_n) {
		ssize_t got = splice(file, &at, pipes[1], NULL, 65536, 0);

		good = got > 0;
		while (good && got > 0) {
			ssize_t sent = splice(pipes[0], NULL, o->fd, NULL, (size_t)got, 0);

			good = sent > 0;
			got -= sent;
		}
	}
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	return good;
}

/* From a mapping whose pages this process has never touched. */
static bool out_cold(const struct out *o)
{
	int file = memory_file(o->body, o->body_n);
	char *map = file < 0 || o->body_n == 0
			    ? MAP_FAILED
			    : mmap(NULL, o->body_n, PROT_READ, MAP_PRIVATE, file, 0);
	bool good = map != MAP_FAILED && send_head(o, 0) &&
		    write_pieces(o->fd, map, o->body_n, o->body_n);

	if (map != MAP_FAILED)
		munmap(map, o->body_n);
	close(file);
	return good;
}

static bool out_zerocopy(const struct out *o)
{
	int on = 1;

	setsockopt(o->fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof(on));
	return send_head(o, 0) && trap_send_all(o->fd, o->body, o->body_n, MSG_ZEROCOPY);
}

static void small_buffer(int fd)
{
	int size = 8192;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Never waits in a write: short writes and EAGAIN, then poll. */
static bool out_partial(const struct out *o)
{
	size_t at = 0;

	small_buffer(o->fd);
	if (!send_head(o, 0))
		return false;
	while (at < o->body_n) {
		ssize_t sent =
			send(o->fd, o->body + at, o->body_n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		struct pollfd w = { o->fd, POLLOUT, 0 };

		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent < 0)
			poll(&w, 1, -1);
		else
			at += (size_t)sent;
	}
	return true;
}

/* One write that waits until the client has read nearly all of it. */
static bool out_blocking(const struct out *o)
{
	small_buffer(o->fd);
	return out_plain(o);
}

static bool out_dup(const struct out *o)
{
	int other = dup(o->fd);
	bool good = send_head(o, 0) && write_pieces(other, o->body, o->body_n, o->body_n);

	close(other);
	return good;
}

bool trap_write(int fd, const char *how, char *head, size_t head_n, char *body, size_t body_n,
		long gap_ms)
{
	static const struct {
		const char *name;
		bool (*write)(const struct out *o);
	} row[] = {
		{ "writev", out_writev },     { "sendmsg", out_sendmsg },
		{ "sendmmsg", out_sendmmsg }, { "onebyte", out_onebyte },
		{ "sendfile", out_sendfile }, { "splice", out_splice },
		{ "cold", out_cold },         { "zerocopy", out_zerocopy },
		{ "partial", out_partial },   { "blocking", out_blocking },
		{ "dup", out_dup },
	};
	const struct out o = { fd, head, body, head_n, body_n, gap_ms };

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (strcmp(how, row[i].name) == 0)
			return row[i].write(&o);
	return out_plain(&o);
}
