/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* match.h - does a process match one of the target rules? */
#ifndef PROBE_MATCH_H
#define PROBE_MATCH_H

#include <stdbool.h>

#include "bpf/event.h"
#include "probe/probe.h"

struct member;

/*
 * why: kind of the rule, rule: its text; valid as long as o, or until the next call for pid and
 * port. first: pids count. What was judged and cannot have changed is not judged again.
 */
bool match_member(const struct probe_opts *o, struct member *m, bool first, const char **why,
		  const char **rule);
bool match_port(const struct probe_opts *o, const struct ev_conn *c);

#endif
