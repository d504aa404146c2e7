// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cgroup.c - container, pod and unit out of the components of a cgroup path. */
#include "origin/cgroup.h"

#include <stdbool.h>
#include <string.h>

#define CONTAINER_ID_LEN 64 /* docker, containerd, CRI-O and podman alike: a SHA-256 in hex */
#define UID_LEN 36
#define STATIC_UID_LEN 32 /* static pods: a hash of the manifest, without dashes */

/*
 * Units whose children are somebody else's programs: their name says nothing about a server that
 * was started from within. A trailing '*' matches any rest.
 */
static const char *const carrier_units[] = {
	"user@*",         "ssh",   "sshd",    "ssh@*",         "sshd@*",
	"cron",           "crond", "atd",     "docker",        "podman",
	"containerd",     "crio",  "kubelet", "getty@*",       "systemd-*",
	"serial-getty@*", "dbus",  "gdm",     "console-getty",
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A run of exactly 64 hex digits that no letter or digit touches. */
static const char *find_container(const char *p, size_t n)
{
	size_t run = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n && is_hex(p[i])) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID_LEN && (i == n || !is_word(p[i])) &&
		    (i == run || !is_word(p[i - run - 1])))
			return p + i - run;
		run = 0;
	}
	return NULL;
}

/* "pod<uid>" (cgroupfs driver) or "kubepods-burstable-pod<uid with _>.slice" (systemd driver). */
static void find_pod(const char *p, size_t n, char out[UID_LEN + 1])
{
	const char *at = NULL;
	size_t len = 0;

	for (size_t i = 0; i + 3 <= n; i++)
		if ((!i || p[i - 1] == '-') && !memcmp(p + i, "pod", 3) && i + 3 < n &&
		    is_hex(p[i + 3]))
			at = p + i + 3;
	if (!at)
		return;
	while (at + len < p + n && len <= UID_LEN &&
	       (is_hex(at[len]) || at[len] == '-' || at[len] == '_'))
		len++;
	if (len != UID_LEN && len != STATIC_UID_LEN)
		return;
	for (size_t i = 0; i < len; i++)
		out[i] = at[i] == '_' ? '-' : at[i];
	out[len] = '\0';
}

static bool is_carrier(const char *name, size_t n)
{
	for (size_t i = 0; i < sizeof(carrier_units) / sizeof(carrier_units[0]); i++) {
		const char *u = carrier_units[i];
		const size_t len = strlen(u);

		if (u[len - 1] == '*' ? n >= len - 1 && !memcmp(name, u, len - 1)
				      : n == len && !memcmp(name, u, len))
			return true;
	}
	return false;
}

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* systemd writes what a path may not hold as \xHH (systemd.unit(5), "string escaping"). */
static void copy_unit(const char *p, size_t n, char out[CGROUP_UNIT_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < n && len < CGROUP_UNIT_MAX - 1; i++) {
		if (p[i] == '\\' && i + 3 < n && p[i + 1] == 'x' && is_hex(p[i + 2]) &&
		    is_hex(p[i + 3])) {
			out[len++] = (char)(hex_value(p[i + 2]) << 4 | hex_value(p[i + 3]));
			i += 3;
		} else {
			out[len++] = p[i];
		}
	}
	out[len] = '\0';
}

static bool is(const char *p, size_t n, const char *s)
{
	return n == strlen(s) && !memcmp(p, s, n);
}

static void component(const char *p, size_t n, bool *kube, struct cgroup_identity *out)
{
	static const char suffix[] = ".service";
	const size_t sn = sizeof(suffix) - 1;
	const char *id = find_container(p, n);

	if (id) {
		memcpy(out->container_id, id, CONTAINER_ID_LEN);
		out->container_id[CONTAINER_ID_LEN] = '\0';
	}
	/* Below these the daemon's own unit (k3s, docker) is no longer the owner. */
	if (memmem(p, n, "kubepods", 8)) {
		*kube = true;
		out->unit[0] = '\0';
	} else if (is(p, n, "docker")) {
		out->unit[0] = '\0';
	}
	if (*kube)
		find_pod(p, n, out->pod_uid);
	if (n > sn && !memcmp(p + n - sn, suffix, sn)) {
		if (is_carrier(p, n - sn))
			out->unit[0] = '\0';
		else
			copy_unit(p, n - sn, out->unit);
	}
}

void cgroup_identify(const char *path, size_t n, struct cgroup_identity *out)
{
	const char *p = path, *end = path + n;
	bool kube = false;

	out->container_id[0] = out->pod_uid[0] = out->unit[0] = '\0';
	while (p < end) {
		const char *slash = memchr(p, '/', (size_t)(end - p));
		const char *stop = slash ? slash : end;

		if (stop > p)
			component(p, (size_t)(stop - p), &kube, out);
		p = stop + 1;
	}
}
