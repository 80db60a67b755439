/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extent tree of a btrfs: every extent of data and every node of a tree is an item of it.  That
 * none is missing is shown by the block groups, one for each chunk, which say how many of their
 * bytes are in use ("Btrees" of the btrfs documentation, EXTENT_ITEM, METADATA_ITEM and
 * BLOCK_GROUP_ITEM).
 *
 * The chunks of the chunk tree itself, SYSTEM, are like any other in this.
 */
#pragma once

#include "map/btrfs-tree.h"

typedef struct btrfs_extents BtrfsExtents;

/* @chunks are borrowed.  @node_size: bytes. */
BtrfsExtents *btrfs_extents_new(const BtrfsChunks *chunks, uint32_t node_size);

/*
 * An item of the extent tree or of the block group tree (a btrfs_item_fn; @extents is the
 * BtrfsExtents): what it describes is in use.  Items of one tree come in order.
 */
bool btrfs_extents_take(const struct btrfs_item *item, void *extents, GError **error);

/*
 * When all items were taken: whether the block groups are the chunks, count what was taken, and are
 * in sum the @used bytes of the superblock.
 */
bool btrfs_extents_check(const BtrfsExtents *extents, uint64_t used, GError **error);

void btrfs_extents_free(BtrfsExtents *extents);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BtrfsExtents, btrfs_extents_free)
