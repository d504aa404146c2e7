/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* filter.bpf.h - who is a target: test, start time, entry by fork, removal at the group's death. */
#ifndef FILTER_BPF_H
#define FILTER_BPF_H

#include "maps.bpf.h"

static __always_inline __u64 task_start(struct task_struct *t)
{
	return BPF_CORE_READ(t, group_leader, start_boottime);
}

/* The entry of a target, NULL for everybody else. */
static __always_inline struct target *target_get(__u32 tgid)
{
	if (!target_hint[tgid & (HINT_SLOTS - 1)])
		return NULL;
	return bpf_map_lookup_elem(&targets, &tgid);
}

/* Start time of a target that is current; user space cannot know it to the nanosecond. */
static __always_inline __u64 target_start(struct target *t)
{
	if (!t->start)
		t->start = task_start((void *)bpf_get_current_task());
	return t->start;
}

/* 0; 1 when this very process is in already; negative when the table is full. */
static __always_inline long target_add(__u32 tgid, __u64 start)
{
	struct target t = { .start = start }, *old;
	long err = bpf_map_update_elem(&targets, &tgid, &t, BPF_NOEXIST);

	if (!err) {
		__sync_fetch_and_add(&target_hint[tgid & (HINT_SLOTS - 1)], 1);
		return 0;
	}
	old = bpf_map_lookup_elem(&targets, &tgid);
	if (!old)
		return err;
	if (old->start == start)
		return 1;
	old->start = start; /* its number was another's, whose death was missed */
	return 0;
}

/* True for exactly one caller. */
static __always_inline bool target_del(__u32 tgid)
{
	if (bpf_map_delete_elem(&targets, &tgid))
		return false;
	__sync_fetch_and_add(&target_hint[tgid & (HINT_SLOTS - 1)], (__u32)-1);
	return true;
}

#endif
