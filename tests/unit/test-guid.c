/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mixed order of bytes, by the GUID of the EFI system partition (UEFI 2.10, table 5-7). */
#include "unit.h"

#include "base/guid.h"

static void test_text(void **state)
{
	static const struct guid esp = { { 0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba,
					   0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b } };
	g_autofree char *text = guid_to_text(&esp);

	assert_string_equal(text, "c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text) };

	return cmocka_run_group_tests_name("guid", tests, NULL, NULL);
}
