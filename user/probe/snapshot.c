/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* snapshot.c - EV_PROC and EV_HOST texts. */
#include "probe/snapshot.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "probe/proc.h"

#define MAX_ARGS_BYTES 32768
#define MAX_ENV_BYTES ((size_t)1 << 20) /* read; what is kept is far less */
#define MAX_ENV_VALUE 1024

/* Variables that say how a model is served. Anything else stays unread. */
static const char *const env_prefix[] = {
	"MODEL",       "CUDA_",        "NVIDIA_VISIBLE_DEVICES",
	"OMP_",        "MKL_",         "OPENBLAS_",
	"HF_",         "HUGGINGFACE_", "TRANSFORMERS_",
	"OTEL_",       "PYTHON",       "VLLM_",
	"TRITON_",     "TORCH",        "PYTORCH_",
	"TF_",         "ORT_",         "LLAMA_",
	"OLLAMA_",     "MLFLOW_",      "KSERVE_",
	"BENTOML_",    "RAY_",         "NCCL_",
	"UVICORN_",    "SAGEMAKER_",   "TOKENIZERS_PARALLELISM",
	"PROMETHEUS_", "ROCR_",        "HIP_",
};
static const char *const env_exact[] = {
	"PORT",          "HOST",      "WEB_CONCURRENCY",  "GUNICORN_CMD_ARGS",
	"WORKERS",       "HOSTNAME",  "NODE_ENV",         "POD_NAME",
	"POD_NAMESPACE", "NODE_NAME", "MALLOC_ARENA_MAX", "LD_PRELOAD",
};
/* Whatever its prefix, a variable with such a word in its name is a secret. */
static const char *const env_secret[] = { "TOKEN",      "KEY",  "SECRET", "PASSW",
					  "CREDENTIAL", "AUTH", "HEADERS" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool env_wanted(const char *name, size_t n)
{
	for (size_t i = 0; i < COUNT(env_secret); i++)
		if (memmem(name, n, env_secret[i], strlen(env_secret[i])) &&
		    !(n == 22 && !memcmp(name, "TOKENIZERS_PARALLELISM", n)))
			return false;
	for (size_t i = 0; i < COUNT(env_exact); i++)
		if (n == strlen(env_exact[i]) && !memcmp(name, env_exact[i], n))
			return true;
	for (size_t i = 0; i < COUNT(env_prefix); i++)
		if (n >= strlen(env_prefix[i]) &&
		    !memcmp(name, env_prefix[i], strlen(env_prefix[i])))
			return true;
	return false;
}

static void put_env(struct buf *b, const struct buf *env)
{
	const char *p = env->p, *end = env->p + env->len;

	json_key(b, "env");
	json_obj(b);
	while (p < end) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));
		const char *stop = nul ? nul : end;
		const char *eq = memchr(p, '=', (size_t)(stop - p));

		if (eq && env_wanted(p, (size_t)(eq - p))) {
			const size_t n = (size_t)(stop - eq) - 1;

			json_keyn(b, p, (size_t)(eq - p));
			json_str(b, eq + 1, n < MAX_ENV_VALUE ? n : MAX_ENV_VALUE);
		}
		p = stop + 1;
	}
	json_obj_end(b);
}

/* A process may have written over its arguments; then they are what it wrote. */
static void put_argv(struct buf *b, const struct buf *args)
{
	const char *p = args->p, *end = args->p + args->len;

	json_key(b, "argv");
	json_arr(b);
	while (p < end) {
		const char *nul = memchr(p, '\0', (size_t)(end - p));
		const char *stop = nul ? nul : end;

		json_str(b, p, (size_t)(stop - p));
		p = stop + 1;
	}
	json_arr_end(b);
}

/* Lines of /proc/PID/limits have fixed columns: name 26, soft 21, hard 21, unit. */
static void put_limits(struct buf *b, struct buf *limits)
{
	static const struct {
		const char *name, *key;
	} row[] = {
		{ "Max cpu time", "cpu" },          { "Max file size", "fsize" },
		{ "Max data size", "data" },        { "Max stack size", "stack" },
		{ "Max core file size", "core" },   { "Max resident set", "rss" },
		{ "Max processes", "nproc" },       { "Max open files", "nofile" },
		{ "Max locked memory", "memlock" }, { "Max address space", "as" },
		{ "Max nice priority", "nice" },    { "Max realtime priority", "rtprio" },
	};
	char soft[32], hard[32], *line, *save = NULL;

	buf_putc(limits, '\0');
	json_key(b, "limits");
	json_obj(b);
	for (line = limits->len > 1 ? strtok_r(limits->p, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < COUNT(row); i++) {
			const size_t n = strlen(row[i].name);

			if (strncmp(line, row[i].name, n) || line[n] != ' ' ||
			    sscanf(line + n, "%31s %31s", soft, hard) != 2)
				continue;
			json_key(b, row[i].key);
			json_arr(b);
			json_cstr(b, soft);
			json_cstr(b, hard);
			json_arr_end(b);
		}
	json_obj_end(b);
}

/* What runs the program, when exe is not the program itself. */
static const char *interpreter(const char *exe)
{
	static const char *const names[] = { "python", "pypy", "node", "ruby", "java",
					     "php",    "perl", "bash", "sh",   "dash",
					     "lua",    "R",    "julia" };
	const char *base = strrchr(exe, '/');

	base = base ? base + 1 : exe;
	for (size_t i = 0; i < COUNT(names); i++) {
		const size_t n = strlen(names[i]);

		if (!strncmp(base, names[i], n) &&
		    (!base[n] || isdigit((unsigned char)base[n]) || base[n] == '.'))
			return names[i];
	}
	return NULL;
}

static void put_link(struct buf *b, const char *key, uint32_t pid, const char *file)
{
	char path[4096];

	if (!proc_link(path, sizeof(path), "/proc/%u/%s", pid, file))
		return;
	json_key(b, key);
	json_cstr(b, path);
	if (!strcmp(key, "exe")) {
		const char *by = interpreter(path);

		if (by) {
			json_key(b, "interpreter");
			json_cstr(b, by);
		}
	}
}

static void put_cgroup(struct buf *b, uint32_t pid)
{
	struct proc_cgroup c;
	uint64_t limit;
	char cpu[64];

	if (!proc_cgroup(pid, &c))
		return;
	json_key(b, "cgroup");
	json_cstr(b, c.path);
	limit = proc_memory_limit(&c);
	if (limit) {
		json_key(b, "memory_limit_bytes");
		json_u64(b, limit);
	}
	if (!c.v2 || strstr(c.path, ".."))
		return;
	proc_line(cpu, sizeof(cpu), "/sys/fs/cgroup%s/cpu.max", c.path);
	if (cpu[0] && strncmp(cpu, "max", 3)) {
		json_key(b, "cpu_max");
		json_cstr(b, cpu);
	}
}

static void put_status(struct buf *b, uint32_t pid)
{
	static const struct {
		const char *name, *key;
	} row[] = {
		{ "PPid", "ppid" }, { "Uid", "uid" }, { "Gid", "gid" }, { "Threads", "threads" }
	};
	uint64_t v;

	for (size_t i = 0; i < COUNT(row); i++)
		if (proc_status(pid, row[i].name, &v)) {
			json_key(b, row[i].key);
			json_u64(b, v);
		}
}

static bool same_process(uint32_t pid, uint64_t start_ns)
{
	const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t ticks;
	char state;

	if (!proc_stat(pid, &ticks, &state) || state == 'Z' || state == 'X')
		return false;
	return !start_ns || (start_ns / tick_ns <= ticks + 1 && ticks <= start_ns / tick_ns + 1);
}

bool snapshot_process(struct buf *b, uint32_t pid, uint64_t start_ns, const char *nodename)
{
	struct buf raw = { 0 };
	const size_t was = b->len;
	char comm[32];

	if (!same_process(pid, start_ns))
		return false;
	json_obj(b);
	put_link(b, "exe", pid, "exe");
	proc_line(comm, sizeof(comm), "/proc/%u/comm", pid);
	json_key(b, "comm");
	json_cstr(b, comm);
	proc_read(&raw, MAX_ARGS_BYTES, "/proc/%u/cmdline", pid);
	put_argv(b, &raw);
	put_link(b, "cwd", pid, "cwd");
	put_status(b, pid);
	put_cgroup(b, pid);
	if (nodename && nodename[0]) {
		json_key(b, "nodename");
		json_cstr(b, nodename);
	}
	proc_read(&raw, 8192, "/proc/%u/limits", pid);
	put_limits(b, &raw);
	proc_read(&raw, MAX_ENV_BYTES, "/proc/%u/environ", pid);
	put_env(b, &raw);
	json_obj_end(b);
	buf_free(&raw);
	if (same_process(pid, start_ns))
		return true;
	b->len = was;
	return false;
}

bool snapshot_file(struct buf *b, uint32_t pid, uint64_t start_ns)
{
	const size_t was = b->len;
	size_t empty;

	json_obj(b);
	empty = b->len;
	put_link(b, "exe", pid, "exe");
	if (b->len > empty && same_process(pid, start_ns)) {
		json_obj_end(b);
		return true;
	}
	b->len = was;
	return false;
}

static void put_os_name(struct buf *b)
{
	struct buf raw = { 0 };
	char *line, *save = NULL;

	if (!proc_read(&raw, 8192, "/etc/os-release")) {
		buf_putc(&raw, '\0');
		for (line = strtok_r(raw.p, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			if (strncmp(line, "PRETTY_NAME=", 12))
				continue;
			line += 12;
			if (*line == '"' || *line == '\'')
				line++;
			json_key(b, "os_name");
			json_str(b, line, strcspn(line, "\"'"));
			break;
		}
	}
	buf_free(&raw);
}

static void put_cpu_model(struct buf *b)
{
	struct buf raw = { 0 };
	char *line, *save = NULL, *colon;

	if (!proc_read(&raw, 8192, "/proc/cpuinfo")) {
		buf_putc(&raw, '\0');
		for (line = strtok_r(raw.p, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save)) {
			colon = strchr(line, ':');
			if (strncmp(line, "model name", 10) || !colon)
				continue;
			json_key(b, "cpu_model");
			json_cstr(b, colon + 1 + (colon[1] == ' '));
			break;
		}
	}
	buf_free(&raw);
}

/* Device files are enough to say that there are some; drivers are not asked. */
static void put_accelerators(struct buf *b)
{
	char path[64];

	json_key(b, "accelerators");
	json_arr(b);
	for (int i = 0; i < 64; i++) {
		snprintf(path, sizeof(path), "/dev/nvidia%d", i);
		if (!access(path, F_OK))
			json_cstr(b, path);
	}
	if (!access("/dev/kfd", F_OK))
		json_cstr(b, "/dev/kfd");
	json_arr_end(b);
}

void snapshot_host(struct buf *b, const struct kernel_facts *k, unsigned hz)
{
	struct proc_cgroup self;
	char line[128];
	struct utsname u;
	uint64_t limit;

	json_obj(b);
	if (!uname(&u)) {
		json_key(b, "hostname");
		json_cstr(b, u.nodename);
		json_key(b, "machine");
		json_cstr(b, u.machine);
		json_key(b, "kernel_version");
		json_cstr(b, u.version);
	}
	json_key(b, "kernel_release");
	json_cstr(b, k->release);
	proc_line(line, sizeof(line), "/etc/machine-id");
	if (line[0]) {
		json_key(b, "machine_id");
		json_cstr(b, line);
	}
	proc_line(line, sizeof(line), "/proc/sys/kernel/random/boot_id");
	json_key(b, "boot_id");
	json_cstr(b, line);
	put_os_name(b);
	json_key(b, "cpus");
	json_u64(b, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	put_cpu_model(b);
	json_key(b, "memory_bytes");
	json_u64(b, (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
	json_key(b, "page_size");
	json_u64(b, (uint64_t)sysconf(_SC_PAGESIZE));
	json_key(b, "hz");
	json_u64(b, hz);
	json_key(b, "cgroup_version");
	json_u64(b, access("/sys/fs/cgroup/cgroup.controllers", F_OK) ? 1 : 2);
	if (proc_cgroup((uint32_t)getpid(), &self) && (limit = proc_memory_limit(&self))) {
		json_key(b, "agent_memory_limit_bytes");
		json_u64(b, limit);
	}
	put_accelerators(b);
	json_obj_end(b);
}
