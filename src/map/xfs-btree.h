/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks a free space B+tree of an allocation group of XFS, and checks it on the way. */
#pragma once

#include "map/xfs-super.h"

enum xfs_btree_kind {
	XFS_BTREE_BNO, /* by block */
	XFS_BTREE_CNT, /* by length, then by block */
};

struct xfs_btree {
	const Volume *volume;
	const struct xfs_super *super;
	uint32_t ag;
	enum xfs_btree_kind kind;
	uint32_t root;  /* block of the group */
	uint32_t depth; /* 1: the root is a leaf */

	/* Blocks [@start, @start + @count) of the group are free; never empty, within the group. */
	bool (*found)(uint32_t start, uint32_t count, void *userdata, GError **error);
	/* @block of the group belongs to the tree. */
	void (*node)(uint32_t block, void *userdata);
	void *userdata;
};

/* Calls @found in the order of the tree, in which no two overlap if it is by block. */
bool xfs_btree_walk(const struct xfs_btree *tree, GError **error);
