/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* spawn.c - starts CMD as a child of the agent, stopped at a pipe before its first instruction. */
#include "probe/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In the child: signals as a shell would hand them on, then wait, then become CMD. */
static void child(int go, int failed, char *const *cmd)
{
	static const int reset[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD, SIGQUIT };
	sigset_t none;
	char c;

	for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++)
		signal(reset[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &c, 1) == 1) { /* 0: the agent gave up */
		int err;

		execvp(cmd[0], cmd);
		err = errno;
		if (write(failed, &err, sizeof(err)) != sizeof(err))
			_exit(126);
	}
	_exit(127);
}

int spawn_prepare(struct spawn *s, char *const *cmd)
{
	int go[2], failed[2], err;

	memset(s, 0, sizeof(*s));
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}
	s->pid = fork();
	err = s->pid < 0 ? -errno : 0;
	if (!s->pid) {
		close(go[1]);
		close(failed[0]);
		child(go[0], failed[1], cmd);
	}
	close(go[0]);
	close(failed[1]);
	s->go = go[1];
	s->failed = failed[0];
	if (err) {
		s->pid = 0;
		close(s->go);
		close(s->failed);
	}
	return err;
}

int spawn_go(struct spawn *s)
{
	int err = 0;
	ssize_t n;

	if (write(s->go, "", 1) != 1)
		return -errno;
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
	close(s->go);
	close(s->failed);
	waitpid(s->pid, NULL, 0);
	s->pid = 0;
}
