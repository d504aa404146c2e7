/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* match.c - the rules: pid, name, executable, listening port, cgroup. */
#include "probe/match.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

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

/* PATH or a cgroup below it, with or without the mount point in front. */
static const char *by_cgroup(const struct probe_opts *o, uint32_t pid)
{
	static const char mount[] = "/sys/fs/cgroup";
	struct proc_cgroup c;

	if (!proc_cgroup(pid, &c))
		return NULL;
	for (size_t i = 0; i < o->n_cgroups; i++) {
		const char *rule = o->cgroups[i];
		size_t n;

		if (!strncmp(rule, mount, sizeof(mount) - 1))
			rule += sizeof(mount) - 1;
		n = strlen(rule);
		while (n && rule[n - 1] == '/')
			n--;
		if (!strncmp(c.path, rule, n) && (!c.path[n] || c.path[n] == '/'))
			return o->cgroups[i];
	}
	return NULL;
}

bool match_member(const struct probe_opts *o, struct member *m, bool first, const char **why,
		  const char **rule)
{
	*rule = NULL;
	if (m->view == (uint32_t)getpid())
		return false; /* never the agent itself: each record would make another */
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
	if (o->n_cgroups && !m->cgroup_judged) {
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
