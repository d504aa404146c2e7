/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert.h - one alert for one cause: state changes grouped by service, as records and to a hook. */
#ifndef ALERT_ALERT_H
#define ALERT_ALERT_H

#include "alert/hook.h"
#include "drift/drift.h"

struct alert_ctx;
/* hook may be NULL. NULL when memory is out. */
struct alert_ctx *alert_new(const struct record_sink *records, struct hook *hook);
void alert_free(struct alert_ctx *a); /* NULL allowed */
void alert_on_drift(struct alert_ctx *a, const struct drift_change *c);
/* Crash or OOM kill of a service's process; scopes as for records; summary is copied. */
void alert_on_death(struct alert_ctx *a, const char *service, bool oom, const char *summary,
		    uint64_t ts, const struct scope *host, const struct scope *proc,
		    const uint8_t (*examples)[16], size_t n_examples);
/*
 * Event time goes on (realtime ns): call it for every exchange. Emits updates that were held back,
 * and resolves deaths that were not repeated for a while. Cheap when nothing is open.
 */
void alert_on_time(struct alert_ctx *a, uint64_t ts);
unsigned alert_firing(const struct alert_ctx *a);
/* State changes that were told to nobody: of alerts, or features of one, that found no place. */
uint64_t alert_refused(const struct alert_ctx *a);

#endif
