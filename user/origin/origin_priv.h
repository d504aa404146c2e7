/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* origin_priv.h - what the files of this room share: the tables and what is remembered of a
 * process. */
#ifndef ORIGIN_ORIGIN_PRIV_H
#define ORIGIN_ORIGIN_PRIV_H

#include "base/buf.h"
#include "base/hash.h"
#include "origin/clock.h"
#include "origin/origin.h"
#include "origin/service.h"

#define MAX_PROCESSES 16384
#define MAX_GONE 1024 /* dead processes kept, for what still arrives about them */
#define MAX_PATH 4096
#define MAX_ARGS_JSON 16384
#define MAX_SNAPSHOT 65536 /* a snapshot held until its process is a target */
#define MAX_LISTENED 8
#define PARENT_SLOTS 4096
#define SCOPE_KEYS 10 /* of a process */
#define MAX_ATTRIBUTES 32 /* of OTEL_RESOURCE_ATTRIBUTES */
/*
 * Start times come in nanoseconds from the kernel and in ticks from /proc: values closer than this
 * are the same process; no pid comes round that fast.
 */
#define START_SLACK_NS 10000000u

struct proc;

struct svc {
	struct service s; /* first: what other rooms point to */
	struct proc *root; /* NULL once it was forgotten */
	char instance[37];
	bool wrapper; /* the root only starts others: a child has the better name */
	bool child_named; /* the first child with a name gave it; the one that listens decides */
	bool named; /* by a snapshot: an exec alone, without arguments, knows less */
};

/* The last fatal signal that another process sent. */
struct killer {
	uint32_t pid; /* 0: none */
	int sig;
	uint64_t ts;
	char comm[17];
	char *exe;
};

struct proc {
	struct process p; /* first: what other rooms point to */
	uint64_t created; /* realtime ns, 0: no clock pair yet */
	uint64_t execs, attaches, snapshots;
	uint64_t exec_ts; /* of the last exec before it was a target, 0: none */
	const char *pending; /* "attach" or "start", waiting for its snapshot; NULL: none */
	uint64_t pending_ts;
	char *held; /* snapshot of what is no target yet */
	size_t held_len;
	uint64_t held_ts;
	char *program; /* name for a service whose root is a wrapper */
	uint8_t config[16]; /* digest of the last snapshot */
	char *args; /* JSON array, redacted */
	size_t args_len;
	char pod_node[65]; /* UTS node name: a pod's name when it is in one */
	struct killer killer; /* another process */
	int self_sig; /* last fatal signal that it sent to itself, 0: none */
	int kernel_sig; /* and that the kernel made */
	bool exe_ahead; /* p.exe is already what the exec that comes next leads to */
	bool oom;
	uint64_t oom_rss; /* KiB */
	uint64_t memory_limit; /* bytes, of its cgroup; 0: not known, UINT64_MAX: none */
	char *oom_in_flight; /* as the OOM event found it */
	size_t oom_in_flight_len;
	bool oom_service_scope;
	uint64_t listened[MAX_LISTENED]; /* inodes */
	unsigned n_listened;
	size_t bytes; /* of memory, as accounted */
	bool in_table; /* else only in the list of the gone: its pid has a new owner */
};

struct origin {
	const struct redactor *redactor;
	struct record_sink sink;
	char run_id[33], boot_id[40];
	char *service; /* given, or NULL */
	struct table procs; /* tgid -> struct proc */
	struct lru strangers, targets, gone; /* of whom nothing was heard for longest first */
	size_t n_gone;
	/* How many have a parent of that number, modulo slots: most processes have no children. */
	uint32_t children[PARENT_SLOTS];
	size_t bytes, max_memory; /* bytes: sum over all processes */
	struct origin_stats stats;
	struct proc *expecting; /* a new target whose exec may be the very next event about it */
	struct clock_map clock;
	struct scope host;
	char *host_name, *host_id;
	char *attributes; /* OTEL_RESOURCE_ATTRIBUTES, decoded in place */
	struct {
		const char *key, *value;
	} attribute[MAX_ATTRIBUTES];
	size_t n_attributes;
	struct buf tags; /* JSON object, empty: none */
	uint8_t host_config[16];
	uint64_t host_snapshots;
	struct buf scratch, tmp, data; /* per event */
	struct record rec;
};

static inline struct proc *proc_of(struct process *p)
{
	return (struct proc *)p;
}
static inline struct svc *svc_of(struct service *s)
{
	return (struct svc *)s;
}

/* origin.c */
struct proc *proc_get(const struct origin *o, uint32_t tgid, uint64_t start);
struct proc *proc_make(struct origin *o, uint32_t tgid, uint64_t start, uint64_t ts);
/* What q holds has changed. */
void proc_account(struct origin *o, struct proc *q);
void set_parent(struct origin *o, struct proc *q, uint32_t ppid);
/* Replace a string by a copy of at most max bytes; empty: NULL. */
void set_string(char **s, const char *p, size_t n, size_t max);

/* scope.c */
void host_scope_init(struct origin *o, const struct origin_opts *opts);
void host_scope_render(struct origin *o);
void host_scope_free(struct origin *o);
void proc_scope_render(struct origin *o, struct proc *q);

/* tree.c */
/* Give q a service: its parent's, or a new one; adopt children that had one of their own. */
void tree_enter(struct origin *o, struct proc *q);
/* Its parent became known: leave the service of its own for the parent's. */
void tree_join_parent(struct origin *o, struct proc *q);
void tree_leave(struct proc *q); /* q is about to be freed */
/* q's program became known: the service may have a better name. */
void tree_name(struct origin *o, struct proc *q, const struct service_facts *f);
void tree_listens(struct origin *o, struct proc *q); /* it serves: its name is the wrapper's */

/* config.c */
void config_on_host(struct origin *o, const struct event *ev);
void config_on_proc(struct origin *o, struct proc *q, const char *text, size_t n, uint64_t ts);
/* Nothing but the file that it runs. */
void config_on_file(struct origin *o, struct proc *q, const char *text, size_t n);
void config_release_held(struct origin *o, struct proc *q);

/* lifecycle.c */
void lifecycle_pending(struct origin *o, struct proc *q); /* emit the attach or start that waits */
void lifecycle_simple(struct origin *o, struct proc *q, const char *event, uint64_t ts,
		      uint64_t ordinal);
void lifecycle_listen(struct origin *o, struct proc *q, const struct event *ev);
void lifecycle_exit(struct origin *o, struct proc *q, const struct event *ev, const char *in_flight,
		    size_t n);
void lifecycle_oom(struct origin *o, struct proc *q, const struct event *ev, const char *in_flight,
		   size_t n);
void lifecycle_signal(struct origin *o, const struct event *ev);

#endif
