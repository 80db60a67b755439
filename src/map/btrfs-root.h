/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the roots of the trees are ("Btrees" of the btrfs documentation, ROOT_ITEM). */
#pragma once

#include "map/btrfs-tree.h"

/* The root that @item, a ROOT_ITEM, is of; its owner is the object of the key. */
bool btrfs_root_read(const struct btrfs_item *item, struct btrfs_ref *ret, GError **error);

/* That of the tree @owner, which there must be, in the root tree. */
bool btrfs_root_find(struct btrfs_reader *reader, uint64_t owner, struct btrfs_ref *ret,
		     GError **error);
