/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The superblock of XFS, checked, and what follows from it. */
#pragma once

#include "map/volume.h"
#include "map/xfs-format.h"

struct xfs_super {
	uint32_t version;     /* 4 or 5, which has checksums */
	uint32_t block_size;  /* bytes */
	uint32_t sector_size; /* bytes: of the headers of an allocation group */
	bool has_rmap;        /* there is a B+tree of reverse mapping */
	uint64_t blocks;
	uint32_t ag_blocks; /* of each allocation group but the last */
	uint32_t ag_count;
	uint32_t log_ag, log_block, log_blocks; /* where the log lies, whole, in one of them */
	uint8_t uuid[XFS_UUID_SIZE];            /* as the log has it */
	uint8_t meta_uuid[XFS_UUID_SIZE];       /* as all else has it */
};

/*
 * Read the superblock.  What is not known, or not carried by its map (a real-time volume, a log
 * elsewhere), fails with WHERRY_ERROR_UNSUPPORTED.  What @ret holds fits @volume and itself.
 */
bool xfs_super_read(const Volume *volume, struct xfs_super *ret, GError **error);

/* The copy at the start of every other allocation group says the same. */
bool xfs_super_check_copies(const Volume *volume, const struct xfs_super *super, GError **error);

/* How many blocks group @ag has, and where on the volume block @block of it lies, in bytes. */
uint32_t xfs_ag_blocks(const struct xfs_super *super, uint32_t ag);
uint64_t xfs_offset(const struct xfs_super *super, uint32_t ag, uint64_t block);

/* Blocks at the start of each group that hold its headers. */
uint32_t xfs_header_blocks(const struct xfs_super *super);

/* Whether the checksum of @size bytes at @data is the one that lies @at bytes into them. */
bool xfs_crc_is_right(const uint8_t *data, size_t size, size_t at);
