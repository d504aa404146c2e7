// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* lifecycle.c - lifecycle records: what happened to a process, who did it, what was open. */
#include "origin/origin_priv.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "origin/addr.h"
#include "origin/signame.h"

#define MAX_IN_FLIGHT_TEXT (256u << 10)
/* A server that was told to stop may finish what it has first; supervisors wait 30 to 90 seconds.
 */
#define GRACE_NS (120ull * 1000000000)

/* Ids hold only facts that any observer of the same event has. */
static struct record *begin(struct origin *o, const struct proc *q, const char *event, uint64_t ts,
			    uint64_t ordinal)
{
	struct record *r = &o->rec;
	struct id_hash h;

	record_init(r, RECORD_LIFECYCLE, clock_real(&o->clock, ts));
	id_start(&h, "lifecycle");
	id_bytes(&h, o->boot_id, strlen(o->boot_id));
	id_u64(&h, q->p.tgid);
	id_u64(&h, q->p.start);
	id_bytes(&h, event, strlen(event));
	id_u64(&h, ordinal);
	id_finish(&h, r->id);
	r->host = &o->host;
	r->proc = &q->p.scope;
	record_cstr(r, "lifecycle.event", event);
	if (q->p.ppid)
		record_u64(r, "process.parent_pid", q->p.ppid);
	if (q->args)
		record_json(r, "process.command_args", q->args, q->args_len);
	return r;
}

static void finish(struct origin *o)
{
	o->sink.emit(o->sink.ctx, &o->rec);
}

void lifecycle_simple(struct origin *o, struct proc *q, const char *event, uint64_t ts,
		      uint64_t ordinal)
{
	begin(o, q, event, ts, ordinal);
	finish(o);
}

void lifecycle_pending(struct origin *o, struct proc *q)
{
	const char *event = q->pending;

	if (!event)
		return;
	q->pending = NULL;
	lifecycle_simple(o, q, event, q->pending_ts, event[0] == 's' ? q->execs : q->attaches);
}

void lifecycle_listen(struct origin *o, struct proc *q, const struct event *ev)
{
	const struct event_conn *c = &ev->conn;
	char addr[ADDR_TEXT_MAX];
	struct record *r;

	/* Servers call listen(2) again on the same socket, asyncio among them. */
	for (unsigned i = 0; i < q->n_listened; i++)
		if (q->listened[i] == c->inode)
			return;
	if (q->n_listened < MAX_LISTENED)
		q->listened[q->n_listened++] = c->inode;
	/* There before we were: nothing happened now. */
	if (ev->from_iter || ev->late)
		return;
	r = begin(o, q, "listen", ev->ts, c->inode << 16 ^ c->local_port);
	if (c->family == AF_UNIX) {
		record_cstr(r, "server.address", c->path);
	} else {
		record_str(r, "server.address", addr, addr_text(c->family, c->local, addr));
		record_u64(r, "server.port", c->local_port);
	}
	finish(o);
}

/* kill, sigqueue, tgkill (SI_USER, SI_QUEUE, SI_TKILL); not faults, timers and the like. */
static bool is_sent(int code)
{
	return code == 0 || code == -1 || code == -6;
}

void lifecycle_signal(struct origin *o, const struct event *ev)
{
	struct proc *q = proc_get(o, ev->signal.target, 0), *sender;
	const int sig = ev->signal.sig;
	struct killer *k;

	if (!q || !q->p.target || q->p.gone)
		return;
	k = &q->killer;
	if (!is_sent(ev->signal.code)) {
		/* By the kernel: nobody killed it, whoever sent the same before. */
		q->kernel_sig = sig;
		if (q->self_sig == sig)
			q->self_sig = 0;
		if (k->sig == sig)
			k->pid = 0;
		return;
	}
	if (ev->tgid == ev->signal.target) {
		/* The kernel's own for a failed write, which look like kill(2) by the writer. */
		if (!ev->signal.code && (sig == SIGPIPE || sig == SIGXFSZ))
			return;
		/* Handlers of a fault raise it once more to die of it. */
		if (q->kernel_sig != sig)
			q->self_sig = sig;
		return;
	}
	sender = proc_get(o, ev->tgid, ev->start);
	k->pid = ev->tgid;
	k->sig = sig;
	k->ts = ev->ts;
	memcpy(k->comm, ev->signal.comm, sizeof(k->comm));
	set_string(&k->exe, sender ? sender->p.exe : NULL,
		   sender && sender->p.exe ? strlen(sender->p.exe) : 0, MAX_PATH);
	proc_account(o, q);
}

void lifecycle_oom(struct origin *o, struct proc *q, const struct event *ev, const char *in_flight,
		   size_t n)
{
	q->oom = true;
	q->oom_rss = ev->life.oom_rss;
	o->stats.cut += n > MAX_IN_FLIGHT_TEXT;
	if (in_flight && n && n <= MAX_IN_FLIGHT_TEXT) {
		set_string(&q->oom_in_flight, in_flight, n, n);
		q->oom_in_flight_len = q->oom_in_flight ? n : 0;
		q->oom_service_scope = process_serves_through_tree(&q->p);
	}
	proc_account(o, q);
}

/*
 * exit: it ended itself, or was asked to (SIGTERM, SIGINT, SIGHUP). crash: any other signal,
 * SIGKILL included: whoever sent it, what was being served is gone.
 */
static const char *kind_of_end(const struct proc *q, int sig, bool core)
{
	if (q->oom && (sig == SIGKILL || !sig))
		return "oom_kill";
	if (!sig || (!core && (sig == SIGTERM || sig == SIGINT || sig == SIGHUP)))
		return "exit";
	return "crash";
}

/* A signal was sent and explains the end: the same that killed it, or a polite one not long before.
 */
static bool has_killer(const struct proc *q, int sig, uint64_t ts)
{
	const struct killer *k = &q->killer;

	if (!k->pid)
		return false;
	if (sig == k->sig)
		return true;
	return (!sig || sig == SIGTERM || sig == SIGINT) && ts - k->ts <= GRACE_NS &&
	       (k->sig == SIGTERM || k->sig == SIGINT || k->sig == SIGQUIT);
}

static void put_killer(struct origin *o, const struct killer *k, struct record *r)
{
	struct buf *b = &o->data;

	buf_clear(b);
	json_obj(b);
	json_key(b, "pid");
	json_u64(b, k->pid);
	if (k->comm[0]) {
		json_key(b, "comm");
		json_cstr(b, k->comm);
	}
	if (k->exe) {
		json_key(b, "exe");
		json_cstr(b, k->exe);
	}
	json_obj_end(b);
	record_json(r, "exit.killed_by", b->p, b->len);
}

/* It raised the signal itself: abort(3), or a handler that ends by it. */
static void put_self(struct origin *o, const struct proc *q, struct record *r)
{
	struct killer k = { .pid = q->p.tgid, .exe = q->p.exe };

	memcpy(k.comm, q->p.comm, sizeof(k.comm));
	put_killer(o, &k, r);
}

static void put_in_flight(const struct proc *q, bool oom, const char *text, size_t n,
			  struct record *r)
{
	bool service = process_serves_through_tree(&q->p);

	/* What was open when the victim was chosen says more than what its death left. */
	if (oom && q->oom_in_flight_len > n) {
		text = q->oom_in_flight;
		n = q->oom_in_flight_len;
		service = q->oom_service_scope;
	}
	if (!n)
		return;
	record_json(r, "in_flight", text, n);
	record_cstr(r, "in_flight.scope", service ? "service" : "process");
}

/*
 * The kernel's victim record names no scope. Without any limit it can only have been the host; a
 * victim that filled nine tenths of its limit ran into that. In between nothing is said.
 */
static void put_oom(const struct proc *q, struct record *r)
{
	const uint64_t used = q->oom_rss * 1024, limit = q->memory_limit;

	if (limit == UINT64_MAX)
		record_cstr(r, "oom.scope", "host");
	else if (limit && used >= limit - limit / 10)
		record_cstr(r, "oom.scope", "cgroup");
	if (limit && limit != UINT64_MAX)
		record_u64(r, "oom.limit", limit);
	if (used)
		record_u64(r, "oom.usage", used);
}

void lifecycle_exit(struct origin *o, struct proc *q, const struct event *ev, const char *in_flight,
		    size_t n)
{
	const int sig = ev->life.exit_code & 0x7f;
	const bool core = ev->life.exit_code & 0x80;
	const char *event = kind_of_end(q, sig, core);
	const bool bad = event[0] != 'e';
	const uint64_t boot = clock_boot(&o->clock, ev->ts);
	char name[SIGNAME_MAX];
	struct record *r;

	q->p.crashed = bad;
	r = begin(o, q, event, ev->ts, 0);
	if (sig) {
		record_cstr(r, "exit.signal", signame(sig, name));
		record_bool(r, "exit.core", core);
	} else {
		record_u64(r, "process.exit.code", (uint64_t)(ev->life.exit_code >> 8 & 0xff));
	}
	if (has_killer(q, sig, ev->ts))
		put_killer(o, &q->killer, r);
	else if (sig && sig == q->self_sig)
		put_self(o, q, r);
	if (q->oom && bad)
		put_oom(q, r);
	if (q->p.start && boot > q->p.start)
		record_ns(r, "lifecycle.uptime", (int64_t)(boot - q->p.start));
	if (bad)
		put_in_flight(q, q->oom, in_flight, n, r);
	finish(o);
}
