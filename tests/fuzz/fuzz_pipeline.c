// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fuzz_pipeline.c - a hostile history through all rooms: what comes out is JSON, line by line, with
 * no number missing; every exchange that began ends; the same history again gives the same bytes.
 *
 * Input: a byte of options, then steps of two bytes (what, how much) and what they take.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/pipeline.h"
#include "tests/unit/evbuild.h"

#define SOCKETS 4
#define PROCESSES 4

struct input {
	const uint8_t *p;
	size_t n;
};

struct world {
	struct pipeline *p;
	struct evsim sim;
	struct evsock sock[SOCKETS];
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t take(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static const uint8_t *take_bytes(struct input *in, size_t *n)
{
	const uint8_t *p = in->p;

	if (*n > in->n)
		*n = in->n;
	in->p += *n;
	in->n -= *n;
	return p;
}

static void feed(void *ctx, const void *raw, size_t n)
{
	struct world *w = ctx;
	/* Of its own, so that a read past its end is seen. */
	void *copy = malloc(n);

	check(copy);
	memcpy(copy, raw, n);
	pipeline_feed(w->p, copy, n);
	free(copy);
}

#define TEN(c) c c c c c c c c c c
#define LIMITS(c)                                                                     \
	"x-ratelimit-" c "1: 1\r\nx-ratelimit-" c "2: 2\r\nx-ratelimit-" c "3: 3\r\n" \
	"x-ratelimit-" c "4: 4\r\n"

/* What servers and clients say, so that not every byte of it has to be found out. */
static const char *const phrase[] = {
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /v1/predict?key=sk-abcdefgh12345678 HTTP/1.1\r\nContent-Type: application/json\r\n",
	"Content-Length: 20\r\n",
	"Transfer-Encoding: chunked\r\n",
	"Authorization: Bearer abcdefghijkl\r\nX-Request-ID: r1\r\nUser-Agent: u joe@x.com\r\n",
	"X-RateLimit-Left: 3\r\ntraceparent: "
	"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
	"Expect: 100-continue\r\n\r\n",
	"\r\n",
	"{\"a\":1.5,\"b\":\"text\"}",
	"{\"x\":[1,2,3],\"y\":{\"email\":\"joe@x.com\"}}",
	"[[1,2],[3,4]]",
	"14\r\n",
	"0\r\n\r\n",
	"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
	"HTTP/1.1 204 No Content\r\n\r\n",
	"HTTP/1.1 100 Continue\r\n\r\n",
	"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
	"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
	"HEAD /x HTTP/1.0\r\n\r\n",
	"data: {\"token\":\"x\"}\n\n",
	LIMITS("a") LIMITS("b") LIMITS("c") LIMITS("d") LIMITS("e") LIMITS("f"),
	"Cookie: " TEN(TEN("0123456789")),
	TEN(TEN("{\"new\":[1,2,null],\"s\":\"word\"},")),
	TEN("GET /more HTTP/1.1\r\n\r\n"),
};
static const char *const snapshot[] = {
	"{\"exe\":\"/usr/bin/python3\",\"argv\":[\"uvicorn\",\"m:app\"],\"ppid\":1,\"comm\":\"u\"}",
	"{\"exe\":\"/bin/"
	"sh\",\"argv\":[\"sh\",\"-c\",\"x\"],\"env\":{\"API_KEY\":\"secret\"},\"ppid\":41}",
	"{\"cgroup\":\"/kubepods/pod0123/"
	"abc\",\"memory_limit_bytes\":\"max\",\"limits\":{\"a\":[1,2]}}",
	"{\"hostname\":\"h\",\"machine_id\":\"m\",\"cpus\":2}",
	"{\"cpu_seconds\":1.5,\"rss_bytes\":1000}",
	"{}",
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void data(struct world *w, struct evsock *s, unsigned dir, uint8_t how, struct input *in)
{
	struct evdata o = { .wait = how & 1 ? 1000 : ~0ull };
	size_t n = how;
	const uint8_t *p = take_bytes(in, &n);
	const uint8_t flags = take(in);

	o.flags = (flags & 1 ? EV_F_PEEK : 0) | (flags & 2 ? EV_F_BLOCKED : 0) |
		  (flags & 4 ? EV_F_COPY_FAULT : 0) | (flags & 8 ? EV_F_LATE : 0);
	/* Shown, or only told of; a copy limit leaves a gap in the middle. */
	w->sim.copy_head = flags & 32 ? 8 : 0;
	w->sim.copy_tail = flags & 64 ? 4 : 0;
	evsim_data(&w->sim, s, dir, flags & 16 ? NULL : p, (int64_t)n, &o);
}

static void say(struct world *w, struct evsock *s, unsigned dir, uint8_t what)
{
	const char *text = phrase[what % COUNT(phrase)];

	w->sim.copy_head = w->sim.copy_tail = 0;
	evsim_data(&w->sim, s, dir, text, (int64_t)strlen(text), NULL);
}

static void tell_text(struct world *w, uint8_t how, struct input *in)
{
	static const uint16_t type[] = { EV_TARGET, EV_PROC, EV_HOST, EV_AGENT };
	const uint16_t t = type[how & 3];
	char own[64] = "";
	size_t n = how >> 2;

	if (how & 128) {
		n &= 31;
		memcpy(own, take_bytes(in, &n), n);
		own[n] = '\0';
		evsim_text(&w->sim, t, own, 1 + (how >> 6 & 1));
	} else {
		evsim_text(&w->sim, t, snapshot[n % COUNT(snapshot)], 1 + (how >> 6 & 1));
	}
}

/* A valid header and the record's first fields as they come. */
static void raw_record(struct world *w, uint8_t how, struct input *in)
{
	uint8_t raw[sizeof(struct ev_hdr) + 512] = { 0 };
	const uint16_t type = how % EV_STOP;
	const struct ev_hdr h = evsim_hdr(&w->sim, type, sizeof(raw), take(in));
	size_t n = take(in);
	const uint8_t *p = take_bytes(in, &n);

	memcpy(raw, &h, sizeof(h));
	memcpy(raw + sizeof(h), p, n);
	/* Counts of CPUs that would go past the record are refused anyway. */
	feed(w, raw, sizeof(raw));
}

static void tell_signal(struct world *w, uint8_t how)
{
	struct ev_signal s;

	memset(&s, 0, sizeof(s));
	s.h = evsim_hdr(&w->sim, EV_SIGNAL, sizeof(s), 0);
	s.target = 40 + how % PROCESSES;
	s.sig = how >> 2;
	evsim_out(&w->sim, &s, sizeof(s));
}

static void step(struct world *w, struct input *in)
{
	const uint8_t what = take(in), how = take(in);
	struct evsock *s = &w->sock[what >> 4 & 3];
	const unsigned dir = what >> 6 & 1;

	w->sim.tgid = 40 + (what >> 4 & 3) % PROCESSES;
	w->sim.tid = w->sim.tgid + (what >> 7);
	switch (what & 15) {
	case 0:
		s->state = 1;
		evsim_conn(&w->sim, s,
			   how & 1   ? EV_F_ACCEPTED
			   : how & 2 ? EV_F_CONNECTED
				     : EV_F_ITER | EV_F_LATE);
		break;
	case 1:
	case 2:
		data(w, s, dir, how, in);
		break;
	case 3:
	case 4:
	case 5:
		say(w, s, dir, how);
		break;
	case 6:
		evsim_eof(&w->sim, s);
		break;
	case 7:
		evsim_state(&w->sim, s, how & 15, how & 16);
		break;
	case 8:
		evsim_destroy(&w->sim, s);
		/* Its number is another's now. */
		if (how & 1)
			*s = how & 2 ? evsock_unix(s->inode) : evsock_tcp(s->inode);
		break;
	case 9:
		evsim_close(&w->sim, s, how % 5 - 1);
		break;
	case 10: {
		static const uint16_t life[] = { EV_FORK, EV_EXEC, EV_EXIT, EV_OOM, EV_TASK };

		evsim_life(&w->sim, life[how % 5], how >> 3);
		break;
	}
	case 11:
		tell_text(w, how, in);
		break;
	case 12:
		if (how & 1)
			tell_signal(w, how);
		else
			evsim_listen(&w->sim, s);
		break;
	case 13:
		w->sim.ts += (uint64_t)how << 24;
		evsim_clock(&w->sim, 1800000000000000000u + w->sim.ts);
		break;
	case 14:
		w->sim.drop = how & 1;
		w->sim.cpu = how >> 1 & 3;
		if (how & 8)
			s->pos[dir] += how; /* moved by nobody we know */
		if (how & 16)
			evsim_stall(&w->sim, s);
		break;
	case 15:
		raw_record(w, how, in);
		break;
	}
}

/* One run; the output is what file holds then. */
static void run(const struct options *o, struct input in)
{
	static const struct capture_meta meta = { .hz = 250, .boot_id = "boot", .run_id = "run" };
	static struct world w;
	struct err e;

	w.p = pipeline_new(o, &meta, false, &e);
	check(w.p);
	w.sim = evsim_new(feed, &w);
	for (unsigned i = 0; i < SOCKETS; i++)
		w.sock[i] = i == 2   ? evsock_unix(100 + i)
			    : i == 3 ? evsock_pipe(100 + i)
				     : evsock_tcp(100 + i);
	while (in.n)
		step(&w, &in);
	check(!pipeline_finish(w.p, &e));
}

static char *read_all(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	char *p;

	check(f && !fstat(fileno(f), &st));
	p = malloc((size_t)st.st_size + 1);
	check(p);
	*n = fread(p, 1, (size_t)st.st_size, f);
	p[*n] = '\0';
	fclose(f);
	check(!truncate(path, 0));
	return p;
}

static uint64_t number_after(const char *line, const char *what)
{
	const char *p = strstr(line, what);

	check(p);
	return strtoull(p + strlen(what), NULL, 10);
}

static void check_line(const char *line, size_t n, uint64_t seq)
{
	struct json_reader r;
	struct json_token t;
	enum json_type type;

	check(utf8_valid(line, n));
	json_open(&r, line, n);
	while ((type = json_next(&r, &t)) < JSON_DONE)
		;
	check(type == JSON_DONE && r.off == r.len);
	check(number_after(line, "\"seq\":") == seq);
}

static void check_output(char *p, size_t n)
{
	char *line = p, *lf;
	uint64_t seq = 0;
	bool final = false;

	for (; line < p + n; line = lf + 1) {
		lf = strchr(line, '\n');
		check(lf);
		*lf = '\0';
		check_line(line, (size_t)(lf - line), ++seq);
		final = strstr(line, "\"type\":\"self\"");
		if (final) {
			const uint64_t begun = number_after(line, "\"self.exchanges\":{\"begun\":");
			const uint64_t done = number_after(line, "\"done\":");

			check(begun >= done);
			final = begun == done && !number_after(line, "\"heads\":");
		}
	}
	check(final);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const size_t memory[] = { 96 << 10, 1 << 20, 256 << 20, 256 << 20 };
	static const size_t sample[] = { 64, 700, 4096, 16384 };
	static char path[64], spec[80], *outputs[] = { spec, "text:/dev/null", NULL };
	static char *rules[] = { "word=t[a-z]+t", NULL };
	struct input in = { p, n };
	uint8_t how = take(&in);
	struct options o = {
		.buffer = 4096,
		.max_memory = memory[how & 3],
		.sample_bytes = sample[how >> 2 & 3],
		.sample_rate = 1,
		.payload = (enum payload_mode)(how >> 4 & 3),
		.learn = 3,
		.false_alarms = 1e6, /* so that alarms are reached */
		.outputs = { outputs, 2 },
	};
	char *once, *twice;
	size_t n_once, n_twice;

	if (how & 64)
		o.redact = (struct str_list){ rules, 1 };
	if (!path[0]) {
		snprintf(path, sizeof(path), "/tmp/fuzz_pipeline.%ld", (long)getpid());
		snprintf(spec, sizeof(spec), "jsonl:%s", path);
	}
	run(&o, in);
	once = read_all(path, &n_once);
	if (how & 128) {
		run(&o, in);
		twice = read_all(path, &n_twice);
		check(n_once == n_twice && !memcmp(once, twice, n_once));
		free(twice);
	}
	unlink(path);
	check_output(once, n_once);
	free(once);
	return 0;
}
