/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* match.c - the rules: pid, name, executable, listening port, cgroup. */
#include "probe/match.h"

#include <fnmatch.h>
#include <string.h>

#include "probe/cgroup_rule.h"
#include "probe/proc.h"
#include "probe/target.h"

static bool by_pid(const struct probe_opts *o, const struct member *m)
{
	for (size_t i = 0; i < o->n_pids; i++)
		if (o->pids[i] == m->view)
			return true;
	return false;
}

/* A glob with a slash is meant for the whole path, one without for the last part as well. */
static const char *by_exe(const struct probe_opts *o, uint32_t pid)
{
	static const char deleted[] = " (deleted)";
	char path[4096], *base;
	size_t n;

	if (!proc_link(path, sizeof(path), "/proc/%u/exe", pid))
		return NULL;
	n = strlen(path);
	if (n > sizeof(deleted) && !strcmp(path + n - (sizeof(deleted) - 1), deleted))
		path[n - (sizeof(deleted) - 1)] = '\0';
	base = strrchr(path, '/');
	for (size_t i = 0; i < o->n_exes; i++)
		if (!fnmatch(o->exes[i], path, 0) ||
		    (base && !strchr(o->exes[i], '/') && !fnmatch(o->exes[i], base + 1, 0)))
			return o->exes[i];
	return NULL;
}

static const char *by_cgroup(const struct probe_opts *o, uint32_t pid)
{
	const char *rule = NULL;
	struct buf text = { 0 };

	if (!proc_read(&text, 65536, "/proc/%u/cgroup", pid))
		for (size_t i = 0; i < o->n_cgroups && !rule; i++)
			if (cgroup_rule_matches(&o->cgroup_rules[i], text.p, text.len))
				rule = o->cgroups[i];
	buf_free(&text);
	return rule;
}

/* The kernel tells by number when the unified cgroup changes, not when that of a controller does.
 */
static bool cgroup_may_change_unseen(const struct probe_opts *o)
{
	for (size_t i = 0; i < o->n_cgroups; i++)
		if (o->cgroup_rules[i].any || o->cgroup_rules[i].controllers[0])
			return true;
	return false;
}

bool match_member(const struct probe_opts *o, struct member *m, bool first, const char **why,
		  const char **rule)
{
	*rule = NULL;
	if (first && by_pid(o, m)) {
		*why = "pid";
		return true;
	}
	if (m->port_matched) {
		*why = "port";
		return true;
	}
	for (size_t i = 0; i < o->n_comms; i++)
		if (!fnmatch(o->comms[i], m->comm, 0)) {
			*why = "comm";
			*rule = o->comms[i];
			return true;
		}
	if (o->n_exes && !m->exe_judged) {
		m->exe_judged = true;
		*why = "exe";
		*rule = by_exe(o, m->view);
		if (*rule)
			return true;
	}
	if (o->n_cgroups && (!m->cgroup_judged || cgroup_may_change_unseen(o))) {
		m->cgroup_judged = true;
		*why = "cgroup";
		*rule = by_cgroup(o, m->view);
		if (*rule)
			return true;
	}
	return false;
}

bool match_port(const struct probe_opts *o, const struct ev_conn *c)
{
	if (c->proto != EV_PROTO_TCP)
		return false;
	for (size_t i = 0; i < o->n_ports; i++)
		if (o->ports[i] == c->local_port)
			return true;
	return false;
}
