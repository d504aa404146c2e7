/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_probe_life.c - processes, targets and loss accounting of the probes on this kernel. */
#include <sched.h>

#include "probe/proc.h"
#include "probe_live.h"

/* Children are in before they run; exec, exit status and core-dumping signals are told. */
static void life_of_children(void **state)
{
	struct fixture *f = *state;
	const struct ev_life *l;
	uint32_t child, execed;
	int found = 0;
	size_t i = 0;

	NEEDS_PROBES();
	probe_on(f);
	child = (uint32_t)act(f, OP_FORK, 0, 0, 0, 42);
	execed = (uint32_t)act(f, OP_FORK, 0, 1, 0, 0);
	ask(f, OP_SEGV, 0, 0, 0, 0);
	waitpid(f->pid, NULL, 0);
	f->pid = 0;
	drain(f);
	probe_off(f);
	while ((l = next_of(&f->log, &i, EV_FORK, 0))) {
		if (l->h.tgid != child && l->h.tgid != execed)
			continue; /* a sanitizer's */
		assert_int_equal(l->ppid, f->target);
		assert_true(l->h.start > l->ppid_start && l->ppid_start > 0);
		found++;
	}
	assert_int_equal(found, 2);
	l = first_of(&f->log, EV_EXEC, 0);
	assert_non_null(l);
	assert_int_equal(l->h.tgid, execed);
	assert_string_equal(l->path, "/proc/self/exe");
	i = 0;
	found = 0;
	while ((l = next_of(&f->log, &i, EV_EXIT, 0))) {
		if (l->h.tgid == child)
			found += l->exit_code == 42 << 8;
		else if (l->h.tgid == execed)
			found += l->exit_code == 7 << 8;
		else if (l->h.tgid == f->target)
			found += (l->exit_code & 0x7f) == SIGSEGV;
	}
	assert_int_equal(found, 3);
}

/* Which counters count which records. */
static int kind_of(int type)
{
	switch (type) {
	case EV_DATA:
		return EV_COUNT_DATA;
	case EV_CONN:
		return EV_COUNT_CONN;
	case EV_STATE:
		return EV_COUNT_STATE;
	case EV_CLOSE:
		return EV_COUNT_CLOSE;
	case EV_FORK:
	case EV_EXEC:
	case EV_EXIT:
	case EV_OOM:
	case EV_SIGNAL:
	case EV_LISTEN:
		return EV_COUNT_LIFE;
	}
	return -1;
}

/* Sum the final counters; check seen = submitted + lost for each CPU and kind. */
static void sum_counts(const struct log *l, struct ev_count sum[EV_COUNT_KINDS])
{
	const struct ev_counters *c, *last = NULL;
	const struct ev_cpu_counts *cpu;
	size_t i = 0;

	memset(sum, 0, EV_COUNT_KINDS * sizeof(*sum));
	while ((c = next_of(l, &i, EV_COUNTERS, 0)))
		last = c;
	assert_non_null(last);
	assert_int_equal(last->final, 1);
	cpu = (const void *)(last + 1);
	for (unsigned n = 0; n < last->cpus; n++)
		for (int k = 0; k < EV_COUNT_KINDS; k++) {
			const struct ev_count *x = &cpu[n].kind[k];
			uint64_t lost = 0;

			for (int w = 0; w < EV_LOST_WHYS; w++) {
				lost += x->lost[w];
				sum[k].lost[w] += x->lost[w];
			}
			assert_int_equal(x->seen, x->submitted + lost);
			sum[k].seen += x->seen;
			sum[k].submitted += x->submitted;
			sum[k].bytes_seen += x->bytes_seen;
			sum[k].bytes_lost += x->bytes_lost;
		}
}

static void count_received(const struct log *l, uint64_t got[EV_COUNT_KINDS])
{
	memset(got, 0, EV_COUNT_KINDS * sizeof(*got));
	for (size_t i = 0; i < l->n; i++) {
		const struct ev_hdr *h = (const void *)l->rec[i];
		const int k = kind_of(h->type);

		if (k >= 0 && !(h->flags & EV_F_ITER))
			got[k]++;
	}
}

/* Sequence numbers of a series have holes exactly where records were lost. */
static uint64_t count_holes(const struct log *l, bool life)
{
	uint64_t holes = 0;

	for (unsigned cpu = 0; cpu < 64; cpu++)
		for (uint64_t lane = 0; lane < 64; lane++) {
			uint64_t last = 0, low = UINT64_MAX, n = 0;

			for (size_t i = 0; i < l->n; i++) {
				const struct ev_hdr *h = (const void *)l->rec[i];

				if (h->type >= EV_USER || h->flags & EV_F_ITER || h->cpu != cpu ||
				    h->cpu_seq >> 56 != lane || (h->type >= EV_FORK) != life)
					continue;
				n++;
				if (h->cpu_seq > last)
					last = h->cpu_seq;
				if (h->cpu_seq < low)
					low = h->cpu_seq;
			}
			if (n)
				holes += (last & ((1ull << 56) - 1)) - n;
		}
	return holes;
}

static void every_record_is_counted(void **state)
{
	struct fixture *f = *state;
	struct ev_count sum[EV_COUNT_KINDS];
	uint64_t got[EV_COUNT_KINDS];
	int ls, fd, port;
	struct peer p;

	NEEDS_PROBES();
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	port = f->s->arg;
	for (int i = 0; i < 20; i++) {
		p = peer_connect(AF_INET, port);
		fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
		peer_send(&p, 100);
		worker_read(f, fd, BY_READ, 100);
		worker_write(f, fd, BY_WRITE, 100, &p);
		act(f, OP_CLOSE, fd, 0, 0, 0);
		close(p.fd);
	}
	act(f, OP_FORK, 0, 0, 0, 0);
	probe_off(f);
	sum_counts(&f->log, sum);
	count_received(&f->log, got);
	for (int k = 0; k < EV_COUNT_KINDS; k++) {
		assert_int_equal(sum[k].seen, sum[k].submitted);
		assert_int_equal(got[k], sum[k].submitted);
	}
	assert_true(sum[EV_COUNT_DATA].seen >= 40);
	assert_int_equal(sum[EV_COUNT_DATA].bytes_seen, 4000);
	assert_int_equal(sum[EV_COUNT_CONN].seen, 20);
	assert_int_equal(count_holes(&f->log, false), 0);
	assert_int_equal(count_holes(&f->log, true), 0);
}

/* Nobody reads a tiny ring: losses are counted by kind, and their place shows in the sequence. */
static void losses_are_counted(void **state)
{
	struct fixture *f = *state;
	struct ev_count sum[EV_COUNT_KINDS];
	uint64_t got[EV_COUNT_KINDS], lost = 0;
	const struct ev_state *st;
	cpu_set_t one;
	uint64_t inode;
	struct peer p;
	int ls, fd;

	NEEDS_PROBES();
	f->o.ring_bytes = 65536;
	CPU_ZERO(&one); /* on one CPU, where the record after a hole shows it */
	CPU_SET(0, &one);
	assert_int_equal(sched_setaffinity(f->pid, sizeof(one), &one), 0);
	probe_on(f);
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	p = peer_connect(AF_INET, f->s->arg);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	inode = inode_of(f->pid, fd);
	for (int i = 0; i < 30; i++)
		worker_write(f, fd, BY_WRITE, 10000, &p);
	drain(f);
	worker_write(f, fd, BY_WRITE, 100, &p);
	act(f, OP_CLOSE, fd, 0, 0, 0);
	close(p.fd);
	nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
	probe_off(f);
	sum_counts(&f->log, sum);
	count_received(&f->log, got);
	for (int k = 0; k < EV_COUNT_KINDS; k++) {
		assert_int_equal(got[k], sum[k].submitted);
		lost += k == EV_COUNT_LIFE ? 0 : sum[k].lost[EV_LOST_RING_FULL];
	}
	assert_int_equal(sum[EV_COUNT_DATA].seen, 31);
	assert_true(sum[EV_COUNT_DATA].lost[EV_LOST_RING_FULL] > 10);
	assert_int_equal(sum[EV_COUNT_DATA].bytes_seen, 300100);
	assert_int_equal(sum[EV_COUNT_DATA].bytes_lost,
			 10000 * sum[EV_COUNT_DATA].lost[EV_LOST_RING_FULL]);
	assert_int_equal(count_holes(&f->log, false), lost);
	/* The socket's own count at its end tells how much was never shown. */
	st = first_of(&f->log, EV_STATE, inode);
	assert_non_null(st);
	assert_int_equal(st->tx_pos, 300100);
}

/* Found by the port on which it listens, now or later; by name and executable. */
/* Others of this name may run on the host; the worker must be in, this process never. */
static void check_taken_in(const struct fixture *f)
{
	const struct ev_text *t;
	bool in = false;

	for (size_t i = 0; (t = next_of(&f->log, &i, EV_TARGET, 0));) {
		assert_int_not_equal(t->h.tgid, getpid());
		in |= t->h.tgid == f->target;
	}
	assert_true(in);
}

static void targets_by_rule(void **state)
{
	struct fixture *f = *state;
	const char *comm = "test_probe_life*", *exe = "*test_probe_life*";
	uint16_t port;
	struct peer p;
	int ls, fd;

	NEEDS_PROBES();
	ls = (int)act(f, OP_LISTEN, 0, 0, 0, AF_INET);
	port = (uint16_t)f->s->arg;
	f->o.n_pids = 0;
	f->o.ports = &port;
	f->o.n_ports = 1;
	probe_on(f);
	p = peer_connect(AF_INET, port);
	fd = (int)act(f, OP_ACCEPT, ls, 0, 0, 0);
	worker_write(f, fd, BY_WRITE, 100, &p);
	assert_false(probe_finished(f->p));
	probe_off(f);
	check_taken_in(f);
	assert_non_null(first_of(&f->log, EV_PROC, 0));
	assert_int_equal(check_stream(&f->log, inode_of(f->pid, fd), EV_WRITE, 0), 100);

	/* Nobody listens there yet. */
	log_free(&f->log);
	port = 1;
	probe_on(f);
	assert_null(first_of(&f->log, EV_TARGET, 0));
	probe_off(f);

	log_free(&f->log);
	f->o.n_ports = 0;
	f->o.exes = &exe;
	f->o.n_exes = 1;
	probe_on(f);
	check_taken_in(f);
	probe_off(f);

	log_free(&f->log);
	f->o.n_exes = 0;
	f->o.comms = &comm;
	f->o.n_comms = 1;
	probe_on(f);
	check_taken_in(f);
	probe_off(f);
	close(p.fd);
}

/* A listener for one connection, on a port of ours; started after the probes. */
static pid_t late_server(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	const pid_t pid = fork();
	const int one = 1;
	int ls, fd;

	if (pid)
		return pid;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ls = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(ls, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(ls, (void *)&a, sizeof(a)) || listen(ls, 5))
		_exit(1);
	fd = accept(ls, NULL, NULL);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	_exit(write(fd, "hello", 5) != 5);
}

static void a_later_listener_becomes_a_target(void **state)
{
	struct fixture *f = *state;
	uint16_t rule;
	struct peer p;
	pid_t pid;
	int port;

	NEEDS_PROBES();
	close(peer_listen(&port)); /* a port that is free now */
	rule = (uint16_t)port;
	f->o.n_pids = 0;
	f->o.ports = &rule;
	f->o.n_ports = 1;
	probe_on(f);
	assert_null(first_of(&f->log, EV_TARGET, 0));
	pid = late_server(port);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	drain(f);
	p = peer_connect(AF_INET, port);
	waitpid(pid, NULL, 0);
	drain(f);
	probe_off(f);
	assert_non_null(first_of(&f->log, EV_TARGET, 0));
	assert_non_null(first_of(&f->log, EV_LISTEN, 0));
	assert_non_null(first_of(&f->log, EV_DATA, 0));
	assert_non_null(first_of(&f->log, EV_EXIT, 0));
	close(p.fd);
}

/* A copy of this program under a name of its own. */
static void copy_self(const char *path)
{
	const int from = open("/proc/self/exe", O_RDONLY);
	const int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	struct stat st;
	off_t off = 0;

	assert_true(from >= 0 && to >= 0 && !fstat(from, &st));
	while (off < st.st_size)
		assert_true(sendfile(to, from, &off, (size_t)(st.st_size - off)) > 0);
	close(from);
	close(to);
}

/* Told at its exec, not by a scan; found by name and by where it lies. */
static void a_later_program_becomes_a_target(void **state)
{
	struct fixture *f = *state;
	char path[64];
	const char *comm = path + 5, *exe = path;
	const struct ev_text *t;
	pid_t pid;

	NEEDS_PROBES();
	snprintf(path, sizeof(path), "/tmp/later-%d", (int)getpid());
	copy_self(path);
	for (int by_comm = 0; by_comm < 2; by_comm++) {
		f->o.n_pids = 0;
		f->o.comms = &comm;
		f->o.n_comms = (size_t)by_comm;
		f->o.exes = &exe;
		f->o.n_exes = !by_comm;
		log_free(&f->log);
		probe_on(f);
		assert_null(first_of(&f->log, EV_TARGET, 0));
		pid = fork();
		if (!pid) {
			execl(path, comm, "--sleep", "1", (char *)NULL);
			_exit(1);
		}
		for (int i = 0; i < 50 && !first_of(&f->log, EV_TARGET, 0); i++)
			probe_poll(f->p, 5, log_record, &f->log);
		waitpid(pid, NULL, 0);
		probe_off(f);
		t = first_of(&f->log, EV_TARGET, 0);
		assert_non_null(t);
		assert_int_equal(t->h.tgid, pid);
		assert_non_null(first_of(&f->log, EV_EXEC, 0));
		assert_non_null(first_of(&f->log, EV_EXIT, 0));
	}
	unlink(path);
}

/* The cgroup of this process, if it is not the root, which everybody is in. */
static void targets_by_cgroup(void **state)
{
	struct fixture *f = *state;
	const char *rule, *other = "/no/such/cgroup";
	struct proc_cgroup own;

	NEEDS_PROBES();
	if (!proc_cgroup((uint32_t)getpid(), &own) || !strcmp(own.path, "/"))
		skip();
	rule = own.path;
	f->o.n_pids = 0;
	f->o.cgroups = &other;
	f->o.n_cgroups = 1;
	probe_on(f);
	assert_null(first_of(&f->log, EV_TARGET, 0));
	probe_off(f);
	f->o.cgroups = &rule;
	probe_on(f);
	for (size_t i = 0, seen = 0;; seen++) {
		const struct ev_text *t = next_of(&f->log, &i, EV_TARGET, 0);

		if (!t)
			fail_msg("the worker is not among %zu targets of %s", seen, rule);
		if (t->h.tgid == f->target)
			break;
	}
	probe_off(f);
}

/* A reader that sleeps for long is woken before the ring is full. */
static void a_filling_ring_wakes_its_reader(void **state)
{
	struct fixture *f = *state;
	struct timespec a, b;
	uint64_t got = 0;
	int fd;

	NEEDS_PROBES();
	f->o.ring_bytes = 1 << 20;
	probe_on(f);
	fd = (int)act(f, OP_PIPE, 0, 0, 0, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	f->s->arg = 400;
	ask(f, OP_PIPE_FLOOD, fd, 0, 16000, 400); /* both ends, 400 times: 12 times the ring */
	while (f->s->op != OP_NONE)
		assert_int_equal(probe_poll(f->p, 2000, log_record, &f->log), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 10);
	probe_off(f);
	for (size_t i = 0; next_of(&f->log, &i, EV_DATA, 0);)
		got++;
	assert_true(got > 80); /* the ring holds 64: without a wake-up that would be all */
}

static void a_command_is_watched_from_its_start(void **state)
{
	struct fixture *f = *state;
	char *cmd[] = { "/proc/self/exe", "--exit", "7", NULL };
	char *wrong[] = { "/no/such/program", "no-such-program", "/etc/passwd", "/etc", "" };
	char script[] = "/tmp/probe-life-XXXXXX";
	const struct ev_text *target;
	const struct ev_life *l;
	struct err e = { 0 };
	int status = 0, fd;
	size_t i = 0;

	NEEDS_PROBES();
	f->o.n_pids = 0;
	f->o.cmd = cmd;
	probe_on(f);
	for (int n = 0; n < 1000 && !probe_finished(f->p); n++)
		probe_poll(f->p, 5, log_record, &f->log);
	assert_true(probe_cmd_status(f->p, &status));
	assert_int_equal(WEXITSTATUS(status), 7);
	probe_off(f);
	assert_non_null(first_of(&f->log, EV_TARGET, 0));
	assert_non_null(first_of(&f->log, EV_EXEC, 0));
	target = first_of(&f->log, EV_TARGET, 0);
	while ((l = next_of(&f->log, &i, EV_EXIT, 0)) && l->h.tgid != target->h.tgid)
		;
	assert_non_null(l);
	assert_int_equal(l->exit_code, 7 << 8);

	/* What cannot be found or run is refused before anything is opened. */
	f->o.cmd = cmd;
	for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
		cmd[0] = wrong[k];
		e.status = 0;
		assert_null(probe_open(&f->o, &e));
		assert_int_equal(e.status, EXIT_NO_TARGET);
	}
	/* Only the kernel can tell of the rest. */
	fd = mkstemp(script);
	assert_true(fd >= 0 && write(fd, "#!/no/such\n", 11) == 11 && !fchmod(fd, 0700));
	close(fd);
	cmd[0] = script;
	f->p = probe_open(&f->o, &e);
	assert_non_null(f->p);
	assert_int_equal(probe_start(f->p, log_record, &f->log, &e), -1);
	assert_int_equal(e.status, EXIT_NO_TARGET);
	unlink(script);
}

static void a_process_that_is_not_there(void **state)
{
	const uint32_t none = 4194000, kthreadd = 2;
	struct probe_opts o = { .pids = &none, .n_pids = 1, .ring_bytes = 65536, .copy_head = 100 };
	struct err e = { 0 };

	(void)state;
	NEEDS_PROBES();
	assert_null(probe_open(&o, &e));
	assert_int_equal(e.status, EXIT_NO_TARGET);
	if (proc_is_kernel_thread(2)) { /* kthreadd, but in a pid namespace of its own */
		o.pids = &kthreadd;
		assert_null(probe_open(&o, &e));
		assert_non_null(strstr(e.what, "kernel thread"));
		assert_int_equal(e.status, EXIT_NO_TARGET);
	}
	assert_false(proc_is_kernel_thread((uint32_t)getpid()));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		LIVE(life_of_children),
		LIVE(every_record_is_counted),
		LIVE(losses_are_counted),
		LIVE(targets_by_rule),
		LIVE(a_later_listener_becomes_a_target),
		LIVE(a_later_program_becomes_a_target),
		LIVE(targets_by_cgroup),
		LIVE(a_filling_ring_wakes_its_reader),
		LIVE(a_command_is_watched_from_its_start),
		LIVE(a_process_that_is_not_there),
	};

	/* Run as a command or an exec'd child of these tests. */
	if (argc == 3 && !strcmp(argv[1], "--exit"))
		return atoi(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "--sleep"))
		return (int)sleep((unsigned)atoi(argv[2]));
	live_check();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
