/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* hook.c - run the user's command for each alert, one after the other, in a thread of its own. */
#include "alert/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "alert/hook_argv.h"

#define DEFAULT_TIMEOUT_S 60
#define GRACE_MS 1000 /* between SIGTERM and SIGKILL */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct job {
	char *p;
	size_t n;
};

struct hook {
	char **argv;
	char *env[4]; /* PATH, HOME, LANG */
	unsigned timeout_s;
	int wake; /* eventfd: the end has come */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t some;
	struct job queue[HOOK_QUEUE];
	unsigned first, n;
	bool stopping;
	int64_t stop_ms; /* when stopping: nothing runs longer than this */
	struct hook_stats stats;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- one run -----------------------------------------------------------------------------------
 */

static int spawn_actions(posix_spawn_file_actions_t *a, int in)
{
	int ret = posix_spawn_file_actions_init(a);

	/* Our stdout is output for programs: what the command prints is a diagnostic. */
	ret = ret ? ret : posix_spawn_file_actions_adddup2(a, in, STDIN_FILENO);
	ret = ret ? ret : posix_spawn_file_actions_adddup2(a, STDERR_FILENO, STDOUT_FILENO);
	return ret ? ret : posix_spawn_file_actions_addclosefrom_np(a, 3);
}

/* A process group of its own, default signals. Returns 0 or an errno. */
static int spawn(const struct hook *h, int in, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int ret = spawn_actions(&actions, in);

	if (ret)
		return ret;
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	ret = posix_spawnp(pid, h->argv[0], &actions, &attr, h->argv, h->env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return ret;
}

static bool ended(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

/* Give job to the child and wait for it, until the deadline. True when it ended. */
static bool feed_and_wait(struct hook *h, pid_t pid, int out, const struct job *job,
			  int64_t deadline, int *status)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	size_t done = 0;
	bool over = false;

	while (!(over = ended(pid, status))) {
		struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
					{ .fd = h->wake, .events = POLLIN },
					{ .fd = out, .events = POLLOUT } };
		int64_t left;
		ssize_t n;

		pthread_mutex_lock(&h->lock);
		if (h->stopping) {
			deadline = h->stop_ms < deadline ? h->stop_ms : deadline;
			fds[1].fd = -1;
		}
		pthread_mutex_unlock(&h->lock);
		left = deadline - now_ms();
		if (left <= 0)
			break;
		/* Without pidfds (a sandbox) look at the child every now and then. */
		if (pidfd < 0 && left > 50)
			left = 50;
		poll(fds, 3, (int)left);
		if (out < 0 || !fds[2].revents)
			continue;
		n = write(out, job->p + done, job->n - done);
		done += n > 0 ? (size_t)n : 0;
		/* A command may leave its stdin unread: that is its business. */
		if (done == job->n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			close(out);
			out = -1;
		}
	}
	if (out >= 0)
		close(out);
	if (pidfd >= 0)
		close(pidfd);
	return over;
}

static void kill_group(pid_t pid, int *status)
{
	const int64_t until = now_ms() + GRACE_MS;
	bool over = false;

	kill(-pid, SIGTERM);
	while (!over && now_ms() < until) {
		over = ended(pid, status);
		if (!over)
			usleep(10000);
	}
	kill(-pid, SIGKILL); /* what the command left behind too */
	if (!over)
		waitpid(pid, status, 0);
}

enum outcome { RAN_WELL, RAN_BADLY, RAN_TOO_LONG };

static enum outcome run(struct hook *h, const struct job *job)
{
	const char *name = h->argv[0];
	int fd[2], status = 0, err;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC)) {
		warn_print("alert hook %s: %s", name, strerror(errno));
		return RAN_BADLY;
	}
	fcntl(fd[1], F_SETFL, O_NONBLOCK);
	err = spawn(h, fd[0], &pid);
	close(fd[0]);
	if (err) {
		close(fd[1]);
		warn_print("alert hook %s: %s", name, strerror(err));
		return RAN_BADLY;
	}
	if (!feed_and_wait(h, pid, fd[1], job, now_ms() + (int64_t)h->timeout_s * 1000, &status)) {
		kill_group(pid, &status);
		warn_print("alert hook %s: killed, it did not end in time", name);
		return RAN_TOO_LONG;
	}
	if (WIFSIGNALED(status))
		warn_print("alert hook %s: died of signal %d", name, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		warn_print("alert hook %s: exit status %d", name, WEXITSTATUS(status));
	return status ? RAN_BADLY : RAN_WELL;
}

/* ---- the thread --------------------------------------------------------------------------------
 */

static bool take(struct hook *h, struct job *job)
{
	bool got;

	pthread_mutex_lock(&h->lock);
	while (!h->n && !h->stopping)
		pthread_cond_wait(&h->some, &h->lock);
	got = h->n && (!h->stopping || now_ms() < h->stop_ms);
	if (got) {
		*job = h->queue[h->first];
		h->first = (h->first + 1) % HOOK_QUEUE;
		h->n--;
		h->stats.run++;
	}
	pthread_mutex_unlock(&h->lock);
	return got;
}

static void *work(void *arg)
{
	struct hook *h = arg;
	struct job job;

	while (take(h, &job)) {
		const enum outcome o = run(h, &job);

		free(job.p);
		pthread_mutex_lock(&h->lock);
		h->stats.failed += o != RAN_WELL;
		h->stats.timed_out += o == RAN_TOO_LONG;
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

/* ---- life --------------------------------------------------------------------------------------
 */

static char *variable(const char *name, const char *fallback)
{
	const char *value = getenv(name);
	char *v;

	return asprintf(&v, "%s=%s", name, value ? value : fallback) < 0 ? NULL : v;
}

/* Better said at the start than at the first alert. */
static bool is_command(const char *name)
{
	const char *path = getenv("PATH"), *end;
	char file[4096];

	if (strchr(name, '/'))
		return !access(name, X_OK);
	for (path = path ? path : DEFAULT_PATH; *path; path = *end ? end + 1 : end) {
		end = strchrnul(path, ':');
		if ((size_t)snprintf(file, sizeof(file), "%.*s/%s", (int)(end - path), path, name) <
			    sizeof(file) &&
		    !access(file, X_OK))
			return true;
	}
	return false;
}

static void release(struct hook *h)
{
	for (unsigned i = 0; i < 3; i++)
		free(h->env[i]);
	for (; h->n; h->n--, h->first = (h->first + 1) % HOOK_QUEUE)
		free(h->queue[h->first].p);
	if (h->wake >= 0)
		close(h->wake);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->some);
	free(h->argv);
	free(h);
}

/* The agent's signals are the main thread's business: none may land here. */
static int start_thread(struct hook *h)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&h->thread, NULL, work, h);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

struct hook *hook_new(const char *cmd, unsigned timeout_s, struct err *e)
{
	struct hook *h = calloc(1, sizeof(*h));

	if (!h) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->some, NULL);
	h->timeout_s = timeout_s ? timeout_s : DEFAULT_TIMEOUT_S;
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	h->env[0] = variable("PATH", DEFAULT_PATH);
	h->env[1] = variable("HOME", "/");
	h->env[2] = variable("LANG", "C.UTF-8");
	h->argv = hook_argv(cmd, e);
	if (!h->argv)
		goto fail;
	if (!is_command(h->argv[0])) {
		err_set(e, EXIT_USAGE, "--on-alert: no such command: %s", h->argv[0]);
		err_mend(e, "it is run without a shell; give a path, or sh -c '…'");
		goto fail;
	}
	if (h->wake < 0 || !h->env[0] || !h->env[1] || !h->env[2] || start_thread(h)) {
		err_set(e, EXIT_FAILED, "--on-alert: no memory or thread for it");
		goto fail;
	}
	return h;
fail:
	release(h);
	return NULL;
}

void hook_submit(struct hook *h, const char *json, size_t n)
{
	char *copy = malloc(n ? n : 1);
	bool room, first_drop;

	if (copy && n)
		memcpy(copy, json, n);
	pthread_mutex_lock(&h->lock);
	room = copy && h->n < HOOK_QUEUE && !h->stopping;
	if (room)
		h->queue[(h->first + h->n++) % HOOK_QUEUE] = (struct job){ copy, n };
	first_drop = !room && !h->stats.dropped++;
	pthread_cond_signal(&h->some);
	pthread_mutex_unlock(&h->lock);
	if (!room)
		free(copy);
	if (first_drop)
		warn_print("alert hook %s: too slow, alerts are dropped", h->argv[0]);
}

void hook_free(struct hook *h)
{
	const uint64_t one = 1;

	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	h->stop_ms = now_ms() + HOOK_DRAIN_S * 1000;
	pthread_cond_signal(&h->some);
	pthread_mutex_unlock(&h->lock);
	if (write(h->wake, &one, sizeof(one)) < 0)
		warn_print("alert hook: %s", strerror(errno));
	pthread_join(h->thread, NULL);
	if (h->n)
		warn_print("alert hook %s: %u alerts were not handed on", h->argv[0], h->n);
	release(h);
}

void hook_stats(struct hook *h, struct hook_stats *out)
{
	pthread_mutex_lock(&h->lock);
	*out = h->stats;
	pthread_mutex_unlock(&h->lock);
}
