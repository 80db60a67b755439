/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as two devices of btrfs, of the same filesystem or not.  Whatever comes out, each is
 * carried whole, or what no tree speaks of is in use.  test-layer-btrfs.c sees to it that valid-*
 * are followed.
 */
#include "fuzz-btrfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_member(const struct members_input *input, unsigned int i)
{
	const char *how = input->members[i].how;
	UsedMap *used = input->used[i];

	g_assert_nonnull(how);
	if (g_str_has_prefix(how, "carried whole: ")) {
		g_assert_cmpuint(used_map_count(used, 0, input->size), ==, input->size);
		return;
	}
	g_assert_cmpuint(used_map_count(used, 0, BTRFS_RESERVED), ==, BTRFS_RESERVED);
	g_assert_cmpuint(used_map_count(used, UINT64_C(64) << 20, BTRFS_SUPER_SIZE), ==,
			 BTRFS_SUPER_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct members_input input;

	btrfs_input_open(&input, data, size);
	btrfs_input_mend(&input, data, size);
	members_input_assemble(&input, false);
	members_input_assemble(&input, true);
	g_assert_cmpuint(input.found->len, ==, 0);
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		check_member(&input, i);
	members_input_close(&input);
	return 0;
}
