/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices of a btrfs as one small input (fuzz-members.h), and their checksums put right after
 * something was changed, or nothing would be tried behind them.
 */
#pragma once

#include "fuzz-members.h"

#include "map/btrfs-checksum.h"
#include "map/btrfs-disk.h"

#define BTRFS_MEMBER_SIZE (UINT64_C(128) << 20)
#define BTRFS_SUPER_AT    (UINT64_C(64) << 10)

static inline void btrfs_input_open(struct members_input *input, const uint8_t *data, size_t size)
{
	*input = (struct members_input){ .layer = &map_layer_btrfs, .size = BTRFS_MEMBER_SIZE };
	members_input_open(input, data, size);
}

static inline void btrfs_input_sign(const struct members_input *input, unsigned int member,
				    enum btrfs_checksum type, uint64_t offset, size_t size)
{
	g_autofree uint8_t *block = g_malloc(size);
	uint8_t sum[BTRFS_CHECKSUM_SIZE];

	if (!volume_read(input->volumes[member], offset, block, size, NULL))
		return;
	btrfs_checksum_make(type, block, size, sum);
	members_input_write(input->disks[member]->fd, sum, sizeof(sum), offset);
}

/* What begins as a node does, wherever there is something. */
static inline void btrfs_input_mend_nodes(const struct members_input *input, unsigned int member,
					  const struct btrfs_disk_super *super,
					  enum btrfs_checksum type, const uint8_t *data,
					  size_t size)
{
	const size_t fsid_at = offsetof(struct btrfs_disk_header, fsid);
	uint32_t node_size = le32_get(super->node_size);

	for (size_t at = 0; at + RECORD_SIZE <= size; at += RECORD_SIZE) {
		uint32_t number = le32_get(*(const le32 *)(data + at));
		uint64_t offset = (number & INT32_MAX) * UINT64_C(512);

		if (number >> 31 == member && offset % 4096 == 0 && offset != BTRFS_SUPER_AT &&
		    memcmp(data + at + 4 + fsid_at, super->fsid, sizeof(super->fsid)) == 0)
			btrfs_input_sign(input, member, type, offset, node_size);
	}
}

/* @data and @size: of what the input was made. */
static inline void btrfs_input_mend(const struct members_input *input, const uint8_t *data,
				    size_t size)
{
	for (unsigned int i = 0; i < N_MEMBERS; i++) {
		struct btrfs_disk_super super;
		unsigned int type;

		g_assert_true(
		    volume_read(input->volumes[i], BTRFS_SUPER_AT, &super, sizeof(super), NULL));
		type = le16_get(super.checksum_type);
		if (!btrfs_checksum_known(type))
			continue;
		btrfs_input_sign(input, i, (enum btrfs_checksum)type, BTRFS_SUPER_AT,
				 sizeof(super));
		if (le32_get(super.node_size) >= 4096 && le32_get(super.node_size) <= 65536)
			btrfs_input_mend_nodes(input, i, &super, (enum btrfs_checksum)type, data,
					       size);
	}
}
