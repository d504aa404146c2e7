// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_origin_names.c - tables of what identity is read from: command lines, cgroups, signals,
 * addresses. */
#include "origin/addr.h"
#include "origin/cgroup.h"
#include "origin/clock.h"
#include "origin/service.h"
#include "origin/signame.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct named {
	const char *unit, *exe, *comm;
	const char *argv[10];
	const char *name;
	bool good;
};
static const struct named named[] = {
	{ NULL,
	  "/usr/bin/python3.11",
	  "uvicorn",
	  { "/usr/bin/python3", "/usr/local/bin/uvicorn", "app.main:app", "--port", "80" },
	  "app.main:app",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "-m", "uvicorn", "--host", "0.0.0.0", "svc:create()", "--factory" },
	  "svc:create",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "/v/bin/gunicorn", "-b", "127.0.0.1:8000", "-k",
	    "uvicorn.workers.UvicornWorker", "app:app" },
	  "app:app",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "/v/bin/gunicorn", "-b", "unix:/run/x.sock", "shop.wsgi" },
	  "shop.wsgi",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  "gunicorn",
	  { "gunicorn: master [app:app]" },
	  "app:app",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  "gunicorn",
	  { "gunicorn: worker [shop.wsgi]" },
	  "shop.wsgi",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python", "-m", "hypercorn", "api:app" },
	  "api:app",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "/usr/bin/python3", "/usr/local/bin/vllm", "serve", "meta-llama/Llama-3-8B", "--port",
	    "8000" },
	  "vllm:meta-llama/Llama-3-8B",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "/models/opt-125m/" },
	  "vllm:opt-125m",
	  true },
	{ NULL, "/usr/local/bin/vllm", NULL, { "vllm", "serve", "--port", "8000" }, "vllm", true },
	{ NULL, "/usr/bin/python3.11", "VLLM::EngineCor", { "VLLM::EngineCore" }, "vllm", true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "-u", "-X", "dev", "-W", "ignore", "/srv/score_server.py", "a:b" },
	  "score_server",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "-um", "mypkg.serve" },
	  "mypkg.serve",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "/opt/mypkg/__main__.py" },
	  "mypkg",
	  true },
	{ NULL,
	  "/usr/bin/python3.11",
	  NULL,
	  { "python3", "-c", "import app" },
	  "python3.11",
	  true },
	{ NULL, "/usr/bin/python3.11 (deleted)", NULL, { "python3" }, "python3.11", true },
	{ NULL,
	  "/usr/bin/node",
	  NULL,
	  { "node", "--max-old-space-size=4096", "-r", "dotenv/config", "dist/server.js" },
	  "server",
	  true },
	{ NULL,
	  "/usr/bin/java",
	  NULL,
	  { "java", "-Xmx1g", "-cp", "/a:/b", "org.pytorch.serve.ModelServer", "--start" },
	  "ModelServer",
	  true },
	{ NULL,
	  "/usr/bin/java",
	  NULL,
	  { "java", "-Dx=y", "-jar", "/opt/rank-1.2.jar" },
	  "rank-1.2",
	  true },
	{ NULL,
	  "/usr/sbin/nginx",
	  "nginx",
	  { "nginx: master process nginx -g daemon off;" },
	  "nginx",
	  true },
	{ NULL,
	  "/opt/bin/tritonserver",
	  NULL,
	  { "tritonserver", "--model-repository=/m" },
	  "tritonserver",
	  true },
	{ NULL,
	  "/bin/llama-server",
	  NULL,
	  { "llama-server", "-m", "/m/q4.gguf" },
	  "llama-server:q4.gguf",
	  true },
	{ NULL, "/usr/bin/bash", NULL, { "/bin/bash", "/srv/run.sh", "x" }, "run", true },
	{ NULL, "/usr/bin/dash", NULL, { "sh", "-c", "uvicorn app:app" }, "dash", false },
	{ NULL, "/usr/bin/dash", NULL, { "sh", "-ec", "exec x" }, "dash", false },
	{ NULL, "/usr/bin/timeout", NULL, { "timeout", "5", "python3", "x.py" }, "timeout", false },
	{ "model-api", "/usr/bin/python3.11", NULL, { "python3", "x.py" }, "model-api", true },
	{ NULL, NULL, "worker", { NULL }, "worker", true },
	{ NULL, NULL, NULL, { NULL }, "unknown", true },
	{ NULL, NULL, NULL, { "" }, "unknown", true },
};

static void services_are_named(void **state)
{
	char name[SERVICE_NAME_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		const struct named *n = &named[i];
		struct service_facts f = { n->unit, n->exe, n->comm, n->argv, 0 };

		while (f.argc < 10 && n->argv[f.argc])
			f.argc++;
		assert_int_equal(service_derive(&f, name), n->good);
		assert_string_equal(name, n->name);
	}
}

/* Any argument may hold anything: the name is bounded, terminated and not empty. */
static void service_names_are_bounded(void **state)
{
	static const char *const word[] = { "python3", "-m",    "-c",         "uvicorn",
					    "a:b",     ":",     "",           "-",
					    "--",      "serve", "vllm",       "/",
					    "x/",      "::",    "a: [",       "gunicorn: master []",
					    "-jar",    "java",  "__main__.py" };
	const size_t words = sizeof(word) / sizeof(word[0]);
	char name[SERVICE_NAME_MAX], longest[1000];
	const char *argv[4];

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	for (size_t a = 0; a < words; a++)
		for (size_t b = 0; b < words; b++)
			for (size_t c = 0; c <= words; c++) {
				struct service_facts f = { NULL, NULL, NULL, argv, 3 };

				argv[0] = word[a];
				argv[1] = word[b];
				argv[2] = c == words ? longest : word[c];
				memset(name, 'z', sizeof(name));
				service_derive(&f, name);
				assert_true(memchr(name, '\0', sizeof(name)) != NULL);
				for (size_t e = 0; e < 3; e++) {
					f.exe = e == 0   ? "/usr/bin/python3.11"
						: e == 1 ? "/usr/bin/java"
							 : longest;
					service_derive(&f, name);
					assert_true(memchr(name, '\0', sizeof(name)) != NULL);
				}
			}
}

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID65 ID64 "0"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
static const struct {
	const char *path, *container, *pod, *unit;
} cgroups[] = {
	{ "/", "", "", "" },
	{ "", "", "", "" },
	{ "/system.slice/model-api.service", "", "", "model-api" },
	{ "/system.slice/system-vllm.slice/vllm@llama\\x2d8b.service", "", "", "vllm@llama-8b" },
	{ "/user.slice/user-1000.slice/session-3.scope", "", "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope", "", "", "" },
	{ "/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service", "", "",
	  "jupyter" },
	{ "/system.slice/ssh.service", "", "", "" },
	{ "/system.slice/cron.service", "", "", "" },
	{ "/docker/" ID64, ID64, "", "" },
	{ "/docker/" ID65, "", "", "" },
	{ "/system.slice/docker.service/docker/" ID64, ID64, "", "" },
	{ "/system.slice/docker-" ID64 ".scope", ID64, "", "" },
	{ "/system.slice/docker-" ID64 ".scope/system.slice/nginx.service", ID64, "", "nginx" },
	{ "/machine.slice/libpod-" ID64 ".scope", ID64, "", "" },
	{ "/system.slice/web.service/libpod-payload-" ID64, ID64, "", "web" },
	{ "/docker/" OTHER "/docker/" ID64, ID64, "", "" },
	{ "/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/" ID64, ID64,
	  "12345678-1234-1234-1234-123456789abc", "" },
	{ "/kubepods.slice/kubepods-burstable.slice/"
	  "kubepods-burstable-pod12345678_1234_1234_1234_123456789abc.slice/cri-containerd-" ID64
	  ".scope",
	  ID64, "12345678-1234-1234-1234-123456789abc", "" },
	{ "/kubepods.slice/kubepods-pod0123456789abcdef0123456789abcdef.slice/crio-" ID64 ".scope",
	  ID64, "0123456789abcdef0123456789abcdef", "" },
	{ "/system.slice/k3s.service/kubepods/besteffort/"
	  "pod12345678-1234-1234-1234-123456789abc/" ID64,
	  ID64, "12345678-1234-1234-1234-123456789abc", "" },
	{ "/kubepods/podxyz/" ID64, ID64, "", "" },
	{ "/home/pod12345678-1234-1234-1234-123456789abc", "", "", "" },
};

static void cgroup_paths_identify(void **state)
{
	struct cgroup_identity id;

	(void)state;
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++) {
		cgroup_identify(cgroups[i].path, strlen(cgroups[i].path), &id);
		assert_string_equal(id.container_id, cgroups[i].container);
		assert_string_equal(id.pod_uid, cgroups[i].pod);
		assert_string_equal(id.unit, cgroups[i].unit);
	}
}

/* Cut anywhere, the path is still read within its bounds (the sanitizer looks). */
static void cgroup_paths_cut(void **state)
{
	struct cgroup_identity id;

	(void)state;
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++)
		for (size_t n = 0; n <= strlen(cgroups[i].path); n++) {
			char *p = malloc(n + 1);

			assert_non_null(p);
			memcpy(p, cgroups[i].path, n);
			cgroup_identify(p, n, &id);
			assert_true(strlen(id.unit) < sizeof(id.unit));
			free(p);
		}
}

static void signals_have_names(void **state)
{
	char buf[SIGNAME_MAX];

	(void)state;
	assert_null(signame(0, buf));
	assert_null(signame(-1, buf));
	assert_null(signame(65, buf));
	assert_string_equal(signame(1, buf), "SIGHUP");
	assert_string_equal(signame(6, buf), "SIGABRT");
	assert_string_equal(signame(7, buf), "SIGBUS");
	assert_string_equal(signame(9, buf), "SIGKILL");
	assert_string_equal(signame(11, buf), "SIGSEGV");
	assert_string_equal(signame(15, buf), "SIGTERM");
	assert_string_equal(signame(31, buf), "SIGSYS");
	assert_string_equal(signame(33, buf), "SIG33");
	assert_string_equal(signame(34, buf), "SIGRTMIN");
	assert_string_equal(signame(37, buf), "SIGRTMIN+3");
	assert_string_equal(signame(64, buf), "SIGRTMIN+30");
	for (int sig = 1; sig <= 64; sig++)
		assert_non_null(signame(sig, buf));
	/* The C library knows the ordinary ones by the same names. */
	for (int sig = 1; sig < 32; sig++)
		if (sigabbrev_np(sig) && sig != 29 && sig != 16) {
			assert_string_equal(signame(sig, buf) + 3, sigabbrev_np(sig));
		}
}

/* inet_ntop is the oracle; IPv4-mapped addresses are written as IPv4 on purpose. */
static void addresses_read_like_inet_ntop(void **state)
{
	char expect[INET6_ADDRSTRLEN], text[ADDR_TEXT_MAX + 1];
	uint8_t a[16];
	unsigned seed = 7;
	size_t n;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < 16; k++) {
			seed = seed * 1103515245 + 12345;
			/* Many zeros, so that runs of them occur. */
			a[k] = (seed >> 16 & 3) ? 0 : (uint8_t)(seed >> 20);
		}
		n = addr_text(AF_INET, a, text);
		text[n] = '\0';
		assert_string_equal(text, inet_ntop(AF_INET, a, expect, sizeof(expect)));
		n = addr_text(AF_INET6, a, text);
		text[n] = '\0';
		inet_ntop(AF_INET6, a, expect, sizeof(expect));
		/* glibc writes ::a.b.c.d for the long dead compatible form; RFC 5952 does not ask
		 * for it. */
		if (!strchr(expect, '.'))
			assert_string_equal(text, expect);
	}
	memset(a, 0, sizeof(a));
	a[10] = a[11] = 0xff;
	a[12] = 127;
	a[15] = 1;
	n = addr_text(AF_INET6, a, text);
	assert_int_equal(n, 9);
	assert_memory_equal(text, "127.0.0.1", 9);
	assert_int_equal(addr_text(AF_UNIX, a, text), 0);
}

static void clocks_are_piecewise(void **state)
{
	struct clock_map *c = calloc(1, sizeof(*c));
	const uint64_t epoch = 1700000000000000000ull;

	(void)state;
	assert_non_null(c);
	assert_int_equal(clock_real(c, 5), 5);
	assert_int_equal(clock_boot(c, 5), 0);
	assert_int_equal(clock_real_of_boot(c, 5), 0);
	clock_add(c, 1000, epoch, 2000);
	assert_int_equal(clock_real(c, 1000), epoch);
	assert_int_equal(clock_real(c, 0), epoch - 1000);
	assert_int_equal(clock_boot(c, 1500), 2500);
	assert_int_equal(clock_real_of_boot(c, 2500), epoch + 500);
	/* The clock is set a second forward at 1 ms; what was before keeps its time. */
	clock_add(c, 1000000, epoch + 999000 + 1000000000, 1001000);
	assert_int_equal(clock_real(c, 999999), epoch + 998999);
	assert_int_equal(clock_real(c, 1000000), epoch + 999000 + 1000000000);
	/* Jitter is no news, a pair from the past neither. */
	clock_add(c, 2000000, epoch + 1999000 + 1000000000 + 500, 2001000);
	assert_int_equal(c->n, 2);
	clock_add(c, 500, epoch, 1500);
	assert_int_equal(c->n, 2);
	for (uint64_t i = 3; i < 2000; i++)
		clock_add(c, i * 1000000, epoch + i * 1020000, i * 1000000 + 1000);
	assert_int_equal(c->n, CLOCK_PAIRS);
	for (uint64_t i = 1900; i < 1999; i++)
		assert_int_equal(clock_real(c, i * 1000000 + 7), epoch + i * 1020000 + 7);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(services_are_named),
		cmocka_unit_test(service_names_are_bounded),
		cmocka_unit_test(cgroup_paths_identify),
		cmocka_unit_test(cgroup_paths_cut),
		cmocka_unit_test(signals_have_names),
		cmocka_unit_test(addresses_read_like_inet_ntop),
		cmocka_unit_test(clocks_are_piecewise),
	};

	return cmocka_run_group_tests_name("origin_names", tests, NULL, NULL);
}
