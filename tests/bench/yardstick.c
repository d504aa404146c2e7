// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * yardstick.c - holds the empty probe and attaches or detaches it as its standard input says.
 *
 *   yardstick OBJECT
 *
 * Prints `ready` when the object is loaded. Then a line for each command: `on` and `off` answer
 * `ok`, `others` the number of programs that anybody else has on sys_enter or sys_exit: they put
 * every task on the slow path, so no measurement beside them means what it says. Ends with its
 * input.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

struct yardstick {
	struct bpf_program *prog;
	struct bpf_link *link;
	__u32 typed[2]; /* BTF ids of the two tracepoints' prototypes */
};

static __u32 program_target(__u32 id)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		info.attach_btf_id = 0;
	close(fd);
	return info.attach_btf_id;
}

static bool on_syscalls(const struct yardstick *y, int fd)
{
	char name[64] = "";
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info), target;

	info.raw_tracepoint.tp_name = (__u64)(unsigned long)name;
	info.raw_tracepoint.tp_name_len = sizeof(name);
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		return false;
	if (info.type == BPF_LINK_TYPE_RAW_TRACEPOINT)
		return !strcmp(name, "sys_exit") || !strcmp(name, "sys_enter");
	if (info.type != BPF_LINK_TYPE_TRACING)
		return false;
	target = program_target(info.prog_id);
	return target && (target == y->typed[0] || target == y->typed[1]);
}

static int count_others(const struct yardstick *y)
{
	__u32 id = 0;
	int n = y->link ? -1 : 0;

	while (!bpf_link_get_next_id(id, &id)) {
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		n += on_syscalls(y, fd);
		close(fd);
	}
	return n;
}

static int open_yardstick(struct yardstick *y, const char *path)
{
	struct bpf_object *obj = bpf_object__open_file(path, NULL);
	struct btf *btf = btf__load_vmlinux_btf();
	int n;

	if (!obj || !btf || bpf_object__load(obj))
		return -errno;
	y->prog = bpf_object__find_program_by_name(obj, "empty");
	n = btf__find_by_name_kind(btf, "btf_trace_sys_enter", BTF_KIND_TYPEDEF);
	y->typed[0] = n > 0 ? (__u32)n : 0;
	n = btf__find_by_name_kind(btf, "btf_trace_sys_exit", BTF_KIND_TYPEDEF);
	y->typed[1] = n > 0 ? (__u32)n : 0;
	btf__free(btf);
	return y->prog ? 0 : -ENOENT;
}

static int obey(struct yardstick *y, const char *command)
{
	if (!strcmp(command, "on\n") && !y->link) {
		y->link = bpf_program__attach(y->prog);
		if (!y->link)
			return -errno;
		puts("ok");
	} else if (!strcmp(command, "off\n") && y->link) {
		bpf_link__destroy(y->link);
		y->link = NULL;
		puts("ok");
	} else if (!strcmp(command, "others\n")) {
		printf("%d\n", count_others(y));
	} else {
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct yardstick y = { 0 };
	char command[16];
	int err;

	if (argc != 2) {
		fprintf(stderr, "usage: yardstick empty.bpf.o\n");
		return 2;
	}
	err = open_yardstick(&y, argv[1]);
	if (!err)
		puts("ready");
	while (!err && !fflush(stdout) && fgets(command, sizeof(command), stdin))
		err = obey(&y, command);
	if (err)
		fprintf(stderr, "yardstick: %s\n", strerror(-err));
	bpf_link__destroy(y.link);
	return err ? 1 : 0;
}
