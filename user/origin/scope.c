// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* scope.c - the keys that every record shares: host with tags, and process with service. */
#include "origin/origin_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define HOST_KEYS (5 + MAX_ATTRIBUTES)
#define MAX_TAGS 64

/* Names that records use themselves: an attribute may not pass for one of them. */
static const char *const own_keys[] = { "ts",        "type",      "id",       "seq",
					"tags",      "body",      "api",      "duration",
					"severity",  "summary",   "template", "anomaly",
					"features",  "evidence",  "metrics",  "feature",
					"detector",  "threshold", "effect",   "state",
					"reference", "window",    "examples", "recommendation",
					"in_flight" };
static const char *const own_prefixes[] = { "run.",         "boot.",        "host.",
					    "process.",     "container.id", "k8s.pod.uid",
					    "k8s.pod.name", "service.name", "service.instance.",
					    "exchange.",    "config.",      "lifecycle.",
					    "exit.",        "oom.",         "log.",
					    "metric.",      "drift.",       "alert.",
					    "http.",        "url.",         "network.",
					    "client.",      "server.",      "tls.",
					    "rpc.",         "request.",     "response.",
					    "token.",       "stall.",       "slow.",
					    "model.",       "thread.",      "trace_",
					    "span_" };

static bool is_own(const char *key)
{
	for (size_t i = 0; i < sizeof(own_keys) / sizeof(own_keys[0]); i++)
		if (!strcmp(key, own_keys[i]))
			return true;
	for (size_t i = 0; i < sizeof(own_prefixes) / sizeof(own_prefixes[0]); i++)
		if (!strncmp(key, own_prefixes[i], strlen(own_prefixes[i])))
			return true;
	return false;
}

/* Keys are written as they are: only what needs no escaping may be one. */
static bool is_plain_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!((*key >= 'a' && *key <= 'z') || (*key >= 'A' && *key <= 'Z') ||
		      (*key >= '0' && *key <= '9') || strchr("._-/", *key)))
			return false;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding in place (W3C baggage, which OTEL_RESOURCE_ATTRIBUTES follows). */
static void decode(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0 && (hex(s[1]) || hex(s[2]))) {
			*out++ = (char)(hex(s[1]) << 4 | hex(s[2]));
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	*out = '\0';
}

static char *trim(char *s)
{
	size_t n;

	while (*s == ' ' || *s == '\t')
		s++;
	n = strlen(s);
	while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

static void add_attribute(struct origin *o, char *key, char *value)
{
	if (!strcmp(key, "service.name") && *value) {
		if (!o->service)
			o->service = strdup(value);
		return;
	}
	if (!is_plain_key(key) || is_own(key) || o->n_attributes == MAX_ATTRIBUTES)
		return;
	for (size_t i = 0; i < o->n_attributes; i++)
		if (!strcmp(o->attribute[i].key, key))
			return;
	o->attribute[o->n_attributes].key = key;
	o->attribute[o->n_attributes++].value = value;
}

static void parse_attributes(struct origin *o, const char *text)
{
	char *save = NULL, *item;

	o->attributes = strdup(text);
	if (!o->attributes)
		return;
	for (item = strtok_r(o->attributes, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(item, '=');

		if (!eq)
			continue;
		*eq = '\0';
		item = trim(item);
		decode(item);
		eq = trim(eq + 1);
		decode(eq);
		add_attribute(o, item, eq);
	}
}

static void render_tags(struct origin *o, const char *const *tags)
{
	json_obj(&o->tags);
	for (size_t i = 0; tags[i] && i < MAX_TAGS; i++) {
		const char *eq = strchr(tags[i], '=');
		const size_t n = eq ? (size_t)(eq - tags[i]) : strlen(tags[i]);
		bool again = false;

		/* Of the same key twice the last one counts, as on any command line. */
		for (size_t k = i + 1; tags[k]; k++)
			again |=
				!strncmp(tags[k], tags[i], n) && (tags[k][n] == '=' || !tags[k][n]);
		if (again)
			continue;
		json_keyn(&o->tags, tags[i], n);
		json_cstr(&o->tags, eq ? eq + 1 : "");
	}
	json_obj_end(&o->tags);
}

void host_scope_init(struct origin *o, const struct origin_opts *opts)
{
	if (opts->resource_attributes)
		parse_attributes(o, opts->resource_attributes);
	if (opts->tags && opts->tags[0])
		render_tags(o, opts->tags);
	host_scope_render(o);
}

static void add(struct scope *s, const char *key, enum kv_type type, const char *p, size_t n)
{
	struct kv *kv = &s->kv[s->n];

	if (!n)
		return;
	*kv = (struct kv){ .key = key, .type = type };
	kv->s.p = p;
	kv->s.n = n;
	s->n++;
}

static void add_cstr(struct scope *s, const char *key, const char *v)
{
	add(s, key, KV_STR, v, v ? strlen(v) : 0);
}

static bool scope_room(struct scope *s, size_t n)
{
	if (!s->kv)
		s->kv = calloc(n, sizeof(*s->kv));
	s->n = 0;
	return s->kv;
}

void host_scope_render(struct origin *o)
{
	struct scope *s = &o->host;

	if (!scope_room(s, HOST_KEYS))
		return;
	add_cstr(s, "run.id", o->run_id);
	add_cstr(s, "host.name", o->host_name);
	add_cstr(s, "host.id", o->host_id);
	add_cstr(s, "boot.id", o->boot_id);
	for (size_t i = 0; i < o->n_attributes; i++)
		add_cstr(s, o->attribute[i].key, o->attribute[i].value);
	add(s, "tags", KV_JSON, o->tags.p, o->tags.len);
	scope_render(s);
}

void host_scope_free(struct origin *o)
{
	scope_free(&o->host);
	free(o->host_name);
	free(o->host_id);
	free(o->attributes);
	buf_free(&o->tags);
}

void proc_scope_render(struct origin *o, struct proc *q)
{
	struct scope *s = &q->p.scope;

	if (!scope_room(s, SCOPE_KEYS))
		return;
	if (!q->created && q->p.start) {
		q->created = clock_real_of_boot(&o->clock, q->p.start);
		/* Whole ticks: two agents read the clocks with some nanoseconds between them. */
		q->created -= q->created % START_SLACK_NS;
	}
	if (q->p.service) {
		add_cstr(s, "service.name", q->p.service->name);
		add_cstr(s, "service.instance.id", svc_of(q->p.service)->instance);
	}
	s->kv[s->n++] = (struct kv){ .key = "process.pid", .type = KV_U64, .u = q->p.tgid };
	if (q->created)
		s->kv[s->n++] = (struct kv){ .key = "process.creation.time",
					     .type = KV_TIME,
					     .u = q->created };
	add_cstr(s, "process.executable.path", q->p.exe);
	add_cstr(s, "container.id", q->p.container_id);
	add_cstr(s, "k8s.pod.uid", q->p.pod_uid);
	add_cstr(s, "k8s.pod.name", q->p.pod_name);
	add_cstr(s, "process.linux.cgroup", q->p.cgroup_path);
	scope_render(s);
	proc_account(o, q);
}
