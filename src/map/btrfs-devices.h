/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chunk tree and the device tree of a btrfs, which tell the same from both ends: where on the
 * devices the chunks lie, and what of each device is taken ("Btrees" of the btrfs documentation).
 */
#pragma once

#include "map/btrfs-tree.h"

/*
 * Read the chunk tree: all chunks go into @chunks, which is empty, and the devices that it knows
 * must be those of @chunks, no fewer and no more.
 */
bool btrfs_devices_read_chunks(struct btrfs_reader *reader, BtrfsChunks *chunks, GError **error);

/*
 * See that the device tree, whose root is @root, agrees with the chunks, and that no device is
 * being replaced: WHERRY_ERROR_DAMAGED or _UNSUPPORTED.
 */
bool btrfs_devices_check_extents(struct btrfs_reader *reader, const struct btrfs_ref *root,
				 GError **error);
