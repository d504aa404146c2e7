/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* host.c - requirements checked before the first program is loaded, so that the message names them.
 */
#include "probe/host.h"

#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "probe/cgroup_rule.h"
#include "probe/proc.h"
#include "probe/spawn.h"

int host_check(const struct kernel_facts *k, struct err *e)
{
	const bool bpf = kernel_may(CAP_BPF), perfmon = kernel_may(CAP_PERFMON);

	if (k->version && k->version < (5 << 16 | 8 << 8)) {
		err_set(e, EXIT_HOST, "kernel %s is too old", k->release);
		err_mend(e, "5.8 or later is needed (ring buffer, CAP_BPF)");
		return -1;
	}
	if (!k->btf) {
		err_set(e, EXIT_HOST, "the kernel (%s) offers no BTF", k->release);
		err_why(e, "/sys/kernel/btf/vmlinux: %s", strerror(k->btf_errno));
		err_mend(e, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y; in a container mount "
			    "/sys");
		return -1;
	}
	if (!bpf || !perfmon) {
		err_set(e, EXIT_HOST, "missing %s%s%s", bpf ? "" : "CAP_BPF",
			!bpf && !perfmon ? " and " : "", perfmon ? "" : "CAP_PERFMON");
		err_mend(e, "run as root; or `setcap cap_bpf,cap_perfmon,cap_sys_ptrace=ep` on the "
			    "program; in "
			    "a container add the capabilities BPF, PERFMON and SYS_PTRACE");
		return -1;
	}
	return 0;
}

int host_check_pids(const struct probe_opts *o, struct err *e)
{
	uint64_t ticks, tgid;
	char state;

	for (size_t i = 0; i < o->n_pids; i++) {
		if (!proc_stat(o->pids[i], &ticks, &state) || state == 'Z' || state == 'X') {
			err_set(e, EXIT_NO_TARGET, "no process %u", o->pids[i]);
			return -1;
		}
		if (proc_status(o->pids[i], "Tgid", &tgid) && tgid != o->pids[i]) {
			err_set(e, EXIT_NO_TARGET, "%u is a thread", o->pids[i]);
			err_mend(e, "its process is --pid %llu", (unsigned long long)tgid);
			return -1;
		}
		if (proc_is_kernel_thread(o->pids[i])) {
			err_set(e, EXIT_NO_TARGET, "%u is a kernel thread: it serves nothing",
				o->pids[i]);
			return -1;
		}
		if (o->pids[i] == (uint32_t)getpid()) {
			err_set(e, EXIT_NO_TARGET, "process %u is modelsnoop itself", o->pids[i]);
			return -1;
		}
	}
	return 0;
}

int host_check_cgroups(const struct probe_opts *o, struct cgroup_rule **rules, struct err *e)
{
	struct cgroup_rule *r = calloc(o->n_cgroups ? o->n_cgroups : 1, sizeof(*r));
	struct buf mounts = { 0 };
	int err = 0;

	*rules = r;
	if (!r)
		return err_set(e, EXIT_FAILED, "out of memory");
	for (size_t i = 0; i < o->n_cgroups && !err; i++) {
		if (proc_read(&mounts, (size_t)4 << 20, "/proc/self/mountinfo"))
			buf_clear(&mounts);
		buf_putc(&mounts, '\0');
		err = mounts.overflow ? err_set(e, EXIT_FAILED, "out of memory")
				      : cgroup_rule_make(&r[i], o->cgroups[i], mounts.p, e);
		if (!err && r[i].awaited)
			warn_print("--cgroup %s: does not exist yet; awaiting it", o->cgroups[i]);
	}
	buf_free(&mounts);
	return err;
}

int host_check_cmd(const struct probe_opts *o, struct err *e)
{
	char path[PATH_MAX];
	const int err = o->cmd ? spawn_find(o->cmd[0], path) : 0;

	if (!err)
		return 0;
	err_set(e, EXIT_NO_TARGET, "cannot start %s: %s", o->cmd[0], strerror(-err));
	return -1;
}

/* The newest pair of tick counter and time that the task iterator shows. */
static bool ticks_now(struct loaded *l, uint64_t *ticks, uint64_t *ns)
{
	const size_t size = sizeof(struct ev_life) + sizeof(struct ev_life_extra);
	struct buf out = { 0 };
	bool ok = !load_iterate(l, LOAD_ITER_TASK, &out) && out.len >= size;

	if (ok) {
		const char *last = out.p + (out.len / size - 1) * size;

		*ns = ((const struct ev_life *)(const void *)last)->h.ts;
		*ticks = ((const struct ev_life_extra *)(const void *)(last +
								       sizeof(struct ev_life)))
				 ->jiffies;
	}
	buf_free(&out);
	return ok;
}

unsigned host_hz_measured(struct loaded *l)
{
	static const unsigned usual[] = { 100, 250, 300, 1000 };
	const struct timespec pause = { .tv_nsec = 100000000 };
	uint64_t t0, t1, n0, n1;
	unsigned best = 0;
	double hz;

	if (!ticks_now(l, &t0, &n0))
		return 0;
	nanosleep(&pause, NULL);
	if (!ticks_now(l, &t1, &n1) || n1 <= n0)
		return 0;
	hz = (double)(t1 - t0) * 1e9 / (double)(n1 - n0);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (!best || (hz - usual[i]) * (hz - usual[i]) < (hz - best) * (hz - best))
			best = usual[i];
	return best;
}
