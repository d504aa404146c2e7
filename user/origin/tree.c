// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tree.c - services as process trees: who belongs to whom, and what the tree is called. */
#include "origin/origin_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Boot, pid and start of the root name one instance in the world; written like a UUID (version 8).
 */
static void make_instance(const struct origin *o, struct svc *s)
{
	static const char hex[] = "0123456789abcdef";
	struct id_hash h;
	uint8_t id[16];
	char *out = s->instance;

	id_start(&h, "service");
	id_bytes(&h, o->boot_id, strlen(o->boot_id));
	id_u64(&h, s->s.root_tgid);
	id_u64(&h, s->s.root_start);
	id_finish(&h, id);
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x80);
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = hex[id[i] >> 4];
		*out++ = hex[id[i] & 15];
	}
	*out = '\0';
}

static struct svc *svc_new(struct origin *o, struct proc *root)
{
	const struct service_facts f = { .exe = root->p.exe, .comm = root->p.comm };
	struct svc *s = calloc(1, sizeof(*s));
	char name[SERVICE_NAME_MAX];

	if (!s)
		return NULL;
	s->root = root;
	s->s.root_tgid = root->p.tgid;
	s->s.root_start = root->p.start;
	make_instance(o, s);
	if (o->service)
		s->s.name = strdup(o->service);
	else {
		s->wrapper = !service_derive(&f, name);
		s->s.name = strdup(name);
	}
	if (!s->s.name) {
		free(s);
		return NULL;
	}
	return s;
}

static void svc_put(struct service *s)
{
	if (--s->refs)
		return;
	free(s->name);
	free(s);
}

static bool is_root(const struct proc *q)
{
	return q->p.service && svc_of(q->p.service)->root == q;
}

/* Move everybody from one service to another, which frees the first. */
static void merge(struct origin *o, struct service *from, struct service *to)
{
	struct proc *q;

	from->refs++;
	for (size_t i = 0; (q = table_next(&o->procs, &i));) {
		if (q->p.service != from)
			continue;
		q->p.service = to;
		to->refs++;
		svc_put(from);
		proc_scope_render(o, q);
	}
	for (struct lru_node *n = o->gone.head.next; n != &o->gone.head; n = n->next) {
		q = (struct proc *)((char *)n - offsetof(struct proc, p.lru));
		if (q->p.service != from)
			continue;
		q->p.service = to;
		to->refs++;
		svc_put(from);
		proc_scope_render(o, q);
	}
	to->in_flight += from->in_flight;
	to->ready |= from->ready;
	svc_put(from);
}

void tree_join_parent(struct origin *o, struct proc *q)
{
	struct proc *parent = q->p.ppid ? proc_get(o, q->p.ppid, 0) : NULL;

	if (!parent || parent == q || !parent->p.target || !parent->p.service ||
	    parent->p.service == q->p.service)
		return;
	/* A parent is older than its child; else the pid has a new owner. */
	if (parent->p.start > q->p.start + START_SLACK_NS)
		return;
	if (!q->p.service) {
		q->p.service = parent->p.service;
		q->p.service->refs++;
		proc_scope_render(o, q);
	} else if (is_root(q)) {
		merge(o, q->p.service, parent->p.service);
	}
}

static void adopt_children(struct origin *o, struct proc *q)
{
	struct proc *c;
	bool again = o->children[q->p.tgid % PARENT_SLOTS];

	/* merge() leaves the table as it is; the loop starts over since the set has changed. */
	while (again) {
		again = false;
		for (size_t i = 0; (c = table_next(&o->procs, &i));)
			if (c != q && c->p.ppid == q->p.tgid && c->p.service != q->p.service &&
			    is_root(c) && c->p.start + START_SLACK_NS >= q->p.start) {
				merge(o, c->p.service, q->p.service);
				again = true;
				break;
			}
	}
}

void tree_enter(struct origin *o, struct proc *q)
{
	if (!q->p.service)
		tree_join_parent(o, q);
	if (!q->p.service) {
		struct svc *s = svc_new(o, q);

		if (!s)
			return;
		q->p.service = &s->s;
		s->s.refs = 1;
		proc_scope_render(o, q);
	}
	adopt_children(o, q);
}

void tree_leave(struct proc *q)
{
	if (!q->p.service)
		return;
	if (is_root(q))
		svc_of(q->p.service)->root = NULL;
	svc_put(q->p.service);
	q->p.service = NULL;
}

static void rename_service(struct origin *o, struct svc *s, const char *name)
{
	struct proc *q;
	unsigned left; /* whose scopes show the old name */
	char *copy;

	if (!strcmp(s->s.name, name))
		return;
	copy = strdup(name);
	if (!copy)
		return;
	free(s->s.name);
	s->s.name = copy;
	/* Most are alone in their service: then there is nobody to look for. */
	left = s->s.refs;
	if (s->root) {
		proc_scope_render(o, s->root);
		left--;
	}
	for (size_t i = 0; left && (q = table_next(&o->procs, &i));)
		if (q->p.service == &s->s && q != s->root) {
			proc_scope_render(o, q);
			left--;
		}
	for (struct lru_node *n = o->gone.head.next; left && n != &o->gone.head; n = n->next) {
		q = (struct proc *)((char *)n - offsetof(struct proc, p.lru));
		if (q->p.service == &s->s && !q->in_table && q != s->root) {
			proc_scope_render(o, q);
			left--;
		}
	}
}

static void name_root(struct origin *o, struct svc *s, const struct service_facts *f)
{
	char name[SERVICE_NAME_MAX];

	if (s->named && !f->argc)
		return;
	s->named = f->argc;
	s->wrapper = !service_derive(f, name);
	s->child_named = false;
	rename_service(o, s, name);
}

void tree_name(struct origin *o, struct proc *q, const struct service_facts *f)
{
	struct svc *s = q->p.service ? svc_of(q->p.service) : NULL;
	char name[SERVICE_NAME_MAX];

	if (!s || o->service)
		return;
	if (s->root == q) {
		name_root(o, s, f);
		return;
	}
	if (!s->wrapper || !f->argc || !service_derive(f, name))
		return;
	set_string(&q->program, name, strlen(name), SERVICE_NAME_MAX);
	if (s->child_named)
		return;
	s->child_named = true;
	rename_service(o, s, name);
}

void tree_listens(struct origin *o, struct proc *q)
{
	struct svc *s = svc_of(q->p.service);

	if (!s->wrapper || !q->program || o->service)
		return;
	s->wrapper = false;
	rename_service(o, s, q->program);
}
