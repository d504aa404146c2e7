/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_alert.c - one alert for one cause: joining, telling again, resolving, sentences, webhook. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "alert/alert.h"
#include "alert/alert_state.h"
#include "base/json.h"

#define SECOND ((uint64_t)1000000000)
#define NOON ((uint64_t)1764079200 * SECOND) /* 2025-11-25T14:00:00Z */

struct told {
	char text[16384]; /* the record's own keys as JSON */
	uint64_t ts;
};

struct seen {
	struct told told[64];
	unsigned n;
	uint64_t seq;
};

static bool is_json(const char *p, size_t n)
{
	struct json_reader r;
	struct json_token t;

	json_open(&r, p, n);
	while (json_next(&r, &t) < JSON_DONE)
		;
	return t.type == JSON_DONE && r.off == r.len;
}

static void on_record(void *ctx, struct record *r)
{
	struct seen *s = ctx;
	struct buf b = { 0 };

	r->seq = ++s->seq;
	assert_int_equal(r->type, RECORD_ALERT);
	assert_false(r->overflow);
	buf_puts(&b, "{\"id\":\"");
	buf_hex(&b, r->id, 16);
	buf_puts(&b, "\"");
	if (r->proc)
		buf_put(&b, r->proc->json, r->proc->json_len);
	for (size_t i = 0; i < r->n; i++)
		kv_write_json(&b, &r->kv[i]);
	buf_puts(&b, "}");
	assert_true(is_json(b.p, b.len));
	assert_true(s->n < 64 && b.len < sizeof(s->told[0].text));
	memcpy(s->told[s->n].text, b.p, b.len);
	s->told[s->n].text[b.len] = '\0';
	s->told[s->n++].ts = r->ts;
	buf_free(&b);
}

static struct alert_ctx *make(struct seen *s, struct hook *hook)
{
	const struct record_sink sink = { on_record, s };
	struct alert_ctx *a;

	memset(s, 0, sizeof(*s));
	a = alert_new(&sink, hook);
	assert_non_null(a);
	return a;
}

static const uint8_t examples[3][16] = { { 1 }, { 2 }, { 0xab, 0xcd } };

static struct drift_change change(const char *feature, enum drift_state state, double evidence,
				  uint64_t ts)
{
	return (struct drift_change){
		.service = "iris",
		.feature = feature,
		.response = !strncmp(feature, "response.", 9),
		.baseline = true,
		.state = state,
		.evidence = evidence,
		.threshold = 4e6,
		.effect = { .psi = 1.2,
			    .js = 0.2,
			    .ks = 0.5,
			    .wasserstein = 1.4,
			    .mean_shift_sigma = 1.4,
			    .n = 350,
			    .ref_mean = 4.4,
			    .ref_sd = 0.5,
			    .ref_median = 4.35,
			    .new_mean = 5.9,
			    .new_sd = 0.55,
			    .new_median = 5.9,
			    .above = 312 },
		.ref_n = 1000,
		.since_ts = NOON + 131 * SECOND,
		.ts = ts,
		.exchange = examples[2],
		.examples = examples,
		.n_examples = 3,
	};
}

static void feed(struct alert_ctx *a, const char *feature, enum drift_state state, double evidence,
		 uint64_t ts)
{
	const struct drift_change c = change(feature, state, evidence, ts);

	alert_on_drift(a, &c);
}

static void has(const struct seen *s, unsigned i, const char *text)
{
	assert_true(i < s->n);
	if (!strstr(s->told[i].text, text))
		print_message("           no %s in %s\n", text, s->told[i].text);
	assert_non_null(strstr(s->told[i].text, text));
}

/* The value of a key whose value is a string. */
static const char *value(const struct seen *s, unsigned i, const char *key)
{
	static char v[2][512];
	static int turn;
	char pattern[64];
	const char *p;

	turn = !turn;
	snprintf(pattern, sizeof(pattern), "\"%s\":\"", key);
	p = strstr(s->told[i].text, pattern);
	assert_non_null(p);
	p += strlen(pattern);
	snprintf(v[turn], sizeof(v[turn]), "%.*s", (int)strcspn(p, "\""), p);
	return v[turn];
}

static uint64_t random_seed;

/* Any bits, often special ones. */
static double odd_double(void)
{
	static const double odd[] = { 0, -0.0, NAN, INFINITY, -INFINITY, DBL_MAX, DBL_MIN, 1 };
	uint64_t z = random_seed += 0x9e3779b97f4a7c15;
	double v;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	if (z % 4 == 0)
		return odd[z / 4 % 8];
	memcpy(&v, &z, sizeof(v));
	return v;
}

static void test_one_cause(void **state)
{
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);
	char id[40];
	uint64_t t = NOON + 200 * SECOND;

	(void)state;
	feed(a, "request.body.petal_len", DRIFT_DRIFT, 5e6, t);
	assert_int_equal(s.n, 1);
	assert_int_equal(alert_firing(a), 1);
	has(&s, 0, "\"alert.kind\":\"data_drift\"");
	has(&s, 0, "\"alert.state\":\"firing\"");
	has(&s, 0, "\"severity\":\"warning\"");
	has(&s, 0, "\"features\":[\"request.body.petal_len\"]");
	has(&s, 0, "\"examples\":[\"01000000000000000000000000000000\",");
	has(&s, 0, "\"abcd0000000000000000000000000000\"]");
	has(&s, 0, "\"evidence\":5000000");
	has(&s, 0, "\"recommendation\":\"investigate\"");
	has(&s, 0, "\"recommendation.rule\":\"input_drift_output_steady\"");
	assert_string_equal(value(&s, 0, "summary"),
			    "petal_len up 1.4 σ since 14:02:11 UTC: 312 of 350 values above the "
			    "training median (4.35 → 5.9)");
	strcpy(id, value(&s, 0, "alert.id"));
	assert_int_equal(strlen(id), 32);
	/* Others of the same cause join; the one with most evidence stands first. */
	feed(a, "request.body.petal_wid", DRIFT_DRIFT, 9e7, t + SECOND / 2);
	feed(a, "response.body.prediction", DRIFT_DRIFT, 6e6, t + SECOND);
	assert_int_equal(alert_firing(a), 1);
	alert_on_time(a, t + 90 * SECOND);
	assert_true(s.n >= 2 && s.n <= 3);
	has(&s, s.n - 1,
	    "\"features\":[\"request.body.petal_wid\",\"response.body.prediction\","
	    "\"request.body.petal_len\"]");
	has(&s, s.n - 1, "\"severity\":\"critical\"");
	has(&s, s.n - 1, "\"recommendation\":\"retrain\"");
	has(&s, s.n - 1, "; also prediction, petal_len\"");
	assert_string_equal(value(&s, s.n - 1, "alert.id"), id);
	assert_string_not_equal(value(&s, s.n - 1, "id"), value(&s, 0, "id"));
	/* Over when the last one is. */
	feed(a, "request.body.petal_len", DRIFT_RECOVERED, 1, t + 600 * SECOND);
	feed(a, "response.body.prediction", DRIFT_RECOVERED, 1, t + 601 * SECOND);
	assert_int_equal(alert_firing(a), 1);
	feed(a, "request.body.petal_wid", DRIFT_RECOVERED, 1, t + 602 * SECOND);
	assert_int_equal(alert_firing(a), 0);
	has(&s, s.n - 1, "\"alert.state\":\"resolved\"");
	has(&s, s.n - 1, "back to the reference after 11 min");
	assert_string_equal(value(&s, s.n - 1, "alert.id"), id);
	/* A new cause is a new alert. */
	{
		struct drift_change c =
			change("request.body.petal_len", DRIFT_DRIFT, 5e6, t + 1000 * SECOND);

		c.exchange = examples[1];
		alert_on_drift(a, &c);
	}
	assert_string_not_equal(value(&s, s.n - 1, "alert.id"), id);
	alert_free(a);
}

/* An output alone, then the input that explains it. */
static void test_kinds(void **state)
{
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);

	(void)state;
	feed(a, "response.body.prediction", DRIFT_DRIFT, 5e6, NOON);
	has(&s, 0, "\"alert.kind\":\"prediction_drift\"");
	has(&s, 0, "\"recommendation.rule\":\"output_drift_input_steady\"");
	feed(a, "request.body.x", DRIFT_DRIFT, 5e6, NOON + 2 * SECOND);
	assert_int_equal(alert_firing(a), 1);
	has(&s, 1, "\"alert.kind\":\"data_drift\"");
	assert_string_equal(value(&s, 0, "alert.id"), value(&s, 1, "alert.id"));
	/* Another service is another cause. */
	{
		struct drift_change c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON);

		c.service = "other";
		alert_on_drift(a, &c);
	}
	assert_int_equal(alert_firing(a), 2);
	/* What never drifted cannot recover. */
	feed(a, "request.body.zzz", DRIFT_RECOVERED, 1, NOON);
	assert_int_equal(alert_firing(a), 2);
	alert_free(a);
}

/* However many features move, however often: few records. */
static void test_no_storm(void **state)
{
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);
	char name[64];
	unsigned in_first_minute;

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "request.body.f%03d", i);
		feed(a, name, DRIFT_DRIFT, 5e6 + i, NOON + (uint64_t)i * SECOND / 4);
		alert_on_time(a, NOON + (uint64_t)i * SECOND / 4);
	}
	in_first_minute = s.n;
	assert_true(in_first_minute >= 3 && in_first_minute <= 4);
	for (int i = 0; i < 600 * 4; i++) {
		feed(a, "request.body.f001", DRIFT_DRIFT, 5e6 + i,
		     NOON + 50 * SECOND + (uint64_t)i * SECOND / 4);
		alert_on_time(a, NOON + 50 * SECOND + (uint64_t)i * SECOND / 4);
	}
	/* Ten minutes of changes: one a minute. */
	assert_true(s.n - in_first_minute <= 11);
	for (unsigned i = 5; i < s.n; i++)
		assert_true(s.told[i].ts - s.told[i - 1].ts >= 60 * SECOND);
	/* Nothing new, nothing said. */
	in_first_minute = s.n;
	alert_on_time(a, NOON + 3600 * SECOND);
	alert_on_time(a, NOON + 7200 * SECOND);
	assert_true(s.n <= in_first_minute + 1);
	has(&s, s.n - 1, "and 196 more\"");
	alert_free(a);
}

static void test_sentences(void **state)
{
	struct seen s;
	struct alert_ctx *a;
	struct drift_change c;

	(void)state;
	a = make(&s, NULL);
	c = change("request.body.features.age", DRIFT_DRIFT, 5e6, NOON + 86400 * SECOND);
	c.baseline = false;
	c.effect.mean_shift_sigma = -0.62;
	c.effect.above = 20;
	c.effect.n = 90;
	alert_on_drift(a, &c);
	assert_string_equal(
		value(&s, 0, "summary"),
		"features.age down 0.6 σ since 2025-11-25 14:02:11 UTC: 70 of 90 values "
		"at or below the reference median (4.35 → 5.9)");
	alert_free(a);

	a = make(&s, NULL);
	c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	c.effect.mean_shift_sigma = 0.05;
	c.effect.new_sd = 0.75;
	alert_on_drift(a, &c);
	assert_string_equal(
		value(&s, 0, "summary"),
		"spread of x × 1.5 since 14:02:11 UTC: standard deviation 0.5 → 0.75 in "
		"350 values");
	alert_free(a);

	a = make(&s, NULL);
	c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	c.effect.mean_shift_sigma = NAN;
	c.effect.ref_sd = 0;
	c.effect.ref_mean = 7;
	c.effect.new_mean = 8;
	alert_on_drift(a, &c);
	assert_string_equal(value(&s, 0, "summary"),
			    "x no longer constant since 14:02:11 UTC: 7 → 8 in 350 values");
	alert_free(a);

	a = make(&s, NULL);
	c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	c.effect.mean_shift_sigma = 0.01;
	c.effect.new_sd = 0.5;
	c.effect.ks = 0.124;
	alert_on_drift(a, &c);
	assert_string_equal(
		value(&s, 0, "summary"),
		"distribution of x changed since 14:02:11 UTC: at most 12 % of 350 values "
		"lie elsewhere than in the training data");
	alert_free(a);
}

/* What a change says. */
static const char *sentence(const struct drift_change *c)
{
	static char text[1024];
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);

	alert_on_drift(a, c);
	snprintf(text, sizeof(text), "%s", value(&s, 0, "summary"));
	alert_free(a);
	return text;
}

/* Numbers as people write them, at most four significant digits; nothing where there is nothing. */
static void test_sentence_numbers(void **state)
{
	static const struct {
		double from, to;
		const char *want;
	} pair[] = {
		{ 4.35, 5.9, "4.35 → 5.9" },
		{ 0, -0.000123456, "0 → -0.0001235" },
		{ 12345.6, 1234567, "12350 → 1235000" },
		{ 1.5e-9, -2.71828e12, "1.5e-9 → -2.718e12" },
		{ 99.996, 9999.6, "100 → 10000" },
		{ 9999999, 1e7, "1e7 → 1e7" },
		{ DBL_MAX, DBL_MIN, "1.798e308 → 2.225e-308" },
		{ INFINITY, -INFINITY, "∞ → -∞" },
	};
	struct drift_change c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	char want[256];

	(void)state;
	c.effect.n = c.effect.above = 1;
	for (size_t i = 0; i < sizeof(pair) / sizeof(pair[0]); i++) {
		c.effect.ref_median = pair[i].from;
		c.effect.new_median = pair[i].to;
		snprintf(want, sizeof(want),
			 "x up 1.4 σ since 14:02:11 UTC: 1 of 1 value above the training median "
			 "(%s)",
			 pair[i].want);
		assert_string_equal(sentence(&c), want);
	}
	c.effect.ref_median = NAN;
	assert_string_equal(sentence(&c),
			    "x up 1.4 σ since 14:02:11 UTC: mean 4.4 → 5.9 in 1 value");
	c.effect.mean_shift_sigma = -123456;
	assert_string_equal(sentence(&c),
			    "x down 123000 σ since 14:02:11 UTC: mean 4.4 → 5.9 in 1 value");
	c.effect.mean_shift_sigma = 1e300;
	c.effect.ref_sd = 1e-300;
	c.effect.new_sd = 1e-300;
	assert_string_equal(sentence(&c),
			    "x up 1e300 σ since 14:02:11 UTC: mean 4.4 → 5.9 in 1 value");
	c.effect.mean_shift_sigma = NAN;
	c.effect.new_sd = 2.5;
	assert_string_equal(sentence(&c), "spread of x × 2.5e300 since 14:02:11 UTC: "
					  "standard deviation 1e-300 → 2.5 in 1 value");
	c.effect.ref_sd = c.effect.new_sd = NAN;
	assert_string_equal(sentence(&c), "distribution of x changed since 14:02:11 UTC: at most "
					  "50 % of 1 value lies elsewhere than in the training "
					  "data");
	c.effect.ks = NAN;
	assert_string_equal(sentence(&c), "distribution of x changed since 14:02:11 UTC");
	c.effect.ref_sd = 0;
	c.effect.new_mean = NAN;
	assert_string_equal(sentence(&c),
			    "x no longer constant since 14:02:11 UTC: 4.4 → ? in 1 value");
	/* Whatever comes, it is short. */
	random_seed = 1;
	for (int i = 0; i < 2000; i++) {
		double *const field[] = { &c.effect.mean_shift_sigma, &c.effect.ks,
					  &c.effect.ref_mean,         &c.effect.ref_sd,
					  &c.effect.ref_median,       &c.effect.new_mean,
					  &c.effect.new_sd,           &c.effect.new_median };

		for (size_t k = 0; k < 8; k++)
			*field[k] = odd_double();
		c.effect.ks = fabs(c.effect.ks) <= 1 ? fabs(c.effect.ks) : NAN;
		assert_true(strlen(sentence(&c)) < 140);
		assert_null(strstr(sentence(&c), "nan"));
		assert_null(strstr(sentence(&c), "inf"));
	}
}

/* Names are chosen by whoever sends requests. */
static void test_sentence_names(void **state)
{
	struct drift_change c = change("request.body.a\033[2J\r\n\x7f\xc2\x9b"
				       "31m\tb\xc3\xa9",
				       DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	struct seen s;
	struct alert_ctx *a;

	(void)state;
	assert_memory_equal(sentence(&c), "a?[2J????31m?b\xc3\xa9 up 1.4", 23);
	a = make(&s, NULL);
	alert_on_death(a, "x", false, "x\033c (pid 7) crashed", NOON, NULL, NULL, NULL, 0);
	assert_string_equal(value(&s, 0, "summary"), "x?c (pid 7) crashed");
	alert_free(a);
}

/* One agent analyses, another records for later: their clocks differ, what they call things not. */
static void test_ids_of_two_agents(void **state)
{
	struct kv kv[] = {
		{ .key = "service.name", .type = KV_STR, .s = { "iris", 4 } },
		{ .key = "service.instance.id", .type = KV_STR, .s = { "3f2a", 4 } },
		{ .key = "process.pid", .type = KV_U64, .u = 77 },
		{ .key = "process.creation.time", .type = KV_TIME, .u = NOON },
	};
	struct scope proc = { .kv = kv, .n = 4 };
	struct seen s[2];
	char other[40];

	(void)state;
	for (int agent = 0; agent < 2; agent++) {
		const uint64_t off = agent ? 1700 : 0; /* ns */
		struct drift_change c =
			change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND + off);
		struct alert_ctx *a = make(&s[agent], NULL);

		c.since_ts += off;
		kv[3].u = NOON + off;
		alert_on_drift(a, &c);
		c.state = DRIFT_RECOVERED;
		c.ts += 100 * SECOND;
		c.exchange = examples[0];
		alert_on_drift(a, &c);
		alert_on_death(a, "iris", false, "iris (pid 77) crashed: SIGSEGV",
			       NOON + 300 * SECOND + off, NULL, &proc, NULL, 0);
		alert_on_death(a, "iris", true, "iris (pid 8) was killed: out of memory",
			       NOON + 301 * SECOND + off, NULL, NULL, NULL, 0);
		alert_on_time(a, NOON + 2000 * SECOND + off);
		alert_free(a);
	}
	assert_true(s[0].n == 6 && s[1].n == 6);
	for (unsigned i = 0; i < 6; i++) {
		assert_string_equal(value(&s[0], i, "id"), value(&s[1], i, "id"));
		assert_string_equal(value(&s[0], i, "alert.id"), value(&s[1], i, "alert.id"));
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(value(&s[0], i, "id"), value(&s[0], k, "id"));
	}
	/* Drift, crash and OOM are three; another exchange, another process are others. */
	assert_string_equal(value(&s[0], 0, "alert.id"), value(&s[0], 1, "alert.id"));
	assert_string_not_equal(value(&s[0], 1, "alert.id"), value(&s[0], 2, "alert.id"));
	assert_string_not_equal(value(&s[0], 2, "alert.id"), value(&s[0], 3, "alert.id"));
	strcpy(other, value(&s[0], 2, "alert.id"));
	{
		struct drift_change c =
			change("request.body.x", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
		struct alert_ctx *a = make(&s[1], NULL);

		c.exchange = examples[0];
		kv[2].u = 78;
		alert_on_drift(a, &c);
		alert_on_death(a, "iris", false, "iris (pid 77) crashed: SIGSEGV",
			       NOON + 300 * SECOND, NULL, &proc, NULL, 0);
		alert_free(a);
	}
	assert_string_not_equal(value(&s[1], 0, "alert.id"), value(&s[0], 0, "alert.id"));
	assert_string_not_equal(value(&s[1], 1, "alert.id"), other);
}

static void test_deaths(void **state)
{
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);

	(void)state;
	alert_on_death(a, "iris", false, "iris (pid 7) crashed: SIGSEGV", NOON, NULL, NULL, NULL,
		       0);
	alert_on_death(a, "iris", true, "iris (pid 8) was killed: out of memory", NOON + SECOND,
		       NULL, NULL, examples, 3);
	assert_int_equal(s.n, 2);
	assert_int_equal(alert_firing(a), 2);
	has(&s, 0, "\"alert.kind\":\"crash\"");
	has(&s, 0, "\"severity\":\"critical\"");
	has(&s, 0, "\"summary\":\"iris (pid 7) crashed: SIGSEGV\"");
	has(&s, 0, "\"recommendation\":\"investigate\"");
	has(&s, 1, "\"alert.kind\":\"oom\"");
	has(&s, 1, "\"examples\":[");
	/* A crash loop is one alert. */
	for (int i = 1; i <= 60; i++) {
		alert_on_death(a, "iris", false, "iris (pid 9) crashed: SIGSEGV",
			       NOON + (uint64_t)i * 5 * SECOND, NULL, NULL, NULL, 0);
		alert_on_time(a, NOON + (uint64_t)i * 5 * SECOND);
	}
	assert_int_equal(alert_firing(a), 2);
	assert_true(s.n <= 12);
	alert_on_time(a, NOON + 360 * SECOND);
	has(&s, s.n - 1, "(61 times)");
	/* And over when it is not repeated. */
	alert_on_time(a, NOON + 700 * SECOND);
	assert_int_equal(alert_firing(a), 1);
	alert_on_time(a, NOON + 2000 * SECOND);
	assert_int_equal(alert_firing(a), 0);
	has(&s, s.n - 1, "\"alert.state\":\"resolved\"");
	alert_free(a);
}

/* Scopes are copied: the process may be gone when an update is told. */
static void test_scopes(void **state)
{
	struct seen s;
	struct alert_ctx *a = make(&s, NULL);
	struct drift_change c = change("request.body.x", DRIFT_DRIFT, 5e6, NOON);
	struct scope *proc = calloc(1, sizeof(*proc));
	char *name = strdup("iris"), *key = strdup("service.name");

	(void)state;
	proc->kv = calloc(2, sizeof(*proc->kv));
	proc->n = 2;
	proc->kv[0] = (struct kv){ .key = key, .type = KV_STR, .s = { name, 4 } };
	proc->kv[1] = (struct kv){ .key = "process.pid", .type = KV_U64, .u = 77 };
	scope_render(proc);
	c.proc = proc;
	alert_on_drift(a, &c);
	scope_free(proc);
	free(proc);
	memset(name, 'X', 4);
	free(name);
	free(key);
	feed(a, "request.body.y", DRIFT_DRIFT, 5e6, NOON + 100 * SECOND);
	assert_int_equal(s.n, 2);
	has(&s, 1, "\"service.name\":\"iris\",\"process.pid\":77");
	alert_free(a);
}

static void test_webhook(void **state)
{
	char dir[] = "/tmp/alertXXXXXX", cmd[128], text[16384];
	struct err e = { 0 };
	struct alert_ctx *a;
	struct hook *h;
	struct seen s;
	char *line;
	size_t n;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cmd, sizeof(cmd), "sh -c 'cat >> %s/out'", dir);
	h = hook_new(cmd, 5, &e);
	assert_non_null(h);
	a = make(&s, h);
	feed(a, "request.body.\"quoted\"", DRIFT_DRIFT, 5e6, NOON + 200 * SECOND);
	feed(a, "request.body.\"quoted\"", DRIFT_RECOVERED, 5e6, NOON + 300 * SECOND);
	hook_free(h);
	snprintf(cmd, sizeof(cmd), "%s/out", dir);
	f = fopen(cmd, "r");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	unlink(cmd);
	rmdir(dir);
	/* Two bodies, a line each. */
	line = strchr(text, '\n');
	assert_non_null(line);
	*line++ = '\0';
	assert_true(is_json(text, strlen(text)) && is_json(line, strlen(line)));
	assert_memory_equal(text, "{\"version\":\"4\",\"groupKey\":\"", 26);
	assert_non_null(strstr(text, "\"status\":\"firing\",\"receiver\":\"modelsnoop\""));
	assert_non_null(strstr(text,
			       "\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":"
			       "\"data_drift\",\"service\":\"iris\",\"severity\":\"warning\""));
	assert_non_null(strstr(text, "\"annotations\":{\"summary\":\"\\\"quoted\\\" up 1.4"));
	assert_non_null(strstr(text, "\"startsAt\":\"2025-11-25T14:02:11.000000000Z\""));
	assert_non_null(strstr(text, "\"endsAt\":\"0001-01-01T00:00:00Z\""));
	assert_non_null(strstr(text, "\"modelsnoop\":{\"ts\":"));
	assert_non_null(strstr(text, "\"type\":\"alert\""));
	assert_non_null(strstr(text, "\"seq\":1,"));
	assert_non_null(strstr(line, "\"status\":\"resolved\""));
	assert_non_null(strstr(line, "\"endsAt\":\"2025-11-25T14:05:00.000000000Z\""));
	alert_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cause),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_no_storm),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_sentence_numbers),
		cmocka_unit_test(test_sentence_names),
		cmocka_unit_test(test_ids_of_two_agents),
		cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_webhook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
