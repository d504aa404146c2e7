// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* capture_write.c - writes capture files: buffered, checksummed, ending at a whole record whatever
 * fails. */
#include "capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/format.h"

#define BUF_BYTES (256u << 10)

struct capture_writer {
	int fd;
	bool regular; /* can be cut back to the last whole record */
	bool close_fd;
	int error; /* -errno of the first failure; nothing is written after it */
	uint32_t seed;
	uint64_t file_bytes; /* written, whole records only */
	uint64_t given, lost;
	size_t used, used_records;
	uint8_t buf[BUF_BYTES];
};

/* As much as goes; *done tells how much that was. 0 or -errno. */
static int write_all(int fd, const uint8_t *p, size_t n, size_t *done)
{
	*done = 0;
	while (*done < n) {
		ssize_t w = write(fd, p + *done, n - *done);

		if (w > 0) {
			*done += (size_t)w;
		} else if (w < 0 && errno == EAGAIN) {
			struct pollfd pf = { .fd = fd, .events = POLLOUT };

			poll(&pf, 1, -1);
		} else if (w < 0 && errno != EINTR) {
			return -errno;
		} else if (w == 0) {
			return -EIO;
		}
	}
	return 0;
}

/* Length of the whole records among the first `limit` bytes of the buffer, and how many they are.
 */
static size_t whole_records(const struct capture_writer *w, size_t limit, size_t *count)
{
	size_t off = 0;

	*count = 0;
	while (off < w->used) {
		struct cap_record rec;

		memcpy(&rec, w->buf + off, sizeof(rec));
		if (off + sizeof(rec) + rec.len > limit)
			break;
		off += sizeof(rec) + rec.len;
		++*count;
	}
	return off;
}

int capture_flush(struct capture_writer *w)
{
	size_t done, whole, count;
	int err;

	if (w->error || !w->used)
		return w->error;
	err = write_all(w->fd, w->buf, w->used, &done);
	if (!err) {
		w->file_bytes += w->used;
	} else {
		w->error = err;
		whole = whole_records(w, done, &count);
		w->file_bytes += whole;
		w->lost += w->used_records - count;
		/* What cannot be cut back (a pipe) the reader's checksum tells. */
		if (w->regular && done > whole && ftruncate(w->fd, (off_t)w->file_bytes))
			w->error = -EIO;
	}
	w->used = w->used_records = 0;
	return w->error;
}

static int put_record(struct capture_writer *w, enum cap_type type, const void *p, uint32_t n)
{
	struct cap_record rec = { .mark = CAP_MARK, .len = n, .type = (uint16_t)type };

	if (BUF_BYTES - w->used < sizeof(rec) + n && capture_flush(w))
		return w->error;
	rec.crc = cap_crc(w->seed, &rec, p, n);
	memcpy(w->buf + w->used, &rec, sizeof(rec));
	memcpy(w->buf + w->used + sizeof(rec), p, n);
	w->used += sizeof(rec) + n;
	w->used_records++;
	return 0;
}

int capture_write(struct capture_writer *w, const void *raw, size_t n)
{
	int err = w->error;

	w->given++;
	if (!err)
		err = n > CAP_MAX_CONTENT ? -EMSGSIZE : put_record(w, CAP_EVENT, raw, (uint32_t)n);
	w->lost += err != 0;
	return err;
}

uint64_t capture_lost(const struct capture_writer *w)
{
	return w->lost;
}

int capture_close(struct capture_writer *w)
{
	int err;

	if (!w->error) {
		const struct cap_end end = { .records = w->given, .lost = w->lost };

		if (!put_record(w, CAP_END, &end, sizeof(end)))
			capture_flush(w);
	}
	err = w->error;
	if (w->close_fd && close(w->fd) && !err)
		err = -errno;
	free(w);
	return err;
}

static int write_header(struct capture_writer *w, const struct capture_meta *m)
{
	struct cap_header h = {
		.endian = CAP_ENDIAN,
		.version = CAP_VERSION,
		.header_len = sizeof(h),
		.hz = m->hz,
		.created = m->created,
		.event_version = EV_VERSION,
	};
	size_t done;
	int err;

	memcpy(h.magic, CAP_MAGIC, CAP_MAGIC_LEN);
	memcpy(h.arch, m->arch, strnlen(m->arch, sizeof(h.arch)));
	memcpy(h.boot_id, m->boot_id, strnlen(m->boot_id, sizeof(m->boot_id)));
	memcpy(h.run_id, m->run_id, strnlen(m->run_id, sizeof(m->run_id)));
	memcpy(h.agent, m->version, strnlen(m->version, sizeof(h.agent)));
	h.crc = (uint32_t)crc32(0, (const Bytef *)&h, sizeof(h) - sizeof(h.crc));
	w->seed = h.crc;
	err = write_all(w->fd, (const uint8_t *)&h, sizeof(h), &done);
	w->file_bytes = done;
	return err;
}

static int open_failed(struct err *e, const char *path, int error)
{
	err_set(e, EXIT_FAILED, "cannot create the capture %s", path);
	if (error == ELOOP)
		err_why(e, "it is a symbolic link, which is never followed");
	else
		err_why(e, "%s", strerror(error));
	if (error == ELOOP || error == EISDIR)
		err_mend(e, "name a regular file");
	return -1;
}

/* Opened without O_TRUNC: what turns out to be a device or a pipe is not to be truncated. */
static int open_file(struct capture_writer *w, const char *path, bool *made, struct err *e)
{
	const int flags = O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
	struct stat st;

	w->fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	*made = w->fd >= 0;
	if (w->fd < 0 && errno == EEXIST)
		w->fd = open(path, flags);
	if (w->fd < 0)
		return open_failed(e, path, errno);
	w->close_fd = true;
	if (fstat(w->fd, &st))
		return open_failed(e, path, errno);
	w->regular = S_ISREG(st.st_mode);
	/* Payload goes in: an older file's wider mode must not let others read it. */
	if (w->regular && (ftruncate(w->fd, 0) || fchmod(w->fd, 0600)))
		return open_failed(e, path, errno);
	return 0;
}

struct capture_writer *capture_create(const char *path, const struct capture_meta *m, struct err *e)
{
	struct capture_writer *w = malloc(sizeof(*w));
	bool made = false;
	int err;

	if (!w) {
		err_set(e, EXIT_FAILED, "out of memory");
		return NULL;
	}
	memset(w, 0, offsetof(struct capture_writer, buf));
	w->fd = STDOUT_FILENO;
	if (strcmp(path, "-") && open_file(w, path, &made, e))
		goto fail;
	err = write_header(w, m);
	if (err) {
		err_set(e, EXIT_FAILED, "cannot write the capture %s", path);
		err_why(e, "%s", strerror(-err));
		if (made)
			unlink(path);
		else if (w->regular && ftruncate(w->fd, 0))
			err_mend(e, "remove the half-written file");
		goto fail;
	}
	return w;
fail:
	if (w->close_fd)
		close(w->fd);
	free(w);
	return NULL;
}
