/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to numbers and back. */
#include "unit.h"

#include "base/be.h"

static void test_order(void **state)
{
	const be16 small = { { 0xf2, 0x34 } };
	const be32 middle = { { 0xf2, 0x34, 0x56, 0x78 } };
	const be64 large = { { 0xf1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } };
	const be16 back16 = be16_make(0xf234);
	const be32 back32 = be32_make(UINT32_C(0xf2345678));
	const be64 back64 = be64_make(UINT64_C(0xf123456789abcdef));

	assert_int_equal(be16_get(small), 0xf234);
	assert_int_equal(be32_get(middle), UINT32_C(0xf2345678));
	assert_true(be64_get(large) == UINT64_C(0xf123456789abcdef));
	assert_memory_equal(&back16, &small, sizeof(small));
	assert_memory_equal(&back32, &middle, sizeof(middle));
	assert_memory_equal(&back64, &large, sizeof(large));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order) };

	return cmocka_run_group_tests_name("be", tests, NULL, NULL);
}
