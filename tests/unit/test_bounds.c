/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * test_bounds.c - --max-memory holds whatever arrives, and what fell out is counted: each table of
 * the pipeline is driven past its bound by events as a hostile client or host would cause them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/memory.h"
#include "cmd/pipeline.h"
#include "tests/unit/evbuild.h"

#define MIB ((size_t)1 << 20)
#define CEILING (32 * MIB)
#define MANY 100000u
#define MEASURE_EVERY 512 /* events; asking the allocator takes its time */

#ifdef __SANITIZE_ADDRESS__
#define MEASURED false /* the sanitizer's allocator keeps what was freed */
#else
#define MEASURED true
#endif

/* A pipeline whose one output goes to a reader that remembers the newest self record. */
struct world {
	struct options o;
	struct memory_plan plan;
	char dir[32], spec[64];
	char *outputs[2];
	struct pipeline *p;
	struct evsim sim;
	uint64_t events;
	size_t heap_before, heap_peak, rss_before;

	pthread_t reader;
	int fd;
	atomic_bool paused;
	char self[16384];
	uint64_t ok, unfinished; /* exchange records by outcome */
	char line[256 << 10];
	size_t len;
};

static size_t heap_bytes(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static size_t rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, resident = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void on_line(struct world *w, const char *p, size_t n)
{
	if (memmem(p, n, "\"type\":\"self\"", 13)) {
		assert_true(n < sizeof(w->self));
		memcpy(w->self, p, n);
		w->self[n] = '\0';
	} else if (memmem(p, n, "\"exchange.outcome\":\"ok\"", 23)) {
		w->ok++;
	} else if (memmem(p, n, "\"exchange.outcome\":\"unfinished\"", 31)) {
		w->unfinished++;
	}
}

static void *read_output(void *arg)
{
	struct world *w = arg;
	ssize_t got;

	while (atomic_load(&w->paused))
		usleep(1000);
	while ((got = read(w->fd, w->line + w->len, sizeof(w->line) - w->len)) > 0) {
		char *p = w->line, *lf;

		w->len += (size_t)got;
		while ((lf = memchr(p, '\n', w->len - (size_t)(p - w->line)))) {
			on_line(w, p, (size_t)(lf - p));
			p = lf + 1;
		}
		w->len -= (size_t)(p - w->line);
		memmove(w->line, p, w->len);
		if (w->len == sizeof(w->line))
			w->len = 0; /* no record that is counted here is so long */
	}
	return NULL;
}

static void measure(struct world *w)
{
	const size_t now = heap_bytes();

	if (now > w->heap_before && now - w->heap_before > w->heap_peak)
		w->heap_peak = now - w->heap_before;
}

static void feed(void *ctx, const void *raw, size_t n)
{
	struct world *w = ctx;

	pipeline_feed(w->p, raw, n);
	if (++w->events % MEASURE_EVERY == 0)
		measure(w);
}

static struct world *world_new(bool live)
{
	static const struct capture_meta meta = { .hz = 250, .boot_id = "b", .run_id = "r" };
	struct world *w = calloc(1, sizeof(*w));
	struct err e;

	assert_non_null(w);
	strcpy(w->dir, "/tmp/bounds.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->spec, sizeof(w->spec), "jsonl:%s/out", w->dir);
	assert_int_equal(mkfifo(w->spec + 6, 0600), 0);
	w->fd = open(w->spec + 6, O_RDONLY | O_NONBLOCK);
	assert_true(w->fd >= 0);
	w->outputs[0] = w->spec;
	w->o = (struct options){
		.sample_bytes = 16384,
		.sample_rate = 1,
		.payload = PAYLOAD_REDACTED,
		.buffer = 4096,
		.max_memory = CEILING,
		.learn = 1000,
		.false_alarms = 1,
		.min_effect = 0.0075,
		.outputs = { w->outputs, 1 },
	};
	memory_plan(&w->o, &w->plan);
	malloc_trim(0);
	w->heap_before = heap_bytes();
	w->rss_before = rss_bytes();
	w->p = pipeline_new(&w->o, &meta, live, &e);
	assert_non_null(w->p);
	fcntl(w->fd, F_SETFL, 0);
	atomic_init(&w->paused, live);
	assert_int_equal(pthread_create(&w->reader, NULL, read_output, w), 0);
	w->sim = evsim_new(feed, w);
	evsim_clock(&w->sim, 1800000000000000000u);
	return w;
}

/* The ceiling held all the time. */
static void world_end(struct world *w)
{
	struct err e;
	size_t rss;

	measure(w);
	rss = rss_bytes();
	atomic_store(&w->paused, false);
	pipeline_finish(w->p, &e);
	pthread_join(w->reader, NULL);
	close(w->fd);
	unlink(w->spec + 6);
	rmdir(w->dir);
	printf("           %8llu events: heap %5.1f MiB at most, resident %+.1f MiB of %zu MiB\n",
	       (unsigned long long)w->events, (double)w->heap_peak / MIB,
	       ((double)rss - (double)w->rss_before) / MIB, CEILING / MIB);
	assert_string_not_equal(w->self, "");
	if (MEASURED) {
		/* What the rooms share, and what the whole agent may be. */
		assert_true(w->heap_peak <= CEILING / 2);
		assert_true(rss < w->rss_before + CEILING / 4 * 3);
	}
}

/* A count of the last self record. */
static uint64_t self_count(const struct world *w, const char *part, const char *name)
{
	char key[64];
	const char *p, *end;

	snprintf(key, sizeof(key), "\"%s\":{", part);
	p = strstr(w->self, key);
	assert_non_null(p);
	end = strchr(p, '}');
	snprintf(key, sizeof(key), "\"%s\":", name);
	p = strstr(p + strlen(part) + 3, key);
	assert_true(p && p < end);
	return strtoull(p + strlen(key), NULL, 10);
}

static void say(struct evsim *sim, struct evsock *s, unsigned dir, const char *text)
{
	evsim_data(sim, s, dir, text, (int64_t)strlen(text), NULL);
}

static struct evsock accepted(struct world *w, uint64_t i)
{
	struct evsock s = evsock_tcp(1000 + i);

	s.peer_port = (uint16_t)(1024 + i % 60000);
	evsim_conn(&w->sim, &s, EV_F_ACCEPTED);
	return s;
}

/* ---- connections and exchanges ---- */

static void poll_on_connections(struct world *w, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct evsock s = accepted(w, i);

		say(&w->sim, &s, EV_READ, "GET /poll HTTP/1.1\r\nHost: a\r\n\r\n");
	}
}

static void connections_past_their_bound(void **state)
{
	const uint64_t n = MANY / 2;
	struct world *w = world_new(false);

	(void)state;
	assert_true(w->plan.connections < n);
	poll_on_connections(w, n);
	world_end(w);
	assert_int_equal(self_count(w, "self.connections", "opened"), n);
	assert_int_equal(self_count(w, "self.connections", "evicted"), n - w->plan.connections);
	assert_int_equal(self_count(w, "self.exchanges", "begun"), n);
	assert_int_equal(self_count(w, "self.exchanges", "done"), n);
	assert_true(self_count(w, "modelsnoop.self.lost", "memory") >= n - w->plan.connections);
	assert_int_equal(w->unfinished, n);
	free(w);
}

/* As many polls as there are connections wait at the same time, and each is told. */
static void many_small_exchanges_stay_open(void **state)
{
	struct world *w = world_new(false);
	const size_t n = w->plan.connections;
	struct evsock *s = calloc(n, sizeof(*s));

	(void)state;
	assert_non_null(s);
	for (size_t i = 0; i < n; i++) {
		s[i] = accepted(w, i);
		say(&w->sim, &s[i], EV_READ,
		    "POST /poll HTTP/1.1\r\nContent-Length: 4\r\n\r\nnext");
	}
	for (size_t i = 0; i < n; i++)
		say(&w->sim, &s[i], EV_WRITE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	free(s);
	world_end(w);
	assert_int_equal(w->ok, n);
	assert_int_equal(self_count(w, "modelsnoop.self.lost", "memory"), 0);
	free(w);
}

static void upload(struct world *w, struct evsock *s, size_t n)
{
	static const char head[] = "POST /upload HTTP/1.1\r\nContent-Type: text/plain\r\n"
				   "Content-Length: 60000\r\n\r\n";
	static char body[60000];

	memset(body, 'x', sizeof(body));
	for (size_t i = 0; i < n; i++) {
		s[i] = accepted(w, i);
		say(&w->sim, &s[i], EV_READ, head);
		evsim_read(&w->sim, &s[i], body, sizeof(body));
	}
}

/* Bodies beyond the room cost samples, the oldest first, and no exchange. */
static void big_bodies_give_way(void **state)
{
	struct world *w = world_new(false);
	const size_t n = w->plan.connections;
	struct evsock *s = calloc(n, sizeof(*s));

	(void)state;
	assert_non_null(s);
	upload(w, s, n);
	for (size_t i = 0; i < n; i++)
		say(&w->sim, &s[i], EV_WRITE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
	free(s);
	world_end(w);
	assert_int_equal(w->ok, n);
	assert_int_equal(self_count(w, "self.exchanges", "table_full"), 0);
	assert_in_range(self_count(w, "self.exchanges", "samples_dropped"), n / 2, n - 1);
	free(w);
}

static void pipeline_requests(struct world *w, size_t conns, size_t each)
{
	static char head[24000], q[4001], u[1001];
	size_t len;

	memset(q, 'q', sizeof(q) - 1);
	memset(u, 'u', sizeof(u) - 1);
	len = (size_t)sprintf(head, "GET /?q=%s HTTP/1.1\r\n", q);
	for (int i = 0; i < 15; i++)
		len += (size_t)sprintf(head + len, "User-Agent: %s\r\n", u);
	strcpy(head + len, "\r\n");
	for (size_t i = 0; i < conns; i++) {
		struct evsock s = accepted(w, i);

		for (size_t k = 0; k < each; k++)
			say(&w->sim, &s, EV_READ, head);
	}
}

/* Many requests with large heads that nobody answers: these are no samples, the oldest end. */
static void pipelines_past_their_bound(void **state)
{
	struct world *w = world_new(false);
	const size_t conns = 50, each = 100;

	(void)state;
	pipeline_requests(w, conns, each);
	world_end(w);
	assert_int_equal(self_count(w, "self.exchanges", "begun"), conns * each);
	assert_int_equal(self_count(w, "self.exchanges", "done"), conns * each);
	assert_true(self_count(w, "self.exchanges", "table_full") > conns * each / 2);
	free(w);
}

/* ---- heads ---- */

/* 60 KiB of a line that does not end on each connection, in turns. */
static void send_heads_slowly(struct world *w, struct evsock *s, size_t n)
{
	enum { PIECE = 4000, PIECES = 15 };
	static char piece[PIECE + 1];

	memset(piece, 'a', PIECE);
	for (size_t i = 0; i < n; i++) {
		s[i] = accepted(w, i);
		say(&w->sim, &s[i], EV_READ, i & 1 ? "GET /" : "GET / HTTP/1.1\r\nCookie: ");
	}
	for (int k = 0; k < PIECES; k++)
		for (size_t i = 0; i < n; i++)
			say(&w->sim, &s[i], EV_READ, piece);
}

static void slow_heads_give_way(void **state)
{
	struct world *w = world_new(false);
	const size_t n = w->plan.connections - 1;
	struct evsock *s = calloc(n, sizeof(*s)), good;

	(void)state;
	assert_non_null(s);
	send_heads_slowly(w, s, n);
	/* Amid all that an honest client, if a slow one, is understood. */
	good = accepted(w, n);
	say(&w->sim, &good, EV_READ, "GET /hon");
	for (size_t i = 0; i < n; i += 50)
		say(&w->sim, &s[i], EV_READ, "b");
	say(&w->sim, &good, EV_READ, "est HTTP/1.1\r\nHost:");
	for (size_t i = 0; i < n; i += 50)
		say(&w->sim, &s[i], EV_READ, "b");
	say(&w->sim, &good, EV_READ, " a\r\n\r\n");
	say(&w->sim, &good, EV_WRITE, "HTTP/1.1 204 No Content\r\n\r\n");
	free(s);
	world_end(w);
	assert_int_equal(w->ok, 1);
	assert_true(self_count(w, "self.connections", "heads_dropped") > n / 2);
	assert_int_equal(self_count(w, "self.connections", "evicted"), 0);
	free(w);
}

/* ---- processes, services ---- */

static void be_process(struct world *w, uint32_t i)
{
	w->sim.tgid = w->sim.tid = 1000 + i;
	w->sim.start = (uint64_t)(1 + i) * 1000000000;
}

static void start_services(struct world *w, uint32_t n)
{
	static char snapshot[4096];

	for (uint32_t i = 0; i < n; i++) {
		be_process(w, i);
		evsim_text(&w->sim, EV_TARGET, "{}", EV_TARGET_ATTACH);
		snprintf(
			snapshot, sizeof(snapshot),
			"{\"exe\":\"/srv/app%u\",\"comm\":\"app\",\"ppid\":1,\"cgroup\":\"/a/b/c\","
			"\"argv\":[\"/srv/app%u\",\"--model\",\"m%u\"]}",
			i, i, i);
		evsim_text(&w->sim, EV_PROC, snapshot, 0);
	}
}

static void processes_past_their_bound(void **state)
{
	struct world *w = world_new(false);
	const uint32_t n = MANY;

	(void)state;
	start_services(w, n);
	world_end(w);
	assert_in_range(self_count(w, "self.processes", "known"), 500, 16384);
	assert_int_equal(self_count(w, "self.processes", "evicted"),
			 n - self_count(w, "self.processes", "known"));
	free(w);
}

static void show_long_arguments(struct world *w, uint32_t n)
{
	static char snapshot[60000];
	size_t len;

	len = (size_t)sprintf(snapshot, "{\"exe\":\"/bin/x\",\"argv\":[");
	for (int i = 0; i < 15; i++) {
		len += (size_t)sprintf(snapshot + len, "%s\"", i ? "," : "");
		memset(snapshot + len, 'a', 3000);
		len += 3000;
		len += (size_t)sprintf(snapshot + len, "\"");
	}
	strcpy(snapshot + len, "]}");
	for (uint32_t i = 0; i < n; i++) {
		be_process(w, i);
		evsim_text(&w->sim, EV_PROC, snapshot, 0);
	}
}

/* Strangers, whose snapshots are held until they are targets. */
static void big_processes_give_way(void **state)
{
	struct world *w = world_new(false);

	(void)state;
	show_long_arguments(w, MANY / 50);
	world_end(w);
	assert_true(self_count(w, "self.processes", "evicted") > MANY / 100);
	/* Of each, arguments beyond 16 KiB. */
	assert_true(self_count(w, "self.processes", "cut") >= MANY / 50);
	free(w);
}

/* ---- what is learned ---- */

static void exchange(struct world *w, struct evsock *s, const char *request)
{
	char head[128];

	snprintf(
		head, sizeof(head),
		"POST /p HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		strlen(request));
	say(&w->sim, s, EV_READ, head);
	say(&w->sim, s, EV_READ, request);
	say(&w->sim, s, EV_WRITE, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
}

/* New names in each row, and as many new strings under names that stay. */
static void send_new_names(struct world *w, unsigned rows, unsigned each)
{
	static char body[16384];
	struct evsock s = accepted(w, 0);

	for (unsigned i = 0; i < rows; i++) {
		size_t len = (size_t)sprintf(body, "{\"a\":1");

		for (unsigned k = 0; k < each; k++)
			len += (size_t)sprintf(body + len,
					       ",\"%u_%u\":2,\"s%u\":\"string %u of %u\"", i, k, k,
					       i, k);
		strcpy(body + len, "}");
		exchange(w, &s, body);
	}
}

static void paths_and_strings_past_their_bound(void **state)
{
	struct world *w = world_new(false);
	const unsigned rows = 900, each = MANY / 900;

	(void)state;
	send_new_names(w, rows, each);
	world_end(w);
	assert_int_equal(w->ok, rows);
	assert_true(self_count(w, "self.drift", "folded") > rows * each / 2);
	assert_true(self_count(w, "self.memory", "drift") <= w->plan.drift);
	free(w);
}

static void learn_services(struct world *w, uint32_t n)
{
	static char body[16384];

	for (uint32_t i = 0; i < n; i++) {
		struct evsock s;

		be_process(w, i);
		evsim_text(&w->sim, EV_TARGET, "{}", EV_TARGET_ATTACH);
		snprintf(body, sizeof(body), "{\"exe\":\"/srv/app%u\"}", i);
		evsim_text(&w->sim, EV_PROC, body, 0);
		s = accepted(w, i);
		for (unsigned k = 0; k < 20; k++) {
			size_t len = (size_t)sprintf(body, "{\"a\":1");

			for (unsigned j = 0; j < 200; j++)
				len += (size_t)sprintf(body + len, ",\"s%u\":\"string %u of %u\"",
						       j, k, j);
			strcpy(body + len, "}");
			exchange(w, &s, body);
		}
	}
}

/* Values of more services than are watched, each with more strings than may be told apart. */
static void services_past_their_bound(void **state)
{
	struct world *w = world_new(false);
	const uint32_t n = 200;

	(void)state;
	learn_services(w, n);
	world_end(w);
	assert_int_equal(w->ok, n * 20);
	assert_true(self_count(w, "self.drift", "unwatched") >= (n - 64) * 20);
	free(w);
}

/* One body with more values, and longer names, than are looked at. */
static void wide_bodies_are_counted(void **state)
{
	static char body[16384];
	struct world *w = world_new(false);
	struct evsock s = accepted(w, 0);
	size_t len;

	(void)state;
	len = (size_t)sprintf(body, "{\"n\":[0");
	for (unsigned i = 0; i < 4200; i++)
		len += (size_t)sprintf(body + len, ",1");
	len += (size_t)sprintf(body + len, "],\"");
	memset(body + len, 'k', 300);
	strcpy(body + len + 300, "\":1}");
	exchange(w, &s, body);
	world_end(w);
	/* 512 are looked at; the 4,097th ends the walk. */
	assert_int_equal(self_count(w, "self.drift", "left_out"), 4096 - 512 + 1);
	free(w);
}

/* ---- the rest ---- */

static void listeners_past_their_bound(void **state)
{
	struct world *w = world_new(false);

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		struct evsock s = evsock_tcp(1000 + i);

		s.local_port = (uint16_t)i;
		evsim_listen(&w->sim, &s);
	}
	world_end(w);
	assert_int_equal(self_count(w, "self.connections", "listeners_full"), 10000 - 4096);
	free(w);
}

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Records of any type with any content: every one is taken, passed over or counted. */
static uint64_t send_garbage(struct world *w, unsigned records)
{
	uint64_t rnd = 1, bad = 0;

	for (unsigned i = 0; i < records; i++) {
		uint8_t raw[1024];
		const size_t n = 56 + next_random(&rnd) % (sizeof(raw) - 56);
		struct ev_hdr h = { .len = (uint32_t)n, .version = EV_VERSION };

		for (size_t k = 0; k < n; k += 8) {
			const uint64_t v = next_random(&rnd);

			memcpy(raw + k, &v, n - k < 8 ? n - k : 8);
		}
		/* Any time but the end of the run. */
		do
			h.type = (uint16_t)(next_random(&rnd) % (EV_STOP + 2));
		while (h.type == EV_STOP || h.type == EV_COUNTERS);
		h.flags = (uint32_t)next_random(&rnd);
		h.cpu = (uint32_t)next_random(&rnd);
		h.cpu_seq = next_random(&rnd);
		h.ts = w->sim.ts += 1000;
		h.tgid = (uint32_t)next_random(&rnd);
		h.start = next_random(&rnd);
		if (i % 4 == 0)
			h.tgid %= 64;
		if (i % 3 == 0)
			h.len = (uint32_t)next_random(&rnd);
		memcpy(raw, &h, sizeof(h));
		bad += h.len > n || h.len < sizeof(h);
		feed(w, raw, n);
	}
	return bad;
}

static void garbage_is_counted(void **state)
{
	struct world *w = world_new(false);
	uint64_t bad;

	(void)state;
	bad = send_garbage(w, MANY);
	world_end(w);
	assert_true(self_count(w, "modelsnoop.self.lost", "parse") >= bad);
	free(w);
}

/* A reader that takes nothing costs records, which are counted, and no more memory than a queue. */
static void stalled_reader_costs_records(void **state)
{
	struct world *w = world_new(true);
	struct evsock s = accepted(w, 0);
	const unsigned n = 5000;
	uint64_t lost;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		exchange(w, &s, "{\"a\":1}");
	/* The last account must get through: somebody reads again before it is made. */
	atomic_store(&w->paused, false);
	for (unsigned i = 0; i < 100; i++)
		usleep(2000);
	world_end(w);
	lost = self_count(w, "modelsnoop.self.lost", "output");
	assert_true(lost > n / 2);
	assert_in_range(w->ok + lost, n, n + 10);
	free(w);
}

/* Every room is full when the next one fills: their sum is what counts. */
static void all_at_once(void **state)
{
	struct world *w = world_new(false);
	const size_t n = w->plan.connections / 4;
	struct evsock *s = calloc(n, sizeof(*s));

	(void)state;
	assert_non_null(s);
	learn_services(w, 64);
	send_new_names(w, 100, 100);
	start_services(w, MANY / 20);
	show_long_arguments(w, MANY / 500);
	poll_on_connections(w, MANY / 20);
	pipeline_requests(w, 20, 50);
	upload(w, s, n);
	send_heads_slowly(w, s, n);
	poll_on_connections(w, n);
	pipeline_requests(w, 20, 50);
	upload(w, s, n);
	free(s);
	world_end(w);
	assert_int_equal(self_count(w, "self.exchanges", "begun"),
			 self_count(w, "self.exchanges", "done"));
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_past_their_bound),
		cmocka_unit_test(many_small_exchanges_stay_open),
		cmocka_unit_test(big_bodies_give_way),
		cmocka_unit_test(pipelines_past_their_bound),
		cmocka_unit_test(slow_heads_give_way),
		cmocka_unit_test(processes_past_their_bound),
		cmocka_unit_test(big_processes_give_way),
		cmocka_unit_test(paths_and_strings_past_their_bound),
		cmocka_unit_test(services_past_their_bound),
		cmocka_unit_test(wide_bodies_are_counted),
		cmocka_unit_test(listeners_past_their_bound),
		cmocka_unit_test(garbage_is_counted),
		cmocka_unit_test(stalled_reader_costs_records),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
