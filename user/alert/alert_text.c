/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert_text.c - what an alert says to people: the sentence, the severity, the advice. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Names come from payloads: control characters (C0, DEL, C1 in UTF-8) are shown as '?'. */
static void put_plain(struct buf *b, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		const bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		buf_putc(b, *p < 0x20 || *p == 0x7f || c1 ? '?' : (char)*p);
		p += c1;
	}
}

static void put_name(struct buf *b, const struct moved *m)
{
	put_plain(b, alert_short_name(m->name));
}

static void trim_zeros(char *text)
{
	char *end = text + strlen(text);

	if (!strchr(text, '.'))
		return;
	while (end[-1] == '0')
		end--;
	if (end[-1] == '.')
		end--;
	*end = '\0';
}

/* At most so many significant digits (4 at most), as people write them: 12350, 0.02, 1.235e9. */
static void put_number(struct buf *b, double v, int digits)
{
	char text[32], *e;
	int power;

	if (!isfinite(v)) {
		buf_puts(b, isnan(v) ? "?" : v > 0 ? "∞" : "-∞");
		return;
	}
	snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	e = strchr(text, 'e');
	power = atoi(e + 1);
	if (power >= -4 && power < 7)
		snprintf(text, sizeof(text), "%.*f", power < digits ? digits - 1 - power : 0,
			 strtod(text, NULL));
	else
		*e = '\0';
	trim_zeros(text);
	buf_puts(b, text);
	if (power < -4 || power >= 7)
		buf_printf(b, "e%d", power);
}

static void put_from_to(struct buf *b, double from, double to)
{
	put_number(b, from, 4);
	buf_puts(b, " → ");
	put_number(b, to, 4);
}

static const char *values(uint64_t n)
{
	return n == 1 ? "value" : "values";
}

static void put_in_values(struct buf *b, uint64_t n)
{
	buf_printf(b, " in %llu %s", (unsigned long long)n, values(n));
}

static void put_shift(const struct moved *m, uint64_t now, struct buf *b)
{
	const struct effect *e = &m->effect;
	const bool up = e->mean_shift_sigma > 0;
	const double shift = fabs(e->mean_shift_sigma);

	put_name(b, m);
	buf_puts(b, up ? " up " : " down ");
	if (shift < 9.95)
		buf_printf(b, "%.1f", shift);
	else
		put_number(b, shift, 3);
	buf_puts(b, " σ");
	put_since(b, m->since_ts, now);
	if (isnan(e->ref_median) || isnan(e->new_median)) {
		buf_puts(b, ": mean ");
		put_from_to(b, e->ref_mean, e->new_mean);
		put_in_values(b, e->n);
		return;
	}
	buf_printf(b, ": %llu of %llu %s %s the %s median (",
		   (unsigned long long)(up ? e->above : e->n - e->above), (unsigned long long)e->n,
		   values(e->n), up ? "above" : "at or below",
		   m->baseline ? "training" : "reference");
	put_from_to(b, e->ref_median, e->new_median);
	buf_putc(b, ')');
}

static void put_change(const struct moved *m, uint64_t now, struct buf *b)
{
	const struct effect *e = &m->effect;
	const double spread = log(e->new_sd / e->ref_sd);

	if (e->ref_sd == 0) {
		put_name(b, m);
		buf_puts(b, " no longer constant");
		put_since(b, m->since_ts, now);
		buf_puts(b, ": ");
		put_from_to(b, e->ref_mean, e->new_mean);
		put_in_values(b, e->n);
	} else if (isfinite(spread) && fabs(spread) > 0.1 &&
		   !(fabs(e->mean_shift_sigma) >= fabs(spread))) {
		buf_puts(b, "spread of ");
		put_name(b, m);
		buf_puts(b, " × ");
		put_number(b, exp(spread), 2);
		put_since(b, m->since_ts, now);
		buf_puts(b, ": standard deviation ");
		put_from_to(b, e->ref_sd, e->new_sd);
		put_in_values(b, e->n);
	} else if (fabs(e->mean_shift_sigma) > 0.1) {
		put_shift(m, now, b);
	} else {
		buf_puts(b, "distribution of ");
		put_name(b, m);
		buf_puts(b, " changed");
		put_since(b, m->since_ts, now);
		if (isnan(e->ks))
			return;
		buf_printf(b, ": at most %.0f %% of %llu %s elsewhere than in the %s", 100 * e->ks,
			   (unsigned long long)e->n, e->n == 1 ? "value lies" : "values lie",
			   m->baseline ? "training data" : "reference");
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

	for (unsigned i = from; i < end; i++) {
		buf_puts(b, i > from ? ", " : "");
		put_name(b, a->moved[i]);
	}
	if (end < a->n_moved)
		buf_printf(b, " and %u more", a->n_moved - end);
}

void alert_summary(const struct alert *a, struct buf *out)
{
	if (a->kind == ALERT_CRASH || a->kind == ALERT_OOM) {
		put_plain(out, a->death);
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
