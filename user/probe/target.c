/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* target.c - keeps the process table, takes targets in, and tells about them. */
#include "probe/target.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "probe/kernel.h"
#include "probe/match.h"
#include "probe/snapshot.h"
#include "probe/spawn.h"

#define MAX_PROCESSES 65536
#define KEEP_TASKS ((size_t)1 << 20) /* a larger buffer is given back after the scan */
/* Children are mostly short-lived helpers; one that moves bytes or listens is looked at at once. */
#define SNAPSHOT_DELAY_NS 1000000000u

void targets_init(struct targets *t, const struct probe_opts *o, struct loaded *bpf,
		  struct emit *emit)
{
	memset(t, 0, sizeof(*t));
	t->o = o;
	t->bpf = bpf;
	t->emit = emit;
	t->snapshot_due = UINT64_MAX;
	t->self = (uint32_t)getpid();
	t->open_ended = o->n_comms || o->n_exes || o->n_ports || o->n_cgroups;
	table_init(&t->procs, MAX_PROCESSES);
}

void targets_free(struct targets *t)
{
	struct member *m;

	for (size_t i = 0; (m = table_next(&t->procs, &i));)
		free(m);
	table_free(&t->procs);
	buf_free(&t->tasks);
	buf_free(&t->text);
}

static void forget(struct targets *t, struct member *m)
{
	if (m->target)
		t->live--;
	table_del(&t->procs, m->tgid);
	free(m);
}

/* The entry of a process as a life record shows it; NULL: no room. */
static struct member *member_of(struct targets *t, const struct ev_life *l,
				const struct ev_life_extra *x)
{
	struct member *m = table_get(&t->procs, l->h.tgid);

	if (m && m->start != l->h.start && m->start) {
		forget(t, m); /* another process had this number */
		m = NULL;
	}
	if (!m) {
		m = calloc(1, sizeof(*m));
		if (!m || table_put(&t->procs, l->h.tgid, m)) {
			free(m);
			t->lost_processes++;
			return NULL;
		}
		m->tgid = l->h.tgid;
	}
	m->start = l->h.start;
	m->ppid = l->ppid;
	m->ppid_start = l->ppid_start;
	if (m->cgroup != l->cgroup || l->cgroup <= 1) /* 1: the root, as on v1 hosts everywhere */
		m->cgroup_judged = false;
	m->cgroup = l->cgroup;
	memcpy(m->comm, l->comm, EV_COMM_LEN);
	if (x->view_pid)
		m->view = x->view_pid;
	if (m->view == t->self)
		t->same_numbers = m->tgid == t->self;
	memcpy(m->nodename, x->nodename, sizeof(m->nodename) - 1);
	return m;
}

/* ---- telling ---------------------------------------------------------------- */
static void schedule(struct targets *t, struct member *m, uint64_t due)
{
	m->snapshot_due = due;
	if (due < t->snapshot_due)
		t->snapshot_due = due;
}

static bool snapshot(struct targets *t, struct member *m)
{
	m->snapshot_due = 0;
	buf_clear(&t->text);
	if (!m->view || !snapshot_process(&t->text, m->view, m->start, m->nodename))
		return false;
	emit_text(t->emit, EV_PROC, EV_PROC_SNAPSHOT, m->tgid, m->start, &t->text);
	return true;
}

static void tell_file(struct targets *t, const struct ev_hdr *h, enum ev_proc_what what)
{
	const struct member *m = table_get(&t->procs, h->tgid);
	/* Most senders of signals were started a moment ago, so no scan has seen them. */
	const uint32_t view = m && m->start == h->start ? m->view : t->same_numbers ? h->tgid : 0;

	buf_clear(&t->text);
	if (view && snapshot_file(&t->text, view, h->start))
		emit_text(t->emit, EV_PROC, what, h->tgid, h->start, &t->text);
}

/* CMD ended before /proc could be read: what it was is known all the same. */
static void tell_command(struct targets *t, const struct member *m)
{
	char path[PATH_MAX];

	buf_clear(&t->text);
	json_obj(&t->text);
	if (!spawn_find(t->o->cmd[0], path)) {
		json_key(&t->text, "exe");
		json_cstr(&t->text, path);
	}
	json_key(&t->text, "argv");
	json_arr(&t->text);
	for (char *const *arg = t->o->cmd; *arg; arg++)
		json_cstr(&t->text, *arg);
	json_arr_end(&t->text);
	json_obj_end(&t->text);
	emit_text(t->emit, EV_PROC, EV_PROC_SNAPSHOT, m->tgid, m->start, &t->text);
}

static void tell_target(struct targets *t, const struct member *m, enum ev_target_why kind,
			const char *why, const char *rule)
{
	buf_clear(&t->text);
	json_obj(&t->text);
	json_key(&t->text, "why");
	json_cstr(&t->text, why);
	if (rule) {
		json_key(&t->text, "rule");
		json_cstr(&t->text, rule);
	}
	json_obj_end(&t->text);
	emit_text(t->emit, EV_TARGET, kind, m->tgid, m->start, &t->text);
}

/* Streams and listeners of one new target, or of all (tgid 0). */
static int tell_streams(struct targets *t, uint32_t tgid)
{
	const size_t size = sizeof(struct ev_conn);
	struct buf out = { 0 };
	int err;

	*t->bpf->iter_tgid = tgid;
	err = load_iterate(t->bpf, LOAD_ITER_FILES, &out);
	for (size_t at = 0; at + size <= out.len; at += size)
		t->emit->fn(t->emit->ctx, out.p + at, size);
	buf_free(&out);
	return err;
}

int targets_readings(struct targets *t, struct buf *out)
{
	int err;

	*t->bpf->iter_tgid = 0;
	*t->bpf->iter_readings = 1;
	err = load_iterate(t->bpf, LOAD_ITER_FILES, out);
	*t->bpf->iter_readings = 0;
	return err;
}

/* ---- scanning --------------------------------------------------------------- */
static const size_t task_size = sizeof(struct ev_life) + sizeof(struct ev_life_extra);

static const struct ev_life *task_at(const struct targets *t, size_t i,
				     const struct ev_life_extra **x)
{
	const char *p = t->tasks.p + i * task_size;

	*x = (const void *)(p + sizeof(struct ev_life));
	return (const void *)p;
}

static int read_tasks(struct targets *t, size_t *n)
{
	int err;

	buf_clear(&t->tasks);
	err = load_iterate(t->bpf, LOAD_ITER_TASK, &t->tasks);
	*n = t->tasks.len / task_size;
	return err;
}

static int take_in(struct targets *t, struct member *m, const char *why, const char *rule)
{
	const int err = load_target_add(t->bpf, m->tgid, m->start);

	if (err)
		return err;
	m->target = true;
	m->fresh = true;
	m->why = why;
	m->rule = rule;
	t->live++;
	return 0;
}

static bool is_child_of_target(const struct targets *t, const struct member *m)
{
	const struct member *parent = table_get(&t->procs, m->ppid);

	return parent && parent->target && parent->start == m->ppid_start;
}

/* Never the agent itself: each record would make another. Its children are judged by the rules. */
static bool is_agent(const struct targets *t, const struct member *m)
{
	return m->view == t->self;
}

/* Mark whoever belongs in and is not; *news: how many. */
static int judge_all(struct targets *t, size_t n, bool first, size_t *news)
{
	bool again;

	*news = 0;
	do {
		again = false;
		for (size_t i = 0; i < n; i++) {
			const struct ev_life_extra *x;
			const struct ev_life *l = task_at(t, i, &x);
			struct member *m = member_of(t, l, x);
			const char *why = "child", *rule = NULL;
			int err;

			if (!m)
				continue;
			m->seen = t->scans;
			if (m->target || !m->view || is_agent(t, m) ||
			    (!match_member(t->o, m, first, &why, &rule) &&
			     !is_child_of_target(t, m)))
				continue;
			err = take_in(t, m, why, rule);
			if (err)
				return err;
			++*news;
			again = true;
		}
	} while (again);
	return 0;
}

/* Parents first: the iterator goes by number, so by start time. */
static int by_start(const void *a, const void *b)
{
	const struct ev_life *l = a, *r = b;

	return (l->h.start > r->h.start) - (l->h.start < r->h.start);
}

static int tell_news(struct targets *t, size_t n, bool first)
{
	const struct ev_life_extra *x;
	struct member *m;
	int err = 0;

	qsort(t->tasks.p, n, task_size, by_start);
	for (size_t i = 0; i < n; i++) {
		const struct ev_life *l = task_at(t, i, &x);

		m = table_get(&t->procs, l->h.tgid);
		if (m && m->fresh)
			t->emit->fn(t->emit->ctx, l, sizeof(*l));
	}
	for (size_t i = 0; i < n; i++) {
		m = table_get(&t->procs, task_at(t, i, &x)->h.tgid);
		if (!m || !m->fresh)
			continue;
		tell_target(t, m, EV_TARGET_ATTACH, m->why, m->rule);
		snapshot(t, m);
		if (!first && !err)
			err = tell_streams(t, m->tgid);
		m->fresh = false;
	}
	return first && !err ? tell_streams(t, 0) : err;
}

/* Who is missing from two scans in a row has died, and its exit record was lost. */
static void drop_the_gone(struct targets *t)
{
	struct member *m, *gone = NULL;

	for (size_t i = 0; (m = table_next(&t->procs, &i));)
		if (m->seen + 2 <= t->scans) {
			m->next_gone = gone; /* the table must not change under an iteration */
			gone = m;
		}
	while ((m = gone)) {
		gone = m->next_gone;
		if (m->target) {
			load_target_del(t->bpf, m->tgid);
			tell_target(t, m, EV_TARGET_DETACH, "gone", NULL);
		}
		forget(t, m);
	}
}

static int mark_listeners(struct targets *t)
{
	const size_t size = sizeof(struct ev_conn);
	struct buf out = { 0 };
	struct member *m;
	int err;

	*t->bpf->iter_listeners = 1;
	err = load_iterate(t->bpf, LOAD_ITER_FILES, &out);
	*t->bpf->iter_listeners = 0;
	for (size_t at = 0; at + size <= out.len; at += size) {
		const struct ev_conn *c = (const void *)(out.p + at);

		m = table_get(&t->procs, c->h.tgid);
		if (m && match_port(t->o, c))
			m->port_matched = true;
	}
	buf_free(&out);
	return err;
}

static int scan(struct targets *t, bool first)
{
	size_t n, news;
	int err;

	for (;;) {
		t->scans++;
		err = read_tasks(t, &n);
		if (!err && first && t->o->n_ports) {
			/* Entries first, so that listeners find them. */
			for (size_t i = 0; i < n; i++) {
				const struct ev_life_extra *x;
				const struct ev_life *l = task_at(t, i, &x);

				member_of(t, l, x);
			}
			err = mark_listeners(t);
		}
		if (!err)
			err = judge_all(t, n, first, &news);
		if (err)
			return err;
		if (!news)
			break;
		err = tell_news(t, n, first);
		if (err)
			return err;
	}
	if (!first)
		drop_the_gone(t);
	return 0;
}

int targets_scan(struct targets *t, bool first)
{
	const int err = scan(t, first);

	if (t->tasks.cap > KEEP_TASKS)
		buf_free(&t->tasks);
	return err;
}

int targets_adopt(struct targets *t, uint32_t view, const char *why)
{
	const struct ev_life_extra *x;
	size_t n;
	int err = read_tasks(t, &n);

	for (size_t i = 0; !err && i < n; i++) {
		const struct ev_life *l = task_at(t, i, &x);
		struct member *m = x->view_pid == view ? member_of(t, l, x) : NULL;

		if (!m)
			continue;
		m->seen = t->scans;
		err = take_in(t, m, why, NULL);
		m->command = t->o->cmd != NULL;
		if (!err)
			tell_target(t, m, EV_TARGET_ATTACH, why, NULL);
		m->fresh = false;
		return err;
	}
	return err ? err : -ESRCH;
}

/* ---- records from the ring -------------------------------------------------- */
/* A process that is no target did something that may make it one. */
static bool consider(struct targets *t, struct member *m)
{
	const char *why, *rule;
	int err;

	if (!m || !m->view || is_agent(t, m) || !match_member(t->o, m, false, &why, &rule))
		return false;
	err = take_in(t, m, why, rule);
	if (err)
		return false;
	m->fresh = false;
	tell_target(t, m, EV_TARGET_ATTACH, why, rule);
	snapshot(t, m);
	tell_streams(t, m->tgid);
	return true;
}

static bool on_listen(struct targets *t, const struct ev_conn *c)
{
	struct member *m = table_get(&t->procs, c->h.tgid);

	if (m && m->target) {
		targets_touch(t, c->h.tgid);
		return c->fd >= 0; /* without one it is what everybody's listening is watched by */
	}
	if (!match_port(t->o, c))
		return false;
	if (!m) { /* not seen by a scan yet */
		targets_scan(t, false);
		m = table_get(&t->procs, c->h.tgid);
		if (!m)
			return false;
	}
	if (m->target)
		return false; /* the iterator has told of the listener */
	m->port_matched = true;
	consider(t, m);
	return false;
}

/* SI_USER, SI_QUEUE, SI_TKILL: what else is not positive is a timer's, say, whoever runs then. */
static bool is_sent(const struct ev_signal *s)
{
	return s->code == 0 || s->code == -1 || s->code == -6;
}

bool targets_before(struct targets *t, const void *raw, size_t n)
{
	static const struct ev_life_extra nothing;
	const struct ev_hdr *h = raw;
	const struct ev_life_extra *x = &nothing;
	struct member *m = table_get(&t->procs, h->tgid);

	if (h->type == EV_LISTEN)
		return on_listen(t, raw);
	if (h->type == EV_SIGNAL) {
		const struct ev_signal *s = raw;

		/* Who sends is no target as a rule, and soon gone. */
		if (is_sent(s) && s->target != h->tgid && (!m || !m->target))
			tell_file(t, h, EV_PROC_FILE);
		return true;
	}
	if (h->type != EV_FORK && h->type != EV_EXEC)
		return true; /* the kernel side tells the rest of targets alone */
	if (n >= task_size)
		x = (const void *)((const char *)raw + sizeof(struct ev_life));
	if (h->type == EV_FORK) {
		m = member_of(t, raw, x);
		if (m && !m->target) {
			m->target = true;
			t->live++;
		}
		if (m) {
			m->seen = t->scans + 1;
			schedule(t, m, h->ts + SNAPSHOT_DELAY_NS);
		}
		return true;
	}
	if (!m || !m->target) {
		m = member_of(t, raw, x);
		if (!m)
			return false;
		m->seen = t->scans + 1;
		m->exe_judged = false;
		return consider(t, m);
	}
	if (member_of(t, raw, x))
		tell_file(t, h, EV_PROC_EXEC_FILE);
	return true;
}

void targets_after(struct targets *t, const void *raw)
{
	const struct ev_hdr *h = raw;
	struct member *m = table_get(&t->procs, h->tgid);

	if (!m || (m->start != h->start && m->start && h->start))
		return;
	if (h->type == EV_EXIT) {
		forget(t, m);
	} else if (h->type == EV_EXEC) {
		const struct member *parent = table_get(&t->procs, m->ppid);

		/* The root of a tree is looked at at once, helpers if they stay. */
		if (parent && parent->target)
			schedule(t, m, h->ts + SNAPSHOT_DELAY_NS);
		else if (!snapshot(t, m) && m->command)
			tell_command(t, m);
		m->command = false;
	}
}

void targets_touch(struct targets *t, uint32_t tgid)
{
	struct member *m = table_get(&t->procs, tgid);

	if (m && m->snapshot_due)
		snapshot(t, m);
}

void targets_snapshots(struct targets *t, uint64_t now)
{
	struct member *m;

	if (t->snapshot_due > now)
		return;
	t->snapshot_due = UINT64_MAX;
	for (size_t i = 0; (m = table_next(&t->procs, &i));) {
		if (!m->snapshot_due)
			continue;
		if (m->snapshot_due <= now)
			snapshot(t, m);
		else if (m->snapshot_due < t->snapshot_due)
			t->snapshot_due = m->snapshot_due;
	}
}

void targets_detach(struct targets *t)
{
	struct member *m;

	for (size_t i = 0; (m = table_next(&t->procs, &i));)
		if (m->target)
			tell_target(t, m, EV_TARGET_DETACH, "stop", NULL);
}
