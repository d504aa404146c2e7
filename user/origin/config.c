// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* config.c - snapshots of host and processes: read for identity, redacted, emitted as config
 * records. */
#include "origin/origin_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "origin/cgroup.h"
#include "privacy/redact.h"

#define MAX_NAMED_ARGS 256 /* arguments that can give a service its name */

/* What a snapshot says that identity needs. Offsets into text, 0: absent (offset 0 is a NUL). */
struct facts {
	struct buf text; /* NUL-terminated strings */
	size_t exe, comm, cgroup, node, host_name, host_id;
	size_t arg[MAX_NAMED_ARGS];
	size_t argc;
	uint64_t ppid, memory_limit;
	struct buf args; /* JSON array, redacted */
};

static size_t keep(struct facts *f, const struct json_token *t)
{
	const size_t at = f->text.len;

	json_unescape(&f->text, t->p, t->n);
	buf_putc(&f->text, '\0');
	return f->text.overflow ? 0 : at;
}

static const char *fact(const struct facts *f, size_t at)
{
	return at ? f->text.p + at : NULL;
}

struct named {
	const char *key;
	size_t offset; /* of the field in struct facts */
	bool number;
};
static const struct named named[] = {
	{ "exe", offsetof(struct facts, exe), false },
	{ "comm", offsetof(struct facts, comm), false },
	{ "cgroup", offsetof(struct facts, cgroup), false },
	{ "nodename", offsetof(struct facts, node), false },
	{ "hostname", offsetof(struct facts, host_name), false },
	{ "machine_id", offsetof(struct facts, host_id), false },
	{ "ppid", offsetof(struct facts, ppid), true },
	{ "memory_limit_bytes", offsetof(struct facts, memory_limit), true },
};

static const struct named *find_named(const char *key, size_t n)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (strlen(named[i].key) == n && !memcmp(named[i].key, key, n))
			return &named[i];
	return NULL;
}

/* A string that is not one of the named ones may hold anything. */
static void put_text(struct origin *o, const struct json_token *t)
{
	struct buf *raw = &o->tmp, *clean = &o->scratch;

	buf_clear(raw);
	buf_clear(clean);
	json_unescape(raw, t->p, t->n);
	redact_text(o->redactor, clean, raw->p, raw->len);
	json_str(&o->data, clean->p, clean->len);
}

static void put_key(struct origin *o, const struct json_token *t)
{
	buf_clear(&o->tmp);
	json_unescape(&o->tmp, t->p, t->n);
	json_keyn(&o->data, o->tmp.p, o->tmp.len);
}

static void put_scalar(struct origin *o, const struct json_token *t)
{
	struct buf *out = &o->data;

	switch (t->type) {
	case JSON_NUM:
		if (isfinite(t->num))
			json_raw(out, t->p, t->n);
		else
			json_null(out);
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		json_bool(out, t->type == JSON_TRUE);
		break;
	default:
		json_null(out);
	}
}

/* argv: an array of strings, each redacted in sight of the one before it. */
static bool put_args(struct origin *o, struct json_reader *r, struct facts *f)
{
	struct json_token t;
	size_t prev = 0, at, had;

	json_arr(&f->args);
	while (json_next(r, &t) == JSON_STR) {
		at = keep(f, &t);
		if (!at)
			return false;
		if (f->argc < MAX_NAMED_ARGS)
			f->arg[f->argc++] = at;
		buf_clear(&o->tmp);
		redact_arg(o->redactor, &o->tmp, fact(f, prev), fact(f, at));
		had = f->args.len;
		json_str(&f->args, o->tmp.p, o->tmp.len);
		if (f->args.len > MAX_ARGS_JSON) {
			f->args.len = had;
			o->stats.cut++;
		}
		prev = at;
	}
	json_arr_end(&f->args);
	json_raw(&o->data, f->args.p, f->args.len);
	return t.type == JSON_ARR_END;
}

/* env: an object of strings, allow-listed where it was read, redacted here. */
static bool put_env(struct origin *o, struct json_reader *r, struct facts *f)
{
	struct json_token t;
	size_t name, value;

	json_obj(&o->data);
	while (json_next(r, &t) == JSON_KEY) {
		name = keep(f, &t);
		if (!name || json_next(r, &t) != JSON_STR)
			return false;
		json_keyn(&o->data, fact(f, name), strlen(fact(f, name)));
		value = keep(f, &t);
		if (!value)
			return false;
		buf_clear(&o->tmp);
		redact_env(o->redactor, &o->tmp, fact(f, name), fact(f, value));
		json_str(&o->data, o->tmp.p, o->tmp.len);
	}
	json_obj_end(&o->data);
	return t.type == JSON_OBJ_END;
}

/* Any other value, nested or not, as it is but for secrets in its strings. */
static bool put_value(struct origin *o, struct json_reader *r, struct json_token *t)
{
	int depth = 0;

	do {
		switch (t->type) {
		case JSON_OBJ:
			json_obj(&o->data);
			depth++;
			break;
		case JSON_ARR:
			json_arr(&o->data);
			depth++;
			break;
		case JSON_OBJ_END:
			json_obj_end(&o->data);
			depth--;
			break;
		case JSON_ARR_END:
			json_arr_end(&o->data);
			depth--;
			break;
		case JSON_KEY:
			put_key(o, t);
			break;
		case JSON_STR:
			put_text(o, t);
			break;
		case JSON_DONE:
		case JSON_CUT:
		case JSON_BAD:
			return false;
		default:
			put_scalar(o, t);
		}
	} while (depth && json_next(r, t));
	return !depth;
}

static bool put_named(struct origin *o, struct facts *f, const struct named *nm,
		      const struct json_token *t)
{
	char *field = (char *)f + nm->offset;
	size_t at;

	if (nm->number) {
		/* cgroups spell "no limit" so */
		if (t->type == JSON_STR && t->n == 3 && !memcmp(t->p, "max", 3))
			*(uint64_t *)field = UINT64_MAX;
		else if (t->type == JSON_NUM && t->num >= 0 && t->num < 0x1p63)
			*(uint64_t *)field = (uint64_t)t->num;
		return false;
	}
	if (t->type != JSON_STR)
		return false;
	at = keep(f, t);
	*(size_t *)field = at;
	if (at)
		json_cstr(&o->data, fact(f, at));
	return at;
}

/* Rewrite a snapshot into o->data, take the facts along. false: not a whole JSON object. */
static bool rewrite(struct origin *o, const char *text, size_t n, struct facts *f)
{
	struct json_reader r;
	struct json_token t;

	buf_clear(&o->data);
	buf_putc(&f->text, '\0');
	json_open(&r, text, n);
	if (json_next(&r, &t) != JSON_OBJ)
		return false;
	json_obj(&o->data);
	while (json_next(&r, &t) == JSON_KEY) {
		const struct named *nm = find_named(t.p, t.n);
		const bool argv = t.n == 4 && !memcmp(t.p, "argv", 4);
		const bool env = t.n == 3 && !memcmp(t.p, "env", 3);

		put_key(o, &t);
		json_next(&r, &t);
		if (argv && t.type == JSON_ARR) {
			if (f->args.len || !put_args(o, &r, f))
				return false;
		} else if (env && t.type == JSON_OBJ) {
			if (!put_env(o, &r, f))
				return false;
		} else if (!(nm && put_named(o, f, nm, &t)) && !put_value(o, &r, &t)) {
			return false;
		}
	}
	json_obj_end(&o->data);
	return t.type == JSON_OBJ_END && json_next(&r, &t) == JSON_DONE && r.off == r.len &&
	       !o->data.overflow;
}

static void facts_free(struct facts *f)
{
	buf_free(&f->text);
	buf_free(&f->args);
}

/* Digest of the data; true if it differs from the one before. */
static bool is_news(const struct origin *o, uint8_t last[16])
{
	struct id_hash h;
	uint8_t now[16];

	id_start(&h, "config.data");
	id_bytes(&h, o->data.p, o->data.len);
	id_finish(&h, now);
	if (!memcmp(now, last, sizeof(now)))
		return false;
	memcpy(last, now, sizeof(now));
	return true;
}

static void emit(struct origin *o, const struct proc *q, const char *kind, uint64_t ordinal,
		 uint64_t ts)
{
	struct record *r = &o->rec;
	struct id_hash h;

	record_init(r, RECORD_CONFIG, clock_real(&o->clock, ts));
	id_start(&h, "config");
	id_bytes(&h, o->boot_id, strlen(o->boot_id));
	id_bytes(&h, kind, strlen(kind));
	id_u64(&h, q ? q->p.tgid : 0);
	id_u64(&h, q ? q->p.start : 0);
	id_u64(&h, ordinal);
	id_finish(&h, r->id);
	r->host = &o->host;
	r->proc = q ? &q->p.scope : NULL;
	record_cstr(r, "config.kind", kind);
	record_cstr(r, "config.event", ordinal ? "changed" : "snapshot");
	if (q && q->args)
		record_json(r, "process.command_args", q->args, q->args_len);
	record_json(r, "config.data", o->data.p, o->data.len);
	o->sink.emit(o->sink.ctx, r);
}

void config_on_host(struct origin *o, const struct event *ev)
{
	struct facts f = { 0 };

	if (rewrite(o, ev->text.p, ev->text.n, &f) && is_news(o, o->host_config)) {
		const char *name = fact(&f, f.host_name), *id = fact(&f, f.host_id);

		if (name)
			set_string(&o->host_name, name, strlen(name), 255);
		if (id)
			set_string(&o->host_id, id, strlen(id), 64);
		host_scope_render(o);
		emit(o, NULL, "host", o->host_snapshots++, ev->ts);
	}
	facts_free(&f);
}

static void take_cgroup(struct proc *q, const char *path)
{
	struct cgroup_identity id;

	set_string(&q->p.cgroup_path, path, strlen(path), MAX_PATH);
	cgroup_identify(path, strlen(path), &id);
	set_string(&q->p.container_id, id.container_id, strlen(id.container_id), 64);
	set_string(&q->p.pod_uid, id.pod_uid, strlen(id.pod_uid), 36);
}

static void take_exe(struct proc *q, const char *exe)
{
	static const char deleted[] = " (deleted)";
	size_t n = exe ? strlen(exe) : 0;

	if (!n)
		return;
	if (n > sizeof(deleted) - 1 && !strcmp(exe + n - (sizeof(deleted) - 1), deleted))
		n -= sizeof(deleted) - 1;
	set_string(&q->p.exe, exe, n, MAX_PATH);
}

static void take_facts(struct origin *o, struct proc *q, struct facts *f)
{
	const char *comm = fact(f, f->comm), *node = fact(f, f->node);
	const char *argv[MAX_NAMED_ARGS], *cgroup = fact(f, f->cgroup);
	struct cgroup_identity id = { .unit = "" };
	struct service_facts sf;

	take_exe(q, fact(f, f->exe));
	if (comm && *comm) {
		strncpy(q->p.comm, comm, sizeof(q->p.comm) - 1);
		q->p.comm[sizeof(q->p.comm) - 1] = '\0';
	}
	if (cgroup && *cgroup) {
		take_cgroup(q, cgroup);
		cgroup_identify(cgroup, strlen(cgroup), &id);
	}
	if (q->p.pod_uid && node)
		set_string(&q->p.pod_name, node, strlen(node), 253);
	if (f->ppid && f->ppid < UINT32_MAX)
		set_parent(o, q, (uint32_t)f->ppid);
	q->memory_limit = f->memory_limit;
	if (f->argc) {
		set_string(&q->args, f->args.p, f->args.len, f->args.len);
		q->args_len = q->args ? f->args.len : 0;
	}
	if (!q->p.target)
		return;
	tree_join_parent(o, q);
	for (size_t i = 0; i < f->argc; i++)
		argv[i] = fact(f, f->arg[i]);
	sf = (struct service_facts){
		.unit = id.unit, .exe = q->p.exe, .comm = q->p.comm, .argv = argv, .argc = f->argc
	};
	tree_name(o, q, &sf);
}

static void hold(struct origin *o, struct proc *q, const char *text, size_t n, uint64_t ts)
{
	if (n > MAX_SNAPSHOT) {
		o->stats.cut++;
		return;
	}
	set_string(&q->held, text, n, n);
	q->held_len = q->held ? n : 0;
	q->held_ts = ts;
	proc_account(o, q);
}

void config_on_proc(struct origin *o, struct proc *q, const char *text, size_t n, uint64_t ts)
{
	const bool wait = !q->p.target || o->expecting == q;
	struct facts f = { 0 };
	const bool ok = rewrite(o, text, n, &f);

	if (ok && wait) {
		/* Who it is can be told at once: others may speak of it. */
		take_facts(o, q, &f);
		proc_scope_render(o, q);
		hold(o, q, text, n, ts);
	} else if (ok) {
		const bool news = is_news(o, q->config);

		take_facts(o, q, &f);
		proc_scope_render(o, q);
		/* o->data stays as it is meanwhile: the waiting record needs only o->rec. */
		lifecycle_pending(o, q);
		if (news)
			emit(o, q, "process", q->snapshots++, ts);
	}
	facts_free(&f);
}

void config_on_file(struct origin *o, struct proc *q, const char *text, size_t n)
{
	struct facts f = { 0 };

	if (rewrite(o, text, n, &f)) {
		take_exe(q, fact(&f, f.exe));
		proc_scope_render(o, q);
	}
	facts_free(&f);
}

void config_release_held(struct origin *o, struct proc *q)
{
	char *text = q->held;
	const size_t n = q->held_len;

	q->held = NULL;
	q->held_len = 0;
	if (text)
		config_on_proc(o, q, text, n, q->held_ts);
	free(text);
}
