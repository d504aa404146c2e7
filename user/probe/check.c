/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* check.c - the rows of `doctor`: what the probes need of the host, tried one by one. */
#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "probe/host.h"
#include "probe/kernel.h"
#include "probe/load.h"
#include "probe/probe.h"
#include "probe/proc.h"

struct rows {
	struct check *row;
	size_t n, max;
};

static struct check *add(struct rows *r, const char *name, int result)
{
	static struct check spare;
	struct check *c = r->n < r->max ? &r->row[r->n++] : &spare;

	memset(c, 0, sizeof(*c));
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->result = result;
	return c;
}

static void detail(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void detail(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

static void mend(struct check *c, const char *how)
{
	snprintf(c->mend, sizeof(c->mend), "%s", how);
}

static void check_kernel(struct rows *r, const struct kernel_facts *k)
{
	const bool old = k->version && k->version < (5 << 16 | 8 << 8);
	struct check *c = add(r, "kernel", old ? CHECK_MISSING : CHECK_OK);

	detail(c, "%s", k->release);
	if (old)
		mend(c, "5.8 or later is needed (ring buffer, CAP_BPF)");
	c = add(r, "BTF", k->btf ? CHECK_OK : CHECK_MISSING);
	detail(c, "/sys/kernel/btf/vmlinux%s%s", k->btf ? "" : ": ",
	       k->btf ? "" : strerror(k->btf_errno));
	if (!k->btf)
		mend(c,
		     "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container mount /sys");
}

static void check_capability(struct rows *r, const char *name, int cap, int without,
			     const char *use)
{
	const bool have = kernel_may(cap);
	struct check *c = add(r, name, have ? CHECK_OK : without);

	detail(c, "%s", use);
	if (!have)
		mend(c, "run as root, setcap on the program, or add it to the container's "
			"capabilities");
}

static void check_memlock(struct rows *r, const struct kernel_facts *k)
{
	struct rlimit lim;
	struct check *c;

	if (!k->version || k->version >= (5 << 16 | 11 << 8))
		return; /* maps are charged to the cgroup since 5.11 */
	c = add(r, "memlock", CHECK_OK);
	if (!kernel_may(CAP_SYS_RESOURCE) && !getrlimit(RLIMIT_MEMLOCK, &lim) &&
	    lim.rlim_cur < 64u << 20) {
		c->result = CHECK_MISSING;
		mend(c, "ulimit -l unlimited, or add CAP_SYS_RESOURCE");
	}
	detail(c, "maps count as locked memory before 5.11");
}

static void check_programs(struct rows *r, const struct kernel_facts *k)
{
	struct load_trial t[16];
	const size_t n = load_try(k, t, sizeof(t) / sizeof(t[0]));

	for (size_t i = 0; i < n; i++) {
		char name[48];
		struct check *c;

		snprintf(name, sizeof(name), "probe %s", t[i].name);
		c = add(r, name,
			!t[i].err       ? CHECK_OK
			: t[i].optional ? CHECK_OPTIONAL
					: CHECK_MISSING);
		if (!t[i].err) {
			detail(c, "%s", t[i].use);
		} else if (t[i].err == -ENOENT) {
			detail(c, "this kernel has none; not seen without it: %s", t[i].use);
			mend(c, "a later kernel has it");
		} else {
			detail(c, "%s; not seen without it: %s", strerror(-t[i].err), t[i].use);
			mend(c, t[i].err == -EPERM ? "grant CAP_BPF and CAP_PERFMON; allow bpf(2) "
						     "in the seccomp profile"
						   : "please report it with this kernel's release");
		}
	}
}

static void check_namespace(struct rows *r)
{
	char link[64];
	const bool have = proc_link(link, sizeof(link), "/proc/self/ns/pid");
	/* The first pid namespace has a fixed inode number (include/linux/proc_ns.h). */
	const bool host = have && !strcmp(link, "pid:[4026531836]");
	struct check *c = add(r, "pid namespace", host ? CHECK_OK : CHECK_OPTIONAL);

	if (host) {
		detail(c, "the host's");
		return;
	}
	detail(c, "one of its own: processes outside cannot be watched");
	mend(c, "docker run --pid=host; hostPID: true");
}

size_t probe_check(struct check *row, size_t max)
{
	struct rows r = { .row = row, .max = max };
	struct kernel_facts k;

	kernel_facts_read(&k);
	check_kernel(&r, &k);
	check_capability(&r, "CAP_BPF", CAP_BPF, CHECK_MISSING, "load programs");
	check_capability(&r, "CAP_PERFMON", CAP_PERFMON, CHECK_MISSING,
			 "read kernel and user memory");
	check_capability(&r, "CAP_SYS_PTRACE", CAP_SYS_PTRACE, CHECK_OPTIONAL,
			 "executable, environment and limits of other users' processes");
	check_memlock(&r, &k);
	check_namespace(&r);
	if (k.btf)
		check_programs(&r, &k);
	kernel_facts_free(&k);
	return r.n;
}
