/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_draw.c - choices that a replay repeats: fair, within bounds, the same everywhere. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/draw.h"

/* splitmix64's own test vector (seed 1234567): versions and machines must agree. */
static void test_same_everywhere(void **state)
{
	(void)state;
	assert_true(draw_u64(1234567, 0) == 6457827717110365317u);
	assert_true(draw_u64(1234567, 1) == 3203168211198807973u);
	assert_true(draw_u64(1234567, 4) == 16408922859458223821u);
}

static void test_uniform(void **state)
{
	double sum = 0, low = 1, high = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++) {
		const double u = draw_uniform(42, i);

		assert_true(u >= 0 && u < 1);
		sum += u;
		low = fmin(low, u);
		high = fmax(high, u);
	}
	assert_true(fabs(sum / 100000 - 0.5) < 0.005);
	assert_true(low < 1e-3 && high > 1 - 1e-3);
}

/* Whatever the number of values, each is left as often; chi-square, 0.999 quantiles at most. */
static void test_choice_is_fair(void **state)
{
	const uint32_t sizes[] = { 1, 2, 3, 7, 50 };
	const double limit[] = { 1, 10.9, 13.9, 22.5, 85.4 };
	enum { ROWS = 30000 };

	(void)state;
	for (int s = 0; s < 5; s++) {
		double count[50] = { 0 }, x2 = 0, pairs = 0;
		uint32_t last = 0;

		for (uint64_t row = 0; row < ROWS; row++) {
			uint32_t taken = 0;

			for (uint32_t k = 1; k <= sizes[s]; k++)
				if (draw_instead(99, row, k))
					taken = k;
			assert_true(taken >= 1);
			count[taken - 1]++;
			pairs += row && taken == last;
			last = taken;
		}
		for (uint32_t k = 0; k < sizes[s]; k++)
			x2 += pow(count[k] - (double)ROWS / sizes[s], 2) /
			      ((double)ROWS / sizes[s]);
		assert_true(x2 < limit[s]);
		/* Rows do not follow each other: five standard deviations. */
		if (sizes[s] > 1)
			assert_true(fabs(pairs - (double)ROWS / sizes[s]) <
				    5 * sqrt((double)ROWS / sizes[s]));
	}
}

static void test_gaps(void **state)
{
	(void)state;
	for (unsigned stride = 1; stride < 200; stride++) {
		const unsigned least = (stride + 1) / 2, most = 3 * stride / 2;
		unsigned low = UINT32_MAX, high = 0;
		double sum = 0;

		for (uint64_t i = 0; i < 4000; i++) {
			const unsigned gap = draw_gap(7, i, stride);

			low = gap < low ? gap : low;
			high = gap > high ? gap : high;
			sum += gap;
		}
		assert_int_equal(low, least);
		assert_int_equal(high, most);
		/* Five standard deviations of the mean of a uniform number. */
		assert_true(fabs(sum / 4000 - stride) <= 5 * stride / sqrt(12 * 4000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_everywhere),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_choice_is_fair),
		cmocka_unit_test(test_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
