// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * probe.c - holds the empty sys_exit program attached until its standard input ends.
 *
 *   probe empty.bpf.o
 *
 * Prints "ready" once it is attached.
 */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	struct bpf_program *program;
	char byte;

	if (object == NULL || bpf_object__load(object) != 0) {
		fprintf(stderr, "probe: cannot load %s\n", argc == 2 ? argv[1] : "(no object)");
		return 1;
	}
	program = bpf_object__find_program_by_name(object, "on_sys_exit");
	if (program == NULL || bpf_program__attach(program) == NULL) {
		fprintf(stderr, "probe: cannot attach\n");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	bpf_object__close(object);
	return 0;
}
