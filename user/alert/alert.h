/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert.h - one alert for one cause: state changes grouped by service and kind, as records and to a hook. */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include "base/err.h"
#include "drift/drift.h"

struct alert_ctx;
struct hook;
/* hook may be NULL. */
struct alert_ctx *alert_new(const struct record_sink *records, struct hook *hook);
void alert_free(struct alert_ctx *a);
void alert_on_drift(struct alert_ctx *a, const struct drift_change *c);
/* Crash or OOM kill of a service's process; scopes as for records; summary is copied. */
void alert_on_death(struct alert_ctx *a, const char *service, bool oom, const char *summary, uint64_t ts,
		    const struct scope *host, const struct scope *proc, const uint8_t (*examples)[16], size_t n_examples);
unsigned alert_firing(const struct alert_ctx *a);

/*
 * hook.h part: CMD run without a shell (split at blanks, quotes honoured), the alert on stdin in the
 * shape of an Alertmanager webhook, one at a time, killed after timeout_s, queue bounded. Its failures
 * are diagnostics and counted. It runs in a thread of its own; hook_free waits for what runs (bounded).
 */
struct hook *hook_new(const char *cmd, unsigned timeout_s, struct err *e);
void hook_submit(struct hook *h, const char *json, size_t n);
void hook_free(struct hook *h);
struct hook_stats {
	uint64_t run, failed, timed_out, dropped;
};
void hook_stats(const struct hook *h, struct hook_stats *out);

#endif
