/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* probe.c - the room's interface: open, start, poll, stop, and the clockwork in between. */
#include "probe/probe.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "probe/cgroup_rule.h"
#include "probe/drain.h"
#include "probe/emit.h"
#include "probe/host.h"
#include "probe/kernel.h"
#include "probe/load.h"
#include "probe/proc.h"
#include "probe/snapshot.h"
#include "probe/spawn.h"
#include "probe/target.h"

#define SECOND 1000000000ull
#define SETTLE_US 2000 /* a call that is not blocked is long over by then */
#define RESCAN_IDLE 10 /* seconds between scans when no rule can match newcomers */

struct probe {
	struct probe_opts o;
	struct cgroup_rule *cgroup_rules;
	struct kernel_facts kernel;
	struct loaded bpf;
	struct drain drain;
	struct emit emit;
	struct targets targets;
	struct spawn cmd;
	struct capture_meta meta;
	int epoll, wake;
	uint64_t clock_due, scan_due, counters_due; /* monotonic ns */
	bool started;
};

static void make_run_id(char out[33])
{
	uint8_t b[16];

	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		memset(b, 0, sizeof(b));
	for (size_t i = 0; i < sizeof(b); i++)
		snprintf(out + 2 * i, 3, "%02x", b[i]);
}

static void make_meta(struct probe *p)
{
	struct capture_meta *m = &p->meta;
	struct utsname u;

	if (!uname(&u))
		snprintf(m->arch, sizeof(m->arch), "%.15s", u.machine);
	m->hz = kernel_hz_configured(&p->kernel);
	if (!m->hz)
		m->hz = host_hz_measured(&p->bpf);
	proc_line(m->boot_id, sizeof(m->boot_id), "/proc/sys/kernel/random/boot_id");
	make_run_id(m->run_id);
	snprintf(m->version, sizeof(m->version), "%s", MODELSNOOP_VERSION);
	m->created = clock_ns(CLOCK_REALTIME);
}

static int open_waiting(struct probe *p)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epoll < 0 || p->wake < 0)
		return -errno;
	/* Edge-triggered: level-triggered, any record in a ring would end the wait at once. */
	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bpf.data_fd, &ev) ||
	    epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bpf.life_fd, &ev))
		return -errno;
	ev.events = EPOLLIN;
	ev.data.u32 = 1;
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->wake, &ev) ? -errno : 0;
}

struct probe *probe_open(const struct probe_opts *o, struct err *e)
{
	struct probe *p = calloc(1, sizeof(*p));
	const struct load_opts lo = {
		.ring_bytes = o->ring_bytes,
		.copy_head = o->copy_head,
		.copy_tail = o->copy_tail,
		.max_targets = 8192,
		.max_sockets = 16384,
		.watch_exec = o->n_comms || o->n_exes || o->n_cgroups,
		.watch_listen = o->n_ports,
	};
	int err;

	if (!p) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	p->o = *o;
	p->epoll = p->wake = -1;
	kernel_facts_read(&p->kernel);
	if (host_check(&p->kernel, e) || host_check_pids(o, e) ||
	    host_check_cgroups(o, &p->cgroup_rules, e) || host_check_cmd(o, e) ||
	    load_open(&p->bpf, &p->kernel, &lo, e) || load_attach(&p->bpf, e))
		goto fail;
	err = drain_open(&p->drain, p->bpf.data_fd, p->bpf.ring_bytes, p->bpf.life_fd,
			 LIFE_RING_BYTES);
	err = err ? err : open_waiting(p);
	if (err) {
		err_set(e, EXIT_FAILED, "cannot map the ring buffers: %s", strerror(-err));
		goto fail;
	}
	p->o.cgroup_rules = p->cgroup_rules;
	make_meta(p);
	kernel_facts_free(&p->kernel); /* 15 MB that nobody needs any more */
	malloc_trim(0);
	targets_init(&p->targets, &p->o, &p->bpf, &p->emit);
	return p;
fail:
	probe_free(p);
	return NULL;
}

void probe_meta(const struct probe *p, struct capture_meta *m)
{
	*m = p->meta;
}

/* ---- records ---------------------------------------------------------------- */
/* From the rings: bookkeeping around the hand-over of each record. */
static void on_record(void *ctx, const void *raw, size_t n)
{
	struct probe *p = ctx;
	const struct ev_hdr *h = raw;

	if (h->type < EV_FORK) {
		if (h->tgid)
			targets_touch(&p->targets, h->tgid);
		p->emit.fn(p->emit.ctx, raw, h->len);
		return;
	}
	if (!targets_before(&p->targets, raw, n))
		return;
	p->emit.fn(p->emit.ctx, raw, h->len);
	targets_after(&p->targets, raw);
}

static void set_sink(struct probe *p, probe_fn fn, void *ctx)
{
	p->emit.fn = fn;
	p->emit.ctx = ctx;
}

static int start_cmd(struct probe *p, struct err *e)
{
	int err = spawn_prepare(&p->cmd, p->o.cmd);

	if (err)
		return err_set(e, EXIT_FAILED, "cannot start %s: %s", p->o.cmd[0], strerror(-err));
	err = targets_adopt(&p->targets, (uint32_t)p->cmd.pid, "command");
	if (err) {
		spawn_free(&p->cmd);
		return err_set(e, EXIT_FAILED, "cannot watch %s: %s", p->o.cmd[0], strerror(-err));
	}
	err = spawn_go(&p->cmd);
	if (err) {
		err_set(e, EXIT_NO_TARGET, "cannot start %s: %s", p->o.cmd[0], strerror(-err));
		return -1;
	}
	return 0;
}

int probe_start(struct probe *p, probe_fn fn, void *ctx, struct err *e)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);
	struct buf text = { 0 };
	int err;

	set_sink(p, fn, ctx);
	emit_clock(&p->emit);
	snapshot_host(&text, &p->kernel, p->meta.hz);
	emit_text(&p->emit, EV_HOST, 0, 0, 0, &text);
	buf_free(&text);
	err = targets_scan(&p->targets, true);
	if (err)
		return err_set(e, EXIT_FAILED, "cannot read the process table: %s", strerror(-err));
	if (p->o.cmd && start_cmd(p, e))
		return -1;
	if (!p->targets.live && !p->targets.open_ended) {
		if (p->o.n_pids) {
			err_set(e, EXIT_NO_TARGET, "no process %u that could be watched",
				p->o.pids[0]);
			err_why(e, "it ended, or the kernel hides it from its process iterator");
		} else {
			err_set(e, EXIT_NO_TARGET, "no target");
			err_mend(e, "name one with --pid, --comm, --exe, --port, --cgroup or -- "
				    "CMD");
		}
		return -1;
	}
	p->clock_due = now + SECOND;
	p->scan_due = now + SECOND;
	p->counters_due = now + p->o.interval_s * SECOND;
	p->started = true;
	return 0;
}

static void tell_counters(struct probe *p, bool final)
{
	const struct emit_losses lost = {
		.processes = p->targets.lost_processes,
		.bad_records = p->drain.bad,
	};

	emit_counters(&p->emit, &p->bpf, &lost, final);
}

static void on_time(struct probe *p)
{
	const uint64_t now = clock_ns(CLOCK_MONOTONIC);

	if (now >= p->clock_due) {
		emit_clock(&p->emit);
		p->clock_due = now + SECOND;
	}
	if (now >= p->scan_due) {
		targets_scan(&p->targets, false);
		p->scan_due = now + (p->targets.open_ended ? 1 : RESCAN_IDLE) * SECOND;
	}
	targets_snapshots(&p->targets, now);
	if (p->o.interval_s && now >= p->counters_due) {
		tell_counters(p, false);
		p->counters_due += p->o.interval_s * SECOND;
		if (p->counters_due < now)
			p->counters_due = now + p->o.interval_s * SECOND;
	}
}

/*
 * One drain. ends: also the ends of sockets that found the ring full. They are collected before the
 * drain, when all records of those sockets are in the ring already, and handed on after it.
 */
static int drain_with_ends(struct probe *p, bool ends)
{
	struct buf untold = { 0 };
	int err;

	if (ends)
		load_untold(&p->bpf, &untold);
	err = drain_once(&p->drain, on_record, p);
	for (size_t at = 0; at + sizeof(struct ev_state) <= untold.len;
	     at += sizeof(struct ev_state))
		p->emit.fn(p->emit.ctx, untold.p + at, sizeof(struct ev_state));
	buf_free(&untold);
	return err;
}

int probe_poll(struct probe *p, unsigned timeout_ms, probe_fn fn, void *ctx)
{
	struct epoll_event ev[3];
	uint64_t v;
	int n;

	set_sink(p, fn, ctx);
	__atomic_store_n(p->bpf.reader_sleeps, 1, __ATOMIC_RELAXED);
	n = epoll_wait(p->epoll, ev, 3, (int)timeout_ms);
	__atomic_store_n(p->bpf.reader_sleeps, 0, __ATOMIC_RELAXED);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++)
		if (ev[i].data.u32 && read(p->wake, &v, sizeof(v)) < 0 && errno != EAGAIN)
			return -errno;
	n = drain_with_ends(p, clock_ns(CLOCK_MONOTONIC) >= p->clock_due);
	if (n)
		return n;
	spawn_ended(&p->cmd);
	on_time(p);
	return 0;
}

void probe_wake(struct probe *p)
{
	const uint64_t one = 1;

	if (write(p->wake, &one, sizeof(one)) < 0)
		return; /* full: it is awake */
}

bool probe_finished(const struct probe *p)
{
	if (!p->started)
		return false;
	if (p->cmd.pid)
		return p->cmd.ended;
	return !p->targets.live && !p->targets.open_ended;
}

bool probe_cmd_status(const struct probe *p, int *status)
{
	if (!p->cmd.ended)
		return false;
	*status = p->cmd.status;
	return true;
}

int probe_stop(struct probe *p, const char *why, probe_fn fn, void *ctx)
{
	struct buf text = { 0 }, readings = { 0 };
	int err;

	set_sink(p, fn, ctx);
	/* Read first, then let the calls that moved a position before that come to their exits. */
	if (p->started)
		targets_readings(&p->targets, &readings);
	usleep(SETTLE_US);
	load_detach(&p->bpf);
	err = drain_with_ends(p, true);
	for (size_t at = 0; at + sizeof(struct ev_conn) <= readings.len;
	     at += sizeof(struct ev_conn))
		fn(ctx, readings.p + at, sizeof(struct ev_conn));
	buf_free(&readings);
	emit_clock(&p->emit);
	targets_detach(&p->targets);
	tell_counters(p, true);
	json_obj(&text);
	json_key(&text, "why");
	json_cstr(&text, why);
	json_obj_end(&text);
	emit_text(&p->emit, EV_STOP, 0, 0, 0, &text);
	buf_free(&text);
	return err;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	spawn_free(&p->cmd);
	if (p->targets.o)
		targets_free(&p->targets);
	drain_close(&p->drain);
	if (p->bpf.skel)
		load_close(&p->bpf);
	kernel_facts_free(&p->kernel);
	buf_free(&p->emit.rec);
	if (p->epoll >= 0)
		close(p->epoll);
	if (p->wake >= 0)
		close(p->wake);
	free(p->cgroup_rules);
	free(p);
}
