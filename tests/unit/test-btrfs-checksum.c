/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The digests of "abc": SHA-256 is that of FIPS 180-4, BLAKE2b-256 is by `b2sum -l 256`, CRC-32C
 * and xxHash64 are of their authors' test vectors.
 */
#include "unit.h"

#include "map/btrfs-checksum.h"

#include <string.h>

#define ABC_SIZE (BTRFS_CHECKSUM_SIZE + 3)

static const struct {
	enum btrfs_checksum type;
	size_t size;
	uint8_t sum[BTRFS_CHECKSUM_SIZE];
} known[] = {
	{ BTRFS_CRC32C, 4, { 0xb7, 0x3f, 0x4b, 0x36 } },
	{ BTRFS_XXHASH64, 8, { 0x99, 0x09, 0x77, 0xad, 0xf5, 0x2c, 0xbc, 0x44 } },
	{ BTRFS_SHA256, 32, { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
			      0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
			      0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad } },
	{ BTRFS_BLAKE2B, 32, { 0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
			       0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb,
			       0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0, 0x68, 0xd5, 0x23, 0x19 } },
};

static void test_known(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
		uint8_t block[ABC_SIZE] = { 0 }, sum[BTRFS_CHECKSUM_SIZE];

		memcpy(block + BTRFS_CHECKSUM_SIZE, "abc", 3);
		btrfs_checksum_make(known[i].type, block, sizeof(block), sum);
		assert_memory_equal(sum, known[i].sum, sizeof(sum));
		assert_false(btrfs_checksum_verify(known[i].type, block, sizeof(block)));
		memcpy(block, known[i].sum, sizeof(sum));
		assert_true(btrfs_checksum_verify(known[i].type, block, sizeof(block)));

		/* What is behind a short one is nobody's, what it covers is not. */
		for (size_t at = 0; at < sizeof(block); at++) {
			bool covered = at < known[i].size || at >= BTRFS_CHECKSUM_SIZE;

			block[at] ^= 1;
			assert_int_equal(btrfs_checksum_verify(known[i].type, block, sizeof(block)),
					 !covered);
			block[at] ^= 1;
		}
	}
}

static void test_types(void **state)
{
	assert_true(btrfs_checksum_known(0));
	assert_true(btrfs_checksum_known(3));
	assert_false(btrfs_checksum_known(4));
	assert_false(btrfs_checksum_known(65535));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests_name("btrfs-checksum", tests, NULL, NULL);
}
