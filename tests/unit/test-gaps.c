/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What touches grows together, and there are never more than a manifest may have. */
#include "unit.h"

#include "bundle/manifest.h"
#include "capture/gaps.h"

static void add(GArray *gaps, uint64_t offset, uint64_t length)
{
	const struct extent gap = { offset, length };

	gaps_add(gaps, &gap);
}

static void test_touching(void **state)
{
	g_autoptr(GArray) gaps = g_array_new(false, false, sizeof(struct extent));

	assert_false(gaps_touch(gaps, 0, UINT64_MAX));
	add(gaps, 512, 512);
	add(gaps, 1024, 1024);
	assert_int_equal(gaps->len, 1);
	add(gaps, 4096, 1);
	assert_int_equal(gaps->len, 2);
	assert_int_equal(gaps_bytes(gaps), 1537);
	assert_false(gaps_touch(gaps, 0, 512));
	assert_true(gaps_touch(gaps, 0, 513));
	assert_true(gaps_touch(gaps, 2047, 1));
	assert_false(gaps_touch(gaps, 2048, 2048));
	assert_true(gaps_touch(gaps, 4096, 1));
	assert_false(gaps_touch(gaps, 4097, 100));
}

static void test_too_many(void **state)
{
	g_autoptr(GArray) gaps = g_array_new(false, false, sizeof(struct extent));
	const struct extent *last;

	for (uint64_t i = 0; i < MANIFEST_MAX_GAPS + 5; i++)
		add(gaps, i * 1024, 512);
	assert_int_equal(gaps->len, MANIFEST_MAX_GAPS);
	last = &g_array_index(gaps, struct extent, gaps->len - 1);
	assert_int_equal(last->offset, (MANIFEST_MAX_GAPS - 1) * 1024);
	assert_int_equal(last->length, 5 * 1024 + 512);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_touching),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("gaps", tests, NULL, NULL);
}
