/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes to numbers and back. */
#include "unit.h"

#include "base/le.h"

static void test_order(void **state)
{
	const le16 small = { { 0x34, 0x12 } };
	const le32 middle = { { 0x78, 0x56, 0x34, 0xf2 } };
	const le64 large = { { 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0xf1 } };
	const le32 back32 = le32_make(UINT32_C(0xf2345678));
	const le64 back64 = le64_make(UINT64_C(0xf123456789abcdef));

	assert_int_equal(le16_get(small), 0x1234);
	assert_int_equal(le32_get(middle), UINT32_C(0xf2345678));
	assert_true(le64_get(large) == UINT64_C(0xf123456789abcdef));
	assert_memory_equal(&back32, &middle, sizeof(middle));
	assert_memory_equal(&back64, &large, sizeof(large));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_order) };

	return cmocka_run_group_tests_name("le", tests, NULL, NULL);
}
