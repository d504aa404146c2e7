/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup_rule.c - maps a path given to --cgroup into the hierarchy it belongs to. */
#include "probe/cgroup_rule.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_MOUNTS 64

struct mount {
	char *root; /* which part of the hierarchy is mounted, "/": all */
	char *point;
	char *options; /* of the file system: on v1 the controllers are among them */
	bool v2;
};

/* Blanks in paths are written \040 and so on (proc(5)). */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++)
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*out++ = *s;
		}
	*out = '\0';
}

/* One line: ID PARENT DEV ROOT POINT OPTIONS [FIELDS…] - TYPE SOURCE FSOPTIONS */
static bool parse_mount(char *line, struct mount *m)
{
	char *save = NULL, *word, *type;
	int i = 0;

	for (word = strtok_r(line, " ", &save); word && strcmp(word, "-");
	     word = strtok_r(NULL, " ", &save), i++) {
		if (i == 3)
			m->root = word;
		else if (i == 4)
			m->point = word;
	}
	type = word ? strtok_r(NULL, " ", &save) : NULL;
	if (!type || i < 6 || !strtok_r(NULL, " ", &save))
		return false;
	m->options = strtok_r(NULL, " ", &save);
	m->v2 = !strcmp(type, "cgroup2");
	if (!m->options || (!m->v2 && strcmp(type, "cgroup") != 0))
		return false;
	unescape(m->root);
	unescape(m->point);
	if (!strcmp(m->root, "/"))
		m->root[0] = '\0';
	return true;
}

static size_t parse_mounts(char *text, struct mount *m, size_t max)
{
	char *save = NULL;
	size_t n = 0;

	for (char *line = strtok_r(text, "\n", &save); line && n < max;
	     line = strtok_r(NULL, "\n", &save))
		n += parse_mount(line, &m[n]);
	return n;
}

/* What of path follows the directory dir; NULL: it is not below it. */
static const char *below(const char *path, const char *dir)
{
	const size_t n = strlen(dir);

	return !strncmp(path, dir, n) && (!path[n] || path[n] == '/') ? path + n : NULL;
}

static bool is_dir(const char *point, const char *rest)
{
	char path[PATH_MAX];
	struct stat st;

	return snprintf(path, sizeof(path), "%s%s", point, rest) < (int)sizeof(path) &&
	       !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* Runs of slashes become one, the last goes, and there is one in front. false: too long. */
static bool tidy(const char *given, char *out, size_t n)
{
	size_t len = 0;

	while (*given) {
		const size_t part = strcspn(given += strspn(given, "/"), "/");

		if (!part)
			break;
		if (len + part + 2 > n)
			return false;
		out[len++] = '/';
		memcpy(out + len, given, part);
		len += part;
		given += part;
	}
	out[len] = '\0';
	return true;
}

static int refuse(struct err *e, const char *given, const char *why)
{
	err_set(e, EXIT_NO_TARGET, "no cgroup %s", given);
	err_why(e, "%s", why);
	err_mend(e, "give a directory below a cgroup mount, or the path that /proc/PID/cgroup "
		    "shows");
	return -1;
}

static bool put(struct cgroup_rule *r, const char *root, const char *rest)
{
	return snprintf(r->path, sizeof(r->path), "%s%s", root, rest) < (int)sizeof(r->path);
}

int cgroup_rule_make(struct cgroup_rule *r, const char *given, char *mounts, struct err *e)
{
	struct mount m[MAX_MOUNTS];
	const size_t n = parse_mounts(mounts, m, MAX_MOUNTS);
	const struct mount *in = NULL;
	char real[PATH_MAX], path[PATH_MAX];
	const char *rest, *dir = path;
	struct stat st;

	memset(r, 0, sizeof(*r));
	if (!*given || !tidy(given, path, sizeof(path)))
		return refuse(e, given, *given ? "the path is too long" : "the path is empty");
	/* Links such as /sys/fs/cgroup/cpu lead to where the controller is mounted. */
	if (*given == '/' && realpath(given, real))
		dir = real;
	for (size_t i = 0; i < n; i++)
		if (below(dir, m[i].point) && (!in || strlen(m[i].point) > strlen(in->point)))
			in = &m[i];
	if (in && *given == '/') {
		rest = below(dir, in->point);
		if (!put(r, in->root, strcmp(rest, "/") ? rest : ""))
			return refuse(e, given, "the path is too long");
		if (!in->v2)
			snprintf(r->controllers, sizeof(r->controllers), "%.127s", in->options);
		r->awaited = !is_dir(in->point, rest);
		return 0;
	}
	r->any = true;
	if (!put(r, "", path))
		return refuse(e, given, "the path is too long");
	for (size_t i = 0; i < n; i++) {
		rest = below(path, m[i].root);
		if (rest && is_dir(m[i].point, rest))
			return 0;
	}
	if (*given != '/')
		return refuse(e, given, "no mounted hierarchy has it");
	if (below(path, "/sys") || below(path, "/proc") || (path[0] && !stat(path, &st)))
		return refuse(e, given, "it lies in no mounted cgroup hierarchy");
	r->awaited = true;
	return 0;
}

/* Is the first of a line's controllers among the options of the mount? Then all are. */
static bool same_hierarchy(const char *options, const char *names, size_t n)
{
	const char *comma = memchr(names, ',', n);
	const size_t len = comma ? (size_t)(comma - names) : n;

	while (*options) {
		const size_t word = strcspn(options, ",");

		if (word == len && !memcmp(options, names, len))
			return true;
		options += word + (options[word] == ',');
	}
	return false;
}

/* Lines are hierarchy:controllers:path. */
bool cgroup_rule_matches(const struct cgroup_rule *r, const char *text, size_t n)
{
	const size_t len = strlen(r->path);
	const char *end = text + n, *next;

	for (; text < end; text = next) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		const char *stop = nl ? nl : end;
		const char *names = memchr(text, ':', (size_t)(stop - text));
		const char *path =
			names ? memchr(names + 1, ':', (size_t)(stop - names) - 1) : NULL;

		next = stop + 1;
		if (!path)
			continue;
		names++;
		if (!r->any && (r->controllers[0] ? !same_hierarchy(r->controllers, names,
								    (size_t)(path - names))
						  : path != names))
			continue;
		path++;
		if ((size_t)(stop - path) >= len && !memcmp(path, r->path, len) &&
		    ((size_t)(stop - path) == len || path[len] == '/'))
			return true;
	}
	return false;
}
