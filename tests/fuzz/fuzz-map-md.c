/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as two members of an md array.  Checksums are put right first, or nothing would be
 * behind them.  Whatever comes out, each member is whole, or its superblock and all that no array
 * covers is in use.
 */
#include "fuzz-members.h"

#include "map/layer-md-priv.h"

#define MEMBER_SIZE (UINT64_C(40) << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void mend(struct members_input *input, unsigned int i, enum md_version version)
{
	uint64_t offset = md_super_offset(MEMBER_SIZE, version);
	size_t at = MD_SUPER_0_CHECKSUM, len = MD_SUPER_SIZE;
	uint8_t super[MD_SUPER_SIZE], bytes[4];
	uint32_t sum;

	if (!volume_read(input->volumes[i], offset, super, sizeof(super), NULL) ||
	    memcmp(super, "\xfc\x4e\x2b\xa9", 4) != 0)
		return;
	if (version != MD_0_90) {
		at = MD_SUPER_1_CHECKSUM;
		len = md_super_1_length(super);
		if (len == 0)
			return;
	}
	sum = md_checksum(super, len, at);
	for (unsigned int j = 0; j < 4; j++)
		bytes[j] = (uint8_t)(sum >> (8 * j));
	members_input_write(input->disks[i]->fd, bytes, 4, offset + at);
}

static void check_member(const struct members_input *input, unsigned int i)
{
	const char *how = input->members[i].how;
	uint64_t used = used_map_count(input->used[i], 0, MEMBER_SIZE);
	struct md_super super;

	g_assert_nonnull(how);
	if (g_str_has_prefix(how, "carried whole: ")) {
		g_assert_cmpuint(used, ==, MEMBER_SIZE);
		return;
	}
	g_assert_true(md_super_read(input->volumes[i], &super, NULL));
	g_assert_cmpuint(used, ==, MEMBER_SIZE - super.data_size);
	g_assert_cmpuint(used_map_count(input->used[i], super.offset, MD_SUPER_SIZE), ==,
			 MD_SUPER_SIZE);
}

/* All of an array can be read, and said to be in use; then all of its mirrors is. */
static void check_volume(const struct members_input *input, const Volume *volume)
{
	char byte;

	g_assert_cmpuint(volume->size, >, 0);
	g_assert_cmpuint(volume->size, <, MEMBER_SIZE);
	g_assert_true(g_utf8_validate(volume->name, -1, NULL));
	g_assert_true(volume_read(volume, volume->size - 1, &byte, 1, NULL));
	volume_use(volume, 0, volume->size);
	g_assert_cmpuint(volume_count_used(volume, 0, volume->size), ==, volume->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct members_input input = { .layer = &map_layer_md, .size = MEMBER_SIZE };

	members_input_open(&input, data, size);
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		for (enum md_version v = MD_0_90; v <= MD_1_2; v++)
			mend(&input, i, v);
	members_input_assemble(&input, false);
	members_input_assemble(&input, true);
	for (unsigned int i = 0; i < N_MEMBERS; i++)
		check_member(&input, i);
	for (unsigned int i = 0; i < input.found->len; i++)
		check_volume(&input,
			     ((struct layer_volume *)g_ptr_array_index(input.found, i))->volume);
	for (unsigned int i = 0; input.found->len > 0 && i < N_MEMBERS; i++)
		if (strstr(input.members[i].how, "clean"))
			g_assert_cmpuint(used_map_count(input.used[i], 0, MEMBER_SIZE), ==,
					 MEMBER_SIZE);
	members_input_close(&input);
	return 0;
}
