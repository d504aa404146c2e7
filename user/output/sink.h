/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * sink.h - the file, pipe, socket or terminal behind an output: opened by the rules for outputs,
 * written without ever blocking for long, left with whole lines.
 */
#ifndef OUTPUT_SINK_H
#define OUTPUT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum sink_kind {
	SINK_FILE, /* never blocks for long: regular files, devices */
	SINK_STREAM, /* has a reader at the other end: pipes, terminals */
	SINK_SOCKET,
};

struct sink {
	int fd; /* -1: not open */
	char *path; /* NULL: standard output */
	enum sink_kind kind;
	bool regular, terminal;
	bool unended; /* the file's last line, not ours, has no end: it gets one first */
	size_t torn; /* bytes written of a line whose end is not written yet */
};

/*
 * path NULL is standard output. A file is appended to, made 0600 when there is none; its parents
 * are not made; a symbolic link, a directory and a pipe that nobody reads are refused. 0, or -1 and
 * e.
 */
int sink_open(struct sink *s, const char *path, struct err *e);
/* Open the path again (it may be another file now). On failure the old one stays. */
int sink_reopen(struct sink *s, struct err *e);
void sink_close(struct sink *s);

#define SINK_WAIT_MS 100
/*
 * Write some of n bytes that go on where the last write ended. Returns how many; 0 when a reader
 * took nothing for SINK_WAIT_MS; -errno. Streams get pieces of at most PIPE_BUF bytes, ended at a
 * line where there is one, so that lines of several writers do not mix.
 */
ssize_t sink_write(struct sink *s, const char *p, size_t n);
/* After a failed write: take back the unfinished line where that can be done. Bytes taken back. */
size_t sink_untear(struct sink *s);

#endif
