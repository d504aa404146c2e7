// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_origin.c - event sequences in, config and lifecycle records and scopes out. */
#include "base/json.h"
#include "origin/origin.h"
#include "privacy/redact.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define MAX_RECORDS 64
#define EPOCH 1700000000000000000ull
#define SEC 1000000000ull
#define BOOT_AHEAD (100 * SEC) /* CLOCK_BOOTTIME - CLOCK_MONOTONIC */

struct world {
	struct redactor *red;
	struct origin *o;
	char *line[MAX_RECORDS]; /* ,"key":value… of the record and its scopes */
	uint8_t id[MAX_RECORDS][16];
	size_t n;
};

static void on_record(void *ctx, struct record *r)
{
	struct world *w = ctx;
	struct buf b = { 0 };

	assert_false(r->overflow);
	assert_non_null(r->host);
	assert_true(w->n < MAX_RECORDS);
	buf_printf(&b, "%s,\"ts\":\"", record_type_name[r->type]);
	buf_rfc3339(&b, r->ts);
	buf_puts(&b, "\"");
	for (size_t i = 0; i < r->n; i++)
		kv_write_json(&b, &r->kv[i]);
	if (r->proc)
		buf_put(&b, r->proc->json, r->proc->json_len);
	buf_put(&b, r->host->json, r->host->json_len);
	buf_putc(&b, '\0');
	memcpy(w->id[w->n], r->id, 16);
	w->line[w->n++] = b.p;
}

static struct world *world_new(const char *run_id, const char *service, const char *const *tags,
			       const char *attrs)
{
	struct world *w = calloc(1, sizeof(*w));
	struct record_sink sink = { on_record, w };
	struct origin_opts oo = { .run_id = run_id,
				  .boot_id = "b00t",
				  .service = service,
				  .tags = tags,
				  .resource_attributes = attrs };
	struct err e;

	assert_non_null(w);
	w->red = redactor_new(PAYLOAD_REDACTED, NULL, 0, &e);
	assert_non_null(w->red);
	oo.redactor = w->red;
	w->o = origin_new(&oo, &sink);
	assert_non_null(w->o);
	return w;
}

static void world_free(struct world *w)
{
	origin_free(w->o);
	redactor_free(w->red);
	for (size_t i = 0; i < w->n; i++)
		free(w->line[i]);
	free(w);
}

/* ---- events ---- */

static uint64_t start_of(uint32_t tgid)
{
	return BOOT_AHEAD + tgid * SEC;
}

static struct event event(enum event_type type, uint32_t tgid, uint64_t ts)
{
	struct event ev = { .type = type,
			    .tgid = tgid,
			    .tid = tgid,
			    .ts = ts,
			    .start = tgid ? start_of(tgid) : 0 };

	return ev;
}

static void clock_pair(struct world *w, uint64_t ts)
{
	struct event ev = event(EVENT_CLOCK, 0, ts);

	ev.clock.realtime = EPOCH + ts;
	ev.clock.boottime = ts + BOOT_AHEAD;
	origin_on_event(w->o, &ev, NULL, 0);
}

static void text(struct world *w, enum event_type type, uint32_t tgid, uint64_t ts, uint32_t kind,
		 const char *t)
{
	struct event ev = event(type, tgid, ts);

	ev.text.p = t;
	ev.text.n = strlen(t);
	ev.text.kind = kind;
	origin_on_event(w->o, &ev, NULL, 0);
}

/* Something made it a target just now. */
static void attach(struct world *w, uint32_t tgid, uint64_t ts)
{
	text(w, EVENT_TARGET, tgid, ts, 1, "");
}

static void life(struct world *w, enum event_type type, uint32_t tgid, uint32_t ppid, uint64_t ts,
		 const char *comm, const char *path)
{
	struct event ev = event(type, tgid, ts);

	ev.life.ppid = ppid;
	ev.life.ppid_start = ppid ? start_of(ppid) : 0;
	snprintf(ev.life.comm, sizeof(ev.life.comm), "%s", comm);
	snprintf(ev.life.path, sizeof(ev.life.path), "%s", path);
	origin_on_event(w->o, &ev, NULL, 0);
}

/* Found by a scan. */
static void scan(struct world *w, uint32_t tgid, uint32_t ppid, uint64_t ts)
{
	life(w, EVENT_TASK, tgid, ppid, ts, "task", "");
	attach(w, tgid, ts);
}

static void ends(struct world *w, uint32_t tgid, uint64_t ts, int code, const char *in_flight)
{
	struct event ev = event(EVENT_EXIT, tgid, ts);

	ev.life.exit_code = code;
	origin_on_event(w->o, &ev, in_flight, in_flight ? strlen(in_flight) : 0);
}

static void send_signal(struct world *w, uint32_t from, uint32_t to, int sig, int code, uint64_t ts)
{
	struct event ev = event(EVENT_SIGNAL, from, ts);

	ev.signal.target = to;
	ev.signal.sig = sig;
	ev.signal.code = code;
	snprintf(ev.signal.comm, sizeof(ev.signal.comm), "killer%u", from);
	origin_on_event(w->o, &ev, NULL, 0);
}

static void listens(struct world *w, uint32_t tgid, uint64_t inode, uint16_t port, uint64_t ts,
		    bool iter)
{
	struct event ev = event(EVENT_LISTEN, tgid, ts);

	ev.from_iter = iter;
	ev.conn.inode = inode;
	ev.conn.family = AF_INET;
	ev.conn.local[0] = 127;
	ev.conn.local[3] = 1;
	ev.conn.local_port = port;
	origin_on_event(w->o, &ev, NULL, 0);
}

static bool has(const struct world *w, size_t i, const char *s)
{
	return i < w->n && strstr(w->line[i], s);
}
static void expect(const struct world *w, size_t i, const char *s)
{
	if (!has(w, i, s)) {
		print_error("record %zu of %zu lacks %s:\n%s\n", i, w->n, s,
			    i < w->n ? w->line[i] : "-");
		fail();
	}
}
static void expect_not(const struct world *w, size_t i, const char *s)
{
	if (has(w, i, s)) {
		print_error("record %zu has %s:\n%s\n", i, s, w->line[i]);
		fail();
	}
}

#define PROC_UVICORN                                                                               \
	"{\"exe\":\"/usr/bin/python3.11\",\"argv\":[\"/usr/bin/python3\",\"/v/bin/"                \
	"uvicorn\",\"app:app\","                                                                   \
	"\"--api-key\",\"sk-0123456789abcdef0123456789abcdef\"],\"cwd\":\"/srv\",\"ppid\":1,"      \
	"\"cgroup\":\"/user.slice/session-1.scope\",\"nodename\":\"node7\",\"comm\":\"uvicorn\","  \
	"\"env\":{\"HF_TOKEN\":\"hf_secretsecretsecretsecretsecret\",\"PORT\":\"80\"},\"limits\":" \
	"{\"nofile\":[1024,4096],\"x\":null,\"y\":true}}"
#define HOST                                                           \
	"{\"kernel\":\"6.1.0\",\"hostname\":\"node7\",\"machine_id\":" \
	"\"00ff00ff00ff00ff00ff00ff00ff00ff\","                        \
	"\"cpus\":2,\"memory_bytes\":4096}"

/* ---- tests ---- */

static void attach_and_snapshot(void **state)
{
	struct world *w = world_new("0123", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1 * SEC);
	text(w, EVENT_HOST, 0, 2 * SEC, 0, HOST);
	scan(w, 40, 0, 50 * SEC);
	assert_int_equal(w->n, 1); /* the attach waits for its snapshot */
	text(w, EVENT_PROC, 40, 51 * SEC, 0, PROC_UVICORN);
	assert_int_equal(w->n, 3);
	expect(w, 0, "config,\"ts\":\"2023-11-14T22:13:22.000000000Z\"");
	expect(w, 0, "\"config.kind\":\"host\",\"config.event\":\"snapshot\"");
	expect(w, 0, "\"cpus\":2");
	expect(w, 0,
	       "\"host.name\":\"node7\",\"host.id\":\"00ff00ff00ff00ff00ff00ff00ff00ff\",\"boot."
	       "id\":\"b00t\"");
	expect(w, 0, "\"run.id\":\"0123\"");
	expect_not(w, 0, "process.pid");
	expect(w, 1,
	       "lifecycle,\"ts\":\"2023-11-14T22:14:10.000000000Z\",\"lifecycle.event\":"
	       "\"attach\"");
	expect(w, 1, "\"process.parent_pid\":1");
	expect(w, 1, "\"service.name\":\"app:app\"");
	expect(w, 1, "\"process.pid\":40");
	expect(w, 1, "\"process.creation.time\":\"2023-11-14T22:14:00.000000000Z\"");
	expect(w, 1, "\"process.executable.path\":\"/usr/bin/python3.11\"");
	expect(w, 1, "\"process.linux.cgroup\":\"/user.slice/session-1.scope\"");
	expect(w, 2, "config");
	expect(w, 2, "\"config.kind\":\"process\",\"config.event\":\"snapshot\"");
	expect(w, 2,
	       "\"process.command_args\":[\"/usr/bin/python3\",\"/v/bin/uvicorn\",\"app:app\"");
	expect(w, 2, "\"limits\":{\"nofile\":[1024,4096],\"x\":null,\"y\":true}");
	expect(w, 2, "\"PORT\":\"80\"");
	for (size_t i = 0; i < w->n; i++) {
		expect_not(w, i, "sk-0123");
		expect_not(w, i, "hf_secret");
	}
	/* The same again is no change; something else is. */
	text(w, EVENT_PROC, 40, 60 * SEC, 0, PROC_UVICORN);
	assert_int_equal(w->n, 3);
	text(w, EVENT_PROC, 40, 61 * SEC, 0,
	     "{\"exe\":\"/usr/bin/node\",\"argv\":[\"node\",\"server.js\"]}");
	assert_int_equal(w->n, 4);
	expect(w, 3, "\"config.event\":\"changed\"");
	expect(w, 3, "\"service.name\":\"server\"");
	world_free(w);
}

static void snapshot_before_attach_is_held(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	text(w, EVENT_PROC, 40, 50 * SEC, 0, PROC_UVICORN);
	assert_int_equal(w->n, 0);
	attach(w, 40, 51 * SEC);
	assert_int_equal(w->n, 2);
	expect(w, 0, "\"lifecycle.event\":\"attach\"");
	expect(w, 0, "\"service.name\":\"app:app\"");
	expect(w, 1, "\"config.kind\":\"process\"");
	world_free(w);
}

static void attach_without_snapshot_is_told_in_time(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	scan(w, 42, 0, 50 * SEC);
	scan(w, 41, 0, 50 * SEC);
	assert_int_equal(w->n, 0);
	clock_pair(w, 60 * SEC);
	assert_int_equal(w->n, 2);
	expect(w, 0, "\"process.pid\":41");
	expect(w, 1, "\"process.pid\":42");
	scan(w, 43, 0, 61 * SEC);
	assert_non_null(origin_process(w->o, 43, start_of(43)));
	assert_int_equal(w->n, 3);
	world_free(w);
}

static void damaged_snapshots_say_nothing(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);
	const char *whole = PROC_UVICORN;
	char *cut;

	(void)state;
	scan(w, 40, 0, 1);
	for (size_t n = 0; n < strlen(whole); n++) {
		cut = strndup(whole, n);
		assert_non_null(cut);
		text(w, EVENT_PROC, 40, 2, 0, cut);
		free(cut);
	}
	text(w, EVENT_PROC, 40, 2, 0, "[]");
	text(w, EVENT_PROC, 40, 2, 0, "{\"argv\":[[1]]}");
	text(w, EVENT_PROC, 40, 2, 0, "{\"env\":{\"A\":1}}");
	text(w, EVENT_PROC, 40, 2, 0, "{\"a\":1} x");
	text(w, EVENT_HOST, 0, 2, 0, "nonsense");
	assert_int_equal(w->n, 0);
	/* Every byte flipped: whatever comes out is whole JSON. */
	for (size_t i = 0; i < strlen(whole); i++) {
		const size_t before = w->n;

		cut = strdup(whole);
		assert_non_null(cut);
		cut[i] = (char)(cut[i] ^ 1 << (i % 7));
		text(w, EVENT_PROC, 40, 3, 0, cut);
		for (size_t k = before; k < w->n; k++) {
			const char *data = strstr(w->line[k], "\"config.data\":");

			if (data) {
				struct json_reader r;
				struct json_token t;
				enum json_type type;

				data += strlen("\"config.data\":");
				json_open(&r, data, strlen(data));
				while ((type = json_next(&r, &t)) < JSON_DONE)
					if (type == JSON_OBJ_END && !r.depth)
						break;
				if (type != JSON_OBJ_END)
					print_error("%d at %zu of %s\n", (int)type, r.off, data);
				assert_true(type == JSON_OBJ_END);
			}
		}
		while (w->n > 1)
			free(w->line[--w->n]);
		free(cut);
	}
	world_free(w);
}

static void targets_found_late_start(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	/* A later match: exec first, then it turns out to be a target. */
	life(w, EVENT_EXEC, 40, 1, 50 * SEC, "uvicorn", "/v/bin/uvicorn");
	attach(w, 40, 51 * SEC);
	text(w, EVENT_PROC, 40, 52 * SEC, 0, PROC_UVICORN);
	expect(w, 0, "\"ts\":\"2023-11-14T22:14:10.000000000Z\",\"lifecycle.event\":\"start\"");
	/* -- CMD: a target that has not run yet. */
	attach(w, 60, 70 * SEC);
	life(w, EVENT_EXEC, 60, 5, 71 * SEC, "server", "/opt/server");
	text(w, EVENT_PROC, 60, 72 * SEC, 0,
	     "{\"exe\":\"/opt/server\",\"argv\":[\"/opt/server\",\"-x\"]}");
	expect(w, 2, "\"ts\":\"2023-11-14T22:14:31.000000000Z\",\"lifecycle.event\":\"start\"");
	expect(w, 2, "\"process.command_args\":[\"/opt/server\",\"-x\"]");
	expect(w, 2, "\"service.name\":\"server\"");
	/* And another exec of the same process. */
	life(w, EVENT_EXEC, 60, 5, 73 * SEC, "other", "/opt/other");
	expect(w, 4, "\"lifecycle.event\":\"exec\"");
	expect(w, 4, "\"process.executable.path\":\"/opt/other\"");
	/* Its name waits for the arguments. */
	expect(w, 4, "\"service.name\":\"server\"");
	expect_not(w, 4, "command_args");
	assert_int_equal(w->n, 5);
	world_free(w);
}

/* What user space saw of an exec stands before the kernel's record of it. */
static void exec_after_its_snapshot_is_a_start(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	attach(w, 40, 51 * SEC);
	text(w, EVENT_PROC, 40, 52 * SEC, 0, PROC_UVICORN);
	listens(w, 40, 900, 8000, 52 * SEC, true);
	assert_int_equal(w->n, 0);
	assert_string_equal(origin_find(w->o, 40)->service->name, "app:app");
	life(w, EVENT_EXEC, 40, 1, 50 * SEC, "uvicorn", "/v/bin/uvicorn");
	assert_int_equal(w->n, 2);
	expect(w, 0, "\"ts\":\"2023-11-14T22:14:10.000000000Z\",\"lifecycle.event\":\"start\"");
	expect(w, 0, "\"service.name\":\"app:app\"");
	expect(w, 0, "\"process.executable.path\":\"/usr/bin/python3.11\"");
	expect(w, 1, "\"config.kind\":\"process\"");
	/* Anything else next: it was attached to, by a port or so. */
	attach(w, 41, 53 * SEC);
	text(w, EVENT_PROC, 41, 53 * SEC, 0, PROC_UVICORN);
	assert_int_equal(w->n, 2);
	clock_pair(w, 54 * SEC);
	assert_int_equal(w->n, 4);
	expect(w, 2, "\"lifecycle.event\":\"attach\"");
	expect(w, 3, "\"config.kind\":\"process\"");
	/* Or its first bytes. */
	attach(w, 42, 55 * SEC);
	text(w, EVENT_PROC, 42, 55 * SEC, 0, PROC_UVICORN);
	origin_process(w->o, 42, start_of(42));
	assert_int_equal(w->n, 6);
	world_free(w);
}

static void trees_are_services(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);
	struct process *root, *worker, *other, *grandchild;

	(void)state;
	clock_pair(w, 1);
	/* The worker is attached before its master, as a rescan may have it. */
	life(w, EVENT_TASK, 50, 40, 60 * SEC, "gunicorn", "");
	attach(w, 50, 60 * SEC);
	life(w, EVENT_TASK, 40, 1, 60 * SEC, "gunicorn", "");
	attach(w, 40, 60 * SEC);
	text(w, EVENT_PROC, 40, 61 * SEC, 0,
	     "{\"exe\":\"/usr/bin/python3.11\",\"argv\":[\"gunicorn: master "
	     "[shop:app]\"],\"ppid\":1}");
	life(w, EVENT_FORK, 62, 50, 62 * SEC, "gunicorn", "");
	attach(w, 55, 63 * SEC);
	root = origin_find(w->o, 40);
	worker = origin_find(w->o, 50);
	grandchild = origin_find(w->o, 62);
	other = origin_process(w->o, 55, start_of(55));
	assert_ptr_equal(root->service, worker->service);
	assert_ptr_equal(root->service, grandchild->service);
	assert_ptr_not_equal(root->service, other->service);
	assert_string_equal(worker->service->name, "shop:app");
	assert_int_equal(root->service->refs, 3);
	assert_int_equal(root->service->root_tgid, 40);
	assert_non_null(strstr(grandchild->scope.json, "\"service.name\":\"shop:app\""));
	assert_true(grandchild->target);
	/* Workers outlive their master; their service does too. */
	ends(w, 40, 64 * SEC, 0, NULL);
	life(w, EVENT_FORK, 65, 50, 65 * SEC, "gunicorn", "");
	assert_ptr_equal(origin_find(w->o, 65)->service, worker->service);
	/* A fork is told once, threads (the same process again) never. */
	{
		const size_t before = w->n;

		life(w, EVENT_FORK, 65, 50, 66 * SEC, "gunicorn", "");
		assert_int_equal(w->n, before);
		expect(w, before - 1, "\"lifecycle.event\":\"fork\"");
		expect(w, before - 1, "\"process.parent_pid\":50");
		expect(w, before - 1, "\"process.pid\":65");
	}
	/* Children of strangers are strangers. */
	life(w, EVENT_FORK, 70, 69, 70 * SEC, "x", "");
	assert_null(origin_find(w->o, 70));
	world_free(w);
}

static void wrappers_take_their_childs_name(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	text(w, EVENT_PROC, 40, 41 * SEC, 0,
	     "{\"exe\":\"/usr/bin/dash\",\"argv\":[\"sh\",\"-c\",\"uvicorn app:app; true\"]}");
	assert_string_equal(origin_find(w->o, 40)->service->name, "dash");
	/* The first child gives its name, the one that listens decides. */
	life(w, EVENT_FORK, 41, 40, 42 * SEC, "sh", "");
	life(w, EVENT_EXEC, 41, 40, 42 * SEC, "sleep", "/usr/bin/sleep");
	text(w, EVENT_PROC, 41, 43 * SEC, 0,
	     "{\"exe\":\"/usr/bin/sleep\",\"argv\":[\"sleep\",\"9\"],\"ppid\":40}");
	assert_string_equal(origin_find(w->o, 40)->service->name, "sleep");
	life(w, EVENT_FORK, 42, 40, 42 * SEC, "sh", "");
	life(w, EVENT_EXEC, 42, 40, 42 * SEC, "uvicorn", "/v/bin/uvicorn");
	text(w, EVENT_PROC, 42, 43 * SEC, 0, PROC_UVICORN);
	assert_string_equal(origin_find(w->o, 40)->service->name, "sleep");
	listens(w, 42, 900, 80, 44 * SEC, false);
	assert_string_equal(origin_find(w->o, 40)->service->name, "app:app");
	assert_ptr_equal(origin_find(w->o, 40)->service, origin_find(w->o, 42)->service);
	assert_non_null(strstr(origin_find(w->o, 40)->scope.json, "\"service.name\":\"app:app\""));
	world_free(w);
}

static const struct {
	int code;
	bool oom;
	int sent, si_code; /* a signal before the end, from pid 7 */
	const char *event, *key, *not_key;
} end[] = {
	{ 0, false, 0, 0, "exit", "\"process.exit.code\":0", "exit.signal" },
	{ 3 << 8, false, 0, 0, "exit", "\"process.exit.code\":3", "killed_by" },
	{ SIGTERM, false, SIGTERM, 0, "exit",
	  "\"exit.signal\":\"SIGTERM\",\"exit.core\":false,\"exit.killed_by\":{\"pid\":7,\"comm\":"
	  "\"killer7\"}",
	  "process.exit.code" },
	{ 0, false, SIGTERM, 0, "exit", "\"exit.killed_by\":{\"pid\":7", "exit.signal" },
	{ 0, false, SIGUSR1, 0, "exit", "\"process.exit.code\":0", "killed_by" },
	{ SIGINT, false, 0, 0, "exit", "\"exit.signal\":\"SIGINT\"", "in_flight" },
	{ SIGKILL, false, SIGKILL, 0, "crash",
	  "\"exit.signal\":\"SIGKILL\",\"exit.core\":false,\"exit.killed_by\":{\"pid\":7", "oom" },
	{ SIGKILL, false, SIGTERM, 0, "crash", "\"exit.signal\":\"SIGKILL\"", "killed_by" },
	{ SIGSEGV | 0x80, false, SIGSEGV, 1, "crash",
	  "\"exit.signal\":\"SIGSEGV\",\"exit.core\":true", "killed_by" },
	{ SIGABRT | 0x80, false, 0, 0, "crash", "\"exit.signal\":\"SIGABRT\"", "killed_by" },
	{ SIGTERM | 0x80, false, 0, 0, "crash", "\"exit.signal\":\"SIGTERM\"", "killed_by" },
	{ 37, false, 0, 0, "crash", "\"exit.signal\":\"SIGRTMIN+3\"", "killed_by" },
	{ SIGKILL, true, 0, 0, "oom_kill", "\"oom.usage\":2048", "killed_by" },
};

static void ends_are_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(end) / sizeof(end[0]); i++) {
		struct world *w = world_new("r", NULL, NULL, NULL);
		const bool bad = strcmp(end[i].event, "exit") != 0;
		char want[64];
		struct process *p;

		clock_pair(w, 1);
		scan(w, 40, 0, 41 * SEC);
		p = origin_process(w->o, 40, start_of(40));
		p->in_flight = 1;
		if (end[i].sent)
			send_signal(w, 7, 40, end[i].sent, end[i].si_code, 49 * SEC);
		if (end[i].oom) {
			struct event ev = event(EVENT_OOM, 40, 49 * SEC);

			ev.life.oom_rss = 2;
			origin_on_event(w->o, &ev, "[{\"id\":\"aa\"}]", 13);
		}
		ends(w, 40, 50 * SEC, end[i].code, "[]");
		assert_int_equal(w->n, 2);
		snprintf(want, sizeof(want), "\"lifecycle.event\":\"%s\"", end[i].event);
		expect(w, 1, want);
		expect(w, 1, end[i].key);
		expect_not(w, 1, end[i].not_key);
		expect(w, 1, "\"lifecycle.uptime\":10,");
		if (end[i].oom)
			expect(w, 1,
			       "\"in_flight\":[{\"id\":\"aa\"}],\"in_flight.scope\":\"process\"");
		else if (bad)
			expect(w, 1, "\"in_flight\":[],\"in_flight.scope\":\"process\"");
		else
			expect_not(w, 1, "in_flight");
		assert_true(p->gone);
		assert_int_equal(p->crashed, bad);
		/* Death is told once. */
		ends(w, 40, 51 * SEC, end[i].code, "[]");
		assert_int_equal(w->n, 2);
		world_free(w);
	}
}

static void engines_die_with_the_services_requests(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	life(w, EVENT_FORK, 42, 40, 42 * SEC, "engine", "");
	origin_find(w->o, 40)->in_flight = 1;
	origin_find(w->o, 40)->service->in_flight = 1;
	ends(w, 42, 43 * SEC, SIGSEGV, "[{\"id\":\"aa\"}]");
	expect(w, w->n - 1, "\"lifecycle.event\":\"crash\"");
	expect(w, w->n - 1, "\"in_flight\":[{\"id\":\"aa\"}],\"in_flight.scope\":\"service\"");
	world_free(w);
}

/* Who listens could have served: what others serve was not its work. */
static void idle_workers_die_with_nothing(void **state)
{
	static const struct {
		bool before, after, exec, itself, iter;
		const char *scope;
	} way[] = {
		{ true, false, false, false, false, "process" }, /* inherited by fork */
		{ false, true, false, false, false, "service" }, /* the parent listened later */
		{ true, false, true, false, false, "service" }, /* an exec closed it */
		{ false, false, false, true, false, "process" }, /* its own */
		{ false, false, false, true, true, "process" }, /* found by the iterator */
		{ true, false, true, true, false, "process" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		struct world *w = world_new("r", NULL, NULL, NULL);
		char want[64];

		clock_pair(w, 1);
		scan(w, 40, 0, 41 * SEC);
		if (way[i].before)
			listens(w, 40, 900, 8000, 42 * SEC, i % 2);
		life(w, EVENT_FORK, 42, 40, 43 * SEC, "worker", "");
		life(w, EVENT_FORK, 43, 42, 44 * SEC, "worker", ""); /* and on to the next */
		if (way[i].after)
			listens(w, 40, 900, 8000, 44 * SEC, false);
		if (way[i].exec)
			life(w, EVENT_EXEC, 43, 42, 45 * SEC, "worker", "/bin/worker");
		if (way[i].itself)
			listens(w, 43, 901, 8001, 46 * SEC, way[i].iter);
		origin_find(w->o, 40)->in_flight = 1;
		origin_find(w->o, 40)->service->in_flight = 1;
		ends(w, 43, 47 * SEC, SIGKILL, "[]");
		snprintf(want, sizeof(want), "\"in_flight.scope\":\"%s\"", way[i].scope);
		expect(w, w->n - 1, want);
		world_free(w);
	}
}

static void killers_have_an_exe_when_known(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	life(w, EVENT_EXEC, 7, 1, 42 * SEC, "killer7", "/usr/bin/killer7");
	send_signal(w, 7, 40, SIGKILL, 0, 43 * SEC);
	/* What the target sends to itself, and a stranger's signal to a stranger, do not count. */
	send_signal(w, 40, 40, SIGKILL, -6, 44 * SEC);
	send_signal(w, 7, 99, SIGKILL, 0, 44 * SEC);
	ends(w, 40, 45 * SEC, SIGKILL, NULL);
	expect(w, w->n - 1,
	       "\"exit.killed_by\":{\"pid\":7,\"comm\":\"killer7\",\"exe\":\"/usr/bin/killer7\"}");
	world_free(w);
}

/* Two signals each before an end; from: 40 is the process itself. */
static void signals_of_its_own(void **state)
{
	static const struct {
		struct {
			uint32_t from;
			int sig, code;
		} s[2];
		int end;
		uint32_t killer; /* 0: none */
	} row[] = {
		{ { { 40, SIGABRT, -6 } }, SIGABRT | 0x80, 40 }, /* abort(3) */
		{ { { 40, SIGKILL, 0 } }, SIGKILL, 40 }, /* kill(getpid()) */
		{ { { 40, SIGSEGV, 1 } }, SIGSEGV | 0x80, 0 }, /* a fault */
		{ { { 40, SIGSEGV, 1 }, { 40, SIGSEGV, -6 } },
		  SIGSEGV | 0x80,
		  0 }, /* raised again */
		{ { { 40, SIGSEGV, -6 }, { 40, SIGSEGV, 1 } }, SIGSEGV | 0x80, 0 },
		{ { { 7, SIGSEGV, 0 }, { 40, SIGSEGV, 1 } }, SIGSEGV | 0x80, 0 },
		{ { { 40, SIGSEGV, 1 }, { 7, SIGSEGV, 0 } }, SIGSEGV | 0x80, 7 },
		{ { { 40, SIGPIPE, 0 } }, SIGPIPE, 0 }, /* a failed write */
		{ { { 7, SIGALRM, -2 } }, SIGALRM, 0 }, /* a timer, while somebody else ran */
		{ { { 7, SIGTERM, 0 }, { 40, SIGTERM, -6 } },
		  SIGTERM,
		  7 }, /* passed on to itself */
		{ { { 7, SIGTERM, 0 }, { 40, SIGUSR1, -6 } }, 0, 7 },
		{ { { 40, SIGTERM, -6 } }, 0, 0 }, /* survived: it ended as it liked */
		{ { { 40, SIGABRT, -6 } }, SIGKILL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct world *w = world_new("r", NULL, NULL, NULL);
		char want[64];

		clock_pair(w, 1);
		life(w, EVENT_EXEC, 40, 1, 40 * SEC, "srv", "/bin/srv");
		scan(w, 40, 0, 41 * SEC);
		for (size_t k = 0; k < 2 && row[i].s[k].sig; k++)
			send_signal(w, row[i].s[k].from, 40, row[i].s[k].sig, row[i].s[k].code,
				    (42 + k) * SEC);
		ends(w, 40, 45 * SEC, row[i].end, NULL);
		snprintf(want, sizeof(want),
			 "\"exit.killed_by\":{\"pid\":%u,\"comm\":", row[i].killer);
		if (row[i].killer)
			expect(w, w->n - 1, want);
		else
			expect_not(w, w->n - 1, "killed_by");
		if (row[i].killer == 40)
			expect(w, w->n - 1, "\"exe\":\"/bin/srv\"}");
		world_free(w);
	}
}

static void files_are_told_ahead(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);
	const size_t snapshots = 2; /* records: attach, snapshot */

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	text(w, EVENT_PROC, 40, 42 * SEC, 0, PROC_UVICORN);
	assert_int_equal(w->n, snapshots);
	/* Of an exec: the link's target, not the name given. It makes no record of its own. */
	text(w, EVENT_PROC, 40, 43 * SEC, 2, "{\"exe\":\"/usr/bin/python3.12 (deleted)\"}");
	assert_int_equal(w->n, snapshots);
	life(w, EVENT_EXEC, 40, 1, 44 * SEC, "python3", "/usr/bin/python3");
	expect(w, 2, "\"process.executable.path\":\"/usr/bin/python3.12\"");
	/* Only of the next: without it, the name given, whatever it looks like. */
	life(w, EVENT_EXEC, 40, 1, 45 * SEC, "x", "./x");
	expect(w, 3, "\"process.executable.path\":\"./x\"");
	/* Of who sends a signal and is no target; damaged texts say nothing. */
	text(w, EVENT_PROC, 7, 46 * SEC, 1, "{\"exe\":\"/bin/killer\"}");
	text(w, EVENT_PROC, 7, 46 * SEC, 1, "{\"exe\":\"/bin/wro");
	send_signal(w, 7, 40, SIGKILL, 0, 47 * SEC);
	ends(w, 40, 48 * SEC, SIGKILL, NULL);
	assert_int_equal(w->n, 5);
	expect(w, 4, "\"exit.killed_by\":{\"pid\":7,\"comm\":\"killer7\",\"exe\":\"/bin/killer\"}");
	/* It was no snapshot: as a target the sender is told of when there is one. */
	attach(w, 7, 49 * SEC);
	text(w, EVENT_PROC, 7, 50 * SEC, 0, "{\"exe\":\"/bin/killer\",\"argv\":[\"k\"]}");
	clock_pair(w, 51 * SEC);
	assert_int_equal(w->n, 7);
	expect(w, 6, "\"config.event\":\"snapshot\"");
	world_free(w);
}

/* Clock readings of two agents differ by some hundred nanoseconds: what they derive may not. */
static void creation_times_agree(void **state)
{
	char first[64] = "";

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct world *w = world_new("r", NULL, NULL, NULL);
		struct event ev = event(EVENT_CLOCK, 0, 1);
		const char *at;

		ev.clock.realtime = EPOCH + 1 + 4321000 + (uint64_t)i * 97;
		ev.clock.boottime = 1 + BOOT_AHEAD - (uint64_t)i * 53;
		origin_on_event(w->o, &ev, NULL, 0);
		scan(w, 40, 0, 41 * SEC);
		at = strstr(origin_find(w->o, 40)->scope.json, "\"process.creation.time\"");
		assert_non_null(at);
		if (i)
			assert_memory_equal(first, at, strcspn(at, "Z"));
		else
			snprintf(first, sizeof(first), "%.60s", at);
		world_free(w);
	}
}

static void listen_ready_detach(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);
	struct process *p;

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	listens(w, 40, 900, 8000, 42 * SEC, false);
	listens(w, 40, 900, 8000, 43 * SEC, false); /* asyncio listens twice */
	listens(w, 40, 901, 8001, 44 * SEC, true); /* was there before */
	listens(w, 99, 902, 8002, 44 * SEC, false); /* a stranger */
	assert_int_equal(w->n, 2);
	expect(w, 1, "\"lifecycle.event\":\"listen\"");
	expect(w, 1, "\"server.address\":\"127.0.0.1\",\"server.port\":8000");
	p = origin_process(w->o, 40, start_of(40));
	origin_ready(w->o, p, 45 * SEC);
	origin_ready(w->o, p, 46 * SEC);
	assert_int_equal(w->n, 3);
	expect(w, 2, "\"lifecycle.event\":\"ready\"");
	text(w, EVENT_TARGET, 40, 47 * SEC, 2, "");
	text(w, EVENT_TARGET, 40, 48 * SEC, 2, "");
	assert_int_equal(w->n, 4);
	expect(w, 3, "\"lifecycle.event\":\"detach\"");
	world_free(w);
}

static void containers_and_pods(void **state)
{
	static const char proc[] =
		"{\"exe\":\"/app\",\"argv\":[\"/app\"],\"nodename\":\"rank-0\",\"cgroup\":\"/"
		"kubepods/burstable/"
		"pod12345678-1234-1234-1234-123456789abc/"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}";
	struct world *w = world_new("r", NULL, NULL, NULL);

	(void)state;
	scan(w, 40, 0, 41 * SEC);
	text(w, EVENT_PROC, 40, 41 * SEC, 0, proc);
	expect(w, 0,
	       "\"container.id\":"
	       "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"");
	expect(w, 0,
	       "\"k8s.pod.uid\":\"12345678-1234-1234-1234-123456789abc\",\"k8s.pod.name\":\"rank-"
	       "0\"");
	/* Children are in the same container before anybody looked. */
	life(w, EVENT_FORK, 42, 40, 42 * SEC, "app", "");
	expect(w, 2, "\"k8s.pod.name\":\"rank-0\"");
	/* A node name is no pod name outside of a pod. */
	scan(w, 50, 0, 51 * SEC);
	text(w, EVENT_PROC, 50, 51 * SEC, 0, PROC_UVICORN);
	expect_not(w, 3, "k8s.pod.name");
	world_free(w);
}

static void given_names_tags_and_attributes(void **state)
{
	static const char *const tags[] = { "env=a", "team=ml \"x\"", "env=prod", NULL };
	struct world *w = world_new("r", NULL, tags,
				    "service.name=shop, deployment.environment.name=prod%20eu,bad "
				    "key=1,host.name=evil,ts=1,"
				    "type=alert,service.version=3,service.version=4,junk");

	(void)state;
	text(w, EVENT_HOST, 0, 1, 0, HOST);
	expect(w, 0, "\"tags\":{\"team\":\"ml \\\"x\\\"\",\"env\":\"prod\"}");
	expect(w, 0, "\"deployment.environment.name\":\"prod eu\"");
	expect(w, 0, "\"service.version\":\"3\"");
	expect_not(w, 0, "evil");
	expect_not(w, 0, "bad key");
	expect_not(w, 0, "\"type\"");
	scan(w, 40, 0, 41 * SEC);
	text(w, EVENT_PROC, 40, 41 * SEC, 0, PROC_UVICORN);
	expect(w, 1, "\"service.name\":\"shop\"");
	world_free(w);
	/* --service wins over the attribute. */
	w = world_new("r", "mine", NULL, "service.name=shop");
	scan(w, 40, 0, 41 * SEC);
	text(w, EVENT_PROC, 40, 41 * SEC, 0, PROC_UVICORN);
	expect(w, 0, "\"service.name\":\"mine\"");
	world_free(w);
}

/* Another agent, other times: the same events have the same ids, different ones different ids. */
static void script(struct world *w, uint64_t shift)
{
	clock_pair(w, 1 * SEC + shift);
	text(w, EVENT_HOST, 0, 2 * SEC + shift, 0, HOST);
	scan(w, 40, 0, 50 * SEC + shift);
	text(w, EVENT_PROC, 40, 51 * SEC + shift, 0, PROC_UVICORN);
	listens(w, 40, 900, 8000, 52 * SEC + shift, false);
	listens(w, 40, 901, 8001, 52 * SEC + shift, false);
	life(w, EVENT_FORK, 53, 40, 53 * SEC + shift, "x", "");
	life(w, EVENT_EXEC, 53, 40, 54 * SEC + shift, "y", "/y");
	life(w, EVENT_EXEC, 53, 40, 55 * SEC + shift, "z", "/z");
	origin_ready(w->o, origin_process(w->o, 40, start_of(40)), 56 * SEC + shift);
	text(w, EVENT_PROC, 40, 57 * SEC + shift, 0, "{\"argv\":[\"b\"]}");
	text(w, EVENT_PROC, 40, 57 * SEC + shift, 0, PROC_UVICORN);
	ends(w, 53, 58 * SEC + shift, SIGSEGV, "[]");
	text(w, EVENT_TARGET, 40, 59 * SEC + shift, 2, "");
	attach(w, 40, 60 * SEC + shift);
	text(w, EVENT_TARGET, 40, 61 * SEC + shift, 2, "");
}

static void ids_hold_facts_only(void **state)
{
	struct world *a = world_new("aaaa", NULL, NULL, NULL),
		     *b = world_new("bbbb", "other", NULL, NULL);

	(void)state;
	script(a, 0);
	script(b, 777);
	assert_true(a->n > 14);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++) {
		assert_memory_equal(a->id[i], b->id[i], 16);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(a->id[i], a->id[k], 16);
	}
	world_free(a);
	world_free(b);
}

static void pids_are_reused(void **state)
{
	struct world *w = world_new("r", NULL, NULL, NULL);
	struct process *old, *new;

	(void)state;
	clock_pair(w, 1);
	scan(w, 40, 0, 41 * SEC);
	old = origin_process(w->o, 40, start_of(40));
	old->pins++;
	new = origin_process(w->o, 40, start_of(40) + 5 * SEC);
	assert_ptr_not_equal(old, new);
	assert_true(old->gone);
	assert_ptr_equal(origin_find(w->o, 40), new);
	/* A start in ticks is the same process; the finer value is kept. */
	assert_ptr_equal(origin_process(w->o, 40, start_of(40) + 5 * SEC + 1234), new);
	assert_int_equal(new->start, start_of(40) + 5 * SEC + 1234);
	assert_ptr_equal(origin_process(w->o, 40, 0), new);
	/* Many come and go: what is pinned stays, the table stays small. */
	for (uint32_t i = 1000; i < 40000; i++) {
		origin_process(w->o, i, start_of(i));
		while (w->n > 1)
			free(w->line[--w->n]);
		ends(w, i, i * SEC, 0, NULL);
	}
	assert_int_equal(old->tgid, 40);
	assert_int_equal(old->pins, 1);
	assert_non_null(origin_find(w->o, 39999));
	assert_null(origin_find(w->o, 1000));
	old->pins--;
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attach_and_snapshot),
		cmocka_unit_test(snapshot_before_attach_is_held),
		cmocka_unit_test(attach_without_snapshot_is_told_in_time),
		cmocka_unit_test(damaged_snapshots_say_nothing),
		cmocka_unit_test(targets_found_late_start),
		cmocka_unit_test(exec_after_its_snapshot_is_a_start),
		cmocka_unit_test(trees_are_services),
		cmocka_unit_test(wrappers_take_their_childs_name),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(engines_die_with_the_services_requests),
		cmocka_unit_test(idle_workers_die_with_nothing),
		cmocka_unit_test(killers_have_an_exe_when_known),
		cmocka_unit_test(signals_of_its_own),
		cmocka_unit_test(files_are_told_ahead),
		cmocka_unit_test(creation_times_agree),
		cmocka_unit_test(listen_ready_detach),
		cmocka_unit_test(containers_and_pods),
		cmocka_unit_test(given_names_tags_and_attributes),
		cmocka_unit_test(ids_hold_facts_only),
		cmocka_unit_test(pids_are_reused),
	};

	return cmocka_run_group_tests_name("origin", tests, NULL, NULL);
}
