/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which clusters are counted, and that a block starts from nothing when its array comes again. */
#include "unit.h"

#include "image/image-refcounts.h"

#define CLUSTER ((uint64_t)IMAGE_CLUSTER_SIZE)
#define RANGE   QCOW2_REFCOUNTS_BYTES

/* Seal the oldest range: its counts @i and @i + 1 are @first and @second. */
static void check_block(ImageRefcounts *refcounts, uint64_t offset, size_t i, uint16_t first,
			uint16_t second)
{
	g_autofree be16 *block = g_new(be16, QCOW2_REFCOUNTS);
	size_t n = 0;

	image_refcounts_seal(refcounts, offset, block);
	for (size_t j = 0; j < QCOW2_REFCOUNTS; j++)
		n += be16_get(block[j]);
	assert_int_equal(be16_get(block[i]), first);
	assert_int_equal(be16_get(block[i + 1]), second);
	assert_int_equal(n, first + second);
}

static void test_ranges(void **state)
{
	g_autoptr(ImageRefcounts) refcounts = image_refcounts_new();

	assert_true(image_refcounts_range_end(refcounts) == RANGE);
	image_refcounts_add(refcounts, 0, CLUSTER);     /* 0 */
	image_refcounts_add(refcounts, CLUSTER - 1, 1); /* 0 */
	image_refcounts_add(refcounts, CLUSTER - 1, 2); /* 0 and 1 */
	image_refcounts_add(refcounts, RANGE, 1);       /* the next range */
	check_block(refcounts, 7 * CLUSTER, 0, 3, 1);
	assert_true(image_refcounts_range_end(refcounts) == 2 * RANGE);

	image_refcounts_add(refcounts, 2 * RANGE - 1, 2); /* from one range into another */
	image_refcounts_add(refcounts, RANGE, CLUSTER);
	image_refcounts_add(refcounts, 2 * RANGE - 1, 1);
	image_refcounts_add(refcounts, 2 * RANGE - CLUSTER, CLUSTER);
	image_refcounts_add(refcounts, 2 * RANGE + CLUSTER - 1, 1);
	assert_int_equal(image_refcounts_sealed(refcounts), 1);
	{
		g_autofree be16 *block = g_new(be16, QCOW2_REFCOUNTS);

		image_refcounts_seal(refcounts, 9 * CLUSTER, block);
		assert_int_equal(be16_get(block[0]), 2);
		assert_int_equal(be16_get(block[1]), 0);
		assert_int_equal(be16_get(block[QCOW2_REFCOUNTS - 1]), 3);
	}
	check_block(refcounts, 11 * CLUSTER, 0, 2, 0);
	assert_int_equal(image_refcounts_sealed(refcounts), 3);
	assert_true(be64_get(image_refcounts_table_entry(refcounts, 0)) == 7 * CLUSTER);
	assert_true(be64_get(image_refcounts_table_entry(refcounts, 2)) == 11 * CLUSTER);
}

/* Ranges that are kept open have room, up to 65,535 references a cluster; those sealed have none.
 */
static void test_room(void **state)
{
	g_autoptr(ImageRefcounts) refcounts = image_refcounts_new();

	assert_false(image_refcounts_is_full(refcounts, RANGE - CLUSTER));
	assert_true(image_refcounts_is_full(refcounts, RANGE));
	image_refcounts_keep_open(refcounts, 4);
	assert_false(image_refcounts_is_full(refcounts, 3 * RANGE - CLUSTER));
	assert_true(image_refcounts_is_full(refcounts, 3 * RANGE));

	for (unsigned int i = 0; i < 65535; i++) {
		assert_true(image_refcounts_has_room(refcounts, 2 * RANGE, CLUSTER + 1));
		image_refcounts_add(refcounts, 2 * RANGE, 1);
	}
	assert_false(image_refcounts_has_room(refcounts, 2 * RANGE, 1));
	assert_false(image_refcounts_has_room(refcounts, 2 * RANGE - 1, 2));
	assert_true(image_refcounts_has_room(refcounts, 2 * RANGE - 1, 1));
	assert_true(image_refcounts_has_room(refcounts, 0, CLUSTER));
	check_block(refcounts, 7 * CLUSTER, 0, 0, 0);
	assert_false(image_refcounts_has_room(refcounts, RANGE - 1, 2));
	assert_true(image_refcounts_has_room(refcounts, RANGE, 2));
	check_block(refcounts, 8 * CLUSTER, 0, 0, 0);
	check_block(refcounts, 9 * CLUSTER, 0, 65535, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests_name("image-refcounts", tests, NULL, NULL);
}
