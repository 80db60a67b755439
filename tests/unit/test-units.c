/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers as they are shown, around each change of unit. */
#include "unit.h"

#include "base/units.h"

static void test_bytes(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *want;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ 1023 * 1024, "1.0 MiB" },
		{ UINT64_C(12) << 30, "12.0 GiB" },
		{ UINT64_MAX, "16.0 EiB" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = units_bytes(cases[i].bytes);

		assert_string_equal(got, cases[i].want);
	}
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *want;
	} cases[] = {
		{ 0, "0 s" },
		{ 59, "59 s" },
		{ 60, "1 min 00 s" },
		{ 3599, "59 min 59 s" },
		{ 11220, "3 h 07 min" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *got = units_duration(cases[i].seconds);

		assert_string_equal(got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_duration),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
