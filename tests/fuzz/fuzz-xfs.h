/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An XFS as the sectors of it (fuzz_lay_out()).  tests/fuzz/record-xfs makes such a file.
 */
#pragma once

#include "fuzz-volume.h"
#include "map/xfs-format.h"

#include <ext2fs/ext2fs.h>
#include <string.h>

/* The checksum that lies @at bytes into the @size bytes at @offset is put right. */
static inline void xfs_mend_one(int fd, uint64_t offset, size_t size, size_t at)
{
	g_autofree uint8_t *data = g_malloc0(size);
	le32 crc = le32_make(0);

	if (offset + size > FUZZ_VOLUME_SIZE)
		return;
	g_assert_cmpint(pread(fd, data, size, (off_t)offset), ==, (ssize_t)size);
	memcpy(data + at, &crc, sizeof(crc));
	crc = le32_make(~ext2fs_crc32c_le(~0u, data, size));
	g_assert_cmpint(pwrite(fd, &crc, sizeof(crc), (off_t)(offset + at)), ==, sizeof(crc));
}

/* Of the structure of version 5 that begins at @offset, if one does. */
static inline void xfs_mend_at(int fd, uint64_t offset, size_t sector_size, size_t block_size)
{
	be32 magic;

	g_assert_cmpint(pread(fd, &magic, sizeof(magic), (off_t)offset), ==, sizeof(magic));
	switch (be32_get(magic)) {
	case XFS_MAGIC_SUPER:
		xfs_mend_one(fd, offset, sector_size, offsetof(struct xfs_disk_super, crc));
		break;
	case XFS_MAGIC_AGF:
		xfs_mend_one(fd, offset, sector_size, offsetof(struct xfs_disk_agf, crc));
		break;
	case XFS_MAGIC_AGFL:
		xfs_mend_one(fd, offset, sector_size, offsetof(struct xfs_disk_agfl, crc));
		break;
	case XFS_MAGIC_BNO_CRC:
	case XFS_MAGIC_CNT_CRC:
		xfs_mend_one(fd, offset, block_size, offsetof(struct xfs_disk_btree, crc));
		break;
	default:
		break;
	}
}

/* All checksums but those of the log; @data: what was laid out. */
static inline void xfs_mend(int fd, const uint8_t *data, size_t size)
{
	struct xfs_disk_super sb;
	uint32_t block_size, sector_size;

	g_assert_cmpint(pread(fd, &sb, sizeof(sb), 0), ==, sizeof(sb));
	block_size = be32_get(sb.block_size);
	sector_size = be16_get(sb.sector_size);
	if ((be16_get(sb.version) & 0xf) != 5 || block_size < 512 || block_size > 65536 ||
	    sector_size < 512)
		return;
	for (size_t at = 0; at + FUZZ_RECORD_SIZE <= size; at += FUZZ_RECORD_SIZE) {
		uint64_t offset = le32_get(*(const le32 *)(data + at)) * UINT64_C(512);

		if (offset < FUZZ_VOLUME_SIZE)
			xfs_mend_at(fd, offset, sector_size, block_size);
	}
}
