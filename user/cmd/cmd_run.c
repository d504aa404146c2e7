/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd_run.c - `run`: probes to pipeline until stopped, and `record`: probes to a capture file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "cmd/cmd.h"
#include "cmd/pipeline.h"
#include "probe/probe.h"

/*
 * Timed drain: a wake-up per record costs more than the record, and one every 5 ms a quarter more
 * CPU at 5,000 exchanges a second than one every 20. A filling ring and a program that starts wake
 * at once.
 */
#define POLL_MS 20

/* Where raw events go: the pipeline, a capture, or both. */
struct feed {
	struct pipeline *pipeline;
	struct capture_writer *capture;
	int capture_err;
	const char *config; /* file of options, or NULL */
};

static struct probe *live_probe; /* for the signal handler */

static void wake(void)
{
	if (live_probe)
		probe_wake(live_probe);
}

static void feed_event(void *ctx, const void *raw, size_t n)
{
	struct feed *f = ctx;

	if (f->capture && !f->capture_err) {
		f->capture_err = capture_write(f->capture, raw, n);
		if (f->capture_err)
			warn_print("capture: %s; what was written so far can be replayed",
				   strerror(-f->capture_err));
	}
	if (f->pipeline)
		pipeline_feed(f->pipeline, raw, n);
}

static void probe_opts_from(const struct options *o, struct probe_opts *p)
{
	*p = (struct probe_opts){
		.pids = o->pids,
		.n_pids = o->n_pids,
		.comms = (const char *const *)o->comms.v,
		.n_comms = o->comms.n,
		.exes = (const char *const *)o->exes.v,
		.n_exes = o->exes.n,
		.ports = o->ports,
		.n_ports = o->n_ports,
		.cgroups = (const char *const *)o->cgroups.v,
		.n_cgroups = o->cgroups.n,
		.cmd = o->cmd,
		.ring_bytes = o->buffer,
		.copy_head = (uint32_t)o->copy_head,
		.copy_tail = (uint32_t)o->copy_tail,
		.interval_s = o->interval,
	};
}

/* Poll until a signal, the end of CMD or of the last target, or (record) a capture that cannot be
 * written. */
static const char *poll_until_over(struct probe *p, struct feed *f)
{
	for (;;) {
		if (cmd_signals.stop)
			return "signal";
		if (probe_finished(p))
			return "no target left";
		if (!f->pipeline && f->capture_err)
			return "capture failed";
		if (cmd_signals.reload) {
			cmd_signals.reload = 0;
			if (f->config)
				warn_print("SIGHUP: files are opened anew; %s is read at the start "
					   "only",
					   f->config);
			if (f->pipeline)
				pipeline_reopen(f->pipeline);
			else
				capture_flush(f->capture);
		}
		if (f->pipeline)
			pipeline_flush(f->pipeline);
		if (probe_poll(p, POLL_MS, feed_event, f))
			return "probe failed";
	}
}

static int cmd_exit_status(const struct probe *p, int status)
{
	int ws;

	if (!probe_cmd_status(p, &ws))
		return status;
	return WIFSIGNALED(ws) ? 128 + WTERMSIG(ws) : WEXITSTATUS(ws);
}

/* The common course of both commands once the probe is open. Takes over f's parts. */
static int monitor(const struct options *o, struct probe *p, struct feed *f, struct err *e)
{
	int status = EXIT_DONE, err;

	live_probe = p;
	cmd_signals_install(wake);
	if (probe_start(p, feed_event, f, e)) {
		status = e->status;
	} else {
		fputs("modelsnoop: ready\n", stderr);
		probe_stop(p, poll_until_over(p, f), feed_event, f);
	}
	live_probe = NULL;

	if (f->capture) {
		const uint64_t lost = capture_lost(f->capture);

		err = capture_close(f->capture);
		if (!status && (err || lost)) {
			status = EXIT_FAILED;
			err_set(e, status, "the capture is incomplete");
			err_why(e, "%s; %llu events were not written", strerror(err ? -err : 5),
				(unsigned long long)lost);
		}
	}
	if (f->pipeline && pipeline_finish(f->pipeline, status ? &(struct err){ 0 } : e) && !status)
		status = e->status;
	if (!status && o->cmd)
		status = cmd_exit_status(p, status);
	probe_free(p);
	return status;
}

int cmd_run(const struct options *o, struct err *e)
{
	struct probe_opts po;
	struct capture_meta meta;
	struct feed f = { .config = o->config };
	struct probe *p;

	probe_opts_from(o, &po);
	p = probe_open(&po, e);
	if (!p)
		return e->status;
	probe_meta(p, &meta);
	f.pipeline = pipeline_new(o, &meta, true, e);
	if (!f.pipeline)
		goto fail;
	if (o->capture) {
		f.capture = capture_create(o->capture, &meta, e);
		if (!f.capture) {
			pipeline_finish(f.pipeline, &(struct err){ 0 });
			goto fail;
		}
	}
	return monitor(o, p, &f, e);
fail:
	probe_free(p);
	return e->status;
}

int cmd_record(const struct options *o, struct err *e)
{
	struct probe_opts po;
	struct capture_meta meta;
	struct feed f = { .config = o->config };
	struct probe *p;

	if (o->outputs.n != 1) {
		err_set(e, EXIT_USAGE, "record writes one file");
		err_mend(e, "name it with -o PATH");
		return e->status;
	}
	probe_opts_from(o, &po);
	p = probe_open(&po, e);
	if (!p)
		return e->status;
	probe_meta(p, &meta);
	f.capture = capture_create(o->outputs.v[0], &meta, e);
	if (!f.capture) {
		probe_free(p);
		return e->status;
	}
	return monitor(o, p, &f, e);
}
