// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* output.c - one output: records rendered into a bounded queue that a writer thread empties. */
#include "output/output.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "output/sink.h"

const struct format *const format_table[] = { &format_text, &format_jsonl, NULL };
/* Formats of the contract that are still to come: not the same as a name that nobody knows. */
static const char *const format_later[] = { "prom", "otlp" };

#define BATCH_BYTES \
	((size_t)256 << 10) /* handed over at once; a wake-up costs more than a record */
#define SETTLE_STEP_US 2000
#define NEVER_NS (INT64_MAX / 2)
#define SECOND_NS \
	1000000000ull /* between attempts that fail, and of silence before it is worth a word */
#define SAY_AGAIN_NS (10 * SECOND_NS) /* between words about an output that is merely slow */
#define KEEP_CAP \
	((size_t)1 << 20) /* a larger buffer is given back after the stall that needed it */

/*
 * Records are rendered into `batch`, the caller's alone, which is handed over under the lock when
 * it is large enough or when the caller says so: swapped with `fill`, which the writer swaps with
 * `active`, its own. Neither waits for the other's work.
 */
struct output {
	char *spec;
	const struct format *format;
	void *state;
	bool blocking;
	size_t queue_max, batch_bytes;

	/* the caller's own */
	struct buf batch;
	uint64_t batched; /* records in it */
	uint64_t batch_ns; /* when the first of them came */

	pthread_t thread;
	pthread_mutex_t lock; /* of all that follows, up to the writer's own */
	pthread_cond_t wake, room;
	struct buf fill;
	size_t active_len; /* bytes that the writer has taken and not finished with */
	bool idle; /* the writer waits for work */
	bool reopen, closing;
	uint64_t next_reopen_ns; /* 0: the first attempt */
	bool unwritten; /* closed with records left over */
	bool dead; /* nobody will ever read it */
	uint64_t deadline_ns; /* closing: when to give up */
	struct output_stats stats;

	/* the writer's own */
	struct sink sink;
	struct buf active;
	uint64_t lost_said; /* lost records that a diagnostic has told of */
	uint64_t next_say_ns;
	bool error_said, stall_said;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* One record is one line, so lines are counted where the borders of records are no longer known. */
static uint64_t count_lines(const char *p, size_t n)
{
	const char *end = n ? p + n : p;
	uint64_t lines = 0;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

/* ---- the writer thread ---------------------------------------------------------------------- */

/* Lock held. */
static void wait_until(struct output *o, uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / SECOND_NS),
			      .tv_nsec = (long)(ns % SECOND_NS) };

	pthread_cond_timedwait(&o->wake, &o->lock, &t);
}

static void on_written(struct output *o, const char *p, size_t n)
{
	const uint64_t lines = count_lines(p, n);

	pthread_mutex_lock(&o->lock);
	o->stats.records += lines;
	o->stats.queued -= lines;
	o->stats.bytes += n;
	pthread_mutex_unlock(&o->lock);
}

/*
 * Everything that waited is written: trouble is over, and what it cost can be said. (Some of it
 * written would be no sign: a full disk has room for half a line again and again.)
 */
static void on_drained(struct output *o)
{
	uint64_t lost, now = now_ns();
	const char *why = o->error_said   ? "works again"
			  : o->stall_said ? "its reader goes on"
					  : "more comes than can be written";

	pthread_mutex_lock(&o->lock);
	o->stats.error = 0;
	lost = o->stats.lost_records - o->lost_said;
	pthread_mutex_unlock(&o->lock);
	if (!o->error_said && !o->stall_said && (!lost || now < o->next_say_ns))
		return;
	warn_print("output %s: %s; %llu records were lost", o->spec, why, (unsigned long long)lost);
	o->lost_said += lost;
	o->next_say_ns = now + SAY_AGAIN_NS;
	o->error_said = o->stall_said = false;
}

/* Nobody took a byte for a second: worth a word as soon as it costs records. */
static void on_stall(struct output *o)
{
	bool losing;

	pthread_mutex_lock(&o->lock);
	losing = o->stats.lost_records > o->lost_said;
	pthread_mutex_unlock(&o->lock);
	if (losing && !o->stall_said)
		warn_print("output %s: its reader has stalled; records are lost and counted",
			   o->spec);
	o->stall_said |= losing;
}

static void on_error(struct output *o, int err, size_t undone)
{
	pthread_mutex_lock(&o->lock);
	o->stats.error = err;
	o->stats.bytes -= undone;
	o->dead = err == EPIPE || err == ECONNRESET;
	/* Whoever waits for room must not wait for a disk to be emptied. */
	pthread_cond_broadcast(&o->room);
	pthread_mutex_unlock(&o->lock);
	if (!o->error_said)
		warn_print("output %s: %s; %s", o->spec, strerror(err),
			   o->dead ? "records are no longer written, they are counted as lost"
				   : "retrying every second; records that find no room meanwhile "
				     "are counted as lost");
	o->error_said = true;
}

/* Lock not held. */
static void reopen_if_due(struct output *o)
{
	bool due, again;
	struct err e;
	int failed;

	pthread_mutex_lock(&o->lock);
	due = o->reopen && now_ns() >= o->next_reopen_ns;
	again = o->next_reopen_ns != 0;
	pthread_mutex_unlock(&o->lock);
	if (!due)
		return;
	failed = sink_reopen(&o->sink, &e);
	if (failed && !again)
		warn_print("output %s: %s: %s; the old file stays in use, retrying every second",
			   o->spec, e.what, e.why);
	else if (!failed && again)
		warn_print("output %s: reopened", o->spec);
	pthread_mutex_lock(&o->lock);
	o->next_reopen_ns = failed ? now_ns() + SECOND_NS : 0;
	if (!failed)
		o->reopen = o->dead = false;
	pthread_mutex_unlock(&o->lock);
}

/* Lock held: a pause between attempts, cut short when the output is to be closed. */
static void pause_second(struct output *o)
{
	uint64_t until = now_ns() + SECOND_NS;

	while (!o->closing && now_ns() < until)
		wait_until(o, until);
}

/* Write `active`, or as much of it as will ever go. Returns how much was written. */
static size_t write_active(struct output *o)
{
	size_t done = 0;
	uint64_t since = now_ns();
	bool give_up = o->dead;

	while (done < o->active.len && !give_up) {
		ssize_t w = sink_write(&o->sink, o->active.p + done, o->active.len - done);

		if (w > 0) {
			on_written(o, o->active.p + done, (size_t)w);
			done += (size_t)w;
			since = now_ns();
		} else if (w < 0) {
			size_t undone = sink_untear(&o->sink);

			on_error(o, (int)-w, undone);
			done -= undone;
		} else if (now_ns() - since > SECOND_NS) {
			on_stall(o);
		}
		pthread_mutex_lock(&o->lock);
		/* An attempt that fails while closing is the last one; a reader has until the
		 * deadline. */
		give_up = o->dead || (o->closing && (w < 0 || now_ns() >= o->deadline_ns));
		if (w < 0 && !give_up)
			pause_second(o);
		pthread_mutex_unlock(&o->lock);
		if (w < 0 && !give_up)
			reopen_if_due(o);
	}
	if (done && done == o->active.len)
		on_drained(o);
	return done;
}

/* Lock held: until there is something to write, to reopen or to end. */
static void wait_for_work(struct output *o)
{
	while (!o->fill.len && !o->closing) {
		if (o->reopen && now_ns() >= o->next_reopen_ns)
			return;
		o->idle = true;
		if (o->reopen)
			wait_until(o, o->next_reopen_ns);
		else
			pthread_cond_wait(&o->wake, &o->lock);
		o->idle = false;
	}
}

static void *writer(void *arg)
{
	struct output *o = arg;
	bool over = false;
	uint64_t lost = 0;
	struct buf swap;
	size_t done;

	while (!over) {
		pthread_mutex_lock(&o->lock);
		wait_for_work(o);
		swap = o->active;
		o->active = o->fill;
		o->fill = swap;
		o->active_len = o->active.len;
		pthread_mutex_unlock(&o->lock);

		reopen_if_due(o);
		done = write_active(o);

		pthread_mutex_lock(&o->lock);
		lost = o->active.len ? count_lines(o->active.p + done, o->active.len - done) : 0;
		o->stats.lost_records += lost;
		o->stats.queued -= lost;
		o->stats.lost_bytes += o->active.len - done;
		o->active_len = 0;
		/* When closing, what could not be written leaves no hope for what came after it. */
		over = o->closing && (!o->fill.len || lost);
		if (over)
			lost += count_lines(o->fill.p, o->fill.len);
		o->unwritten = lost != 0;
		pthread_cond_broadcast(&o->room);
		pthread_mutex_unlock(&o->lock);
		buf_clear(&o->active);
		if (o->active.cap > KEEP_CAP)
			buf_free(&o->active);
	}
	if (lost && !o->dead)
		warn_print("output %s: closed with %llu records not written", o->spec,
			   (unsigned long long)lost);
	return NULL;
}

/* ---- the caller's side ---------------------------------------------------------------------- */

static int parse_spec(const char *spec, const struct format **format, const char **path,
		      struct err *e)
{
	size_t n = strcspn(spec, ":");

	*path = spec[n] ? spec + n + 1 : "-";
	if (!**path) {
		err_set(e, EXIT_USAGE, "output \"%s\"", spec);
		err_why(e, "there is no path after the colon");
		err_mend(e, "leave the colon out for standard output");
		return -1;
	}
	if (strcmp(*path, "-") == 0)
		*path = NULL;
	for (size_t i = 0; format_table[i]; i++) {
		*format = format_table[i];
		if (strlen((*format)->name) == n && memcmp((*format)->name, spec, n) == 0)
			return 0;
	}
	err_set(e, EXIT_USAGE, "output \"%s\"", spec);
	for (size_t i = 0; i < sizeof(format_later) / sizeof(*format_later); i++) {
		if (strlen(format_later[i]) == n && memcmp(format_later[i], spec, n) == 0) {
			err_why(e, "the format %s is not in this version", format_later[i]);
			err_mend(e, "there are text and jsonl");
			return -1;
		}
	}
	err_why(e, "there is no format \"%.*s\"", (int)(n < 64 ? n : 64), spec);
	err_mend(e, "there are text and jsonl: FORMAT[:PATH]");
	return -1;
}

static int start_writer(struct output *o)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->wake, &attr);
	pthread_cond_init(&o->room, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals are the main thread's; here SIGPIPE and SIGXFSZ are to be errors of write(2). */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&o->thread, NULL, writer, o);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(o->thread, "output");
	return err;
}

static void output_free(struct output *o)
{
	if (o->format && o->format->close)
		o->format->close(o->state);
	sink_close(&o->sink);
	buf_free(&o->batch);
	buf_free(&o->fill);
	buf_free(&o->active);
	free(o->spec);
	free(o);
}

struct output *output_open(const char *spec, bool blocking, size_t queue_max, struct err *e)
{
	struct output *o = calloc(1, sizeof(*o));
	const struct format *format;
	const char *path;
	int err;

	if (!o) {
		err_set(e, EXIT_FAILED, "output %s: out of memory", spec);
		return NULL;
	}
	o->sink.fd = -1;
	if (parse_spec(spec, &format, &path, e) != 0 || sink_open(&o->sink, path, e) != 0) {
		output_free(o);
		return NULL;
	}
	o->spec = strdup(spec);
	o->blocking = blocking;
	o->queue_max = queue_max;
	o->batch.max = o->fill.max = o->active.max = queue_max;
	o->batch_bytes = queue_max / 8 < BATCH_BYTES ? queue_max / 8 : BATCH_BYTES;
	o->format = format;
	if (format->open)
		o->state = format->open(o->sink.terminal);
	err = o->spec ? start_writer(o) : ENOMEM;
	if (err) {
		err_set(e, EXIT_FAILED, "output %s: cannot start", spec);
		err_why(e, "%s", strerror(err));
		output_free(o);
		return NULL;
	}
	return o;
}

/* Lock held. False: no room for the batch. */
static bool enqueue(struct output *o)
{
	const size_t before = o->fill.len;

	if (before + o->active_len + o->batch.len > o->queue_max)
		return false;
	if (before) {
		buf_put(&o->fill, o->batch.p, o->batch.len);
	} else {
		const struct buf swap = o->fill;

		o->fill = o->batch;
		o->batch = swap;
	}
	if (o->fill.overflow) { /* memory is out */
		o->fill.overflow = false;
		return false;
	}
	o->stats.queued += o->batched;
	if (o->idle) {
		o->idle = false;
		pthread_cond_signal(&o->wake);
	}
	return true;
}

/* Lock held: is there something to wait for? Not when the caller must not wait, or the disk is
 * full. */
static bool may_wait(const struct output *o)
{
	return o->blocking && !o->stats.error && (o->fill.len || o->active_len);
}

/* Hand the batch over. Waits for room, where that is wanted, until deadline_ns at most. */
static void flush_until(struct output *o, uint64_t deadline_ns)
{
	const struct timespec deadline = { .tv_sec = (time_t)(deadline_ns / SECOND_NS),
					   .tv_nsec = (long)(deadline_ns % SECOND_NS) };
	bool queued = false;

	if (!o->batch.len)
		return;
	pthread_mutex_lock(&o->lock);
	while (!o->dead && !(queued = enqueue(o)) && may_wait(o)) {
		if (pthread_cond_timedwait(&o->room, &o->lock, &deadline) == ETIMEDOUT)
			break;
	}
	if (!queued) {
		o->stats.lost_records += o->batched;
		o->stats.lost_bytes += o->dead ? 0 : o->batch.len;
	}
	pthread_mutex_unlock(&o->lock);
	buf_clear(&o->batch);
	o->batched = 0;
	if (o->batch.cap > KEEP_CAP)
		buf_free(&o->batch);
}

void output_flush(struct output *o, unsigned age_ms)
{
	if (o->batch.len && (!age_ms || now_ns() - o->batch_ns >= age_ms * 1000000ull))
		flush_until(o, NEVER_NS);
}

/* A record that is larger than the queue, or for which there is no memory. */
static void lose_one(struct output *o)
{
	pthread_mutex_lock(&o->lock);
	o->stats.lost_records++;
	o->stats.lost_bytes += o->batch.len;
	pthread_mutex_unlock(&o->lock);
	buf_clear(&o->batch);
}

void output_record(struct output *o, const struct record *r)
{
	size_t before = o->batch.len;

	o->format->record(o->state, r, &o->batch);
	if (o->batch.overflow && before) {
		/* Not beside what is there already; perhaps alone. */
		o->batch.len = before;
		o->batch.overflow = false;
		flush_until(o, NEVER_NS);
		before = 0;
		o->format->record(o->state, r, &o->batch);
	}
	if (o->batch.overflow) {
		lose_one(o);
		return;
	}
	if (!o->batched)
		o->batch_ns = now_ns();
	o->batched += o->batch.len != before;
	if (o->batch.len >= o->batch_bytes)
		flush_until(o, NEVER_NS);
}

void output_reopen(struct output *o)
{
	if (!o->sink.path)
		return;
	pthread_mutex_lock(&o->lock);
	o->reopen = true;
	o->next_reopen_ns = 0;
	o->idle = false;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
}

void output_stats(const struct output *o, struct output_stats *s)
{
	pthread_mutex_t *lock =
		(pthread_mutex_t *)&o->lock; /* a lock is no part of what const means */

	pthread_mutex_lock(lock);
	*s = o->stats;
	pthread_mutex_unlock(lock);
	s->queued += o->batched;
}

void output_settle(struct output *o, unsigned timeout_ms)
{
	const uint64_t until = now_ns() + timeout_ms * 1000000ull;
	struct output_stats s;

	flush_until(o, until);
	pthread_mutex_lock(&o->lock);
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	do {
		output_stats(o, &s);
		if (!s.queued || s.error)
			return;
		usleep(SETTLE_STEP_US);
	} while (now_ns() < until);
}

int output_close(struct output *o, unsigned timeout_ms)
{
	const uint64_t deadline_ns = now_ns() + timeout_ms * 1000000ull;
	struct timespec t;
	int err;

	flush_until(o, deadline_ns);
	pthread_mutex_lock(&o->lock);
	o->closing = true;
	o->deadline_ns = deadline_ns;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	/* One second of grace: a thread that hangs in write(2), as on a dead network file system,
	 * is left. */
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += timeout_ms / 1000 + 1;
	t.tv_nsec += timeout_ms % 1000 * 1000000l;
	if (t.tv_nsec >= 1000000000l) {
		t.tv_nsec -= 1000000000l;
		t.tv_sec++;
	}
	if (pthread_timedjoin_np(o->thread, NULL, &t) != 0) {
		pthread_detach(o->thread);
		return -ETIMEDOUT; /* its memory is the thread's now */
	}
	err = -o->stats.error;
	if (!err && o->unwritten)
		err = -ETIMEDOUT;
	pthread_mutex_destroy(&o->lock);
	pthread_cond_destroy(&o->wake);
	pthread_cond_destroy(&o->room);
	output_free(o);
	return err;
}

const char *output_name(const struct output *o)
{
	return o->spec;
}
