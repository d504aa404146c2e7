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

static size_t mark(const struct buf *b)
{
	return b->len;
}

void self_to_record(const struct self_state *s, const struct self_view *v, uint64_t ts,
		    struct record *r, struct buf *scratch)
{
	uint64_t out_lost = 0;
	size_t at_lost, at_bytes, at_exchanges, at_conns, at_outputs, end;

	record_init(r, RECORD_SELF, ts);
	for (size_t i = 0; i < v->n_out; i++) {
		struct output_stats os;

		output_stats(v->out[i], &os);
		out_lost += os.lost_records;
	}

	at_lost = mark(scratch);
	json_obj(scratch);
	json_key(scratch, "ring_full");
	json_u64(scratch, s->lost[0]);
	json_key(scratch, "table_full");
	json_u64(scratch, s->lost[1]);
	json_key(scratch, "copy_fault");
	json_u64(scratch, s->lost[2]);
	json_key(scratch, "parse");
	json_u64(scratch, v->parse_lost);
	json_key(scratch, "output");
	json_u64(scratch, out_lost);
	json_obj_end(scratch);

	at_bytes = mark(scratch);
	json_obj(scratch);
	json_key(scratch, "parsed");
	json_u64(scratch, v->conn->parsed);
	json_key(scratch, "omitted");
	json_u64(scratch, v->conn->omitted);
	json_key(scratch, "lost");
	json_u64(scratch, v->conn->lost);
	json_key(scratch, "unknown_protocol");
	json_u64(scratch, v->proto->bytes_unknown);
	json_obj_end(scratch);

	at_exchanges = mark(scratch);
	json_obj(scratch);
	json_key(scratch, "begun");
	json_u64(scratch, v->exchange->begun);
	json_key(scratch, "done");
	json_u64(scratch, v->exchange->done);
	json_key(scratch, "table_full");
	json_u64(scratch, v->exchange->table_full);
	json_obj_end(scratch);

	at_conns = mark(scratch);
	json_obj(scratch);
	json_key(scratch, "open");
	json_u64(scratch, v->conns_open);
	json_key(scratch, "opened");
	json_u64(scratch, v->conn->opened);
	json_key(scratch, "closed");
	json_u64(scratch, v->conn->closed);
	json_key(scratch, "evicted");
	json_u64(scratch, v->conn->evicted);
	json_key(scratch, "table_full");
	json_u64(scratch, v->conn->table_full);
	json_key(scratch, "unordered");
	json_u64(scratch, v->conn->unordered);
	json_key(scratch, "unknown_protocol");
	json_u64(scratch, v->proto->conns_unknown);
	json_key(scratch, "resyncs");
	json_u64(scratch, v->proto->resyncs);
	json_key(scratch, "anomalies");
	json_u64(scratch, v->proto->anomalies);
	json_obj_end(scratch);

	at_outputs = mark(scratch);
	json_arr(scratch);
	for (size_t i = 0; i < v->n_out; i++) {
		struct output_stats os;

		output_stats(v->out[i], &os);
		json_obj(scratch);
		json_key(scratch, "name");
		json_cstr(scratch, output_name(v->out[i]));
		json_key(scratch, "records");
		json_u64(scratch, os.records);
		json_key(scratch, "lost");
		json_u64(scratch, os.lost_records);
		json_obj_end(scratch);
	}
	json_arr_end(scratch);
	end = mark(scratch);

	/* Only now is scratch at rest: its bytes no longer move. */
	record_u64(r, "modelsnoop.self.exchanges", v->exchange->done);
	record_json(r, "modelsnoop.self.lost", scratch->p + at_lost, at_bytes - at_lost);
	if (s->counters)
		record_json(r, "modelsnoop.self.events", s->counters, s->counters_len);
	record_json(r, "self.bytes", scratch->p + at_bytes, at_exchanges - at_bytes);
	record_json(r, "self.exchanges", scratch->p + at_exchanges, at_conns - at_exchanges);
	record_json(r, "self.connections", scratch->p + at_conns, at_outputs - at_conns);
	if (v->n_out)
		record_json(r, "self.outputs", scratch->p + at_outputs, end - at_outputs);
	add_agent(r, s);
	record_bool(r, "self.final", s->final);
}
