/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* pipeline.c - the rooms wired together: decode, origin, conn, proto, exchange, data, drift, alert,
 * output. */
#include "cmd/pipeline.h"

#include <errno.h>
#include <limits.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alert/alert.h"
#include "base/hash.h"
#include "capture/decode.h"
#include "cmd/memory.h"
#include "cmd/observe.h"
#include "cmd/self.h"
#include "conn/conn.h"
#include "drift/drift.h"
#include "exchange/exchange.h"
#include "origin/origin.h"
#include "output/output.h"
#include "proto/proto.h"

#define HOOK_TIMEOUT_S 60
#define QUEUE_MIN ((size_t)256 << 10) /* of an output: the largest record fits */
#define SETTLE_TIMEOUT_MS 500
#define FLUSH_MS 50 /* a write for many records, and nobody waits for his longer than that */
#define CLOSE_TIMEOUT_MS 2000 /* how long a stalled reader may hold up the end of `run` */

struct pipeline {
	const struct options *o;
	struct memory_plan plan;
	struct redactor *redactor;
	struct profile *baseline;
	struct origin *origin;
	struct conn_table *conns;
	struct proto_ctx proto;
	struct exchange_ctx *exchanges;
	struct drift *drift;
	struct alert_ctx *alerts;
	struct hook *hook;
	struct output **out;
	size_t n_out;
	bool live; /* outputs may lose records rather than hold up capture */
	pipeline_exchange_fn exchange_fn; /* set: exchanges go there and nowhere else */
	void *exchange_ctx;

	uint64_t seq, now; /* now: monotonic ts of the newest event */
	uint64_t parse_lost, unknown_events;
	uint64_t records_cut; /* texts that scratch had no room for */
	bool stopped;
	struct self_state self;
	struct record rec;
	struct buf scratch;
	struct observed observed;
	struct {
		bool pending, oom;
		struct process *proc;
		char summary[256];
	} death;
};

/* ---- records out -------------------------------------------------------------------------------
 */

/* A death that origin has just reported becomes an alert once its record is out. */
static void note_death(struct pipeline *p, const struct record *r)
{
	const struct kv *event = record_get(r, "lifecycle.event"),
			*sig = record_get(r, "exit.signal");
	const struct kv *pid = record_find(r, "process.pid"),
			*service = record_find(r, "service.name");
	bool oom;

	if (!event || event->type != KV_STR)
		return;
	oom = event->s.n == 8 && !memcmp(event->s.p, "oom_kill", 8);
	if (!oom && !(event->s.n == 5 && !memcmp(event->s.p, "crash", 5)))
		return;
	p->death.pending = true;
	p->death.oom = oom;
	snprintf(p->death.summary, sizeof(p->death.summary), "%.*s (pid %llu) %s%s%.*s",
		 service ? (int)service->s.n : 7, service ? service->s.p : "process",
		 pid ? (unsigned long long)pid->u : 0ULL,
		 oom ? "was killed: out of memory" : "crashed", sig && !oom ? ": " : "",
		 sig && !oom ? (int)sig->s.n : 0, sig ? sig->s.p : "");
}

static void emit(void *ctx, struct record *r)
{
	struct pipeline *p = ctx;

	if (p->exchange_fn)
		return;
	if (!r->host)
		r->host = origin_host_scope(p->origin);
	r->seq = ++p->seq;
	for (size_t i = 0; i < p->n_out; i++)
		output_record(p->out[i], r);
	if (r->type == RECORD_LIFECYCLE)
		note_death(p, r);
}

static void emit_self(struct pipeline *p)
{
	const struct self_view view = {
		.conn = conn_stats(p->conns),
		.proto = &p->proto.stats,
		.heads = &p->proto.room,
		.exchange = exchange_stats(p->exchanges),
		.origin = origin_stats(p->origin),
		.drift = drift_stats(p->drift),
		.conns_open = conn_count(p->conns),
		.processes = origin_count(p->origin),
		.exchange_bytes = exchange_memory(p->exchanges),
		.process_bytes = origin_memory(p->origin),
		.drift_bytes = drift_memory(p->drift),
		.parse_lost = p->parse_lost,
		.unknown_events = p->unknown_events,
		.records_cut = p->records_cut,
		.values_left_out = p->observed.folded,
		.alerts_firing = alert_firing(p->alerts),
		.alerts_refused = alert_refused(p->alerts),
		/* A replay's outputs are waited for, so there is nothing to say of them; what they
		 * have written by now depends on threads, and a replay says the same twice. */
		.out = p->out,
		.n_out = p->live ? p->n_out : 0,
		.hook = p->live ? p->hook : NULL,
	};
	struct id_hash h;

	buf_clear(&p->scratch);
	self_to_record(&p->self, &view, origin_realtime(p->origin, p->now), &p->rec, &p->scratch);
	id_start(&h, "self");
	id_bytes(&h, origin_boot_id(p->origin), strlen(origin_boot_id(p->origin)));
	id_u64(&h, p->now);
	id_u64(&h, p->seq);
	id_finish(&h, p->rec.id);
	emit(p, &p->rec);
}

/* ---- one exchange ended ------------------------------------------------------------------------
 */

static bool log_payload(const struct pipeline *p, const struct exchange *x)
{
	uint64_t u;

	memcpy(&u, x->id, sizeof(u));
	return (double)(u >> 11) * 0x1p-53 < p->o->sample_rate;
}

static void watch_drift(struct pipeline *p, const struct exchange *x)
{
	struct drift_input in;

	if (x->role != CONN_SERVER || x->outcome != OUTCOME_OK || !x->service ||
	    redactor_mode(p->redactor) == PAYLOAD_NONE)
		return;
	observe_exchange(x, &p->observed);
	if (!p->observed.n)
		return;
	in = (struct drift_input){
		.service = x->service->name,
		.host = origin_host_scope(p->origin),
		.proc = x->proc ? &x->proc->scope : NULL,
		.ts = origin_realtime(p->origin, x->req.first_ts),
		.id = x->id,
		.value = p->observed.value,
		.n = p->observed.n,
	};
	drift_on_exchange(p->drift, &in);
}

static void on_drift(void *ctx, const struct drift_change *c)
{
	struct pipeline *p = ctx;

	alert_on_drift(p->alerts, c);
}

static void on_exchange(void *ctx, const struct exchange *x)
{
	struct pipeline *p = ctx;

	if (p->exchange_fn) {
		p->exchange_fn(p->exchange_ctx, x);
		return;
	}
	buf_clear(&p->scratch);
	exchange_to_record(x, p->origin, p->redactor, log_payload(p, x), &p->rec, &p->scratch);
	p->records_cut += p->scratch.overflow;
	emit(p, &p->rec);
	alert_on_time(p->alerts, origin_realtime(p->origin, p->now));
	if (x->role == CONN_SERVER && x->outcome == OUTCOME_OK && x->service && !x->service->ready)
		origin_ready(p->origin, x->proc, x->res.last_ts);
	watch_drift(p, x);
}

/* ---- events in ---------------------------------------------------------------------------------
 */

static void on_death(struct pipeline *p, const struct event *ev)
{
	struct process *proc = origin_find(p->origin, ev->tgid);
	struct buf list = { 0 };
	bool service_scope = false;

	if (proc)
		exchange_in_flight(p->exchanges, proc, ev->ts, &list, &service_scope);
	p->death.pending = false;
	origin_on_event(p->origin, ev, list.p, list.len);
	buf_free(&list);
	if (p->death.pending) {
		p->death.pending = false;
		alert_on_death(p->alerts, proc && proc->service ? proc->service->name : "",
			       p->death.oom, p->death.summary, origin_realtime(p->origin, ev->ts),
			       origin_host_scope(p->origin), proc ? &proc->scope : NULL, NULL, 0);
	}
}

/* Everything still open ends here, then the last account of ourselves. */
static void stop(struct pipeline *p)
{
	if (p->stopped)
		return;
	p->stopped = true;
	conn_stop(p->conns, p->now);
	/* What an output cannot write by now is lost, and belongs into the last account. */
	for (size_t i = 0; p->live && i < p->n_out; i++)
		output_settle(p->out[i], SETTLE_TIMEOUT_MS);
	emit_self(p);
}

void pipeline_feed(struct pipeline *p, const void *raw, size_t n)
{
	struct event ev;
	const int err = decode_event(&ev, raw, n);

	if (err) {
		p->parse_lost += err != -ENOMSG;
		p->unknown_events += err == -ENOMSG;
		return;
	}
	if (ev.ts > p->now)
		p->now = ev.ts;
	switch (ev.type) {
	case EVENT_DATA:
	case EVENT_CONN:
	case EVENT_STATE:
	case EVENT_CLOSE:
		break;
	case EVENT_EXIT:
	case EVENT_OOM:
		on_death(p, &ev);
		break;
	case EVENT_COUNTERS:
		self_on_counters(&p->self, &ev.counters);
		break;
	case EVENT_AGENT:
		self_on_agent(&p->self, ev.text.p, ev.text.n);
		if (!p->self.final)
			emit_self(p);
		break;
	default:
		origin_on_event(p->origin, &ev, NULL, 0);
	}
	/* All of them: connections also live by the time that passes and by the deaths of their
	 * owners. */
	conn_on_event(p->conns, &ev);
	if (ev.type == EVENT_STOP)
		stop(p);
}

/* ---- life --------------------------------------------------------------------------------------
 */

static void release(struct pipeline *p)
{
	conn_table_free(p->conns);
	exchange_free(p->exchanges);
	drift_free(p->drift);
	alert_free(p->alerts);
	hook_free(p->hook);
	origin_free(p->origin);
	profile_free(p->baseline);
	redactor_free(p->redactor);
	self_free(&p->self);
	observe_free(&p->observed);
	buf_free(&p->scratch);
	free(p->out);
	free(p);
}

static int open_outputs(struct pipeline *p, bool live, struct err *e)
{
	const char *fallback[1] = { isatty(STDOUT_FILENO) ? "text" : "jsonl" };
	const char *const *spec = p->o->outputs.n ? (const char *const *)p->o->outputs.v : fallback;
	const size_t n = p->o->outputs.n ? p->o->outputs.n : 1;
	size_t queue = p->plan.outputs / n;

	if (queue < QUEUE_MIN)
		queue = QUEUE_MIN;
	p->out = calloc(n, sizeof(*p->out));
	if (!p->out)
		return err_set(e, EXIT_FAILED, "out of memory");
	for (size_t i = 0; i < n; i++) {
		p->out[i] = output_open(spec[i], !live, queue, e);
		if (!p->out[i])
			return -1;
		p->n_out++;
	}
	return 0;
}

static int build(struct pipeline *p, const struct capture_meta *m, struct err *e)
{
	const struct record_sink records = { emit, p };
	const struct exchange_sink exchanges = { p, on_exchange };
	const struct origin_opts oo = {
		.run_id = m->run_id,
		.boot_id = m->boot_id,
		.service = p->o->service,
		.tags = (const char *const *)p->o->tags.v,
		.resource_attributes = getenv("OTEL_RESOURCE_ATTRIBUTES"),
		.redactor = p->redactor,
		.max_memory = p->plan.processes,
	};
	const struct exchange_opts xo = {
		.sample_bytes = p->o->sample_bytes,
		.sample_rate = p->o->sample_rate,
		.max_memory = p->plan.exchanges,
	};
	const struct drift_opts dopts = {
		.baseline = p->baseline,
		.learn = p->o->learn,
		.false_alarms = p->o->false_alarms,
		.min_effect = p->o->min_effect,
		.max_memory = p->plan.drift,
	};
	const struct drift_sink to_alerts = { p, on_drift };
	struct stream_sink streams;

	p->origin = origin_new(&oo, &records);
	if (!p->origin)
		goto memory;
	p->exchanges = exchange_new(&xo, p->origin, p->redactor, &exchanges);
	if (!p->exchanges)
		goto memory;
	p->proto.out = exchange_msg_sink(p->exchanges);
	p->proto.room.max = p->plan.heads;
	streams = proto_stream_sink(&p->proto);
	p->conns = conn_table_new(p->plan.connections, m->hz, &streams);
	p->alerts = alert_new(&records, p->hook);
	if (!p->conns || !p->alerts)
		goto memory;
	p->drift = drift_new(&dopts, &records, &to_alerts);
	if (!p->drift)
		goto memory;
	return 0;
memory:
	return err_set(e, EXIT_FAILED, "out of memory");
}

/* Rooms without outputs; the redactor is made first since origin needs it. */
static struct pipeline *new_rooms(const struct options *o, const struct capture_meta *m,
				  struct err *e)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	p->o = o;
	memory_plan(o, &p->plan);
	p->scratch.max = p->plan.scratch;
	p->redactor = redactor_new(o->payload, (const char *const *)o->redact.v, o->redact.n, e);
	if (!p->redactor)
		goto fail;
	redactor_set_hash_key(p->redactor, m->boot_id, strlen(m->boot_id));
	if (o->baseline) {
		p->baseline = profile_load(o->baseline, e);
		if (!p->baseline)
			goto fail;
	}
	if (o->on_alert) {
		p->hook = hook_new(o->on_alert, HOOK_TIMEOUT_S, e);
		if (!p->hook)
			goto fail;
	}
	if (build(p, m, e))
		goto fail;
	return p;
fail:
	release(p);
	return NULL;
}

struct pipeline *pipeline_new(const struct options *o, const struct capture_meta *m, bool live,
			      struct err *e)
{
	struct pipeline *p = new_rooms(o, m, e);

	if (!p)
		return NULL;
	p->live = live;
	if (!open_outputs(p, live, e))
		return p;
	for (size_t i = 0; i < p->n_out; i++)
		output_close(p->out[i], 0);
	release(p);
	return NULL;
}

struct pipeline *pipeline_new_exchanges(const struct options *o, const struct capture_meta *m,
					pipeline_exchange_fn fn, void *ctx, struct err *e)
{
	struct pipeline *p = new_rooms(o, m, e);

	if (p) {
		p->exchange_fn = fn;
		p->exchange_ctx = ctx;
	}
	return p;
}

void pipeline_flush(struct pipeline *p)
{
	for (size_t i = 0; i < p->n_out; i++)
		output_flush(p->out[i], FLUSH_MS);
}

void pipeline_reopen(struct pipeline *p)
{
	for (size_t i = 0; i < p->n_out; i++)
		output_reopen(p->out[i]);
}

/* Close one output; says in e what it did not get to write. */
static int finish_output(struct output *o, bool live, struct err *e)
{
	char name[128];
	struct output_stats s;
	int err;

	snprintf(name, sizeof(name), "%s", output_name(o));
	output_stats(o, &s);
	err = output_close(o, live ? CLOSE_TIMEOUT_MS : UINT_MAX);
	if (!err && !s.lost_records)
		return 0;
	err_set(e, EXIT_FAILED, "output %s is incomplete", name);
	if (s.lost_records)
		err_why(e, "%llu records were lost: %s", (unsigned long long)s.lost_records,
			err || s.error ? strerror(err ? -err : s.error)
				       : "its reader was too slow");
	else
		err_why(e, "%s", strerror(-err));
	return -1;
}

int pipeline_finish(struct pipeline *p, struct err *e)
{
	int ret = 0;

	stop(p);
	for (size_t i = 0; i < p->n_out; i++)
		if (finish_output(p->out[i], p->live, e))
			ret = -1;
	release(p);
	return ret;
}
