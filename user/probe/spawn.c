/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * spawn.c - starts CMD as a child of the agent, held at an eventfd before its exec: a pipe would be
 * a stream of the target, and its first record.
 */
#include "probe/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORD_GO = 1, WORD_GIVE_UP = 2 };

/* In the child: signals as a shell would hand them on, then wait, then become CMD. */
static void child(int go, int failed, pid_t parent, char *const *cmd)
{
	static const int reset[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT };
	sigset_t none;
	uint64_t word;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* until it is CMD */
	if (getppid() != parent)
		_exit(127);
	for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
		signal(reset[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &word, sizeof(word)) == sizeof(word) && word == WORD_GO) {
		int err;

		prctl(PR_SET_PDEATHSIG, 0);
		execvp(cmd[0], cmd);
		err = errno;
		if (write(failed, &err, sizeof(err)) != sizeof(err))
			_exit(126);
	}
	_exit(127);
}

static int try_file(const char *file, char path[PATH_MAX])
{
	struct stat st;

	if (stat(file, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EACCES;
	if (faccessat(AT_FDCWD, file, X_OK, AT_EACCESS))
		return -errno;
	return realpath(file, path) ? 0 : -errno;
}

int spawn_find(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH");
	char file[PATH_MAX];
	int err, best = -ENOENT;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/'))
		return try_file(name, path);
	/* Without PATH the C library looks there, too. */
	for (dirs = dirs ? dirs : "/bin:/usr/bin";; dirs++) {
		const size_t n = strcspn(dirs, ":");

		err = snprintf(file, sizeof(file), "%.*s%s%s", (int)n, dirs, n ? "/" : "", name) <
				      (int)sizeof(file)
			      ? try_file(file, path)
			      : -ENAMETOOLONG;
		if (!err)
			return 0;
		/* One that may not be run says more than one that is not there. */
		if (err == -EACCES)
			best = err;
		dirs += n;
		if (!*dirs)
			return best;
	}
}

int spawn_prepare(struct spawn *s, char *const *cmd)
{
	const pid_t self = getpid();
	int failed[2], err;

	memset(s, 0, sizeof(*s));
	s->go = eventfd(0, EFD_CLOEXEC);
	if (s->go < 0)
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		close(s->go);
		return err;
	}
	s->pid = fork();
	err = s->pid < 0 ? -errno : 0;
	if (!s->pid) {
		close(failed[0]);
		child(s->go, failed[1], self, cmd);
	}
	close(failed[1]);
	s->failed = failed[0];
	if (err) {
		s->pid = 0;
		close(s->go);
		close(s->failed);
	}
	return err;
}

static int tell(const struct spawn *s, uint64_t word)
{
	return write(s->go, &word, sizeof(word)) == sizeof(word) ? 0 : -errno;
}

int spawn_go(struct spawn *s)
{
	int err = tell(s, WORD_GO);
	ssize_t n;

	if (err)
		return err;
	do
		n = read(s->failed, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	close(s->go);
	close(s->failed);
	s->go = s->failed = -1;
	if (n != sizeof(err))
		return 0;
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
	return -err;
}

bool spawn_ended(struct spawn *s)
{
	if (s->pid && !s->ended && waitpid(s->pid, &s->status, WNOHANG) == s->pid)
		s->ended = true;
	return s->ended;
}

void spawn_free(struct spawn *s)
{
	if (!s->pid || s->go < 0)
		return;
	tell(s, WORD_GIVE_UP);
	close(s->go);
	close(s->failed);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}
