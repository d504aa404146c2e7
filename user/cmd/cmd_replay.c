/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cmd_replay.c - `replay FILE`: a capture through the same pipeline; needs no privileges. */
#include <stdio.h>

#include "cmd/cmd.h"
#include "cmd/pipeline.h"

/* Say what of a damaged file could be read; 0 if all of it was sound. */
static int report_damage(const char *path, const struct capture_reader *r, struct err *e)
{
	struct capture_damage d;

	capture_damage(r, &d);
	if (d.skipped_types)
		warn_print("%s: %llu records of types that this version does not know were passed "
			   "over",
			   path, (unsigned long long)d.skipped_types);
	if (!d.bad_records && !d.cut && !d.bytes_skipped)
		return 0;
	err_set(e, EXIT_FAILED, "%s is damaged%s", path, d.cut ? " or cut off" : "");
	err_why(e,
		"%llu records were read and analysed, %llu were unreadable, %llu bytes passed over",
		(unsigned long long)d.records, (unsigned long long)d.bad_records,
		(unsigned long long)d.bytes_skipped);
	return -1;
}

int cmd_replay(const struct options *o, struct err *e)
{
	struct capture_meta meta;
	struct capture_reader *r;
	struct pipeline *p;
	const char *path;
	const void *raw;
	size_t n;
	int status = EXIT_DONE, got;

	if (o->files.n != 1) {
		err_set(e, EXIT_USAGE, "replay reads one capture");
		err_mend(e, "modelsnoop replay FILE");
		return e->status;
	}
	path = o->files.v[0];
	r = capture_open(path, &meta, e);
	if (!r)
		return e->status;
	p = pipeline_new(o, &meta, false, e);
	if (!p) {
		capture_reader_free(r);
		return e->status;
	}
	cmd_signals_install(NULL);
	while (!cmd_signals.stop && (got = capture_read(r, &raw, &n)) > 0)
		pipeline_feed(p, raw, n);
	if (pipeline_finish(p, e))
		status = e->status;
	if (!cmd_signals.stop && report_damage(path, r, e))
		status = EXIT_FAILED;
	capture_reader_free(r);
	return status;
}
