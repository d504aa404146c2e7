/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * origin.h - who did it: host, process, cgroup, container, service. Built from events alone (what
 * /proc knows arrives as PROC and HOST events), so replay finds the same. Emits `config` and
 * `lifecycle` records; gives every other record its scopes.
 */
#ifndef ORIGIN_ORIGIN_H
#define ORIGIN_ORIGIN_H

#include "base/table.h"
#include "capture/decode.h"
#include "record/record.h"

struct redactor; /* privacy/redact.h */

struct origin_opts {
	const char *run_id; /* 32 hex digits */
	const char *boot_id;
	const char *service; /* --service / OTEL_SERVICE_NAME, or NULL */
	const char *const *tags; /* "KEY=VALUE", NULL-terminated, or NULL */
	const char *resource_attributes; /* OTEL_RESOURCE_ATTRIBUTES, or NULL */
	const struct redactor *redactor;
	size_t max_memory; /* bytes for all processes and services; 0: no limit */
};

/* A service is a process tree; its root is the topmost target whose parent is no target. */
struct service {
	char *name;
	uint32_t root_tgid;
	uint64_t root_start;
	bool ready; /* the first successful answer was seen */
	unsigned refs; /* processes that belong to it */
	uint64_t in_flight; /* server exchanges open now: kept by the exchange room */
};

struct process {
	uint32_t tgid, ppid;
	uint64_t start; /* boottime ns */
	uint64_t seen_ts; /* monotonic ns of the event that showed it first */
	bool target, gone;
	bool crashed; /* gone by a crash or the OOM killer: what it had open stays unfinished */
	unsigned pins; /* open exchanges that point here: kept by the exchange room; not freed while
			  > 0 */
	unsigned in_flight; /* server exchanges open now: kept by the exchange room */
	bool served; /* it ever had one: kept by the exchange room */
	bool listens; /* it did so itself */
	bool inherits; /* a listener came with its fork, and no exec has closed it since */
	char comm[17];
	char *exe, *cgroup_path, *container_id, *pod_uid, *pod_name;
	struct service *service; /* never NULL for a target */
	struct scope scope; /* service.*, process.*, container.*, k8s.* */
	struct lru_node lru;
};

/*
 * What it does shows in its service's exchanges only: an engine behind an API server owns no
 * socket. A worker that could take requests itself and has none is idle.
 */
static inline bool process_serves_through_tree(const struct process *p)
{
	return !p->served && !p->listens && !p->inherits && p->service && p->service->in_flight;
}

struct origin_stats {
	uint64_t evicted; /* processes forgotten for want of room, the dead not counted */
	uint64_t refused; /* processes that found none, since all others were in use */
	uint64_t cut; /* snapshots, arguments, in-flight lists that were not kept */
};

struct origin;
struct origin *origin_new(const struct origin_opts *o, const struct record_sink *sink);
void origin_free(struct origin *o);
/*
 * Process, host and clock events; emits config and lifecycle records. in_flight: for EXIT and OOM
 * the JSON array of what the service had open (exchange_in_flight), else NULL.
 */
void origin_on_event(struct origin *o, const struct event *ev, const char *in_flight, size_t n);
/* The process, made on first sight if need be (never NULL but when memory is out). start 0: whoever
 * has the tgid. */
struct process *origin_process(struct origin *o, uint32_t tgid, uint64_t start);
/* Known process or NULL; makes none. */
struct process *origin_find(const struct origin *o, uint32_t tgid);
const struct scope *origin_host_scope(const struct origin *o);
/* Monotonic event time to realtime ns, by the clock pairs seen so far. */
uint64_t origin_realtime(const struct origin *o, uint64_t mono_ns);
/* The service answered well for the first time: emits lifecycle `ready` (once a service). */
void origin_ready(struct origin *o, struct process *p, uint64_t mono_ns);
const char *origin_boot_id(const struct origin *o);
const struct origin_stats *origin_stats(const struct origin *o);
size_t origin_count(const struct origin *o); /* processes in the table */
size_t origin_memory(const struct origin *o); /* bytes held for them */

#endif
