/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_drift.c - services under watch: learning, baselines, records, weights, one whole road. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "drift/drift.h"

#define MAX_CHANGES 64

/* Everything that came out. */
struct seen {
	struct buf lines; /* records as JSON */
	unsigned records, by_state[5], bad;
	struct {
		char feature[64];
		enum drift_state state;
		double evidence, threshold;
		struct effect effect;
		size_t n_examples;
		uint8_t newest[16], exchange[16];
		uint64_t since_ts, ts;
		bool baseline, response;
	} change[MAX_CHANGES];
	unsigned n_changes;
};

static uint64_t random_state;

static double uniform(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
	return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

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
	const struct kv *state = record_get(r, "state");
	const size_t from = s->lines.len;

	s->records++;
	s->bad += r->overflow || r->type != RECORD_DRIFT || !state;
	for (int i = 0; state && i < 5; i++)
		if (state->s.n == strlen(drift_state_name[i]) &&
		    !memcmp(state->s.p, drift_state_name[i], state->s.n))
			s->by_state[i]++;
	buf_printf(&s->lines, "{\"id\":\"");
	buf_hex(&s->lines, r->id, 16);
	buf_puts(&s->lines, "\"");
	for (size_t i = 0; i < r->n; i++)
		kv_write_json(&s->lines, &r->kv[i]);
	buf_puts(&s->lines, "}");
	s->bad += !is_json(s->lines.p + from, s->lines.len - from);
	buf_putc(&s->lines, '\n');
}

static void on_change(void *ctx, const struct drift_change *c)
{
	struct seen *s = ctx;

	assert_true(s->n_changes < MAX_CHANGES);
	snprintf(s->change[s->n_changes].feature, sizeof(s->change[0].feature), "%s", c->feature);
	s->change[s->n_changes].state = c->state;
	s->change[s->n_changes].evidence = c->evidence;
	s->change[s->n_changes].threshold = c->threshold;
	s->change[s->n_changes].effect = c->effect;
	s->change[s->n_changes].n_examples = c->n_examples;
	s->change[s->n_changes].since_ts = c->since_ts;
	s->change[s->n_changes].ts = c->ts;
	s->change[s->n_changes].baseline = c->baseline;
	s->change[s->n_changes].response = c->response;
	assert_true(c->n_examples > 0 && c->n_examples <= DRIFT_MAX_EXAMPLES);
	memcpy(s->change[s->n_changes].newest, c->examples[c->n_examples - 1], 16);
	memcpy(s->change[s->n_changes].exchange, c->exchange, 16);
	s->n_changes++;
}

static struct drift *make(struct seen *s, const struct profile *baseline, uint64_t learn)
{
	const struct drift_opts o = {
		.baseline = baseline, .learn = learn, .false_alarms = 1, .min_effect = 0.0075
	};
	const struct record_sink records = { on_record, s };
	const struct drift_sink alerts = { s, on_change };
	struct drift *d;

	memset(s, 0, sizeof(*s));
	d = drift_new(&o, &records, &alerts);
	assert_non_null(d);
	return d;
}

/* One exchange: name, value pairs in JSON. */
struct collected {
	struct feature_value v[128];
	char text[128][64];
	size_t n;
};

static void collect(void *ctx, const struct feature_value *v)
{
	struct collected *c = ctx;

	assert_true(c->n < 128 && v->name_len < 64);
	c->v[c->n] = *v;
	memcpy(c->text[c->n], v->name, v->name_len);
	c->v[c->n].name = c->text[c->n];
	c->n++;
}

static uint64_t exchange_number;

static void exchange(struct drift *d, const char *service, const char *request,
		     const char *response)
{
	static struct collected c;
	const struct feature_sink sink = { .ctx = &c, .value = collect };
	uint8_t id[16] = { 0 };
	struct drift_input in = { .service = service, .id = id };

	c.n = 0;
	if (request)
		features_from_json("request.body", request, strlen(request), &sink);
	if (response)
		features_from_json("response.body", response, strlen(response), &sink);
	exchange_number++;
	memcpy(id, &exchange_number, sizeof(exchange_number));
	in.ts = 1700000000000000000 + exchange_number * 10000000;
	in.value = c.v;
	in.n = c.n;
	drift_on_exchange(d, &in);
}

/* Six request features, one of them shifted, an output that follows it or not. */
static void send(struct drift *d, double shift, double out_shift)
{
	char request[512], response[128];

	snprintf(request, sizeof(request),
		 "{\"features\":{\"a\":%.6f,\"b\":%.6f,\"c\":%.0f,\"d\":%.6f},\"id\":%llu,\"kind\":"
		 "\"%s\","
		 "\"flag\":%s}",
		 normal(), 4.35 + 0.5 * (normal() + shift), floor(4 * uniform()), exp(normal()),
		 (unsigned long long)exchange_number, uniform() < 0.5 ? "x" : "y",
		 uniform() < 0.2 ? "true" : "false");
	snprintf(response, sizeof(response), "{\"prediction\":%.6f}", normal() + out_shift);
	exchange(d, "iris", request, response);
}

static void test_learn_drift_recover(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 500);
	const struct kv *kv;
	uint64_t changed_at;
	int i;

	(void)state;
	(void)kv;
	random_state = 1;
	exchange_number = 0;
	for (i = 0; i < 499; i++)
		send(d, 0, 0);
	/* Numbers announce that they are being learned; the rest has no detector yet. */
	assert_int_equal(s.by_state[DRIFT_LEARNING], 6);
	assert_int_equal(s.records, 6);
	send(d, 0, 0);
	/* id only rises. */
	assert_int_equal(s.by_state[DRIFT_STABLE], 5);
	assert_int_equal(drift_stats(d)->features, 5);
	for (i = 0; i < 1500; i++)
		send(d, 0, 0);
	assert_int_equal(s.n_changes, 0);
	changed_at = 1700000000000000000 + (exchange_number + 1) * 10000000;
	for (i = 0; i < 400 && !s.n_changes; i++)
		send(d, 1.4, 0);
	assert_int_equal(s.n_changes, 1);
	assert_true(i < 60);
	assert_string_equal(s.change[0].feature, "request.body.features.b");
	assert_int_equal(s.change[0].state, DRIFT_DRIFT);
	assert_true(s.change[0].evidence >= s.change[0].threshold);
	assert_true(s.change[0].threshold == 5e6);
	assert_true(s.change[0].effect.early && s.change[0].effect.mean_shift_sigma > 0.7);
	assert_false(s.change[0].baseline || s.change[0].response);
	/* The onset: within a few exchanges of the truth. */
	assert_true(llabs((long long)(s.change[0].since_ts - changed_at)) < 15 * 10000000LL);
	assert_memory_equal(s.change[0].newest, &exchange_number, sizeof(exchange_number));
	assert_memory_equal(s.change[0].exchange, &exchange_number, sizeof(exchange_number));
	assert_true(s.change[0].n_examples == DRIFT_MAX_EXAMPLES || i < DRIFT_MAX_EXAMPLES);
	/* Told again, once, when the effect is no longer early. */
	for (i = 0; i < 600; i++)
		send(d, 1.4, 0);
	assert_int_equal(s.n_changes, 2);
	assert_int_equal(s.change[1].state, DRIFT_DRIFT);
	assert_int_equal(s.change[1].effect.n, EDET_EARLY);
	assert_false(s.change[1].effect.early);
	assert_true(fabs(s.change[1].effect.mean_shift_sigma - 1.4) < 0.25);
	assert_true(s.change[1].effect.psi > 0.5 && s.change[1].effect.ks > 0.35);
	for (i = 0; i < 1000 && s.n_changes < 3; i++)
		send(d, 0, 0);
	assert_int_equal(s.n_changes, 3);
	assert_int_equal(s.change[2].state, DRIFT_RECOVERED);
	assert_int_equal(s.by_state[DRIFT_RECOVERED], 1);
	/* And it can happen again. */
	for (i = 0; i < 500; i++)
		send(d, 0, 0);
	for (i = 0; i < 200 && s.n_changes < 4; i++)
		send(d, -1.4, 0);
	assert_int_equal(s.n_changes, 4);
	assert_true(s.change[3].effect.mean_shift_sigma < -0.7);
	assert_int_equal(s.bad, 0);
	assert_int_equal(drift_stats(d)->changes, s.records);
	drift_free(d);
	buf_free(&s.lines);
}

/* Keys of the record as SPEC has them. */
static void test_record_keys(void **state)
{
	static const char *const keys[] = {
		"\"feature\":\"response.body.prediction\"",
		"\"feature.kind\":\"prediction\"",
		"\"detector\":\"rank_sr\"",
		"\"state\":\"drift\"",
		"\"evidence\":",
		"\"threshold\":5000000",
		"\"effect\":{\"psi\":",
		"\"js\":",
		"\"ks\":",
		"\"wasserstein\":",
		"\"mean_shift_sigma\":-",
		"\"early\":true",
		"\"reference\":{\"n\":",
		"\"window\":{\"n\":",
		"\"since\":\"2023-11-14T22:13:",
	};
	struct seen s;
	struct drift *d = make(&s, NULL, 300);
	char *line;

	(void)state;
	random_state = 2;
	exchange_number = 0;
	for (int i = 0; i < 500; i++)
		send(d, 0, 0);
	for (int i = 0; i < 300 && !s.n_changes; i++)
		send(d, 0, -3);
	assert_int_equal(s.n_changes, 1);
	assert_true(s.change[0].response);
	buf_putc(&s.lines, '\0');
	line = strstr(s.lines.p, "\"state\":\"drift\"");
	assert_non_null(line);
	while (line > s.lines.p && line[-1] != '\n')
		line--;
	*strchr(line, '\n') = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!strstr(line, keys[i]))
			print_message("           no %s in %s\n", keys[i], line);
		assert_non_null(strstr(line, keys[i]));
	}
	assert_true(s.by_state[DRIFT_WARNING] >= 1);
	drift_free(d);
	buf_free(&s.lines);
}

static struct profile *baseline(void)
{
	struct profile_builder *b = profile_builder_new(1, 1 << 20);
	struct profile *p;

	for (int i = 0; i < 2000; i++) {
		const struct feature_value v[] = {
			{ .name = "a", .name_len = 1, .num = normal() },
			{ .name = "b", .name_len = 1, .num = 4.35 + 0.5 * normal() },
			{ .name = "unseen", .name_len = 6, .num = normal() },
			{ .name = "kind",
			  .name_len = 4,
			  .kind = FEATURE_CATEGORICAL,
			  .str = i % 2 ? "x" : "y",
			  .str_len = 1 },
		};

		profile_row_begin(b);
		for (size_t k = 0; k < 4; k++)
			profile_row_add(b, &v[k]);
		profile_row_end(b);
	}
	p = profile_build(b, NULL);
	profile_builder_free(b);
	strcpy(p->since, "2026-11-01T00:00:00Z");
	return p;
}

/* A given reference: watched from the first exchange; the rest is learned beside it, or left out.
 */
static void test_baseline(void **state)
{
	struct profile *p;
	struct seen s;
	struct drift *d;

	(void)state;
	random_state = 3;
	p = baseline();
	for (int learn = 0; learn <= 300; learn += 300) {
		int i;

		exchange_number = 0;
		d = make(&s, p, (uint64_t)learn);
		send(d, 0, 0);
		assert_int_equal(s.by_state[DRIFT_STABLE], 2);
		assert_int_equal(drift_stats(d)->features, 2);
		send(d, 0, 0);
		assert_int_equal(s.by_state[DRIFT_LEARNING], learn ? 4 : 0);
		for (i = 0; i < 700; i++)
			send(d, 0, 0);
		assert_int_equal(s.n_changes, 0);
		assert_int_equal(drift_stats(d)->features, learn ? 5 : 2);
		for (i = 0; i < 100 && !s.n_changes; i++)
			send(d, 2, 0);
		assert_int_equal(s.n_changes, 1);
		assert_string_equal(s.change[0].feature, "request.body.features.b");
		assert_true(s.change[0].baseline);
		/* Three numbers in the baseline; half of the budget where others are learned. */
		assert_true(s.change[0].threshold == (learn ? 6e6 : 3e6));
		buf_putc(&s.lines, '\0');
		assert_non_null(strstr(s.lines.p, "\"since\":\"2026-11-01T00:00:00Z\""));
		assert_int_equal(s.bad, 0);
		drift_free(d);
		buf_free(&s.lines);
	}
	profile_free(p);
}

/* Off from the start: the baseline knows, learning would not. */
static void test_baseline_at_once(void **state)
{
	struct profile *p;
	struct seen s;
	struct drift *d;
	int i;

	(void)state;
	random_state = 4;
	p = baseline();
	d = make(&s, p, 1000);
	for (i = 0; i < 100 && !s.n_changes; i++)
		send(d, 2, 0);
	assert_true(i < 40);
	assert_string_equal(s.change[0].feature, "request.body.features.b");
	drift_free(d);
	buf_free(&s.lines);
	profile_free(p);
}

/* A response feature of the same name gives way to the request's. */
static void test_request_takes_over(void **state)
{
	struct profile *p;
	struct seen s;
	struct drift *d;
	char text[64];

	(void)state;
	random_state = 5;
	p = baseline();
	d = make(&s, p, 0);
	exchange(d, "s", NULL, "{\"b\":99}");
	for (int i = 0; i < 40; i++)
		exchange(d, "s", NULL, "{\"b\":99}");
	assert_int_equal(s.n_changes, 1); /* it stood for b, and drifted */
	snprintf(text, sizeof(text), "{\"b\":%f}", 4.35);
	exchange(d, "s", text, "{\"b\":99}");
	assert_int_equal(s.n_changes, 2);
	assert_int_equal(s.change[1].state, DRIFT_RECOVERED);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "{\"b\":%f}", 4.35 + 0.5 * normal());
		exchange(d, "s", text, "{\"b\":99}");
	}
	assert_int_equal(s.n_changes, 2);
	assert_int_equal(drift_stats(d)->features, 1);
	drift_free(d);
	buf_free(&s.lines);
	profile_free(p);
}

/* Services do not mix. */
static void test_services(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 200);
	char text[64];

	(void)state;
	random_state = 6;
	for (int i = 0; i < 1500; i++) {
		snprintf(text, sizeof(text), "{\"x\":%f}", normal());
		exchange(d, "one", text, NULL);
		snprintf(text, sizeof(text), "{\"x\":%f}", 50 + normal());
		exchange(d, "two", text, NULL);
	}
	assert_int_equal(s.n_changes, 0);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		exchange(d, name, "{\"x\":1}", NULL);
	}
	assert_true(drift_stats(d)->folded >= 200 - DRIFT_MAX_SERVICES);
	drift_free(d);
	buf_free(&s.lines);
}

/* Features that come after learning, or too many of them: counted, no trouble. */
static void test_bounds(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 100);
	char text[128];

	(void)state;
	random_state = 7;
	for (int i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "{\"x\":%f,\"k%d\":1,\"n\":null%s}", normal(), i,
			 i % 3 ? "" : ",\"x\":\"y\"");
		exchange(d, "s", text, NULL);
	}
	assert_int_equal(s.n_changes, 0);
	assert_int_equal(drift_stats(d)->features, 1);
	assert_int_equal(drift_stats(d)->folded, 2900);
	assert_int_equal(s.by_state[DRIFT_LEARNING], 1);
	assert_int_equal(s.bad, 0);
	drift_free(d);
	buf_free(&s.lines);
}

/* Keys that are data come first and take all places: the features still get theirs. */
static void test_learning_beside_noise(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 1000);
	char text[512];

	(void)state;
	random_state = 11;
	exchange_number = 0;
	for (int i = 0; i < 600; i++) {
		size_t n = 1;

		text[0] = '{';
		for (int k = 0; k < 20; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"u%d\":1",
					      k ? "," : "", 20 * i + k);
		if (i >= 100)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ",\"x\":%f", normal());
		snprintf(text + n, sizeof(text) - n, "}");
		exchange(d, "s", text, NULL);
	}
	for (int i = 600; i < 1000; i++) {
		snprintf(text, sizeof(text), "{\"x\":%f}", normal());
		exchange(d, "s", text, NULL);
	}
	assert_int_equal(drift_stats(d)->features, 1);
	assert_int_equal(s.by_state[DRIFT_LEARNING], 1);
	drift_free(d);
	buf_free(&s.lines);
}

/* Thousands of names that nobody asked for: those of the baseline still get their detectors. */
static void test_baseline_beside_noise(void **state)
{
	struct profile *p;
	struct seen s;
	struct drift *d;
	char text[128];
	int i;

	(void)state;
	random_state = 10;
	p = baseline();
	d = make(&s, p, 1000);
	for (i = 0; i < 700; i++) {
		snprintf(text, sizeof(text), "{\"k%d\":1}", i);
		exchange(d, "s", text, NULL);
	}
	for (i = 0; i < 100 && !s.n_changes; i++) {
		snprintf(text, sizeof(text), "{\"k%d\":1,\"b\":%f}", i, 6 + normal());
		exchange(d, "s", text, NULL);
	}
	assert_int_equal(s.n_changes, 1);
	assert_string_equal(s.change[0].feature, "request.body.b");
	drift_free(d);
	buf_free(&s.lines);
	profile_free(p);
}

/* The same exchanges give the same bytes. */
static void test_deterministic(void **state)
{
	struct seen s[2];

	(void)state;
	for (int round = 0; round < 2; round++) {
		struct drift *d = make(&s[round], NULL, 300);

		random_state = 8;
		exchange_number = 0;
		for (int i = 0; i < 3000; i++)
			send(d, i > 2000 ? 0.6 : 0, i > 2500 ? 1 : 0);
		drift_free(d);
	}
	assert_true(s[0].n_changes >= 2);
	assert_int_equal(s[0].lines.len, s[1].lines.len);
	assert_memory_equal(s[0].lines.p, s[1].lines.p, s[0].lines.len);
	buf_free(&s[0].lines);
	buf_free(&s[1].lines);
}

/* Every exchange the same batch: its values come in the same order for ever, and nothing changes.
 */
static void test_constant_batch(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 1000);

	(void)state;
	exchange_number = 0;
	for (int i = 0; i < 100000; i++)
		exchange(d, "s", "{\"instances\":[[1,2],[3,4],[5,6]]}",
			 "{\"predictions\":[0.1,0.7,0.2]}");
	print_message("           100,000 equal batches: %u alarms, %u warnings\n", s.n_changes,
		      s.by_state[DRIFT_WARNING]);
	assert_int_equal(drift_stats(d)->features, 3);
	assert_int_equal(s.n_changes, 0);
	assert_true(s.by_state[DRIFT_WARNING] <= 10);
	assert_int_equal(drift_stats(d)->changes, s.records);
	drift_free(d);
	buf_free(&s.lines);
}

static void send_batch(struct drift *d, double shift)
{
	char text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text), "{\"instances\":[");
	/* Rows of one client are alike: within an exchange there is little that is new. */
	const double client = normal();

	for (int k = 0; k < 50; k++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"x\":%.4f}", k ? "," : "",
				      shift + client + 0.1 * normal());
	snprintf(text + n, sizeof(text) - n, "]}");
	exchange(d, "s", text, NULL);
}

/* An exchange is one piece of evidence, whatever it carries; a list's values are no reference. */
static void test_one_value_an_exchange(void **state)
{
	struct seen s;
	struct drift *d = make(&s, NULL, 500);
	const char *n;
	int i;

	(void)state;
	random_state = 12;
	exchange_number = 0;
	for (i = 0; i < 500; i++)
		send_batch(d, 0);
	buf_putc(&s.lines, '\0');
	n = strstr(s.lines.p, "\"reference\":{\"n\":");
	assert_non_null(n);
	/* At a stride of 1, or of what chance says. */
	assert_true(atoi(n + 17) > 100 && atoi(n + 17) <= 500);
	for (i = 0; i < 6000; i++)
		send_batch(d, 0);
	assert_int_equal(s.n_changes, 0);
	for (i = 0; i < 1000 && !s.n_changes; i++)
		send_batch(d, 2);
	/* As fast as one value can say it, and no faster. */
	assert_true(i >= 5 && i < 25);
	/* No longer early at 200 values: at one an exchange at most. */
	for (i = (int)s.change[0].effect.n; i < 2000 && s.n_changes < 2; i++)
		send_batch(d, 2);
	assert_true(s.n_changes == 2 && i >= EDET_EARLY);
	drift_free(d);
	buf_free(&s.lines);
}

/* Lines of the records so far: is the n-th a different one from all before it? */
static bool ids_differ(const struct buf *lines)
{
	static char id[4096][33];
	size_t n = 0;

	for (size_t at = 0; at + 40 < lines->len && n < 4096;) {
		const char *end = memchr(lines->p + at, '\n', lines->len - at);

		memcpy(id[n], lines->p + at + 7, 32);
		for (size_t i = 0; i < n; i++)
			if (!strcmp(id[i], id[n]))
				return false;
		n++;
		at = end ? (size_t)(end - lines->p) + 1 : lines->len;
	}
	return true;
}

/* Twenty features: warnings are rare while nothing changes, and come first when something does. */
static void test_warnings(void **state)
{
	struct feature_value v[20];
	char name[20][8];
	struct seen s;
	struct drift *d = make(&s, NULL, 1000);
	unsigned warned = 0;
	uint64_t exchanges = 0;

	(void)state;
	random_state = 13;
	for (int k = 0; k < 20; k++) {
		snprintf(name[k], sizeof(name[k]), "f%d", k);
		v[k] = (struct feature_value){ .name = name[k], .name_len = strlen(name[k]) };
	}
	for (int run = 0; run < 10; run++) {
		char service[16];
		unsigned before;
		int i;

		snprintf(service, sizeof(service), "s%d", run);
		s.n_changes = 0;
		for (i = 0; i < 12000; i++) {
			uint8_t id[16] = { 0 };
			const struct drift_input in = {
				.service = service, .id = id, .ts = ++exchanges, .value = v, .n = 20
			};

			memcpy(id, &exchanges, sizeof(exchanges));
			for (int k = 0; k < 20; k++)
				v[k].num = normal();
			if (i >= 11000) {
				v[7].num += 0.5 + 0.5 * run;
				before = s.by_state[DRIFT_WARNING];
			}
			drift_on_exchange(d, &in);
			if (i == 10999)
				before = s.by_state[DRIFT_WARNING];
			/* Which it was: the state of the exchange before the alarm's. */
			if (s.n_changes)
				break;
		}
		assert_int_equal(s.n_changes, 1);
		assert_string_equal(s.change[0].feature, "f7");
		assert_true(i >= 11000);
		assert_int_equal(before, s.by_state[DRIFT_WARNING]);
		warned += s.by_state[DRIFT_WARNING];
		s.by_state[DRIFT_WARNING] = 0;
	}
	/* Ten alarms, each after a warning, and 110,000 unchanged exchanges. */
	print_message("           10 shifts and 110,000 unchanged exchanges of 20 features: "
		      "%u warnings, %u taken back\n",
		      warned, s.by_state[DRIFT_STABLE] - 200);
	assert_true(warned >= 9 && warned <= 10 + 11);
	assert_true(s.by_state[DRIFT_STABLE] - 200 <= 11);
	assert_true(ids_differ(&s.lines));
	assert_int_equal(s.bad, 0);
	drift_free(d);
	buf_free(&s.lines);
}

/* The promise is the whole feature set's: eight features, 400,000 exchanges, short references. */
static void test_promise(void **state)
{
	struct feature_value v[8];
	uint8_t id[16] = { 0 };
	struct seen s;
	struct drift *d = make(&s, NULL, 150);
	unsigned alarms = 0, exchanges = 0;

	(void)state;
	random_state = 9;
	for (int k = 0; k < 8; k++) {
		static const char *const name[] = { "a", "b", "c", "d", "e", "f", "g", "h" };

		v[k] = (struct feature_value){ .name = name[k], .name_len = 1 };
	}
	for (int run = 0; run < 20; run++) {
		char service[16];

		snprintf(service, sizeof(service), "s%d", run);
		s.n_changes = 0;
		for (int i = 0; i < 10000; i++) {
			const struct drift_input in = {
				.service = service, .id = id, .ts = ++exchanges, .value = v, .n = 8
			};
			const double common = normal();

			for (int k = 0; k < 8; k++)
				v[k].num = common + (k % 2 ? normal() : exp(normal()));
			drift_on_exchange(d, &in);
		}
		for (unsigned i = 0; i < s.n_changes; i++)
			alarms += s.change[i].state == DRIFT_DRIFT && s.change[i].effect.early;
	}
	print_message("           200,000 exchanges of 8 features: %u alarms, %u warnings\n",
		      alarms, s.by_state[DRIFT_WARNING]);
	assert_true(alarms <= 1);
	drift_free(d);
	buf_free(&s.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn_drift_recover),
		cmocka_unit_test(test_record_keys),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_baseline_at_once),
		cmocka_unit_test(test_request_takes_over),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_baseline_beside_noise),
		cmocka_unit_test(test_learning_beside_noise),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_constant_batch),
		cmocka_unit_test(test_one_value_an_exchange),
		cmocka_unit_test(test_warnings),
		cmocka_unit_test(test_promise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
