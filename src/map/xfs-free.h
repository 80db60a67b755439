/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is free in the allocation groups of XFS. */
#pragma once

#include "map/xfs-btree.h"

/*
 * Say volume_use() for all of group @ag but what its B+tree of free space by block number says is
 * free, and only if that agrees with the counts in the group's header, with the B+tree by length,
 * and with where both of them and the free list lie.  Blocks of the free list are in use.
 */
bool xfs_free_use_group(const Volume *volume, const struct xfs_super *super, uint32_t ag,
			GError **error);
