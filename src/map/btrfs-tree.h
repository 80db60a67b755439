/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The items of a tree, in order.  Each node is read from the first of its copies that is right, and
 * all of its copies are in use.  What is read is bounded: all trees together are not larger than
 * the chunks.
 */
#pragma once

#include "map/btrfs-chunks.h"
#include "map/btrfs-node.h"

struct btrfs_reader {
	const struct btrfs_super *super; /* borrowed, as is the other */
	const BtrfsChunks *chunks;       /* those that the nodes are in */
	uint64_t nodes_left;             /* no more are read: there is no room for more */
};

struct btrfs_reader btrfs_reader_start(const struct btrfs_super *super, const BtrfsChunks *chunks);

/* False, with @error: the walk ends.  What @item points at lives until then. */
typedef bool btrfs_item_fn(const struct btrfs_item *item, void *userdata, GError **error);

/*
 * Call @fn with each item of the tree whose root is @root, and whose key is neither less than @from
 * nor more than @to.  It fails when no copy of a node is right (WHERRY_ERROR_DAMAGED, or what
 * reading it said), or when @fn does.
 */
bool btrfs_tree_walk(struct btrfs_reader *reader, const struct btrfs_ref *root,
		     struct btrfs_key from, struct btrfs_key to, btrfs_item_fn *fn, void *userdata,
		     GError **error);
