// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* origin.c - the table of processes, and which event means what for whom. */
#include "origin/origin_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "base/json.h"

/* ev_text.kind of EV_TARGET and EV_PROC (bpf/event.h) */
enum { TARGET_ATTACH = 1, TARGET_DETACH = 2 };
enum { PROC_FILE = 1, PROC_EXEC_FILE = 2 };

/* ---- strings and objects -----------------------------------------------------------------------
 */

void set_string(char **s, const char *p, size_t n, size_t max)
{
	char *copy = NULL;

	if (n > max)
		n = max;
	if (n) {
		copy = malloc(n + 1);
		if (!copy)
			return;
		memcpy(copy, p, n);
		copy[n] = '\0';
	}
	free(*s);
	*s = copy;
}

static size_t string_bytes(const char *s)
{
	return s ? budget_block(strlen(s) + 1) : 0;
}

void proc_account(struct origin *o, struct proc *q)
{
	const struct process *p = &q->p;
	size_t n = budget_block(sizeof(*q)) + 4 * sizeof(struct table_slot);

	n += budget_block(SCOPE_KEYS * sizeof(struct kv)) + budget_block(p->scope.json_len);
	n += string_bytes(p->exe) + string_bytes(p->cgroup_path) + string_bytes(p->container_id) +
	     string_bytes(p->pod_uid) + string_bytes(p->pod_name) + string_bytes(q->program) +
	     string_bytes(q->killer.exe);
	n += q->held_len + q->args_len + q->oom_in_flight_len;
	/* A service counts with its root. */
	if (p->service && svc_of(p->service)->root == q)
		n += budget_block(sizeof(struct svc)) + string_bytes(p->service->name);
	o->bytes += n - q->bytes;
	q->bytes = n;
}

void set_parent(struct origin *o, struct proc *q, uint32_t ppid)
{
	if (q->p.ppid)
		o->children[q->p.ppid % PARENT_SLOTS]--;
	q->p.ppid = ppid;
	if (ppid)
		o->children[ppid % PARENT_SLOTS]++;
}

static struct proc *of_lru(struct lru_node *n)
{
	return (struct proc *)((char *)n - offsetof(struct proc, p.lru));
}

static void proc_free(struct origin *o, struct proc *q)
{
	if (q->in_table)
		table_del(&o->procs, q->p.tgid);
	lru_remove(&q->p.lru);
	o->bytes -= q->bytes;
	set_parent(o, q, 0);
	if (q->p.gone)
		o->n_gone--;
	if (o->expecting == q)
		o->expecting = NULL;
	tree_leave(q);
	scope_free(&q->p.scope);
	free(q->p.exe);
	free(q->p.cgroup_path);
	free(q->p.container_id);
	free(q->p.pod_uid);
	free(q->p.pod_name);
	free(q->held);
	free(q->args);
	free(q->program);
	free(q->killer.exe);
	free(q->oom_in_flight);
	free(q);
}

/* Something was heard of it. */
static void touch(struct origin *o, struct proc *q)
{
	lru_touch(q->p.gone ? &o->gone : q->p.target ? &o->targets : &o->strangers, &q->p.lru);
}

static void set_target(struct origin *o, struct proc *q, bool target)
{
	q->p.target = target;
	if (!q->p.gone)
		touch(o, q);
}

/* Oldest that nobody holds, or NULL; never keep. */
static struct proc *oldest(const struct lru *l, const struct proc *keep)
{
	for (struct lru_node *n = l->head.next; n != &l->head; n = n->next)
		if (!of_lru(n)->p.pins && of_lru(n) != keep)
			return of_lru(n);
	return NULL;
}

static void bury(struct origin *o, struct proc *q)
{
	struct proc *old;

	if (q->p.gone)
		return;
	q->p.gone = true;
	lru_touch(&o->gone, &q->p.lru);
	if (++o->n_gone > MAX_GONE) {
		old = oldest(&o->gone, q);
		if (old)
			proc_free(o, old);
	}
}

/* The dead first, then strangers, then whoever was silent for longest; never keep. */
static bool make_room(struct origin *o, const struct proc *keep)
{
	struct proc *old = oldest(&o->gone, keep);

	if (!old)
		old = oldest(&o->strangers, keep);
	if (!old)
		old = oldest(&o->targets, keep);
	if (!old)
		return false;
	o->stats.evicted += !old->p.gone;
	proc_free(o, old);
	return true;
}

/* Bring what is held under its bound. keep stays, but lets go of what it can do without. */
static void fit(struct origin *o, struct proc *keep)
{
	if (!o->max_memory)
		return;
	while (o->bytes > o->max_memory && make_room(o, keep))
		;
	if (o->bytes <= o->max_memory || !keep)
		return;
	set_string(&keep->held, NULL, 0, 0);
	set_string(&keep->args, NULL, 0, 0);
	set_string(&keep->oom_in_flight, NULL, 0, 0);
	keep->held_len = keep->args_len = keep->oom_in_flight_len = 0;
	o->stats.cut++;
	proc_account(o, keep);
}

static bool same_start(uint64_t a, uint64_t b)
{
	return !a || !b || (a > b ? a - b : b - a) < START_SLACK_NS;
}

struct proc *proc_get(const struct origin *o, uint32_t tgid, uint64_t start)
{
	struct proc *q = table_get(&o->procs, tgid);

	return q && same_start(q->p.start, start) ? q : NULL;
}

static struct proc *proc_new(struct origin *o, uint32_t tgid, uint64_t start, uint64_t ts)
{
	struct proc *q;

	fit(o, NULL);
	if ((o->procs.len >= MAX_PROCESSES && !make_room(o, NULL)) ||
	    (o->max_memory && o->bytes > o->max_memory)) {
		o->stats.refused++;
		return NULL;
	}
	q = calloc(1, sizeof(*q));
	if (!q)
		return NULL;
	q->p.tgid = tgid;
	q->p.start = start;
	q->p.seen_ts = ts;
	if (table_put(&o->procs, tgid, q)) {
		free(q);
		return NULL;
	}
	q->in_table = true;
	touch(o, q);
	proc_scope_render(o, q);
	return q;
}

struct proc *proc_make(struct origin *o, uint32_t tgid, uint64_t start, uint64_t ts)
{
	struct proc *q = table_get(&o->procs, tgid);

	if (q && same_start(q->p.start, start)) {
		if (!q->p.gone)
			touch(o, q);
		/* The kernel's value is finer than one in ticks. */
		if (start && (!q->p.start || !(q->p.start % START_SLACK_NS)) &&
		    q->p.start != start) {
			q->p.start = start;
			q->created = 0;
			proc_scope_render(o, q);
		}
		return q;
	}
	if (q) {
		/* The pid has a new owner; the old one's death was not told. */
		table_del(&o->procs, tgid);
		q->in_table = false;
		bury(o, q);
	}
	return proc_new(o, tgid, start, ts);
}

/* ---- events ------------------------------------------------------------------------------------
 */

static void take_life(struct origin *o, struct proc *q, const struct event *ev)
{
	if (ev->life.ppid)
		set_parent(o, q, ev->life.ppid);
	if (ev->life.comm[0])
		memcpy(q->p.comm, ev->life.comm, sizeof(q->p.comm));
}

static void on_task(struct origin *o, const struct event *ev)
{
	struct proc *q = proc_make(o, ev->tgid, ev->start, ev->ts);

	if (!q)
		return;
	take_life(o, q, ev);
	if (q->p.target)
		tree_join_parent(o, q);
}

static void on_fork(struct origin *o, const struct event *ev)
{
	struct proc *parent = proc_get(o, ev->life.ppid, ev->life.ppid_start), *q;

	if (!parent || !parent->p.target)
		return;
	lifecycle_pending(o, parent);
	q = proc_make(o, ev->tgid, ev->start, ev->ts);
	/* Known already: found by the iterator at the same time, or no process but a thread. */
	if (!q || (q->p.target && !q->pending))
		return;
	/* The child may have had the parent's place. */
	parent = proc_get(o, ev->life.ppid, ev->life.ppid_start);
	if (!parent || parent == q)
		return;
	q->pending = NULL;
	take_life(o, q, ev);
	set_target(o, q, true);
	if (!q->p.exe && parent->p.exe)
		set_string(&q->p.exe, parent->p.exe, strlen(parent->p.exe), MAX_PATH);
	if (!q->p.cgroup_path && parent->p.cgroup_path) {
		set_string(&q->p.cgroup_path, parent->p.cgroup_path, strlen(parent->p.cgroup_path),
			   MAX_PATH);
		if (parent->p.container_id)
			set_string(&q->p.container_id, parent->p.container_id, 64, 64);
		if (parent->p.pod_uid)
			set_string(&q->p.pod_uid, parent->p.pod_uid, strlen(parent->p.pod_uid), 36);
		if (parent->p.pod_name)
			set_string(&q->p.pod_name, parent->p.pod_name, strlen(parent->p.pod_name),
				   253);
		q->memory_limit = parent->memory_limit;
	}
	q->p.inherits = parent->p.listens || parent->p.inherits;
	if (!q->args && parent->args) {
		set_string(&q->args, parent->args, parent->args_len, parent->args_len);
		q->args_len = q->args ? parent->args_len : 0;
	}
	tree_join_parent(o, q);
	if (!q->p.service)
		tree_enter(o, q);
	proc_scope_render(o, q);
	lifecycle_simple(o, q, "fork", ev->ts, 0);
	config_release_held(o, q);
}

/*
 * Nothing of what was expected came next, so it was a plain attach. Without a snapshot it goes on
 * waiting for one.
 */
static void settle_expected(struct origin *o)
{
	struct proc *q = o->expecting;

	o->expecting = NULL;
	if (q)
		config_release_held(o, q);
}

/* May this event stand between a new target and the exec that made it one? */
static bool is_expected(const struct origin *o, const struct event *ev)
{
	const struct proc *q = o->expecting;

	return q->p.tgid == ev->tgid && (ev->type == EVENT_PROC || ev->type == EVENT_EXEC ||
					 (ev->type == EVENT_LISTEN && (ev->from_iter || ev->late)));
}

static void on_exec(struct origin *o, const struct event *ev)
{
	struct proc *q = proc_make(o, ev->tgid, ev->start, ev->ts);
	const char *path = ev->life.path;
	struct service_facts f;

	if (!q)
		return;
	q->execs++;
	take_life(o, q, ev);
	/* The name given to execve, where nothing told of the file that it led to. */
	if (!q->exe_ahead)
		set_string(&q->p.exe, path, strlen(path), MAX_PATH);
	q->exe_ahead = false;
	set_string(&q->args, NULL, 0, 0);
	q->args_len = 0;
	q->n_listened = 0;
	q->p.inherits = false;
	if (!q->p.target) {
		q->exec_ts = ev->ts;
		set_string(&q->held, NULL, 0, 0);
		q->held_len = 0;
		return;
	}
	f = (struct service_facts){ .exe = path[0] ? path : NULL, .comm = q->p.comm };
	tree_name(o, q, &f);
	proc_scope_render(o, q);
	if (q->pending) {
		/* A target from its first instruction on: the exec is its start. */
		q->pending = "start";
		q->pending_ts = ev->ts;
		if (o->expecting == q)
			settle_expected(o);
		return;
	}
	lifecycle_simple(o, q, "exec", ev->ts, q->execs);
}

static void on_target(struct origin *o, const struct event *ev)
{
	const bool known = proc_get(o, ev->tgid, ev->start);
	struct proc *q;

	if (ev->text.kind == TARGET_DETACH) {
		q = proc_get(o, ev->tgid, ev->start);
		if (!q || !q->p.target || q->p.gone)
			return;
		lifecycle_pending(o, q);
		lifecycle_simple(o, q, "detach", ev->ts, q->attaches);
		set_target(o, q, false);
		return;
	}
	q = proc_make(o, ev->tgid, ev->start, ev->ts);
	if (!q || q->p.target)
		return;
	set_target(o, q, true);
	q->attaches++;
	tree_enter(o, q);
	q->pending = q->exec_ts ? "start" : "attach";
	q->pending_ts = q->exec_ts ? q->exec_ts : ev->ts;
	q->exec_ts = 0;
	/*
	 * Found by a scan it was shown as a task before. Else something made it a target just now:
	 * if that was its exec, the record of it follows.
	 */
	if (known)
		config_release_held(o, q);
	else
		o->expecting = q;
}

static void on_proc(struct origin *o, const struct event *ev)
{
	struct proc *q = proc_make(o, ev->tgid, ev->start, ev->ts);

	if (!q)
		return;
	if (ev->text.kind == PROC_FILE || ev->text.kind == PROC_EXEC_FILE) {
		q->exe_ahead = ev->text.kind == PROC_EXEC_FILE;
		config_on_file(o, q, ev->text.p, ev->text.n);
		return;
	}
	config_on_proc(o, q, ev->text.p, ev->text.n, ev->ts);
}

static void on_end(struct origin *o, const struct event *ev, const char *in_flight, size_t n)
{
	struct proc *q = proc_get(o, ev->tgid, ev->start);

	if (!q || q->p.gone)
		return;
	if (q->p.target)
		lifecycle_pending(o, q);
	if (ev->type == EVENT_OOM) {
		lifecycle_oom(o, q, ev, in_flight, n);
		return;
	}
	if (q->p.target)
		lifecycle_exit(o, q, ev, in_flight, n);
	bury(o, q);
}

static int by_pid(const void *a, const void *b)
{
	const struct proc *x = *(struct proc *const *)a, *y = *(struct proc *const *)b;

	return x->p.tgid < y->p.tgid ? -1 : x->p.tgid > y->p.tgid;
}

/* No snapshot came: say what waits without it. In order of pid, since tables have none. */
static void flush_pending(struct origin *o)
{
	struct proc **list, *q;
	size_t n = 0;

	for (size_t i = 0; (q = table_next(&o->procs, &i));)
		n += q->pending != NULL;
	list = n ? malloc(n * sizeof(*list)) : NULL;
	if (!list)
		return;
	n = 0;
	for (size_t i = 0; (q = table_next(&o->procs, &i));)
		if (q->pending)
			list[n++] = q;
	qsort(list, n, sizeof(*list), by_pid);
	for (size_t i = 0; i < n; i++)
		lifecycle_pending(o, list[i]);
	free(list);
}

static void on_clock(struct origin *o, const struct event *ev)
{
	const bool first = !o->clock.n;
	struct proc *q;

	clock_add(&o->clock, ev->ts, ev->clock.realtime, ev->clock.boottime);
	if (first)
		for (size_t i = 0; (q = table_next(&o->procs, &i));)
			proc_scope_render(o, q);
	else
		flush_pending(o);
}

static void on_listen(struct origin *o, const struct event *ev)
{
	struct proc *q = proc_get(o, ev->tgid, ev->start);

	if (!q || !q->p.target)
		return;
	q->p.listens = true;
	if (q->p.service)
		tree_listens(o, q);
	if (!ev->from_iter && !ev->late)
		lifecycle_pending(o, q);
	lifecycle_listen(o, q, ev);
}

static void dispatch(struct origin *o, const struct event *ev, const char *in_flight, size_t n)
{
	if (o->expecting && !is_expected(o, ev))
		settle_expected(o);
	switch (ev->type) {
	case EVENT_TASK:
		on_task(o, ev);
		break;
	case EVENT_FORK:
		on_fork(o, ev);
		break;
	case EVENT_EXEC:
		on_exec(o, ev);
		break;
	case EVENT_EXIT:
	case EVENT_OOM:
		on_end(o, ev, in_flight, n);
		break;
	case EVENT_SIGNAL:
		lifecycle_signal(o, ev);
		break;
	case EVENT_LISTEN:
		on_listen(o, ev);
		break;
	case EVENT_TARGET:
		on_target(o, ev);
		break;
	case EVENT_PROC:
		on_proc(o, ev);
		break;
	case EVENT_HOST:
		config_on_host(o, ev);
		break;
	case EVENT_CLOCK:
		on_clock(o, ev);
		break;
	case EVENT_STOP:
		flush_pending(o);
		break;
	default:
		break;
	}
}

void origin_on_event(struct origin *o, const struct event *ev, const char *in_flight, size_t n)
{
	dispatch(o, ev, in_flight, n);
	fit(o, table_get(&o->procs, ev->tgid));
}

/* ---- for the other rooms -----------------------------------------------------------------------
 */

struct process *origin_process(struct origin *o, uint32_t tgid, uint64_t start)
{
	struct proc *q = proc_make(o, tgid, start, 0);

	if (!q)
		return NULL;
	if (!q->p.service) {
		/* It moves bytes that we were shown, so it is a target, whatever was lost. */
		set_target(o, q, true);
		tree_enter(o, q);
		config_release_held(o, q);
	}
	if (q->pending) {
		if (o->expecting == q)
			settle_expected(o);
		lifecycle_pending(o, q);
	}
	return &q->p;
}

struct process *origin_find(const struct origin *o, uint32_t tgid)
{
	struct proc *q = proc_get(o, tgid, 0);

	return q ? &q->p : NULL;
}

const struct scope *origin_host_scope(const struct origin *o)
{
	return &o->host;
}

uint64_t origin_realtime(const struct origin *o, uint64_t mono_ns)
{
	return clock_real(&o->clock, mono_ns);
}

void origin_ready(struct origin *o, struct process *p, uint64_t mono_ns)
{
	if (!p || !p->service || p->service->ready)
		return;
	p->service->ready = true;
	lifecycle_pending(o, proc_of(p));
	lifecycle_simple(o, proc_of(p), "ready", mono_ns, 0);
}

const char *origin_boot_id(const struct origin *o)
{
	return o->boot_id;
}

const struct origin_stats *origin_stats(const struct origin *o)
{
	return &o->stats;
}

size_t origin_count(const struct origin *o)
{
	return o->procs.len;
}

size_t origin_memory(const struct origin *o)
{
	return o->bytes;
}

struct origin *origin_new(const struct origin_opts *opts, const struct record_sink *sink)
{
	struct origin *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->redactor = opts->redactor;
	o->max_memory = opts->max_memory;
	o->sink = *sink;
	strncpy(o->run_id, opts->run_id ? opts->run_id : "", sizeof(o->run_id) - 1);
	strncpy(o->boot_id, opts->boot_id ? opts->boot_id : "", sizeof(o->boot_id) - 1);
	table_init(&o->procs, MAX_PROCESSES);
	lru_init(&o->strangers);
	lru_init(&o->targets);
	lru_init(&o->gone);
	if (opts->service && *opts->service)
		o->service = strdup(opts->service);
	host_scope_init(o, opts);
	return o;
}

void origin_free(struct origin *o)
{
	struct lru *lists[] = { &o->strangers, &o->targets, &o->gone };

	if (!o)
		return;
	for (int i = 0; i < 3; i++)
		while (lru_oldest(lists[i]))
			proc_free(o, of_lru(lru_oldest(lists[i])));
	table_free(&o->procs);
	host_scope_free(o);
	free(o->service);
	buf_free(&o->scratch);
	buf_free(&o->tmp);
	buf_free(&o->data);
	free(o);
}
