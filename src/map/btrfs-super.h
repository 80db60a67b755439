/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the superblock of a device says of it and of its filesystem.
 *
 * The kernel mounts by the first of the copies, at 64 KiB; the others, at 64 MiB and 256 GiB, are
 * for rescue.  They are written after it, and not at all when only files are fsynced.
 */
#pragma once

#include "map/btrfs-checksum.h"
#include "map/btrfs-disk.h"
#include "map/volume.h"

#define BTRFS_SUPER_COPIES 3

/* Where a node lies, and what it must say of itself. */
struct btrfs_ref {
	uint64_t owner;  /* the id of its tree */
	uint64_t bytenr; /* logical; 0: there is none */
	uint64_t generation;
	uint8_t level; /* BTRFS_MAX_LEVEL at most */
};

struct btrfs_super {
	uint8_t fsid[16];
	uint8_t metadata_uuid[16]; /* what nodes and devices have instead, if it was changed */
	uint64_t generation;
	uint64_t used_bytes;             /* by all block groups, each copy once */
	uint32_t sector_size, node_size; /* bytes; powers of two, 4 KiB to 64 KiB */
	enum btrfs_checksum checksum;
	bool has_group_tree;
	struct btrfs_ref root_tree, chunk_tree, log_tree; /* their roots */
	char label[256];                                  /* printable */

	uint64_t n_devices;
	uint64_t device; /* the id of this one; 0: one that is to replace another */
	uint8_t device_uuid[16];
	uint64_t device_size; /* bytes; of the volume it uses no more, and has no fewer */

	uint8_t sys_array[BTRFS_SYS_ARRAY_SIZE]; /* chunks to start with, as they lie on the disk */
	uint32_t sys_array_size;
};

/* Where copy @i lies. */
uint64_t btrfs_super_offset(unsigned int i);

/*
 * Read and check the superblock of @volume, and see that none of its copies is newer.  It fails
 * with what makes it impossible to know what is in use: WHERRY_ERROR_DAMAGED or _UNSUPPORTED.
 */
bool btrfs_super_read(const Volume *volume, struct btrfs_super *ret, GError **error);
