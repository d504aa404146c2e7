/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* load.c - chooses programs by what the kernel's BTF shows, sizes maps, loads and attaches. */
#include "probe/load.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "modelsnoop.skel.h"

/* The reader is woken for this much: it is still in the cache, and one wake-up for hundreds of
 * records costs nothing. */
#define WAKE_BYTES ((size_t)512 << 10)

/*
 * Every program and when it is of use. A prototype decides, never whether it loads: a program for
 * the wrong shape can load and read garbage.
 */
enum need { NEEDED, OPTIONAL, TWIN };
struct row {
	const char *name, *tracepoint; /* NULL: an iterator */
	enum need need;
	bool (*fits)(const struct kernel_facts *k);
	const char *use;
};

static bool has_sys_exit(const struct kernel_facts *k)
{
	return kernel_has_tracepoint(k, "sys_exit");
}
static bool lacks_sys_exit(const struct kernel_facts *k)
{
	return !has_sys_exit(k);
}
static bool has_data_ready(const struct kernel_facts *k)
{
	return kernel_has_tracepoint(k, "sk_data_ready");
}
static bool oom_by_task(const struct kernel_facts *k)
{
	return kernel_tracepoint_takes_pointer(k, "mark_victim");
}
static bool oom_by_pid(const struct kernel_facts *k)
{
	return kernel_has_tracepoint(k, "mark_victim") && !oom_by_task(k);
}

/*
 * From 6.2 a program is skipped where it is in the middle of a run on the same CPU: an interrupt's
 * state change on top of another. From 6.19 a tracepoint's programs can be preempted, and then all
 * of them are skipped for whoever gets the CPU. Twins work when the first copy did not
 * (maps.bpf.h).
 */
static bool skips_nested(const struct kernel_facts *k)
{
	return k->version >= (6 << 16 | 2 << 8);
}
static bool preempts(const struct kernel_facts *k)
{
	return k->version >= (6 << 16 | 19 << 8) && has_sys_exit(k);
}
static bool preempts_data_ready(const struct kernel_facts *k)
{
	return preempts(k) && has_data_ready(k);
}

static const struct row rows[] = {
	{ "on_sys_exit", "sys_exit", NEEDED, has_sys_exit, "bytes on sockets and pipes" },
	{ "on_sys_exit_raw", "sys_exit", NEEDED, lacks_sys_exit, "bytes on sockets and pipes" },
	{ "on_set_state", "inet_sock_set_state", NEEDED, NULL, "who closed a connection" },
	{ "on_destroy", "tcp_destroy_sock", NEEDED, NULL, "the end of a connection" },
	{ "on_data_ready", "sk_data_ready", OPTIONAL, has_data_ready,
	  "exact waiting time of a request before the server reads it (kernel 6.3)" },
	{ "on_fork", "sched_process_fork", NEEDED, NULL, "children of targets" },
	{ "on_exec", "sched_process_exec", NEEDED, NULL, "programs that targets start" },
	{ "on_exit", "sched_process_exit", NEEDED, NULL, "exits and crashes" },
	{ "on_signal", "signal_generate", NEEDED, NULL, "who sent a deadly signal" },
	{ "on_oom_task", "mark_victim", OPTIONAL, oom_by_task, "OOM victims" },
	{ "on_oom_pid", "mark_victim", OPTIONAL, oom_by_pid, "OOM victims" },
	{ "on_sys_exit_twin", "sys_exit", TWIN, preempts, NULL },
	{ "on_set_state_twin", "inet_sock_set_state", TWIN, skips_nested, NULL },
	{ "on_destroy_twin", "tcp_destroy_sock", TWIN, skips_nested, NULL },
	{ "on_data_ready_twin", "sk_data_ready", TWIN, preempts_data_ready, NULL },
	{ "on_fork_twin", "sched_process_fork", TWIN, preempts, NULL },
	{ "on_exec_twin", "sched_process_exec", TWIN, preempts, NULL },
	{ "on_exit_twin", "sched_process_exit", TWIN, preempts, NULL },
	{ "iter_task", NULL, NEEDED, NULL, "processes that were there before" },
	{ "iter_task_file", NULL, NEEDED, NULL, "connections that were there before" },
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* What libbpf last complained of: the only place where the verifier's reason stands. */
static char complaint[200];

static int on_libbpf_print(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN && !complaint[0]) {
		vsnprintf(complaint, sizeof(complaint), fmt, ap);
		complaint[strcspn(complaint, "\n")] = '\0';
	}
	return 0;
}

static bool fits(const struct row *r, const struct kernel_facts *k)
{
	return r->fits ? r->fits(k) : !r->tracepoint || kernel_has_tracepoint(k, r->tracepoint);
}

static size_t round_pow2(size_t n, size_t least)
{
	size_t p = least;

	while (p < n && p < (size_t)1 << 31)
		p <<= 1;
	return p;
}

static int configure(struct loaded *l, const struct kernel_facts *k, const struct load_opts *o)
{
	struct modelsnoop_bpf *s = l->skel;
	const int cpus = libbpf_num_possible_cpus();
	const size_t copy = (size_t)o->copy_head + o->copy_tail;
	int err;

	if (cpus < 0)
		return cpus;
	if (copy > EV_COPY_MAX)
		return -EINVAL;
	l->cpus = (unsigned)cpus;
	l->ring_bytes = round_pow2(o->ring_bytes, 65536);
	s->rodata->copy_head = o->copy_head;
	s->rodata->copy_tail = o->copy_tail;
	s->rodata->wake_bytes =
		(uint32_t)(l->ring_bytes / 4 < WAKE_BYTES ? l->ring_bytes / 4 : WAKE_BYTES);
	s->rodata->twins = preempts(k);
	s->rodata->state_twins = skips_nested(k);
	s->rodata->n_cpus = l->cpus;
	s->rodata->watch_exec = o->watch_exec;
	s->rodata->watch_listen = o->watch_listen;
	err = bpf_map__set_max_entries(s->maps.data_ring, (uint32_t)l->ring_bytes);
	err = err ? err : bpf_map__set_max_entries(s->maps.life_ring, LIFE_RING_BYTES);
	err = err ? err : bpf_map__set_max_entries(s->maps.works, l->cpus * (preempts(k) ? 2 : 1));
	err = err ? err : bpf_map__set_max_entries(s->maps.targets, o->max_targets);
	err = err ? err : bpf_map__set_max_entries(s->maps.socks, o->max_sockets);
	err = err ? err : bpf_map__set_max_entries(s->maps.counted, o->max_sockets / 2);
	err = err ? err : bpf_map__set_max_entries(s->maps.unix_fds, o->max_sockets / 2);
	/* Header part of the work area, then twice the copy limit: see work.bpf.h. */
	err = err ? err
		  : bpf_map__set_value_size(s->maps.works, bpf_map__value_size(s->maps.works) -
								   2 * EV_COPY_MAX +
								   2 * (uint32_t)copy);
	return err;
}

static int load_failed(const struct kernel_facts *k, int err, struct err *e)
{
	err_set(e, EXIT_HOST, "the kernel (%s) refuses the probes: %s", k->release, strerror(-err));
	if (complaint[0])
		err_why(e, "%s", complaint);
	if (err == -EPERM || err == -EACCES)
		err_mend(e,
			 "run as root, or with CAP_BPF and CAP_PERFMON; in a container also allow "
			 "bpf(2) in its seccomp profile");
	else
		err_mend(e, "`modelsnoop doctor` tries each probe and says which one fails");
	return -1;
}

static struct bpf_program *program(struct modelsnoop_bpf *s, const char *name)
{
	return bpf_object__find_program_by_name(s->obj, name);
}

int load_open(struct loaded *l, const struct kernel_facts *k, const struct load_opts *o,
	      struct err *e)
{
	int err;

	memset(l, 0, sizeof(*l));
	complaint[0] = '\0';
	libbpf_set_print(on_libbpf_print);
	l->skel = modelsnoop_bpf__open();
	if (!l->skel)
		return err_set(e, EXIT_FAILED, "cannot open the built-in probes: %s",
			       strerror(errno));
	for (size_t i = 0; i < N_ROWS; i++) {
		const struct row *r = &rows[i];
		const bool use = fits(r, k);

		if (!use && r->need == NEEDED && !r->fits) {
			load_close(l);
			err_set(e, EXIT_HOST, "this kernel (%s) has no tracepoint %s", k->release,
				r->tracepoint);
			return -1;
		}
		bpf_program__set_autoload(program(l->skel, r->name), use);
	}
	l->stamps_arrival = has_data_ready(k);
	l->backend = has_sys_exit(k) ? "tp_btf/sys_exit" : "raw_tp/sys_exit";
	err = configure(l, k, o);
	if (!err)
		err = modelsnoop_bpf__load(l->skel);
	if (err) {
		load_close(l);
		return load_failed(k, err, e);
	}
	l->targets_fd = bpf_map__fd(l->skel->maps.targets);
	l->counts_fd = bpf_map__fd(l->skel->maps.series_map);
	l->data_fd = bpf_map__fd(l->skel->maps.data_ring);
	l->life_fd = bpf_map__fd(l->skel->maps.life_ring);
	l->target_hint = l->skel->bss->target_hint;
	l->reader_sleeps = &l->skel->bss->reader_sleeps;
	l->iter_tgid = &l->skel->bss->iter_tgid;
	l->iter_listeners = &l->skel->bss->iter_listeners;
	l->iter_readings = &l->skel->bss->iter_readings;
	return 0;
}

int load_attach(struct loaded *l, struct err *e)
{
	const int err = modelsnoop_bpf__attach(l->skel);

	if (!err)
		return 0;
	err_set(e, EXIT_HOST, "cannot attach the probes: %s", strerror(-err));
	if (complaint[0])
		err_why(e, "%s", complaint);
	err_mend(e, "`modelsnoop doctor` tries each probe and says which one fails");
	return -1;
}

void load_detach(struct loaded *l)
{
	if (l->skel)
		modelsnoop_bpf__detach(l->skel);
}

void load_close(struct loaded *l)
{
	modelsnoop_bpf__destroy(l->skel);
	l->skel = NULL;
}

/* As the kernel side does it (filter.bpf.h): entry first, hint second; removal counts once. */
int load_target_add(struct loaded *l, uint32_t tgid, uint64_t start)
{
	uint32_t *hint = &l->target_hint[tgid % (sizeof(l->skel->bss->target_hint) / 4)];

	if (bpf_map_update_elem(l->targets_fd, &tgid, &start, BPF_NOEXIST))
		return errno == EEXIST ? 0 : -errno;
	__atomic_fetch_add(hint, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void load_target_del(struct loaded *l, uint32_t tgid)
{
	uint32_t *hint = &l->target_hint[tgid % (sizeof(l->skel->bss->target_hint) / 4)];

	if (!bpf_map_delete_elem(l->targets_fd, &tgid))
		__atomic_fetch_sub(hint, 1, __ATOMIC_SEQ_CST);
}

int load_iterate(struct loaded *l, enum load_iter which, struct buf *out)
{
	struct bpf_link *link =
		which == LOAD_ITER_TASK ? l->skel->links.iter_task : l->skel->links.iter_task_file;
	const int fd = bpf_iter_create(bpf_link__fd(link));
	ssize_t n;
	int err = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		char *p = buf_room(out, 65536);

		if (!p) {
			err = -ENOMEM;
			break;
		}
		n = read(fd, p, 65536);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue; /* EAGAIN: the kernel had a million entries without output; go on
				   */
		if (n <= 0) {
			err = n ? -errno : 0;
			break;
		}
		out->len += (size_t)n;
	}
	close(fd);
	return err;
}

void load_untold(struct loaded *l, struct buf *out)
{
	const int fd = bpf_map__fd(l->skel->maps.untold);
	struct ev_state r;
	uint64_t key;

	while (!bpf_map_get_next_key(fd, NULL, &key)) {
		if (!bpf_map_lookup_elem(fd, &key, &r))
			buf_put(out, &r, sizeof(r));
		if (bpf_map_delete_elem(fd, &key))
			break;
	}
}

static void add_counts(struct ev_cpu_counts *sum, const struct ev_cpu_counts *c)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)c;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

int load_counts(const struct loaded *l, struct ev_cpu_counts *c, uint64_t *compat_calls)
{
	const size_t size = (bpf_map__value_size(l->skel->maps.series_map) + 7u) & ~(size_t)7;
	const uint32_t n = bpf_map__max_entries(l->skel->maps.series_map);
	uint8_t *all = calloc(l->cpus, size);
	int err = all ? 0 : -ENOMEM;

	memset(c, 0, l->cpus * sizeof(*c));
	*compat_calls = 0;
	for (uint32_t id = 0; !err && id < n; id++) {
		if (bpf_map_lookup_elem(l->counts_fd, &id, all)) {
			err = -errno;
			break;
		}
		for (unsigned cpu = 0; cpu < l->cpus; cpu++) {
			const uint8_t *series = all + cpu * size;
			uint64_t calls;

			add_counts(&c[cpu], (const void *)series);
			memcpy(&calls, series + sizeof(*c), sizeof(calls));
			*compat_calls += calls;
		}
	}
	free(all);
	return err;
}

static uint64_t misses(const struct loaded *l, const char *name, const char *suffix)
{
	struct bpf_prog_info info = { 0 };
	uint32_t n = sizeof(info);
	const struct bpf_program *p;
	char full[48];
	int fd;

	snprintf(full, sizeof(full), "%s%s", name, suffix);
	p = program(l->skel, full);
	fd = p ? bpf_program__fd(p) : -1;
	if (fd < 0)
		return UINT64_MAX;
	return bpf_obj_get_info_by_fd(fd, &info, &n) ? 0
						     : info.recursion_misses; /* 0 before 5.12 */
}

/* With a twin only what both copies were skipped for is lost: at most the smaller number. */
uint64_t load_missed_runs(const struct loaded *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < N_ROWS; i++) {
		const uint64_t first = misses(l, rows[i].name, "");
		const uint64_t second = misses(l, rows[i].name, "_twin");

		if (rows[i].need != TWIN && first != UINT64_MAX)
			sum += first < second ? first : second;
	}
	return sum;
}

/* Load and attach only this program. */
static int try_one(const struct row *row)
{
	struct modelsnoop_bpf *s = modelsnoop_bpf__open();
	struct bpf_link *link;
	int err;

	if (!s)
		return -errno;
	for (size_t i = 0; i < N_ROWS; i++)
		bpf_program__set_autoload(program(s, rows[i].name), &rows[i] == row);
	err = modelsnoop_bpf__load(s);
	if (!err) {
		link = bpf_program__attach(program(s, row->name));
		err = link ? 0 : -errno;
		bpf_link__destroy(link);
	}
	modelsnoop_bpf__destroy(s);
	return err;
}

size_t load_try(const struct kernel_facts *k, struct load_trial *t, size_t max)
{
	size_t n = 0;

	libbpf_set_print(on_libbpf_print);
	for (size_t i = 0; i < N_ROWS && n < max; i++) {
		const struct row *r = &rows[i];

		/* Of two shapes of one probe only the one that fits is a row, or the first if none
		 * does. */
		if (r->need == TWIN)
			continue;
		if (!fits(r, k) && (r->fits == lacks_sys_exit || r->fits == oom_by_pid ||
				    (r->fits == oom_by_task && oom_by_pid(k))))
			continue;
		t[n++] = (struct load_trial){ .name = r->tracepoint ? r->tracepoint : r->name,
					      .use = r->use,
					      .optional = r->need == OPTIONAL,
					      .err = fits(r, k) ? try_one(r) : -ENOENT };
	}
	return n;
}
