/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* proc.c - readers of /proc and of the limits in the cgroup file system. */
#include "probe/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_path(struct buf *b, size_t max, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	char *p;
	int err;

	buf_clear(b);
	if (fd < 0)
		return -errno;
	while (b->len < max) {
		const size_t want = max - b->len < 4096 ? max - b->len : 4096;

		p = buf_room(b, want);
		if (!p) {
			errno = ENOMEM;
			n = -1;
			break;
		}
		n = read(fd, p, want);
		if (n <= 0)
			break;
		b->len += (size_t)n;
	}
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

int proc_read(struct buf *b, size_t max, const char *fmt, ...)
{
	char path[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	return read_path(b, max, path);
}

void proc_line(char *out, size_t n, const char *fmt, ...)
{
	struct buf b = { 0 };
	char path[512];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	out[0] = '\0';
	if (!read_path(&b, n - 1, path)) {
		len = b.len;
		while (len && isspace((unsigned char)b.p[len - 1]))
			len--;
		if (len)
			memcpy(out, b.p, len);
		out[len] = '\0';
	}
	buf_free(&b);
}

bool proc_link(char *out, size_t n, const char *fmt, ...)
{
	char path[128];
	va_list ap;
	ssize_t len;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	len = readlink(path, out, n - 1);
	out[len > 0 ? len : 0] = '\0';
	return len > 0;
}

bool proc_stat(uint32_t pid, uint64_t *start_ticks, char *state)
{
	char line[1024];
	const char *p;

	proc_line(line, sizeof(line), "/proc/%u/stat", pid);
	p = strrchr(line, ')'); /* the name may hold anything */
	if (!p || !p[1])
		return false;
	p += 2;
	*state = *p;
	for (int field = 3; field < 22; field++) { /* starttime is field 22 (proc(5)) */
		p = strchr(p, ' ');
		if (!p)
			return false;
		p++;
	}
	*start_ticks = strtoull(p, NULL, 10);
	return true;
}

bool proc_is_kernel_thread(uint32_t pid)
{
	static const unsigned long pf_kthread = 0x00200000; /* include/linux/sched.h */
	unsigned long flags = 0;
	char line[1024];
	const char *p;

	proc_line(line, sizeof(line), "/proc/%u/stat", pid);
	p = strrchr(line, ')');
	/* state ppid pgrp session tty tpgid flags */
	return p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
	       flags & pf_kthread;
}

bool proc_status(uint32_t pid, const char *name, uint64_t *value)
{
	struct buf b = { 0 };
	const size_t n = strlen(name);
	char path[64], *line, *save = NULL;
	bool found = false;

	snprintf(path, sizeof(path), pid ? "/proc/%u/status" : "/proc/self/status", pid);
	if (!read_path(&b, 8192, path)) {
		buf_putc(&b, '\0');
		for (line = strtok_r(b.p, "\n", &save); line && !found;
		     line = strtok_r(NULL, "\n", &save))
			if (!strncmp(line, name, n) && line[n] == ':') {
				*value = strtoull(line + n + 1, NULL, 10);
				found = true;
			}
	}
	buf_free(&b);
	return found;
}

/* Is `name` one of the comma-separated words of list? */
static bool listed(const char *list, size_t n, const char *name)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i + len <= n; i++)
		if (!memcmp(list + i, name, len) && (!i || list[i - 1] == ',') &&
		    (i + len == n || list[i + len] == ','))
			return true;
	return false;
}

/* Lines are hierarchy:controllers:path. On a hybrid host the unified path may be a bare "/". */
bool proc_cgroup(uint32_t pid, struct proc_cgroup *c)
{
	struct buf b = { 0 };
	char *line, *save = NULL;
	int best = 0;

	memset(c, 0, sizeof(*c));
	if (!proc_read(&b, 65536, "/proc/%u/cgroup", pid)) {
		buf_putc(&b, '\0');
		for (line = strtok_r(b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *names = strchr(line, ':'),
			     *path = names ? strchr(names + 1, ':') : NULL;
			const size_t n = path ? (size_t)(path - names) - 1 : 0;
			int rank;

			if (!path)
				continue;
			names++, path++;
			if (!n)
				rank = strcmp(path, "/") ? 4 : 1;
			else if (listed(names, n, "memory"))
				rank = 3;
			else
				rank = listed(names, n, "name=systemd") ? 2 : 0;
			if (rank <= best)
				continue;
			best = rank;
			c->v2 = !n;
			snprintf(c->path, sizeof(c->path), "%s", path);
		}
	}
	buf_free(&b);
	return best;
}

uint64_t proc_memory_limit(const struct proc_cgroup *c)
{
	const char *root = c->v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
	const char *file = c->v2 ? "memory.max" : "memory.limit_in_bytes";
	char path[sizeof(c->path)], line[64], *slash;
	uint64_t least = 0, v;

	snprintf(path, sizeof(path), "%s", c->path);
	if (strstr(path, ".."))
		return 0; /* outside our cgroup namespace */
	for (;;) {
		proc_line(line, sizeof(line), "%s%s/%s", root, path, file);
		v = isdigit((unsigned char)line[0]) ? strtoull(line, NULL, 10) : 0;
		if (v && v < 1ull << 62 && (!least || v < least)) /* v1's "none" is near 2^63 */
			least = v;
		slash = strrchr(path, '/');
		if (!slash)
			return least;
		*slash = '\0';
	}
}
