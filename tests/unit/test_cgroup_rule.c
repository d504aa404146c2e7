// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_cgroup_rule.c - paths given to --cgroup against mounts of every kind, and whom they match.
 */
#include "probe/cgroup_rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A hybrid host in a directory of our own: two v1 hierarchies, one v2, one of a container. */
static char top[] = "/tmp/cgroup_rule.XXXXXX";
static const char *const dirs[] = { "memory",  "memory/x",    "cpu,cpuacct",
				    "unified", "unified/a b", "unified/a b/deep",
				    "part",    "part/in",     "cpu,cpuacct/y" };

static int set_up(void **state)
{
	char path[256], link[256];

	(void)state;
	if (!mkdtemp(top))
		return -1;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		if (mkdir(path, 0700))
			return -1;
	}
	snprintf(link, sizeof(link), "%s/cpu", top);
	return symlink("cpu,cpuacct", link);
}

static int tear_down(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/cpu", top);
	unlink(path);
	for (size_t i = sizeof(dirs) / sizeof(dirs[0]); i--;) {
		snprintf(path, sizeof(path), "%s/%s", top, dirs[i]);
		rmdir(path);
	}
	return rmdir(top);
}

static int make(struct cgroup_rule *r, const char *given, struct err *e)
{
	char mounts[4096];

	snprintf(mounts, sizeof(mounts),
		 "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
		 "31 20 0:28 / %s rw - tmpfs tmpfs rw,mode=755\n"
		 "35 31 0:32 / %s/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
		 "36 31 0:33 / %s/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
		 "41 31 0:38 / %s/unified rw,relatime shared:2 master:1 - cgroup2 cgroup2 rw\n"
		 "42 31 0:38 /docker/c1 %s/part rw - cgroup2 cgroup2 rw\n"
		 "short line\n",
		 top, top, top, top, top);
	return cgroup_rule_make(r, given, mounts, e);
}

static void paths_are_mapped(void **state)
{
	static const struct {
		const char *given; /* % stands for the mounts' directory */
		const char *path, *controllers; /* path NULL: refused */
		bool any, awaited;
	} row[] = {
		{ "%/unified/a b", "/a b", "", false, false },
		{ "%/unified/a b/deep/", "/a b/deep", "", false, false },
		{ "%/unified//a b//", "/a b", "", false, false },
		{ "%/unified", "", "", false, false },
		{ "%/unified/", "", "", false, false },
		{ "%/unified/not/yet", "/not/yet", "", false, true },
		{ "%/memory/x", "/x", "rw,memory", false, false },
		{ "%/memory/later", "/later", "rw,memory", false, true },
		{ "%/cpu/y", "/y", "rw,cpu,cpuacct", false, false }, /* through the link */
		{ "%/part/in", "/docker/c1/in", "", false, false },
		{ "/a b/deep", "/a b/deep", "", true, false },
		{ "a b/deep", "/a b/deep", "", true, false },
		{ "x/", "/x", "", true, false }, /* of v1 */
		{ "/docker/c1/in", "/docker/c1/in", "", true, false },
		{ "/", "", "", true, false },
		{ "/not.slice/yet", "/not.slice/yet", "", true, true },
		{ "not.slice/yet", NULL, NULL, false, false },
		{ "", NULL, NULL, false, false },
		{ "/tmp", NULL, NULL, false, false }, /* is something else */
		{ "%/memry/x", "", NULL, true, true },
		{ "/sys/fs/nowhere", NULL, NULL, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct cgroup_rule r;
		struct err e = { 0 };
		char given[256];

		if (row[i].given[0] == '%')
			snprintf(given, sizeof(given), "%s%s", top, row[i].given + 1);
		else
			snprintf(given, sizeof(given), "%s", row[i].given);
		if (!row[i].path) {
			assert_int_equal(make(&r, given, &e), -1);
			assert_int_equal(e.status, EXIT_NO_TARGET);
			continue;
		}
		assert_int_equal(make(&r, given, &e), 0);
		if (row[i].controllers) {
			assert_string_equal(r.path, row[i].path);
			assert_string_equal(r.controllers, row[i].controllers);
		}
		assert_int_equal(r.any, row[i].any);
		assert_int_equal(r.awaited, row[i].awaited);
	}
}

static void too_long_paths_are_refused(void **state)
{
	char given[8192];
	struct cgroup_rule r;
	struct err e;

	(void)state;
	for (size_t n = 400; n < sizeof(given); n += 97) {
		memset(given, 'a', n);
		given[0] = '/';
		given[n] = '\0';
		if (!make(&r, given, &e))
			assert_true(strlen(r.path) == n && n < sizeof(r.path));
		else
			assert_true(n >= sizeof(r.path));
	}
}

static void processes_are_matched(void **state)
{
	static const char own[] =
		"12:cpu,cpuacct:/y\n4:memory:/x/inner\n1:name=systemd:/s\n0::/a b\n";
	static const struct {
		const char *path, *controllers;
		bool any, yes;
	} row[] = {
		{ "/a b", "", false, true },
		{ "", "", false, true },
		{ "/a", "", false, false },
		{ "/a b/deep", "", false, false },
		{ "/x", "rw,memory", false, true },
		{ "/x/inner", "rw,memory", false, true },
		{ "/x/in", "rw,memory", false, false },
		{ "/x", "rw,cpu,cpuacct", false, false },
		{ "/y", "rw,cpu,cpuacct", false, true },
		{ "/s", "rw,xattr,name=systemd", false, true },
		{ "/x", "", false, false },
		{ "/x", "", true, true },
		{ "/s", "", true, true },
		{ "/z", "", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct cgroup_rule r = { .any = row[i].any };

		strcpy(r.path, row[i].path);
		strcpy(r.controllers, row[i].controllers);
		assert_int_equal(cgroup_rule_matches(&r, own, sizeof(own) - 1), row[i].yes);
		/* Cut anywhere nothing is read beyond the end, and nothing new matches. */
		for (size_t n = 0; n < sizeof(own) - 1; n++) {
			char *cut = malloc(n ? n : 1);

			memcpy(cut, own, n);
			if (cgroup_rule_matches(&r, cut, n))
				assert_true(row[i].yes || !strcmp(r.path, "/x/in") ||
					    !strcmp(r.path, "/a"));
			free(cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_mapped),
		cmocka_unit_test(too_long_paths_are_refused),
		cmocka_unit_test(processes_are_matched),
	};

	return cmocka_run_group_tests_name("cgroup_rule", tests, set_up, tear_down);
}
