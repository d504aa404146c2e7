/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * capture.h - the capture file: the event stream as it was, in the order in which it was analysed.
 * Layout in README.md of this folder. Little endian, typed records, lengths and CRC-32 each.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct capture_meta {
	char arch[16]; /* x86_64, aarch64: syscall numbers are this architecture's */
	uint32_t hz; /* kernel ticks per second */
	char boot_id[40];
	char run_id[33]; /* 32 hex digits: the recording agent's */
	char version[32]; /* of the recording agent */
	uint64_t created; /* realtime ns */
};

struct capture_writer;
/* Creates path 0600, never through a symlink; "-" is stdout. NULL and e filled on failure. */
struct capture_writer *capture_create(const char *path, const struct capture_meta *m,
				      struct err *e);
/* One raw event record (layout of bpf/event.h). Buffered. 0, or -errno of the first failed write:
 * the file then ends at the last whole record and further writes are counted, not made. */
int capture_write(struct capture_writer *w, const void *raw, size_t n);
int capture_flush(struct capture_writer *w);
uint64_t capture_lost(const struct capture_writer *w); /* records not written */
/* Writes the end mark (with the number of records) and frees. 0 or -errno. */
int capture_close(struct capture_writer *w);

struct capture_reader;
struct capture_reader *capture_open(const char *path, struct capture_meta *m, struct err *e);
/* Reader over memory: for tests and fuzzing. */
struct capture_reader *capture_open_mem(const void *p, size_t n, struct capture_meta *m,
					struct err *e);
/*
 * Next raw event record; valid until the next call. 1: got one; 0: end mark reached, or the file
 * was empty after its header; -1: damage (bad CRC, absurd length, cut file). After a bad CRC with a
 * sound length the reader goes on at the next record; the damage is counted either way.
 */
int capture_read(struct capture_reader *r, const void **raw, size_t *n);
struct capture_damage {
	uint64_t records; /* read whole */
	uint64_t bad_records;
	uint64_t skipped_types; /* record types of a later version */
	uint64_t bytes_skipped;
	bool cut; /* no end mark */
};
void capture_damage(const struct capture_reader *r, struct capture_damage *d);
void capture_reader_free(struct capture_reader *r);

#endif
