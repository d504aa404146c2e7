/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe_live.h - fixture of the live probe tests: a worker process as target, this process as its
 * peer, and all records kept for inspection.
 */
#ifndef PROBE_LIVE_H
#define PROBE_LIVE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bpf/event.h"
#include "probe/probe.h"
#include "probe_worker.h"

#define HEAD 16384u
#define TAIL 4096u

/* ---- records ---------------------------------------------------------------- */
struct log {
	uint8_t **rec;
	size_t n, cap;
};

static void log_record(void *ctx, const void *raw, size_t n)
{
	struct log *l = ctx;

	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 1024;
		l->rec = realloc(l->rec, l->cap * sizeof(*l->rec));
		assert_non_null(l->rec);
	}
	l->rec[l->n] = malloc(n);
	assert_non_null(l->rec[l->n]);
	memcpy(l->rec[l->n++], raw, n);
	assert_int_equal(((const struct ev_hdr *)raw)->len, n);
	assert_int_equal(((const struct ev_hdr *)raw)->version, EV_VERSION);
}

static void log_free(struct log *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->rec[i]);
	free(l->rec);
	memset(l, 0, sizeof(*l));
}

/* ---- fixture ---------------------------------------------------------------- */
struct fixture {
	struct worker_shared *s;
	pid_t pid;
	struct probe *p;
	struct log log;
	struct probe_opts o;
	uint32_t target;
};

static bool allowed;
static char refusal[256];
static bool has_stamps;

static void worker_start(struct fixture *f)
{
	const pid_t self = getpid();

	f->s = mmap(NULL, sizeof(*f->s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(f->s != MAP_FAILED);
	snprintf(f->s->path, sizeof(f->s->path), "/tmp/probe-live-%d.sock", (int)self);
	f->pid = fork();
	if (!f->pid)
		worker_loop(f->s, self);
	f->target = (uint32_t)f->pid;
	f->o = (struct probe_opts){ .pids = &f->target,
				    .n_pids = 1,
				    .ring_bytes = 8u << 20,
				    .copy_head = HEAD,
				    .copy_tail = TAIL,
				    .interval_s = 10 };
}

static void probe_on(struct fixture *f)
{
	struct err e = { 0 };

	f->p = probe_open(&f->o, &e);
	if (!f->p)
		fail_msg("%s: %s", e.what, e.why);
	if (probe_start(f->p, log_record, &f->log, &e))
		fail_msg("%s: %s", e.what, e.why);
}

/* Ask the worker and wait for its answer; records are drained meanwhile. */
static void ask(struct fixture *f, int op, int fd, int how, size_t n, int arg)
{
	f->s->fd = fd;
	f->s->how = how;
	f->s->n = n;
	f->s->arg = arg;
	__atomic_store_n((int *)(uintptr_t)&f->s->op, op, __ATOMIC_SEQ_CST);
}

static int64_t answer(struct fixture *f)
{
	const struct timespec nap = { .tv_nsec = 200000 };

	for (int i = 0; i < 100000; i++) {
		if (f->s->op == OP_NONE)
			return f->s->ret;
		nanosleep(&nap, NULL);
	}
	fail_msg("the worker does not answer");
	return 0;
}

static int64_t act(struct fixture *f, int op, int fd, int how, size_t n, int arg)
{
	ask(f, op, fd, how, n, arg);
	return answer(f);
}

static void drain(struct fixture *f)
{
	if (f->p)
		assert_int_equal(probe_poll(f->p, 1, log_record, &f->log), 0);
}

static void probe_off(struct fixture *f)
{
	if (!f->p)
		return;
	assert_int_equal(probe_stop(f->p, "test", log_record, &f->log), 0);
	probe_free(f->p);
	f->p = NULL;
}

static void worker_stop(struct fixture *f)
{
	if (f->pid > 0) {
		kill(f->pid, SIGKILL);
		waitpid(f->pid, NULL, 0);
	}
	f->pid = 0;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	*state = f;
	if (allowed)
		worker_start(f);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->p)
		probe_free(f->p);
	worker_stop(f);
	if (f->s) {
		unlink(f->s->path);
		munmap(f->s, sizeof(*f->s));
	}
	log_free(&f->log);
	free(f);
	return 0;
}

#define NEEDS_PROBES()          \
	do {                    \
		if (!allowed)   \
			skip(); \
	} while (0)

/* ---- reading the log -------------------------------------------------------- */
static const void *next_of(const struct log *l, size_t *i, int type, uint64_t inode)
{
	for (; *i < l->n; ++*i) {
		const struct ev_hdr *h = (const void *)l->rec[*i];
		uint64_t ino = 0;

		if (h->type != type)
			continue;
		if (type == EV_DATA)
			ino = ((const struct ev_data *)(const void *)h)->inode;
		else if (type == EV_CONN)
			ino = ((const struct ev_conn *)(const void *)h)->inode;
		else if (type == EV_STATE)
			ino = ((const struct ev_state *)(const void *)h)->inode;
		else if (type == EV_CLOSE)
			ino = ((const struct ev_close *)(const void *)h)->inode;
		if (inode && ino != inode)
			continue;
		++*i;
		return h;
	}
	return NULL;
}

static const void *first_of(const struct log *l, int type, uint64_t inode)
{
	size_t i = 0;

	return next_of(l, &i, type, inode);
}

static uint64_t inode_of(pid_t pid, int fd)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static void check_bytes(const uint8_t *p, size_t n, uint64_t pos)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(pos + i))
			fail_msg("byte %llu is %02x, not %02x", (unsigned long long)(pos + i), p[i],
				 pattern(pos + i));
}

/*
 * All data of one direction: every position follows the one before, payload is what belongs there,
 * head and tail are as the copy rule says. Returns the bytes accounted for.
 */
static uint64_t check_stream(const struct log *l, uint64_t inode, int dir, uint64_t from)
{
	const struct ev_conn *c = first_of(l, EV_CONN, inode);
	uint32_t base;
	uint64_t pos = from;
	size_t i = 0;
	const struct ev_data *d;

	assert_non_null(c);
	assert_int_equal(dir == EV_READ ? c->rx_pos : c->tx_pos, from);
	base = (dir == EV_READ ? c->rx_seq32 : c->tx_seq32) - (uint32_t)from;
	while ((d = next_of(l, &i, EV_DATA, inode))) {
		const uint8_t *p = (const void *)(d + 1);
		uint64_t n;

		if (d->dir != dir)
			continue;
		if (d->ret <= 0 || d->h.flags & EV_F_PEEK) {
			assert_int_equal(d->seq32, base + (uint32_t)pos);
			continue;
		}
		n = (uint64_t)d->ret;
		assert_int_equal(d->seq32, base + (uint32_t)(pos + n));
		if (d->h.flags & (EV_F_TRUNC | EV_F_OMITTED)) {
			assert_int_equal(d->head_len + d->tail_len, 0);
		} else if (n <= HEAD + TAIL) {
			assert_int_equal(d->head_len, n);
			assert_int_equal(d->tail_len, 0);
		} else {
			assert_int_equal(d->head_len, HEAD);
			assert_int_equal(d->tail_len, TAIL);
		}
		assert_int_equal(d->h.flags & EV_F_COPY_FAULT, 0);
		check_bytes(p, d->head_len, pos);
		check_bytes(p + d->head_len, d->tail_len, pos + n - d->tail_len);
		pos += n;
	}
	return pos - from;
}

/* ---- the peer: this process ------------------------------------------------- */
struct peer {
	int fd;
	uint64_t rx, tx;
};

static struct peer peer_connect(int family, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct peer p = { .fd = socket(family, SOCK_STREAM, 0) };
	const int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	a6.sin6_addr = in6addr_loopback;
	setsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (family == AF_INET)
		assert_int_equal(connect(p.fd, (void *)&a, sizeof(a)), 0);
	else
		assert_int_equal(connect(p.fd, (void *)&a6, sizeof(a6)), 0);
	return p;
}

static int peer_listen(int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(a);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void peer_send(struct peer *p, size_t n)
{
	uint8_t *b = malloc(n);

	assert_non_null(b);
	pattern_fill(b, n, p->tx);
	for (size_t at = 0; at < n;) {
		const ssize_t r = send(p->fd, b + at, n - at, MSG_NOSIGNAL);

		assert_true(r > 0);
		at += (size_t)r;
	}
	p->tx += n;
	free(b);
}

static void peer_recv(struct peer *p, size_t n)
{
	uint8_t *b = malloc(n);

	assert_non_null(b);
	for (size_t at = 0; at < n;) {
		const ssize_t r = recv(p->fd, b + at, n - at, 0);

		assert_true(r > 0);
		at += (size_t)r;
	}
	check_bytes(b, n, p->rx);
	p->rx += n;
	free(b);
}

/* The worker reads exactly n bytes in calls of at most n. */
static void worker_read(struct fixture *f, int fd, int how, size_t n)
{
	while (n) {
		const int64_t r = act(f, OP_IO, fd, how, n, 0);

		assert_true(r > 0);
		n -= (size_t)r;
	}
	assert_int_equal(f->s->bad, 0);
}

/* The worker writes n bytes in one call while the peer reads. */
static void worker_write(struct fixture *f, int fd, int how, size_t n, struct peer *p)
{
	ask(f, OP_IO, fd, how, n, 0);
	peer_recv(p, n);
	assert_int_equal(answer(f), n);
}

/* Says so loudly when this host does not allow the probes. */
static void live_check(void)
{
	struct check row[40];
	const size_t n = probe_check(row, sizeof(row) / sizeof(row[0]));

	allowed = true;
	for (size_t i = 0; i < n; i++) {
		if (row[i].result == CHECK_MISSING) {
			allowed = false;
			snprintf(refusal, sizeof(refusal), "%.47s: %.199s", row[i].name,
				 row[i].detail);
		}
		if (!strcmp(row[i].name, "probe sk_data_ready"))
			has_stamps = row[i].result == CHECK_OK;
	}
	if (!allowed)
		fprintf(stderr, "skipped: this host does not allow the probes: %s\n", refusal);
}

#define LIVE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif
