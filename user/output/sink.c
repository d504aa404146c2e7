// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* sink.c - opening what an output writes to, and writing to it in pieces that leave whole lines. */
#include "output/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(struct err *e, const char *path, int err)
{
	err_set(e, EXIT_FAILED, "cannot write to %s", path);
	switch (err) {
	case ELOOP:
		err_why(e, "it is a symbolic link, and outputs are never followed through one");
		err_mend(e, "name the file itself; standard output is -");
		break;
	case ENOENT:
		err_why(e, "its directory does not exist");
		err_mend(
			e,
			"make the directory first; it is not made here, so that its mode is yours");
		break;
	case EISDIR:
		err_why(e, "it is a directory");
		err_mend(e, "name a file in it");
		break;
	case ENXIO:
		err_why(e, "it is a pipe that nobody reads, or a socket");
		err_mend(e, "start the reader first");
		break;
	default:
		err_why(e, "%s", strerror(err));
		break;
	}
	return -1;
}

static void classify(struct sink *s, const struct stat *st)
{
	s->regular = S_ISREG(st->st_mode);
	s->terminal = S_ISCHR(st->st_mode) && isatty(s->fd);
	s->kind = S_ISSOCK(st->st_mode)                  ? SINK_SOCKET
		  : S_ISFIFO(st->st_mode) || s->terminal ? SINK_STREAM
							 : SINK_FILE;
}

/* Somebody else's last line may be unfinished (a crash): ours must not be glued to it. */
static void look_at_last_line(struct sink *s, const struct stat *st)
{
	struct stat st2;
	char last = '\n';
	int fd;

	if (!s->regular || !st->st_size)
		return;
	fd = open(s->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	if (fstat(fd, &st2) == 0 && st2.st_dev == st->st_dev && st2.st_ino == st->st_ino &&
	    pread(fd, &last, 1, st2.st_size - 1) == 1)
		s->unended = last != '\n';
	close(fd);
}

static int open_path(struct sink *s, struct err *e)
{
	struct stat st;
	int err;

	/* O_NONBLOCK: a pipe without a reader is an error, not a wait. */
	s->fd = open(s->path,
		     O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		     0600);
	if (s->fd < 0)
		return refuse(e, s->path, errno);
	if (fstat(s->fd, &st) != 0) {
		err = errno;
		close(s->fd);
		s->fd = -1;
		return refuse(e, s->path, err);
	}
	classify(s, &st);
	look_at_last_line(s, &st);
	return 0;
}

int sink_open(struct sink *s, const char *path, struct err *e)
{
	struct stat st;

	*s = (struct sink){ .fd = -1 };
	if (path) {
		s->path = strdup(path);
		if (!s->path)
			return refuse(e, path, ENOMEM);
		if (open_path(s, e) == 0)
			return 0;
		free(s->path);
		s->path = NULL;
		return -1;
	}
	/* The flags of standard output are shared with whoever else has it: they stay. */
	s->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0)
		return refuse(e, "standard output", errno);
	if (fstat(s->fd, &st) != 0) {
		int err = errno;

		sink_close(s);
		return refuse(e, "standard output", err);
	}
	classify(s, &st);
	return 0;
}

int sink_reopen(struct sink *s, struct err *e)
{
	struct sink again = { .fd = -1, .path = s->path };

	if (!s->path)
		return 0;
	if (open_path(&again, e) != 0)
		return -1;
	close(s->fd);
	*s = again;
	return 0;
}

void sink_close(struct sink *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->path);
	*s = (struct sink){ .fd = -1 };
}

static void note_written(struct sink *s, const char *p, size_t n)
{
	const char *nl = memrchr(p, '\n', n);

	s->torn = nl ? (size_t)(p + n - nl) - 1 : s->torn + n;
}

/*
 * Poll, then at most PIPE_BUF bytes: that much room is there when a pipe says that it is writable,
 * so the write does not block although the descriptor may be in blocking mode.
 */
static ssize_t write_stream(struct sink *s, const char *p, size_t n)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLOUT };
	int ready = poll(&pfd, 1, SINK_WAIT_MS);
	ssize_t w;

	if (ready == 0 || (ready < 0 && errno == EINTR))
		return 0;
	if (ready < 0)
		return -errno;
	if (n > PIPE_BUF) {
		const char *nl = memrchr(p, '\n', PIPE_BUF);

		n = nl ? (size_t)(nl - p) + 1 : PIPE_BUF;
	}
	w = s->kind == SINK_SOCKET ? send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL)
				   : write(s->fd, p, n);
	if (w < 0 && errno == EAGAIN) {
		usleep(10000); /* writable, but not for this much */
		return 0;
	}
	return w < 0 ? -errno : w;
}

ssize_t sink_write(struct sink *s, const char *p, size_t n)
{
	ssize_t w;

	if (s->kind == SINK_FILE) {
		if (s->unended) {
			if (write(s->fd, "\n", 1) != 1)
				return errno ? -errno : -EIO;
			s->unended = false;
		}
		w = write(s->fd, p, n);
		if (w <= 0)
			w = w < 0 ? -errno : -EIO;
	} else {
		w = write_stream(s, p, n);
	}
	if (w == -EINTR)
		return 0;
	if (w > 0)
		note_written(s, p, (size_t)w);
	return w;
}

size_t sink_untear(struct sink *s)
{
	size_t torn = s->torn;
	struct stat st;
	off_t end;

	if (!torn || !s->regular)
		return 0;
	/* Only if the unfinished line is still the end of the file: others may append to it too. */
	end = lseek(s->fd, 0, SEEK_CUR);
	if (end < (off_t)torn || fstat(s->fd, &st) != 0 || st.st_size != end ||
	    ftruncate(s->fd, end - (off_t)torn) != 0)
		return 0;
	lseek(s->fd, end - (off_t)torn, SEEK_SET);
	s->torn = 0;
	return torn;
}
