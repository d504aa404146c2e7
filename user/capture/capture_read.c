// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* capture_read.c - reads capture files in bounded memory and gets past any damage, counting it. */
#include "capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/format.h"

#define BUF_BYTES (256u << 10) /* holds the longest record several times */

struct capture_reader {
	int fd; /* -1: all of the input is in memory */
	bool close_fd;
	const uint8_t *p; /* own, or the caller's memory */
	size_t beg, end; /* unread part of p */
	bool eof; /* nothing more comes after end */
	uint8_t *own; /* BUF_BYTES, or NULL */
	uint32_t seed, seed_alt; /* the header's checksum as written and as found: differ when it is
				    damaged */
	struct capture_damage damage;
	int done; /* what capture_read() goes on to answer, once set */
	bool is_done;
};

/* At least n unread bytes in the buffer? Reads more where needed. */
static bool want(struct capture_reader *r, size_t n)
{
	while (r->end - r->beg < n && !r->eof) {
		ssize_t got;

		if (r->beg) {
			memmove(r->own, r->own + r->beg, r->end - r->beg);
			r->end -= r->beg;
			r->beg = 0;
		}
		got = read(r->fd, r->own + r->end, BUF_BYTES - r->end);
		if (got > 0)
			r->end += (size_t)got;
		else if (got == 0 || errno != EINTR)
			r->eof = true; /* an input error is a cut like any other */
	}
	return r->end - r->beg >= n;
}

enum found { FOUND_RECORD, FOUND_BAD_CRC, FOUND_NOTHING, FOUND_CUT };

/* What stands at the read position. Content, if whole, is at p + beg + sizeof(*rec). */
static enum found look(struct capture_reader *r, struct cap_record *rec)
{
	const uint8_t *content;
	uint32_t crc;

	if (!want(r, sizeof(*rec)))
		return FOUND_CUT;
	memcpy(rec, r->p + r->beg, sizeof(*rec));
	if (rec->mark != CAP_MARK || rec->len > CAP_MAX_CONTENT)
		return FOUND_NOTHING;
	if (!want(r, sizeof(*rec) + rec->len))
		return FOUND_CUT;
	content = r->p + r->beg + sizeof(*rec);
	crc = cap_crc(r->seed, rec, content, rec->len);
	if (crc != rec->crc && r->seed != r->seed_alt)
		crc = cap_crc(r->seed_alt, rec, content, rec->len);
	return crc == rec->crc ? FOUND_RECORD : FOUND_BAD_CRC;
}

/* Move on to the next place, at least one byte further, where a mark stands. */
static void seek_mark(struct capture_reader *r)
{
	static const uint32_t mark = CAP_MARK;

	r->beg++;
	r->damage.bytes_skipped++;
	for (;;) {
		const uint8_t *from = r->p + r->beg;
		const uint8_t *m = memmem(from, r->end - r->beg, &mark, sizeof(mark));
		/* The last three bytes may be the beginning of a mark. */
		size_t keep = r->eof ? 0 : sizeof(mark) - 1, skip;

		if (m)
			skip = (size_t)(m - from);
		else
			skip = r->end - r->beg > keep ? r->end - r->beg - keep : 0;
		r->beg += skip;
		r->damage.bytes_skipped += skip;
		if (m || !want(r, sizeof(mark)))
			break;
	}
}

static int finish(struct capture_reader *r, int answer)
{
	r->is_done = true;
	r->done = answer;
	return answer;
}

static int on_end(struct capture_reader *r, const struct cap_record *rec)
{
	struct capture_damage *d = &r->damage;
	struct cap_end end;

	if (rec->len >= sizeof(end)) {
		memcpy(&end, r->p + r->beg + sizeof(*rec), sizeof(end));
		/* Records that vanished without a trace of their own were damaged too. */
		if (end.records - end.lost > d->records + d->bad_records)
			d->bad_records = end.records - end.lost - d->records;
	}
	d->cut = false;
	return finish(r, 0);
}

int capture_read(struct capture_reader *r, const void **raw, size_t *n)
{
	struct capture_damage *d = &r->damage;
	bool astray = false; /* one stretch of garbage is one bad record */
	struct cap_record rec;

	if (r->is_done)
		return r->done;
	for (;;) {
		switch (look(r, &rec)) {
		case FOUND_CUT:
			/* A length that points past the end may itself be the damage: look behind
			 * it. */
			if (r->end - r->beg >= sizeof(rec)) {
				d->bad_records += !astray;
				astray = true;
				seek_mark(r);
				break;
			}
			d->bytes_skipped += r->end - r->beg;
			d->bad_records += r->end > r->beg && !astray;
			r->beg = r->end;
			return finish(r, d->records || d->bad_records || d->skipped_types ? -1 : 0);
		case FOUND_NOTHING:
		case FOUND_BAD_CRC:
			/* The length may be the damage: sound records may lie inside this one. */
			d->bad_records += !astray;
			astray = true;
			seek_mark(r);
			break;
		case FOUND_RECORD:
			if (rec.type == CAP_END)
				return on_end(r, &rec);
			astray = false;
			*raw = r->p + r->beg + sizeof(rec);
			*n = rec.len;
			r->beg += sizeof(rec) + rec.len;
			if (rec.type == CAP_EVENT) {
				d->records++;
				return 1;
			}
			d->skipped_types++;
			break;
		}
	}
}

void capture_damage(const struct capture_reader *r, struct capture_damage *d)
{
	*d = r->damage;
}

void capture_reader_free(struct capture_reader *r)
{
	if (!r)
		return;
	if (r->close_fd)
		close(r->fd);
	free(r->own);
	free(r);
}

/* ---- header ---- */

static void copy_text(char *dst, size_t dst_size, const char *src, size_t src_size)
{
	size_t n = strnlen(src, src_size);

	if (n >= dst_size)
		n = dst_size - 1;
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static int no_capture(struct err *e, const char *path, const char *why, const char *mend)
{
	err_set(e, EXIT_FAILED, "%s is not a capture that this version can read", path);
	err_why(e, "%s", why);
	if (mend)
		err_mend(e, "%s", mend);
	return -1;
}

static int read_header(struct capture_reader *r, const char *path, struct capture_meta *m,
		       struct err *e)
{
	struct cap_header h;

	if (!want(r, CAP_MAGIC_LEN))
		return no_capture(e, path, r->end ? "it is too short" : "it is empty", NULL);
	if (memcmp(r->p, CAP_MAGIC, CAP_MAGIC_LEN))
		return no_capture(e, path, "it does not begin with a capture's magic",
				  "make one with: modelsnoop record -o FILE");
	if (!want(r, sizeof(h)))
		return no_capture(e, path, "it was cut off inside its header", NULL);
	memcpy(&h, r->p, sizeof(h));
	if (h.endian == __builtin_bswap32(CAP_ENDIAN))
		return no_capture(e, path, "it was recorded on a machine of the other byte order",
				  NULL);
	if (h.endian != CAP_ENDIAN)
		return no_capture(e, path, "its byte order mark is damaged", NULL);
	if (h.version != CAP_VERSION)
		return no_capture(e, path, "its format is of another version of modelsnoop",
				  "replay it with the version that recorded it");
	r->seed = h.crc;
	r->seed_alt = (uint32_t)crc32(0, r->p, sizeof(h) - sizeof(h.crc));
	/* The records may well be sound: go on, but say so. */
	if (r->seed != r->seed_alt) {
		r->damage.bad_records++;
		r->damage.bytes_skipped += sizeof(h);
	}
	memset(m, 0, sizeof(*m));
	m->hz = h.hz;
	m->created = h.created;
	copy_text(m->arch, sizeof(m->arch), h.arch, sizeof(h.arch));
	copy_text(m->boot_id, sizeof(m->boot_id), h.boot_id, sizeof(h.boot_id));
	copy_text(m->run_id, sizeof(m->run_id), h.run_id, sizeof(h.run_id));
	copy_text(m->version, sizeof(m->version), h.agent, sizeof(h.agent));
	r->beg += sizeof(h);
	r->damage.cut = true; /* until the end mark */
	return 0;
}

static struct capture_reader *reader_new(struct err *e)
{
	struct capture_reader *r = calloc(1, sizeof(*r));

	if (!r)
		err_set(e, EXIT_FAILED, "out of memory");
	else
		r->fd = -1;
	return r;
}

static int open_file(struct capture_reader *r, const char *path, struct err *e)
{
	struct stat st;

	r->fd = STDIN_FILENO;
	if (strcmp(path, "-")) {
		r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		r->close_fd = r->fd >= 0;
	}
	if (r->fd < 0 || fstat(r->fd, &st)) {
		err_set(e, errno == ENOENT || errno == ENOTDIR ? EXIT_USAGE : EXIT_FAILED,
			"cannot read the capture %s", path);
		err_why(e, "%s", strerror(errno));
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		err_set(e, EXIT_USAGE, "cannot read the capture %s", path);
		err_why(e, "it is a directory");
		err_mend(e, "name the capture file itself");
		return -1;
	}
	r->own = malloc(BUF_BYTES);
	if (!r->own)
		return err_set(e, EXIT_FAILED, "out of memory");
	r->p = r->own;
	return 0;
}

struct capture_reader *capture_open(const char *path, struct capture_meta *m, struct err *e)
{
	struct capture_reader *r = reader_new(e);

	if (r && (open_file(r, path, e) || read_header(r, path, m, e))) {
		capture_reader_free(r);
		return NULL;
	}
	return r;
}

struct capture_reader *capture_open_mem(const void *p, size_t n, struct capture_meta *m,
					struct err *e)
{
	struct capture_reader *r = reader_new(e);

	if (!r)
		return NULL;
	r->p = p;
	r->end = n;
	r->eof = true;
	if (read_header(r, "memory", m, e)) {
		capture_reader_free(r);
		return NULL;
	}
	return r;
}
