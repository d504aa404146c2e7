/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * iter.bpf.c - what was there before: processes, their streams and listeners, as the same records,
 * read through the iterator's file. Runs in the agent's own context only.
 */
#include "life.bpf.h"
#include "stream.bpf.h"
#include "submit.bpf.h"

#define PF_KTHREAD 0x00200000

struct iter_scratch {
	struct life_rec life;
	struct ev_conn conn;
	struct stream fresh;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct iter_scratch);
} iter_scratches SEC(".maps");

static __always_inline struct iter_scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&iter_scratches, &zero);
}

static __always_inline bool iter_wants(__u32 tgid)
{
	return (!iter_tgid || iter_tgid == tgid) && target_get(tgid);
}

/* Current is the agent: its pid namespace is the one in which users and /proc name processes. */
static __always_inline void learn_agent(void)
{
	struct task_struct *self = (void *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(self, group_leader, thread_pid);
	__u64 ns = 0;

	agent_pid_level = BPF_CORE_READ(pid, level);
	pid_at_level(pid, agent_pid_level, &ns);
	agent_pid_ns = ns;
}

SEC("iter/task")
int iter_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct iter_scratch *w;
	struct life_rec *r;
	__u32 tgid;

	if (!task)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	if (tgid != (__u32)BPF_CORE_READ(task, pid))
		return 0;
	/* A zombie leader may still have threads that live. */
	if (BPF_CORE_READ(task, flags) & PF_KTHREAD ||
	    BPF_CORE_READ(task, signal, live.counter) <= 0)
		return 0;
	w = scratch_get();
	if (!w)
		return 0;
	if (!agent_pid_ns)
		learn_agent();
	r = &w->life;
	__builtin_memset(r, 0, sizeof(*r));
	hdr_fill(&r->l.h, EV_TASK, sizeof(r->l), EV_F_ITER, 0);
	r->l.h.ts = bpf_ktime_get_ns();
	r->l.h.tgid = tgid;
	r->l.h.tid = tgid;
	r->l.h.start = task_start(task);
	life_fill(r, task);
	r->x.jiffies = bpf_jiffies64();
	bpf_seq_write(ctx->meta->seq, r, sizeof(*r));
	return 0;
}

SEC("iter/task_file")
int iter_task_file(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct iter_scratch *w;
	struct positions p = {};
	struct port_key k;
	struct endpoint e;
	struct stream *s;
	struct ev_conn *c;
	struct sock *sk;
	__u32 tgid, fmt;
	bool listens;

	if (!task || !file)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	if (!iter_listeners && !iter_wants(tgid))
		return 0;
	fmt = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (fmt != S_IFSOCK)
		return 0;
	endpoint_of_file(&e, file);
	if (e.proto == EV_PROTO_NONE)
		return 0;
	sk = (void *)e.sk;
	listens = sk_state(sk) == TCP_LISTEN;
	if (iter_listeners ? !listens : iter_readings && listens)
		return 0;
	w = scratch_get();
	if (!w)
		return 0;
	c = &w->conn;
	__builtin_memset(c, 0, sizeof(*c));
	conn_endpoints(c, sk, e.proto);
	if (listens) {
		c->backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
		s = NULL;
		if (!iter_listeners && e.proto == EV_PROTO_TCP) {
			k.netns = c->netns;
			k.port = c->local_port;
			listen_port_add(&k);
		}
	} else {
		s = stream_get(&e, &w->fresh);
		if (!s)
			return 0;
		if (!(s->flags & STREAM_ANNOUNCED) != !iter_readings)
			return 0;
		stream_positions(s, sk, &p);
	}
	hdr_fill(&c->h, listens ? EV_LISTEN : EV_CONN, sizeof(*c),
		 EV_F_ITER | (iter_readings ? EV_F_READING : EV_F_LATE) |
			 (s && s->flags & STREAM_COUNTED ? EV_F_COUNTED : 0),
		 0);
	hdr_who(&c->h, bpf_ktime_get_ns(), (__u64)tgid << 32 | tgid, task_start(task));
	c->inode = e.inode;
	c->fd = ctx->fd;
	c->rx_pos = p.rx;
	c->tx_pos = p.tx;
	c->rx_seq32 = p.rx_seq;
	c->tx_seq32 = p.tx_seq;
	/* A full buffer means that this file comes again. The test of s stays where it is for 5.10.
	 */
	if (bpf_seq_write(ctx->meta->seq, c, sizeof(*c)))
		return 0;
	barrier_var(s);
	if (s)
		s->flags |= STREAM_ANNOUNCED;
	return 0;
}
