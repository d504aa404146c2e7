/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* life.bpf.h - what a record about a process says, for the probes and the iterator alike. */
#ifndef LIFE_BPF_H
#define LIFE_BPF_H

#include "filter.bpf.h"

struct life_rec {
	struct ev_life l;
	struct ev_life_extra x;
};

/* The number of a process at one level of pid namespaces, and the namespace; 0: it has none there.
 */
static __always_inline __u32 pid_at_level(struct pid *pid, __u32 level, __u64 *ns)
{
	struct upid *slot;

	if (!pid || level > 32 /* MAX_PID_NS_LEVEL */ || level > BPF_CORE_READ(pid, level))
		return 0;
	slot = (void *)__builtin_preserve_access_index(&pid->numbers[0]) +
	       level * bpf_core_type_size(struct upid);
	*ns = (__u64)BPF_CORE_READ(slot, ns);
	return BPF_CORE_READ(slot, nr);
}

/* Facts of the process of task t. The record was zeroed; header and event-specific fields follow.
 */
static __always_inline void life_fill(struct life_rec *r, struct task_struct *t)
{
	struct task_struct *leader = BPF_CORE_READ(t, group_leader);
	struct task_struct *parent = BPF_CORE_READ(t, real_parent);
	struct pid *pid = BPF_CORE_READ(leader, thread_pid);
	__u64 ns = 0;
	__u32 view;

	r->l.ppid = BPF_CORE_READ(parent, tgid);
	r->l.ppid_start = task_start(parent);
	r->l.cgroup = BPF_CORE_READ(t, cgroups, dfl_cgrp, kn, id);
	r->l.uid = BPF_CORE_READ(t, real_cred, uid.val);
	r->l.nspid = pid ? pid_at_level(pid, BPF_CORE_READ(pid, level), &ns) : 0;
	BPF_CORE_READ_INTO(&r->l.comm, t, comm);
	view = pid_at_level(pid, agent_pid_level, &ns);
	r->x.view_pid = ns == agent_pid_ns ? view : 0;
	BPF_CORE_READ_INTO((char(*)[65])r->x.nodename, t, nsproxy, uts_ns, name.nodename);
}

#endif
