/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hook.h - a command of the user's that is run for each alert: without a shell (split at blanks,
 * quotes honoured), what is submitted on its stdin, one at a time, killed with its process group
 * after timeout_s, queue bounded. Its failures are diagnostics and counted. It runs in a thread of
 * its own.
 */
#ifndef ALERT_HOOK_H
#define ALERT_HOOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define HOOK_QUEUE 64
#define HOOK_DRAIN_S 5 /* hook_free waits this long for what is queued */

struct hook;
/* NULL and e for a command that cannot be split, is empty or is not found; timeout_s 0: 60. */
struct hook *hook_new(const char *cmd, unsigned timeout_s, struct err *e);
void hook_submit(struct hook *h, const char *json, size_t n); /* copies; never waits */
/* Waits for what is queued and running (HOOK_DRAIN_S at most), then kills it. NULL allowed. */
void hook_free(struct hook *h);
struct hook_stats {
	uint64_t run, failed, timed_out, dropped; /* run: started; failed: timed out ones too */
};
void hook_stats(struct hook *h, struct hook_stats *out);

#endif
