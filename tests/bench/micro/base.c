// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* bench_base.c - rates of the JSON tokenizer and writer and of rendering a record, best of several
 * runs. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "output/output.h"

#define RUNS 15

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report(const char *what, double seconds, size_t bytes, size_t things)
{
	printf("%-34s %8.0f MB/s %10.1f ns each\n", what, (double)bytes / seconds / 1e6,
	       seconds / (double)things * 1e9);
}

static void read_document(const char *what, const struct buf *doc, bool skip)
{
	double best = 1e9;
	size_t tokens = 1;

	for (int run = 0; run < RUNS; run++) {
		double start = now();
		struct json_reader r;
		struct json_token t;

		json_open(&r, doc->p, doc->len);
		json_next(&r, &t);
		tokens = 1;
		if (skip)
			json_skip(&r);
		else
			while (json_next(&r, &t) < JSON_DONE)
				tokens++;
		start = now() - start;
		best = start < best ? start : best;
	}
	report(what, best, doc->len, tokens);
}

static void numbers(void)
{
	struct buf b = { 0 };

	json_arr(&b);
	for (int i = 0; i < 100000; i++)
		json_f64(&b, (double)random() / RAND_MAX);
	json_arr_end(&b);
	read_document("read 17-digit numbers", &b, false);
	buf_clear(&b);
	json_arr(&b);
	for (int i = 0; i < 200000; i++)
		json_f64(&b, (double)(random() % 1000000) / 1000);
	json_arr_end(&b);
	read_document("read numbers with 3 decimals", &b, false);
	read_document("skip them", &b, true);
	buf_free(&b);
}

static void objects(void)
{
	struct buf b = { 0 };

	json_arr(&b);
	for (int i = 0; i < 20000; i++) {
		json_obj(&b);
		json_key(&b, "sepal_len");
		json_f64(&b, 5.1);
		json_key(&b, "petal_len");
		json_f64(&b, 1.4);
		json_key(&b, "species");
		json_cstr(&b, "setosa");
		json_obj_end(&b);
	}
	json_arr_end(&b);
	read_document("read small objects", &b, false);
	read_document("skip them", &b, true);
	buf_free(&b);
}

static void text(void)
{
	struct buf prompt = { 0 }, b = { 0 };
	double best = 1e9;

	for (int i = 0; i < 20000; i++)
		buf_puts(&prompt, i % 14 ? "hello world " : "a \"quoted\" line\n");
	for (int run = 0; run < RUNS; run++) {
		double start = now();

		buf_clear(&b);
		json_str(&b, prompt.p, prompt.len);
		start = now() - start;
		best = start < best ? start : best;
	}
	report("write text", best, prompt.len, 1);
	read_document("read text", &b, false);
	buf_free(&prompt);
	buf_free(&b);
}

static void record(const struct format *f)
{
	void *state = f->open ? f->open(false) : NULL;
	struct buf b = { 0 };
	double best = 1e9;
	struct record r;
	char what[40];

	for (int run = 0; run < RUNS; run++) {
		double start = now();

		for (int i = 0; i < 10000; i++) {
			record_init(&r, RECORD_EXCHANGE, 1700000000000000000);
			record_cstr(&r, "exchange.role", "server");
			record_cstr(&r, "exchange.outcome", "ok");
			for (int k = 0; k < 12; k++) {
				record_u64(&r, "http.response.status_code", 200);
				record_cstr(&r, "url.path", "/v1/predict");
				record_ns(&r, "duration", 12345678);
			}
			record_cstr(&r, "http.request.method", "POST");
			record_cstr(&r, "request.body", "{\"sepal_len\":5.1,\"petal_len\":1.4}");
			buf_clear(&b);
			f->record(state, &r, &b);
		}
		start = now() - start;
		best = start < best ? start : best;
	}
	snprintf(what, sizeof(what), "render a record of %zu keys, %s", r.n, f->name);
	report(what, best, b.len * 10000, 10000);
	buf_free(&b);
	if (f->close)
		f->close(state);
}

int main(void)
{
	srandom(1);
	numbers();
	objects();
	text();
	for (size_t i = 0; format_table[i]; i++)
		record(format_table[i]);
	return 0;
}
