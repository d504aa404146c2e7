/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * process.bpf.c - life of target processes: fork (the child is a target before it runs), exec, the
 * death of the group, OOM, and who sent a deadly signal. In a ring of its own.
 */
#include "life.bpf.h"
#include "submit.bpf.h"

#define SIGNAL_GROUP_EXIT 4

static __always_inline struct life_rec *life_reserve(struct series *cs, struct task_struct *t,
						     __u16 type)
{
	__u64 seq = life_seq_next(cs);
	struct life_rec *r = bpf_ringbuf_reserve(&life_ring, sizeof(*r), 0);

	if (!r) {
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_RING_FULL);
		return NULL;
	}
	__builtin_memset(r, 0, sizeof(*r));
	hdr_fill(&r->l.h, type, sizeof(r->l), 0, seq);
	hdr_place(&r->l.h);
	r->l.h.ts = bpf_ktime_get_ns();
	r->l.h.tgid = BPF_CORE_READ(t, tgid);
	r->l.h.tid = BPF_CORE_READ(t, pid);
	r->l.h.start = task_start(t);
	life_fill(r, t);
	return r;
}

static __always_inline void life_submit(struct series *cs, struct life_rec *r, __u64 wake)
{
	bpf_ringbuf_submit(r, wake);
	count_sent(cs, EV_COUNT_LIFE);
}

/* The twin: the child is in already, with this start. */
static __always_inline int fork_told(struct task_struct *parent, struct task_struct *child,
				     __u32 copy)
{
	__u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	struct series *cs;
	struct life_rec *r;
	long err;

	if (tgid == ptgid || !target_get(ptgid)) /* a thread, or nobody's child */
		return 0;
	cs = series_get(SERIES_FORK + copy);
	if (!cs)
		return 0;
	err = target_add(tgid, task_start(child));
	if (err == 1)
		return 0;
	if (err) {
		life_seq_next(cs);
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_TABLE_FULL);
		return 0;
	}
	r = life_reserve(cs, child, EV_FORK);
	if (!r)
		return 0;
	/* With CLONE_PARENT the parent by wait(2) is somebody else; who forked is what counts here.
	 */
	r->l.ppid = ptgid;
	r->l.ppid_start = task_start(parent);
	life_submit(cs, r, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	return fork_told(parent, child, 0);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_twin, struct task_struct *parent, struct task_struct *child)
{
	return fork_told(parent, child, 1);
}

/* The twin: the first copy has left the thread's number. */
static __always_inline int exec_told_by(struct task_struct *task, struct linux_binprm *bprm,
					__u32 copy)
{
	__u32 tid = BPF_CORE_READ(task, pid);
	__u32 *told = &exec_told[tid & (TOLD_SLOTS / 16 - 1)];
	struct series *cs;
	struct life_rec *r;

	if (!target_get(BPF_CORE_READ(task, tgid)) && !watch_exec)
		return 0;
	if (copy && *told == tid) {
		*told = 0;
		return 0;
	}
	if (!copy && twins)
		*told = tid;
	cs = series_get(SERIES_EXEC + copy);
	if (!cs)
		return 0;
	r = life_reserve(cs, task, EV_EXEC);
	if (!r)
		return 0;
	bpf_probe_read_kernel_str(r->l.path, sizeof(r->l.path), BPF_CORE_READ(bprm, filename));
	/* At once: it may be a target that is not watched yet. */
	life_submit(cs, r, wake_now());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return exec_told_by(task, bprm, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec_twin, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	return exec_told_by(task, bprm, 1);
}

/*
 * Every thread comes by. The group is dead when none is alive; two that end together both see that,
 * so removal from the targets decides who tells it: among them, and between the twins.
 */
static __always_inline int exit_told(struct task_struct *task, __u32 copy)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct signal_struct *sig;
	struct series *cs;
	struct life_rec *r;

	if (!target_get(tgid))
		return 0;
	sig = BPF_CORE_READ(task, signal);
	if (BPF_CORE_READ(sig, live.counter) > 0 || !target_del(tgid))
		return 0;
	cs = series_get(SERIES_EXIT + copy);
	if (!cs)
		return 0;
	r = life_reserve(cs, task, EV_EXIT);
	if (!r)
		return 0;
	r->l.exit_code = BPF_CORE_READ(sig, flags) & SIGNAL_GROUP_EXIT
				 ? BPF_CORE_READ(sig, group_exit_code)
				 : BPF_CORE_READ(task, group_leader, exit_code);
	life_submit(cs, r, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	return exit_told(task, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit_twin, struct task_struct *task)
{
	return exit_told(task, 1);
}

/* ---- OOM -------------------------------------------------------------------- */
/* Two shapes of one tracepoint; user space loads the one that the kernel's BTF shows. */
#define PAGE_KIB 4 /* of what the kernel counts; wrong by a factor on arm64 with 64 KiB pages */

static __always_inline __u64 mm_rss(struct mm_struct *mm)
{
	struct mm_struct___old *old = (void *)mm;
	__s64 sum = 0;

	if (bpf_core_field_exists(mm->rss_stat[0].count)) {
		sum += BPF_CORE_READ(mm, rss_stat[0].count);
		sum += BPF_CORE_READ(mm, rss_stat[1].count);
		sum += BPF_CORE_READ(mm, rss_stat[3].count);
	} else if (bpf_core_field_exists(old->rss_stat.count)) {
		sum += BPF_CORE_READ(old, rss_stat.count[0].counter);
		sum += BPF_CORE_READ(old, rss_stat.count[1].counter);
		sum += BPF_CORE_READ(old, rss_stat.count[3].counter);
	}
	return sum > 0 ? sum : 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(on_oom_task, struct task_struct *task)
{
	struct mm_struct *mm;
	struct series *cs;
	struct life_rec *r;

	if (!target_get(BPF_CORE_READ(task, tgid)))
		return 0;
	cs = series_get(SERIES_OOM);
	if (!cs)
		return 0;
	r = life_reserve(cs, task, EV_OOM);
	if (!r)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	if (mm) {
		r->l.oom_total_vm = BPF_CORE_READ(mm, total_vm) * PAGE_KIB;
		r->l.oom_rss = mm_rss(mm) * PAGE_KIB;
	}
	life_submit(cs, r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* 5.x: the number alone, mostly of the leader. */
SEC("tp_btf/mark_victim")
int BPF_PROG(on_oom_pid, int pid)
{
	struct target *t = target_get(pid);
	struct series *cs;
	struct life_rec *r;
	__u64 seq;

	if (!t)
		return 0;
	cs = series_get(SERIES_OOM);
	if (!cs)
		return 0;
	seq = life_seq_next(cs);
	r = bpf_ringbuf_reserve(&life_ring, sizeof(*r), 0);
	if (!r) {
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_RING_FULL);
		return 0;
	}
	__builtin_memset(r, 0, sizeof(*r));
	hdr_fill(&r->l.h, EV_OOM, sizeof(r->l), 0, seq);
	hdr_place(&r->l.h);
	hdr_who(&r->l.h, bpf_ktime_get_ns(), (__u64)pid << 32 | (__u32)pid, t->start);
	life_submit(cs, r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* ---- signals ---------------------------------------------------------------- */
#define SIG_BIT(n) (1ull << ((n)-1))
/* Default action: ignore, stop or continue (signal(7)). */
#define SIG_HARMLESS                                                                         \
	(SIG_BIT(17) | SIG_BIT(18) | SIG_BIT(19) | SIG_BIT(20) | SIG_BIT(21) | SIG_BIT(22) | \
	 SIG_BIT(23) | SIG_BIT(28))
/* Told even when the process has a handler: HUP INT QUIT ILL TRAP ABRT BUS FPE SEGV TERM SYS. */
#define SIG_TELLING                                                                    \
	(SIG_BIT(1) | SIG_BIT(2) | SIG_BIT(3) | SIG_BIT(4) | SIG_BIT(5) | SIG_BIT(6) | \
	 SIG_BIT(7) | SIG_BIT(8) | SIG_BIT(11) | SIG_BIT(15) | SIG_BIT(31))

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int sig, struct kernel_siginfo *info, struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct task_struct *self;
	struct series *cs;
	struct ev_signal *r;
	__u64 handler = 0, seq;

	if (sig < 1 || sig > 64 || SIG_BIT(sig) & SIG_HARMLESS || !target_get(tgid))
		return 0;
	if (sig != 9) {
		bpf_probe_read_kernel(
			&handler, sizeof(handler),
			(void *)BPF_CORE_READ(task, sighand) +
				bpf_core_field_offset(struct sighand_struct, action) +
				(sig - 1) * bpf_core_type_size(struct k_sigaction) +
				bpf_core_field_offset(struct k_sigaction, sa.sa_handler));
		if (handler == 1 /* SIG_IGN */ || (handler && !(SIG_BIT(sig) & SIG_TELLING)))
			return 0;
	}
	cs = series_enter(SERIES_SIGNAL);
	if (!cs)
		return 0;
	seq = life_seq_next(cs);
	r = bpf_ringbuf_reserve(&life_ring, sizeof(*r), 0);
	if (!r) {
		count_lost(cs, EV_COUNT_LIFE, EV_LOST_RING_FULL);
		series_leave(SERIES_SIGNAL);
		return 0;
	}
	self = (void *)bpf_get_current_task();
	hdr_fill(&r->h, EV_SIGNAL, sizeof(*r), 0, seq);
	hdr_place(&r->h);
	hdr_who(&r->h, bpf_ktime_get_ns(), bpf_get_current_pid_tgid(), task_start(self));
	r->target = tgid;
	r->sig = sig;
	/* SEND_SIG_NOINFO and SEND_SIG_PRIV are the numbers 0 and 1 in place of a pointer. */
	if ((__u64)info == 0)
		r->code = 0; /* SI_USER */
	else if ((__u64)info == 1)
		r->code = 0x80; /* SI_KERNEL */
	else
		r->code = BPF_CORE_READ(info, si_code);
	r->pad = 0;
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	count_sent(cs, EV_COUNT_LIFE);
	series_leave(SERIES_SIGNAL);
	return 0;
}
