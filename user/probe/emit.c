/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* emit.c - builds the records of types >= EV_USER and hands them on. */
#include "probe/emit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "probe/kernel.h"
#include "probe/proc.h"

static struct ev_hdr header(enum ev_type type, size_t len, uint32_t tgid, uint64_t start)
{
	return (struct ev_hdr){
		.len = (uint32_t)len,
		.type = (uint16_t)type,
		.version = EV_VERSION,
		.source = EV_SRC_PROC,
		.ts = clock_ns(CLOCK_MONOTONIC),
		.tgid = tgid,
		.tid = tgid,
		.start = start,
	};
}

static void hand_on(struct emit *e)
{
	if (!e->rec.overflow)
		e->fn(e->ctx, e->rec.p, e->rec.len);
}

/* Of several pairs the one that took least: nothing came between its readings. */
void emit_clock(struct emit *e)
{
	struct ev_clock c = { .h = header(EV_CLOCK, sizeof(c), 0, 0) };
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 3; i++) {
		const uint64_t before = clock_ns(CLOCK_MONOTONIC);
		const uint64_t real = clock_ns(CLOCK_REALTIME);
		const uint64_t boot = clock_ns(CLOCK_BOOTTIME);
		const uint64_t took = clock_ns(CLOCK_MONOTONIC) - before;

		if (took < best) {
			best = took;
			c.h.ts = before;
			c.realtime = real;
			c.boottime = boot;
		}
	}
	e->fn(e->ctx, &c, sizeof(c));
}

void emit_text(struct emit *e, enum ev_type type, uint32_t kind, uint32_t tgid, uint64_t start,
	       const struct buf *text)
{
	const size_t room = EV_MAX_LEN - sizeof(struct ev_text);
	const bool fits = !text->overflow && text->len <= room;
	const char *p = fits ? text->p : "{}";
	const size_t n = fits ? text->len : 2;
	struct ev_text t = { .h = header(type, sizeof(t) + n, tgid, start),
			     .text_len = (uint32_t)n,
			     .kind = kind };

	e->texts_cut += !fits;
	buf_clear(&e->rec);
	buf_put(&e->rec, &t, sizeof(t));
	buf_put(&e->rec, p, n);
	hand_on(e);
}

static void agent_text(struct buf *b, const struct emit *e, const struct loaded *l,
		       const struct emit_losses *lost, uint64_t compat_calls)
{
	struct rusage u;
	uint64_t kib;

	json_obj(b);
	if (!getrusage(RUSAGE_SELF, &u)) {
		json_key(b, "cpu_seconds");
		json_f64(b, (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
				    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	}
	if (proc_status(0, "VmRSS", &kib)) {
		json_key(b, "rss_bytes");
		json_u64(b, kib * 1024);
	}
	if (proc_status(0, "VmHWM", &kib)) {
		json_key(b, "rss_peak_bytes");
		json_u64(b, kib * 1024);
	}
	json_key(b, "compat_calls");
	json_u64(b, compat_calls);
	json_key(b, "missed_runs");
	json_u64(b, load_missed_runs(l));
	json_key(b, "lost_processes");
	json_u64(b, lost->processes);
	json_key(b, "bad_records");
	json_u64(b, lost->bad_records);
	json_key(b, "texts_cut");
	json_u64(b, e->texts_cut);
	json_obj_end(b);
}

void emit_counters(struct emit *e, const struct loaded *l, const struct emit_losses *lost,
		   bool final)
{
	const size_t n = l->cpus * sizeof(struct ev_cpu_counts);
	struct ev_counters c = { .h = header(EV_COUNTERS, sizeof(c) + n, 0, 0),
				 .cpus = l->cpus,
				 .final = final };
	struct ev_cpu_counts *counts = calloc(l->cpus, sizeof(*counts));
	struct buf text = { 0 };
	uint64_t compat_calls = 0;

	if (counts && !load_counts(l, counts, &compat_calls)) {
		buf_clear(&e->rec);
		buf_put(&e->rec, &c, sizeof(c));
		buf_put(&e->rec, counts, n);
		hand_on(e);
	}
	free(counts);
	agent_text(&text, e, l, lost, compat_calls);
	emit_text(e, EV_AGENT, 0, (uint32_t)getpid(), 0, &text);
	buf_free(&text);
}
