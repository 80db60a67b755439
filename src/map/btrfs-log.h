/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log tree of a btrfs: what was fsynced since the last commit, and is not in the extent tree.
 * The kernel replays it when it mounts, and for that it needs the nodes of the log and the data
 * that the log names.
 *
 *	superblock --> log root tree --> a log tree for each subvolume --> EXTENT_DATA --> data
 *
 * As the replay reads it: fs/btrfs/tree-log.c of the kernel, btrfs_recover_log_trees().
 */
#pragma once

#include "map/btrfs-tree.h"

/* All nodes of the log, whose root is @root, and all extents that it names are in use. */
bool btrfs_log_use(struct btrfs_reader *reader, const struct btrfs_ref *root, GError **error);
