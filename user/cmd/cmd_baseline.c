/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd_baseline.c - `baseline FILE`: a reference profile out of rows, events or a capture. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/capture.h"
#include "capture/format.h"
#include "cmd/cmd.h"
#include "cmd/memory.h"
#include "cmd/observe.h"
#include "cmd/pipeline.h"
#include "data/profile.h"
#include "data/rows.h"

/* Numbers kept at most: 48 MiB. More rows of more features are sampled. */
#define MAX_VALUES ((uint64_t)4 << 20)
#define SEED 0x6d6f64656c736e6f

struct baseline {
	const struct options *o;
	const char *path;
	struct profile_builder *builder;
	struct budget memory; /* of the builder */
	struct observed observed;
	struct rows_stats stats; /* of the rows read; captures fill rows and since */
	char since[40];
	bool damaged; /* a capture that could not be read whole */
};

/* ---- rows in -----------------------------------------------------------------------------------
 */

static void row_begin(void *ctx)
{
	profile_row_begin(((struct baseline *)ctx)->builder);
}

static void row_end(void *ctx)
{
	profile_row_end(((struct baseline *)ctx)->builder);
}

/* --map COLUMN=FEATURE; the last = divides: paths have none, columns may. */
static void row_value(void *ctx, const struct feature_value *in)
{
	const struct baseline *b = ctx;
	struct feature_value v = *in;

	for (size_t i = 0; i < b->o->maps.n; i++) {
		const char *map = b->o->maps.v[i], *eq = strrchr(map, '=');

		if (!eq || (size_t)(eq - map) != in->name_len ||
		    memcmp(map, in->name, in->name_len))
			continue;
		v.name = eq + 1;
		v.name_len = strlen(eq + 1);
		break;
	}
	profile_row_add(b->builder, &v);
}

static void baseline_add_exchange(void *ctx, const struct exchange *x)
{
	struct baseline *b = ctx;

	if (x->role != CONN_SERVER || x->outcome != OUTCOME_OK)
		return;
	observe_exchange(x, &b->observed);
	if (!b->observed.n)
		return;
	row_begin(b);
	for (size_t i = 0; i < b->observed.n; i++)
		row_value(b, &b->observed.value[i]);
	row_end(b);
	b->stats.rows++;
}

static int read_capture(struct baseline *b, struct err *e)
{
	struct capture_damage damage;
	struct capture_meta meta;
	struct capture_reader *r = capture_open(b->path, &meta, e);
	struct buf since = { 0 };
	struct pipeline *p;
	const void *raw;
	size_t n;
	int ret;

	if (!r)
		return -1;
	p = pipeline_new_exchanges(b->o, &meta, baseline_add_exchange, b, e);
	if (!p) {
		capture_reader_free(r);
		return -1;
	}
	while (capture_read(r, &raw, &n) > 0)
		pipeline_feed(p, raw, n);
	ret = pipeline_finish(p, e);
	capture_damage(r, &damage);
	b->damaged = damage.cut || damage.bad_records;
	capture_reader_free(r);
	buf_rfc3339(&since, meta.created);
	if (since.len < sizeof(b->since))
		memcpy(b->since, since.p, since.len);
	buf_free(&since);
	return ret;
}

static int read_error(const char *path, int errnum, struct err *e)
{
	err_set(e, EXIT_USAGE, "cannot read %s", path);
	err_why(e, "%s", strerror(errnum));
	return -1;
}

static int read_rows(struct baseline *b, int fd, enum rows_kind kind, const char *first, size_t n,
		     struct err *e)
{
	const struct rows_sink sink = { b, row_begin, row_value, row_end };
	struct rows *r = rows_new(kind, &sink);
	char block[65536];
	ssize_t got = 0;

	if (!r)
		return err_set(e, EXIT_FAILED, "out of memory");
	rows_feed(r, first, n);
	while ((got = read(fd, block, sizeof(block))) > 0 || (got < 0 && errno == EINTR))
		if (got > 0)
			rows_feed(r, block, (size_t)got);
	if (got == 0)
		rows_end(r);
	b->stats = *rows_stats(r);
	memcpy(b->since, b->stats.since, sizeof(b->since));
	rows_free(r);
	return got < 0 ? read_error(b->path, errno, e) : 0;
}

/* Of data without a time of its own: when the file was last written. */
static void since_mtime(struct baseline *b, int fd)
{
	struct buf since = { 0 };
	struct stat st;

	if (b->since[0] || fstat(fd, &st) || !S_ISREG(st.st_mode))
		return;
	buf_rfc3339(&since,
		    (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec);
	if (since.len < sizeof(b->since))
		memcpy(b->since, since.p, since.len);
	buf_free(&since);
}

/* What the file is: by --from, else by its first bytes. */
static int read_input(struct baseline *b, struct err *e)
{
	static const char *const name[] = {
		[ROWS_CSV] = "csv", [ROWS_JSONL] = "jsonl", [ROWS_EVENTS] = "events"
	};
	const bool is_stdin = !strcmp(b->path, "-");
	const int fd = is_stdin ? STDIN_FILENO : open(b->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum rows_kind kind;
	char first[4096];
	size_t n = 0;
	ssize_t got = 0;
	int ret;

	if (fd < 0)
		return read_error(b->path, errno, e);
	while (n < sizeof(first) && (got = read(fd, first + n, sizeof(first) - n)) > 0)
		n += (size_t)got;
	if (got < 0) {
		ret = read_error(b->path, errno, e);
	} else if (b->o->from ? !strcmp(b->o->from, "capture")
			      : n >= CAP_MAGIC_LEN && !memcmp(first, CAP_MAGIC, CAP_MAGIC_LEN)) {
		ret = is_stdin ? err_set(e, EXIT_USAGE, "a capture is not read from stdin")
			       : read_capture(b, e);
	} else {
		kind = rows_guess(first, n);
		for (unsigned i = 0; b->o->from && i < sizeof(name) / sizeof(name[0]); i++)
			if (!strcmp(b->o->from, name[i]))
				kind = (enum rows_kind)i;
		ret = read_rows(b, fd, kind, first, n, e);
	}
	since_mtime(b, fd);
	if (!is_stdin)
		close(fd);
	return ret;
}

/* ---- profile out -------------------------------------------------------------------------------
 */

static int write_all(int fd, const struct buf *b)
{
	for (size_t done = 0; done < b->len;) {
		const ssize_t n = write(fd, b->p + done, b->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* A file beside path, then renamed: readers see the old profile or the new one. */
static int replace_file(const char *path, const struct buf *text)
{
	char *tmp;
	int fd, ret;

	if (asprintf(&tmp, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return -ENOMEM;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ret = fd < 0 ? -errno : write_all(fd, text);
	if (fd >= 0) {
		if (!ret && fsync(fd))
			ret = -errno;
		if (close(fd) && !ret)
			ret = -errno;
		if (!ret && rename(tmp, path))
			ret = -errno;
		if (ret)
			unlink(tmp);
	}
	free(tmp);
	return ret;
}

/* What is neither file nor link (a pipe, /dev/null) is written to, not replaced. */
static int write_special(const char *path, const struct buf *text)
{
	const int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
	int ret = fd < 0 ? -errno : write_all(fd, text);

	if (fd >= 0 && close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int write_output(const char *path, const struct buf *text, struct err *e)
{
	struct stat st;
	int ret;

	if (text->overflow)
		return err_set(e, EXIT_FAILED, "out of memory");
	if (!path || !strcmp(path, "-"))
		ret = write_all(STDOUT_FILENO, text);
	else if (lstat(path, &st))
		ret = replace_file(path, text);
	else if (S_ISLNK(st.st_mode))
		ret = -ELOOP;
	else
		ret = S_ISREG(st.st_mode) ? replace_file(path, text) : write_special(path, text);
	if (!ret)
		return 0;
	err_set(e, EXIT_FAILED, "cannot write %s", path ? path : "stdout");
	err_why(e, "%s", ret == -ELOOP ? "it is a symbolic link" : strerror(-ret));
	return -1;
}

/* ---- what is said ------------------------------------------------------------------------------
 */

static int nothing(const struct baseline *b, struct err *e)
{
	err_set(e, EXIT_FAILED, "%s holds no rows", b->path);
	if (b->stats.bad)
		err_why(e, "%llu lines could not be read", (unsigned long long)b->stats.bad);
	else if (b->stats.skipped)
		err_why(e, "none of its %llu records is a good exchange with a JSON body",
			(unsigned long long)b->stats.skipped);
	err_mend(e, "rows are JSON lines, CSV with a header, `-o jsonl` events or a capture; "
		    "--from says which");
	return -1;
}

static void report(const struct baseline *b, const struct profile *p, const struct buf *dropped)
{
	const struct rows_stats *s = &b->stats;
	unsigned numeric = 0;

	for (unsigned i = 0; i < p->n_features; i++) {
		const struct profile_feature *f = p->feature[i];

		numeric += f->kind == FEATURE_NUMERIC;
		if (f->kind == FEATURE_NUMERIC && f->stride > 3)
			warn_print("%s follows its own past (autocorrelation time %.1f rows): only "
				   "every %u-th value will count; sorted rows should be shuffled",
				   f->name, f->tau, f->stride);
	}
	warn_print("%llu rows, %u features (%u numeric, %u categorical)",
		   (unsigned long long)p->rows, p->n_features, numeric, p->n_features - numeric);
	if (dropped->len)
		warn_print("dropped, no data: %.*s", (int)dropped->len, dropped->p);
	if (p->folded)
		warn_print("%u values of further features were left out", p->folded);
	if (s->bad)
		warn_print("%llu lines could not be read", (unsigned long long)s->bad);
	if (s->ragged)
		warn_print("%llu rows have more or fewer fields than the header",
			   (unsigned long long)s->ragged);
}

static int build(const struct baseline *b, struct err *e)
{
	const char *path = b->o->outputs.n ? b->o->outputs.v[0] : NULL;
	struct buf dropped = { 0 }, text = { 0 };
	struct profile *p = profile_build(b->builder, &dropped);
	int ret = -1;

	if (!p) {
		err_set(e, EXIT_FAILED, "out of memory");
		goto out;
	}
	memcpy(p->since, b->since, sizeof(p->since));
	snprintf(p->source, sizeof(p->source), "%s", b->path);
	profile_write(p, &text);
	ret = write_output(path, &text, e);
	if (!ret)
		report(b, p, &dropped);
out:
	buf_free(&text);
	buf_free(&dropped);
	profile_free(p);
	return ret;
}

int cmd_baseline(const struct options *o, struct err *e)
{
	struct memory_plan plan;
	struct baseline *b;
	int ret;

	if (o->files.n != 1) {
		err_set(e, EXIT_USAGE, "baseline reads one file");
		err_mend(e, "modelsnoop baseline FILE -o PROFILE");
		return e->status;
	}
	b = calloc(1, sizeof(*b));
	memory_plan(o, &plan);
	if (b)
		b->builder = profile_builder_new(SEED, MAX_VALUES);
	if (!b || !b->builder) {
		free(b);
		err_set(e, EXIT_FAILED, "out of memory");
		return e->status;
	}
	/* Nothing is watched or written meanwhile. */
	b->memory.max = plan.drift + plan.outputs;
	profile_builder_budget(b->builder, &b->memory);
	b->o = o;
	b->path = o->files.v[0];
	ret = read_input(b, e);
	if (!ret && b->stats.no_header) {
		ret = err_set(e, EXIT_USAGE, "%s has no header row", b->path);
		err_why(e, "its first row holds nothing but numbers");
		err_mend(e, "put the names of the columns there");
	}
	if (!ret && !b->stats.rows)
		ret = nothing(b, e);
	if (!ret)
		ret = build(b, e);
	if (!ret && b->damaged)
		ret = err_set(e, EXIT_FAILED,
			      "%s is damaged or cut off: the profile holds what could be read",
			      b->path);
	observe_free(&b->observed);
	profile_builder_free(b->builder);
	free(b);
	return ret ? e->status : EXIT_DONE;
}
