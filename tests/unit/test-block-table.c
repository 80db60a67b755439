/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit.h"

#include "map/block-table.h"

/* Ascending, each block once, and of several values the last. */
static void test_last_value(void **state)
{
	g_autoptr(BlockTable) table = block_table_new(100);

	for (uint64_t i = 0; i < 1000; i++)
		assert_true(block_table_set(table, 7 * i % 100, i));
	block_table_sort(table);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(block_table_nth(table, i)->block, i);
		assert_int_equal(7 * block_table_nth(table, i)->value % 100, i);
		assert_true(block_table_nth(table, i)->value >= 900);
	}
	assert_null(block_table_nth(table, 100));
}

static void test_full(void **state)
{
	g_autoptr(BlockTable) table = block_table_new(100);
	unsigned int n = 0;

	while (n < 1000 && block_table_set(table, n, 0))
		n++;
	assert_in_range(n, 100, 200);
}

static void test_find(void **state)
{
	g_autoptr(BlockTable) table = block_table_new(100);

	block_table_sort(table);
	assert_false(block_table_has(table, 0, UINT64_MAX));
	assert_true(block_table_set(table, UINT64_MAX, 0));
	assert_true(block_table_set(table, 20, 0));
	assert_true(block_table_set(table, 10, 0));
	block_table_sort(table);
	assert_int_equal(block_table_find(table, 0), 0);
	assert_int_equal(block_table_find(table, 10), 0);
	assert_int_equal(block_table_find(table, 11), 1);
	assert_int_equal(block_table_find(table, 21), 2);
	assert_false(block_table_has(table, 0, 10));
	assert_true(block_table_has(table, 0, 11));
	assert_true(block_table_has(table, 10, 1));
	assert_false(block_table_has(table, 11, 9));
	assert_true(block_table_has(table, UINT64_MAX, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_value),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests_name("block-table", tests, NULL, NULL);
}
