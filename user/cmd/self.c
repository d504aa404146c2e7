/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* self.c - the `self` record: cost, losses by reason, and the per-CPU counts that prove them. */
#include "cmd/self.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

static void keep(char **dst, size_t *dst_len, struct buf *b)
{
	free(*dst);
	*dst = b->p;
	*dst_len = b->len;
}

static void write_counts(struct buf *b, const struct event_count *c)
{
	json_obj(b);
	json_key(b, "seen");
	json_u64(b, c->seen);
	json_key(b, "submitted");
	json_u64(b, c->submitted);
	json_key(b, "lost");
	json_obj(b);
	json_key(b, "ring_full");
	json_u64(b, c->lost_ring_full);
	json_key(b, "table_full");
	json_u64(b, c->lost_table_full);
	json_key(b, "copy_fault");
	json_u64(b, c->lost_copy_fault);
	json_obj_end(b);
	if (c->bytes_seen) {
		json_key(b, "bytes_seen");
		json_u64(b, c->bytes_seen);
		json_key(b, "bytes_lost");
		json_u64(b, c->bytes_lost);
	}
	json_obj_end(b);
}

static void add_counts(struct event_count *sum, const struct event_count *c)
{
	sum->seen += c->seen;
	sum->submitted += c->submitted;
	sum->lost_ring_full += c->lost_ring_full;
	sum->lost_table_full += c->lost_table_full;
	sum->lost_copy_fault += c->lost_copy_fault;
	sum->bytes_seen += c->bytes_seen;
	sum->bytes_lost += c->bytes_lost;
}

/* {"data":{…},…,"cpus":[{"cpu":0,"data":{…},…},…]}: sums by kind, then each CPU that saw anything.
 */
void self_on_counters(struct self_state *s, const struct event_counters *c)
{
	struct event_count kind[EVENT_COUNT_KINDS] = { 0 }, one;
	struct buf b = { 0 };

	for (uint32_t cpu = 0; cpu < c->cpus; cpu++)
		for (int k = 0; k < EVENT_COUNT_KINDS; k++) {
			decode_counts(c, cpu, k, &one);
			add_counts(&kind[k], &one);
		}
	memset(s->lost, 0, sizeof(s->lost));
	s->seen = s->submitted = 0;
	json_obj(&b);
	for (int k = 0; k < EVENT_COUNT_KINDS; k++) {
		json_key(&b, event_count_name[k]);
		write_counts(&b, &kind[k]);
		s->seen += kind[k].seen;
		s->submitted += kind[k].submitted;
		s->lost[0] += kind[k].lost_ring_full;
		s->lost[1] += kind[k].lost_table_full;
		s->lost[2] += kind[k].lost_copy_fault;
	}
	json_key(&b, "cpus");
	json_arr(&b);
	for (uint32_t cpu = 0; cpu < c->cpus; cpu++) {
		bool any = false;

		for (int k = 0; k < EVENT_COUNT_KINDS; k++) {
			decode_counts(c, cpu, k, &one);
			if (!one.seen)
				continue;
			if (!any) {
				json_obj(&b);
				json_key(&b, "cpu");
				json_u64(&b, cpu);
				any = true;
			}
			json_key(&b, event_count_name[k]);
			write_counts(&b, &one);
		}
		if (any)
			json_obj_end(&b);
	}
	json_arr_end(&b);
	json_obj_end(&b);
	s->final = c->final;
	keep(&s->counters, &s->counters_len, &b);
}

void self_on_agent(struct self_state *s, const char *json, size_t n)
{
	struct buf b = { 0 };

	buf_put(&b, json, n);
	keep(&s->agent, &s->agent_len, &b);
}

void self_free(struct self_state *s)
{
	free(s->counters);
	free(s->agent);
}

/* Copy the numbers that the probe side measured of the agent (cpu, memory) as keys of the record.
 */
static void add_agent(struct record *r, const struct self_state *s)
{
	static const struct {
		const char *from, *to;
	} map[] = {
		{ "cpu_seconds", "modelsnoop.self.cpu.time" },
		{ "rss_bytes", "modelsnoop.self.memory.usage" },
		{ "rss_peak_bytes", "modelsnoop.self.memory.peak" },
		{ "compat_calls", "self.probe.compat_calls" },
		{ "missed_runs", "self.probe.missed_runs" },
		{ "lost_processes", "self.probe.lost_processes" },
		{ "bad_records", "self.probe.bad_records" },
		{ "texts_cut", "self.probe.texts_cut" },
	};
	struct json_reader jr;
	struct json_token t;
	const char *to = NULL;

	if (!s->agent)
		return;
	json_open(&jr, s->agent, s->agent_len);
	for (;;) {
		const enum json_type type = json_next(&jr, &t);

		if (type >= JSON_DONE)
			return;
		if (type == JSON_KEY) {
			to = NULL;
			for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
				if (t.n == strlen(map[i].from) && !memcmp(t.p, map[i].from, t.n))
					to = map[i].to;
		} else if (type == JSON_NUM && to) {
			if (t.num == (double)(uint64_t)t.num)
				record_u64(r, to, (uint64_t)t.num);
			else
				record_f64(r, to, t.num);
		}
	}
}

/* A count under its name; NULL ends a list. */
struct count {
	const char *name;
	uint64_t n;
};

static void put_counts(struct buf *b, const struct count *c)
{
	json_obj(b);
	for (; c->name; c++) {
		json_key(b, c->name);
		json_u64(b, c->n);
	}
	json_obj_end(b);
}

/* Records that an output lost; at the end also those that it still holds and cannot write. */
static uint64_t lost_by(const struct output *o, bool final, struct output_stats *os)
{
	output_stats(o, os);
	return os->lost_records + (final ? os->queued : 0);
}

static void put_outputs(struct buf *b, const struct self_view *v, bool final)
{
	json_arr(b);
	for (size_t i = 0; i < v->n_out; i++) {
		struct output_stats os;

		const uint64_t lost = lost_by(v->out[i], final, &os);

		json_obj(b);
		json_key(b, "name");
		json_cstr(b, output_name(v->out[i]));
		json_key(b, "records");
		json_u64(b, os.records);
		json_key(b, "lost");
		json_u64(b, lost);
		json_obj_end(b);
	}
	json_arr_end(b);
}

static uint64_t output_lost(const struct self_view *v, bool final)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < v->n_out; i++) {
		struct output_stats os;

		lost += lost_by(v->out[i], final, &os);
	}
	return lost;
}

/* What was let go of so that the rest stays under --max-memory. */
static uint64_t memory_lost(const struct self_view *v)
{
	return v->conn->evicted + v->conn->table_full + v->conn->listeners_full +
	       v->exchange->table_full + v->exchange->samples_dropped + v->heads->dropped +
	       v->origin->evicted + v->origin->refused + v->origin->cut + v->drift->refused +
	       v->drift->unwatched + v->alerts_refused + v->records_cut;
}

static struct hook_stats hook_counts(struct hook *h)
{
	struct hook_stats s = { 0 };

	if (h)
		hook_stats(h, &s);
	return s;
}

void self_to_record(const struct self_state *s, const struct self_view *v, uint64_t ts,
		    struct record *r, struct buf *scratch)
{
	const struct count lost[] = {
		{ "ring_full", s->lost[0] },
		{ "table_full", s->lost[1] },
		{ "copy_fault", s->lost[2] },
		{ "parse", v->parse_lost },
		{ "output", output_lost(v, s->final) },
		{ "memory", memory_lost(v) },
		{ NULL, 0 },
	};
	const struct count bytes[] = {
		{ "parsed", v->conn->parsed },
		{ "omitted", v->conn->omitted },
		{ "lost", v->conn->lost },
		{ "unknown_protocol", v->proto->bytes_unknown },
		{ "outside_exchanges", v->proto->bytes_outside },
		{ NULL, 0 },
	};
	const struct count exchanges[] = {
		{ "begun", v->exchange->begun },
		{ "done", v->exchange->done },
		{ "table_full", v->exchange->table_full },
		{ "samples_dropped", v->exchange->samples_dropped },
		{ "records_cut", v->records_cut },
		{ NULL, 0 },
	};
	const struct count connections[] = {
		{ "open", v->conns_open },
		{ "opened", v->conn->opened },
		{ "closed", v->conn->closed },
		{ "evicted", v->conn->evicted },
		{ "table_full", v->conn->table_full },
		{ "listeners_full", v->conn->listeners_full },
		{ "heads_dropped", v->heads->dropped },
		{ "unordered", v->conn->unordered },
		{ "unknown_protocol", v->proto->conns_unknown },
		{ "resyncs", v->proto->resyncs },
		{ "anomalies", v->proto->anomalies },
		{ NULL, 0 },
	};
	const struct count processes[] = {
		{ "known", v->processes },
		{ "evicted", v->origin->evicted },
		{ "refused", v->origin->refused },
		{ "cut", v->origin->cut },
		{ NULL, 0 },
	};
	const struct count drift[] = {
		{ "features", v->drift->features },   { "folded", v->drift->folded },
		{ "left_out", v->values_left_out },   { "refused", v->drift->refused },
		{ "unwatched", v->drift->unwatched }, { NULL, 0 },
	};
	const struct count memory[] = {
		{ "exchanges", v->exchange_bytes },
		{ "heads", v->heads->used },
		{ "processes", v->process_bytes },
		{ "drift", v->drift_bytes },
		{ NULL, 0 },
	};
	const struct hook_stats hook = hook_counts(v->hook);
	const struct count alerts[] = {
		{ "firing", v->alerts_firing },
		{ "refused", v->alerts_refused },
		{ "hook_run", hook.run },
		{ "hook_failed", hook.failed },
		{ "hook_timed_out", hook.timed_out },
		{ "hook_dropped", hook.dropped },
		{ NULL, 0 },
	};
	const struct {
		const char *key;
		const struct count *counts;
	} part[] = {
		{ "modelsnoop.self.lost", lost }, { "self.bytes", bytes },
		{ "self.exchanges", exchanges },  { "self.connections", connections },
		{ "self.processes", processes },  { "self.drift", drift },
		{ "self.alerts", alerts },        { "self.memory", memory },
	};
	enum { PARTS = sizeof(part) / sizeof(part[0]) };
	size_t at[PARTS + 2];

	record_init(r, RECORD_SELF, ts);
	for (size_t i = 0; i < PARTS; i++) {
		at[i] = scratch->len;
		put_counts(scratch, part[i].counts);
	}
	at[PARTS] = scratch->len;
	put_outputs(scratch, v, s->final);
	at[PARTS + 1] = scratch->len;

	/* Only now is scratch at rest: its bytes no longer move. */
	record_u64(r, "modelsnoop.self.exchanges", v->exchange->done);
	if (s->counters)
		record_json(r, "modelsnoop.self.events", s->counters, s->counters_len);
	for (size_t i = 0; i < PARTS; i++)
		record_json(r, part[i].key, scratch->p + at[i], at[i + 1] - at[i]);
	if (v->n_out)
		record_json(r, "self.outputs", scratch->p + at[PARTS], at[PARTS + 1] - at[PARTS]);
	if (v->unknown_events)
		record_u64(r, "self.unknown_events", v->unknown_events);
	add_agent(r, s);
	record_bool(r, "self.final", s->final);
}
