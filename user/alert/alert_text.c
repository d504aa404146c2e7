/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert_text.c - what an alert says to people: the sentence, the severity, the advice. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "alert/alert_state.h"

#define NAMED_BESIDES 3 /* features named after the first; the others are counted */

const char *const alert_kind_name[] = { "data_drift", "prediction_drift", "crash", "oom" };

const char *alert_short_name(const char *feature)
{
	static const char *const prefix[] = { "request.body.", "response.body.", "request.body",
					      "response.body" };

	for (size_t i = 0; i < sizeof(prefix) / sizeof(prefix[0]); i++) {
		const size_t n = strlen(prefix[i]);

		if (!strncmp(feature, prefix[i], n) && feature[n])
			return feature + n;
	}
	return feature;
}

static bool any(const struct alert *a, bool response)
{
	for (unsigned i = 0; i < a->n_moved; i++)
		if (a->moved[i]->response == response)
			return true;
	return false;
}

struct advice alert_advice(const struct alert *a)
{
	if (a->kind == ALERT_CRASH)
		return (struct advice){ "investigate", "process_crashed" };
	if (a->kind == ALERT_OOM)
		return (struct advice){ "investigate", "process_out_of_memory" };
	if (!any(a, true))
		return (struct advice){ "investigate", "input_drift_output_steady" };
	if (any(a, false))
		return (struct advice){ "retrain", "input_and_output_drift" };
	return (struct advice){ "investigate", "output_drift_input_steady" };
}

const char *alert_severity(const struct alert *a)
{
	if (a->kind == ALERT_CRASH || a->kind == ALERT_OOM)
		return "critical";
	/* What went in has changed, and what comes out with it: users see that. */
	return any(a, true) && any(a, false) ? "critical" : "warning";
}

static void put_since(struct buf *b, uint64_t since, uint64_t now)
{
	const time_t at = (time_t)(since / 1000000000);
	const bool same_day = at / 86400 == (time_t)(now / 1000000000) / 86400;
	struct tm tm;
	char text[32];

	if (gmtime_r(&at, &tm) &&
	    strftime(text, sizeof(text), same_day ? "%H:%M:%S" : "%F %H:%M:%S", &tm))
		buf_printf(b, " since %s UTC", text);
}

static void put_shift(const struct moved *m, uint64_t now, struct buf *b)
{
	const struct effect *e = &m->effect;
	const bool up = e->mean_shift_sigma > 0;
	const unsigned long long n = e->n, above = e->above;

	buf_printf(b, "%s %s %.*f σ", alert_short_name(m->name), up ? "up" : "down",
		   fabs(e->mean_shift_sigma) < 9.95 ? 1 : 0, fabs(e->mean_shift_sigma));
	put_since(b, m->since_ts, now);
	buf_printf(b, ": %llu of %llu values %s the %s median (%.4g → %.4g)",
		   up ? above : n - above, n, up ? "above" : "at or below",
		   m->baseline ? "training" : "reference", e->ref_median, e->new_median);
}

static void put_change(const struct moved *m, uint64_t now, struct buf *b)
{
	const struct effect *e = &m->effect;
	const char *name = alert_short_name(m->name);
	const double spread = log(e->new_sd / e->ref_sd);

	if (e->ref_sd == 0) {
		buf_printf(b, "%s no longer constant", name);
		put_since(b, m->since_ts, now);
		buf_printf(b, ": %.4g → %.4g in %llu values", e->ref_mean, e->new_mean,
			   (unsigned long long)e->n);
	} else if (isfinite(spread) && fabs(spread) > fabs(e->mean_shift_sigma) &&
		   fabs(spread) > 0.1) {
		buf_printf(b, "spread of %s × %.2g", name, exp(spread));
		put_since(b, m->since_ts, now);
		buf_printf(b, ": standard deviation %.3g → %.3g in %llu values", e->ref_sd,
			   e->new_sd, (unsigned long long)e->n);
	} else if (fabs(e->mean_shift_sigma) > 0.1) {
		put_shift(m, now, b);
	} else {
		buf_printf(b, "distribution of %s changed", name);
		put_since(b, m->since_ts, now);
		buf_printf(b,
			   ": at most %.0f %% of %llu values lie elsewhere than in the reference",
			   100 * e->ks, (unsigned long long)e->n);
	}
}

static void put_duration(struct buf *b, uint64_t ns)
{
	const unsigned long long s = ns / 1000000000;

	if (s < 120)
		buf_printf(b, "%llu s", s);
	else if (s < 7200)
		buf_printf(b, "%llu min", s / 60);
	else
		buf_printf(b, "%llu h", s / 3600);
}

static void put_names(const struct alert *a, unsigned from, struct buf *b)
{
	const unsigned end = a->n_moved - from > NAMED_BESIDES ? from + NAMED_BESIDES : a->n_moved;

	for (unsigned i = from; i < end; i++)
		buf_printf(b, "%s%s", i > from ? ", " : "", alert_short_name(a->moved[i]->name));
	if (end < a->n_moved)
		buf_printf(b, " and %u more", a->n_moved - end);
}

void alert_summary(const struct alert *a, struct buf *out)
{
	if (a->kind == ALERT_CRASH || a->kind == ALERT_OOM) {
		buf_puts(out, a->death);
		if (a->deaths > 1)
			buf_printf(out, " (%u times)", a->deaths);
		return;
	}
	if (a->resolved) {
		put_names(a, 0, out);
		buf_puts(out, " back to the reference after ");
		put_duration(out, a->now > a->opened_ts ? a->now - a->opened_ts : 0);
		return;
	}
	put_change(a->moved[0], a->now, out);
	if (a->n_moved > 1) {
		buf_puts(out, "; also ");
		put_names(a, 1, out);
	}
}
