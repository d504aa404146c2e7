// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_sample.c - head and tail depend on the message and its gaps, never on how it was split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/sample.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

#define MSG 20000

static char msg[MSG];

static void fill(void)
{
	uint64_t s = 99;

	for (size_t i = 0; i < MSG; i++)
		msg[i] = (char)rng(&s);
}

static void check(const struct sample *s, size_t limit, const char *head, size_t head_len,
		  const char *tail, size_t tail_len, uint64_t total)
{
	struct buf out = { 0 };

	assert_int_equal(s->head.len, head_len);
	assert_int_equal(s->total, total);
	if (head_len)
		assert_memory_equal(s->head.p, head, head_len);
	sample_tail(s, &out);
	assert_int_equal(out.len, tail_len);
	if (tail_len) {
		assert_memory_equal(out.p, tail, tail_len);
		assert_int_equal(s->tail_from, total - tail_len);
	}
	assert_int_equal(sample_omitted(s), total - head_len - tail_len);
	assert_int_equal(sample_whole(s), head_len == total);
	assert_true(head_len + tail_len <= limit);
	buf_free(&out);
}

static void add_split(struct sample *s, size_t limit, const char *p, size_t n, uint64_t *seed)
{
	while (n) {
		size_t k = 1 + rng(seed) % (rng(seed) % 3 ? 40 : 5000);

		k = k < n ? k : n;
		sample_add(s, limit, p, k);
		p += k;
		n -= k;
	}
}

/* No gap: all of it up to limit, else the first half of limit and the last. */
static void any_split_gives_the_same(void **state)
{
	uint64_t seed = 4;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		size_t limit = i % 10 == 0 ? rng(&seed) % 9 : rng(&seed) % 9000;
		size_t n = i % 3 ? rng(&seed) % MSG : limit + rng(&seed) % 3;
		struct sample s = { 0 };

		add_split(&s, limit, msg, n, &seed);
		if (n <= limit)
			check(&s, limit, msg, n, NULL, 0, n);
		else
			check(&s, limit, msg, limit / 2, msg + n - (limit - limit / 2),
			      limit - limit / 2, n);
		assert_int_equal(s.shown, n);
		assert_false(s.gap_in_head);
		sample_free(&s);
	}
}

/* Gaps: head up to the first one, tail from the last one, whatever the split; gaps may be split
 * too. */
static void gaps_end_the_head_and_restart_the_tail(void **state)
{
	uint64_t seed = 8;

	(void)state;
	for (unsigned i = 0; i < 4000; i++) {
		size_t limit = rng(&seed) % 6000, most = limit - limit / 4, head, tail;
		size_t a = rng(&seed) % 8000, b = rng(&seed) % 4000;
		uint64_t gap = 1 + rng(&seed) % 100000;
		struct sample s = { 0 };

		add_split(&s, limit, msg, a, &seed);
		sample_gap(&s, limit, gap / 3);
		sample_gap(&s, limit, 0);
		sample_gap(&s, limit, gap - gap / 3);
		add_split(&s, limit, msg + 10000, b, &seed);
		head = a <= limit ? (a < most ? a : most) : limit / 2;
		tail = b < limit - head ? b : limit - head;
		check(&s, limit, msg, head, msg + 10000 + b - tail, tail, a + gap + b);
		assert_int_equal(s.shown, a + b);
		assert_int_equal(s.gap_in_head, a <= limit);
		sample_free(&s);
	}
}

static void memory_follows_what_arrives(void **state)
{
	struct sample s = { 0 };

	(void)state;
	sample_add(&s, 16384, msg, 10);
	assert_true(sample_memory(&s) <= 1024);
	sample_add(&s, 16384, msg, 3000);
	assert_true(sample_memory(&s) <= 4096);
	sample_reset(&s);
	assert_true(sample_memory(&s) <= 4096);
	assert_int_equal(s.total, 0);
	assert_true(sample_whole(&s));
	for (int i = 0; i < 100; i++)
		sample_add(&s, 16384, msg, 10000);
	assert_true(sample_memory(&s) <= 16384 + 8192);
	sample_reset(&s);
	assert_true(sample_memory(&s) <= 8192);
	sample_free(&s);
}

/* A sample that was used before gives the same as a new one. */
static void reset_forgets(void **state)
{
	struct sample s = { 0 };
	uint64_t seed = 2;

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		size_t limit = 1000, n = rng(&seed) % 4000;

		if (rng(&seed) % 3 == 0)
			sample_gap(&s, limit, 5);
		add_split(&s, limit, msg, rng(&seed) % 6000, &seed);
		sample_reset(&s);
		add_split(&s, limit, msg, n, &seed);
		if (n <= limit)
			check(&s, limit, msg, n, NULL, 0, n);
		else
			check(&s, limit, msg, 500, msg + n - 500, 500, n);
		sample_reset(&s);
	}
	sample_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_split_gives_the_same),
		cmocka_unit_test(gaps_end_the_head_and_restart_the_tail),
		cmocka_unit_test(memory_follows_what_arrives),
		cmocka_unit_test(reset_forgets),
	};

	fill();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
