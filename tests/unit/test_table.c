// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* test_table.c - the tables against a plain array, their bounds, and the LRU order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/table.h"

static uint64_t rng(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

#define KEYS 300

static void agrees_with_an_array(void **state)
{
	int mark[4];
	void *want[KEYS] = { 0 };
	size_t len = 0;
	struct table t;
	uint64_t s = 11;

	(void)state;
	table_init(&t, 200);
	for (unsigned i = 0; i < 200000; i++) {
		/* phases of growing and of shrinking, so that both fill and emptiness are met */
		bool put = rng(&s) % 8 < (i / 5000 % 2 ? 6u : 2u);
		uint64_t k = rng(&s) % KEYS;
		void *v = &mark[rng(&s) % 4];

		if (put) {
			int r = table_put(&t, k << 32, v);

			if (!want[k] && len == 200) {
				assert_int_equal(r, -ENOSPC);
			} else {
				assert_int_equal(r, 0);
				len += !want[k];
				want[k] = v;
			}
		} else {
			assert_ptr_equal(table_del(&t, k << 32), want[k]);
			len -= want[k] != NULL;
			want[k] = NULL;
		}
		k = rng(&s) % KEYS;
		assert_ptr_equal(table_get(&t, k << 32), want[k]);
		assert_int_equal(t.len, len);
		if (i % 1000 == 0) {
			size_t n = 0;

			for (size_t at = 0; table_next(&t, &at);)
				n++;
			assert_int_equal(n, len);
			for (k = 0; k < KEYS; k++)
				assert_ptr_equal(table_get(&t, k << 32), want[k]);
		}
	}
	table_free(&t);
}

static void strings_agree_with_an_array(void **state)
{
	int mark[4];
	void *want[KEYS] = { 0 };
	char key[KEYS][24];
	size_t len = 0;
	struct strtab t;
	uint64_t s = 5;

	(void)state;
	strtab_init(&t, 1000);
	for (int i = 0; i < KEYS; i++)
		memset(key[i], 'a' + i % 7, sizeof(key[i]));
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t k = rng(&s) % KEYS;
		size_t n = k / 7 % 24; /* equal beginnings, other lengths, the empty key too */
		bool put = rng(&s) % 8 < (i / 5000 % 2 ? 6u : 2u);
		void *v = &mark[rng(&s) % 4];

		k = n ? n * 7 + k % 7 : 0; /* one number for each distinct key */
		if (put) {
			assert_int_equal(strtab_put(&t, key[k % 7], n, v), 0);
			len += !want[k];
			want[k] = v;
		} else {
			assert_ptr_equal(strtab_del(&t, key[k % 7], n), want[k]);
			len -= want[k] != NULL;
			want[k] = NULL;
		}
		assert_ptr_equal(strtab_get(&t, key[k % 7], n), want[k]);
		assert_int_equal(t.len, len);
	}
	for (size_t at = 0, n, seen = 0;;) {
		const char *p;
		void *v = strtab_next(&t, &at, &p, &n);

		if (!v) {
			assert_int_equal(seen, len);
			break;
		}
		assert_ptr_equal(strtab_get(&t, p, n), v);
		seen++;
	}
	strtab_free(&t);
	assert_null(strtab_get(&t, "x", 1));
}

static void full_tables_say_so(void **state)
{
	struct strtab st;
	struct table t;
	int v;

	(void)state;
	table_init(&t, 0);
	assert_int_equal(table_put(&t, 1, &v), -ENOSPC);
	assert_null(table_get(&t, 1));
	assert_null(table_del(&t, 1));
	table_free(&t);
	strtab_init(&st, 1);
	assert_int_equal(strtab_put(&st, "a", 1, &v), 0);
	assert_int_equal(strtab_put(&st, "b", 1, &v), -ENOSPC);
	assert_int_equal(strtab_put(&st, "a", 1, &t), 0);
	assert_ptr_equal(strtab_get(&st, "a", 1), &t);
	strtab_free(&st);
}

static void lru_order(void **state)
{
	struct lru_node n[3] = { 0 };
	struct lru l;

	(void)state;
	lru_init(&l);
	assert_null(lru_oldest(&l));
	lru_remove(&n[0]); /* zeroed: harmless */
	for (int i = 0; i < 3; i++)
		lru_touch(&l, &n[i]);
	assert_ptr_equal(lru_oldest(&l), &n[0]);
	lru_touch(&l, &n[0]);
	assert_ptr_equal(lru_oldest(&l), &n[1]);
	lru_remove(&n[1]);
	lru_remove(&n[1]);
	assert_ptr_equal(lru_oldest(&l), &n[2]);
	lru_remove(&n[2]);
	lru_remove(&n[0]);
	assert_null(lru_oldest(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_an_array),
		cmocka_unit_test(strings_agree_with_an_array),
		cmocka_unit_test(full_tables_say_so),
		cmocka_unit_test(lru_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
