/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* test_budget.c - what is taken and given back adds up, in parts of parts too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/budget.h"

static void takes_up_to_its_bound(void **state)
{
	struct budget b = { .max = 100 };

	(void)state;
	assert_true(budget_take(&b, 60));
	assert_false(budget_take(&b, 41));
	assert_int_equal(b.used, 60);
	assert_true(budget_take(&b, 40));
	assert_false(budget_take(&b, 1));
	assert_false(budget_take(&b, SIZE_MAX));
	budget_give(&b, 100);
	assert_int_equal(b.used, 0);
	assert_false(budget_take(&b, SIZE_MAX));
}

static void a_part_takes_from_the_whole(void **state)
{
	struct budget all = { .max = 100 };
	struct budget one = { .max = 70, .up = &all }, other = { .max = 70, .up = &all };

	(void)state;
	assert_true(budget_take(&one, 70));
	assert_false(budget_take(&one, 1));
	assert_false(budget_take(&other, 31));
	assert_int_equal(other.used, 0);
	assert_true(budget_take(&other, 30));
	assert_int_equal(all.used, 100);
	budget_give(&one, 70);
	assert_int_equal(all.used, 30);
	assert_true(budget_take(&other, 40));
}

static void none_has_no_limit(void **state)
{
	(void)state;
	assert_true(budget_take(NULL, SIZE_MAX));
	budget_give(NULL, SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_up_to_its_bound),
		cmocka_unit_test(a_part_takes_from_the_whole),
		cmocka_unit_test(none_has_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
