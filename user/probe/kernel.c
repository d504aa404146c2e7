/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel.c - release, BTF prototypes of tracepoints, tick rate and capabilities of this host. */
#include "probe/kernel.h"

#include <bpf/btf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

void kernel_facts_read(struct kernel_facts *k)
{
	struct utsname u;
	unsigned major, minor;

	memset(k, 0, sizeof(*k));
	if (!uname(&u)) {
		snprintf(k->release, sizeof(k->release), "%s", u.release);
		if (sscanf(u.release, "%u.%u", &major, &minor) == 2)
			k->version = major << 16 | minor << 8;
	}
	k->btf = btf__load_vmlinux_btf();
	if (!k->btf)
		k->btf_errno = errno;
}

void kernel_facts_free(struct kernel_facts *k)
{
	btf__free(k->btf);
	k->btf = NULL;
}

/* The prototype behind `btf_trace_NAME`: its first parameter is a void * of the tracepoint's own.
 */
static const struct btf_type *tracepoint_proto(const struct kernel_facts *k, const char *name)
{
	const struct btf_type *t;
	char full[96];
	int id;

	if (!k->btf)
		return NULL;
	snprintf(full, sizeof(full), "btf_trace_%s", name);
	id = btf__find_by_name_kind(k->btf, full, BTF_KIND_TYPEDEF);
	if (id < 0)
		return NULL;
	t = btf__type_by_id(k->btf, (unsigned)id);
	t = t ? btf__type_by_id(k->btf, t->type) : NULL;
	if (!t || !btf_is_ptr(t))
		return NULL;
	t = btf__type_by_id(k->btf, t->type);
	return t && btf_is_func_proto(t) ? t : NULL;
}

bool kernel_has_tracepoint(const struct kernel_facts *k, const char *name)
{
	return tracepoint_proto(k, name);
}

bool kernel_tracepoint_takes_pointer(const struct kernel_facts *k, const char *name)
{
	const struct btf_type *proto = tracepoint_proto(k, name), *t;

	if (!proto || btf_vlen(proto) < 2)
		return false;
	t = btf__type_by_id(k->btf, btf_params(proto)[1].type);
	while (t && (btf_is_mod(t) || btf_is_typedef(t)))
		t = btf__type_by_id(k->btf, t->type);
	return t && btf_is_ptr(t);
}

/* gzopen reads plain files as well. */
static unsigned hz_in(const char *path)
{
	gzFile f = gzopen(path, "rb");
	char line[256];
	unsigned hz = 0;

	if (!f)
		return 0;
	while (!hz && gzgets(f, line, sizeof(line)))
		if (!strncmp(line, "CONFIG_HZ=", 10))
			hz = (unsigned)strtoul(line + 10, NULL, 10);
	gzclose(f);
	return hz;
}

unsigned kernel_hz_configured(const struct kernel_facts *k)
{
	char path[128];
	unsigned hz = hz_in("/proc/config.gz");

	if (!hz) {
		snprintf(path, sizeof(path), "/boot/config-%s", k->release);
		hz = hz_in(path);
	}
	return hz;
}

bool kernel_may(int cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	if (syscall(SYS_capget, &h, d))
		return false;
	if (d[cap / 32].effective >> (cap % 32) & 1)
		return true;
	return (cap == CAP_BPF || cap == CAP_PERFMON) && kernel_may(CAP_SYS_ADMIN);
}

uint64_t clock_ns(int clock_id)
{
	struct timespec t;

	clock_gettime((clockid_t)clock_id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
