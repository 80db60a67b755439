/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node of a tree: a leaf, which holds items, or an internal one, which refers to others ("On-disk
 * Format" of the btrfs documentation, "Internal Node" and "Leaf Node").
 */
#pragma once

#include "map/btrfs-super.h"

struct btrfs_key {
	uint64_t object;
	uint8_t type; /* enum btrfs_item_type, or one that is not looked at */
	uint64_t offset;
};

#define BTRFS_KEY_FIRST ((struct btrfs_key){ 0, 0, 0 })
#define BTRFS_KEY_LAST  ((struct btrfs_key){ UINT64_MAX, UINT8_MAX, UINT64_MAX })

/* As strcmp(). */
int btrfs_key_compare(struct btrfs_key a, struct btrfs_key b);

struct btrfs_item {
	struct btrfs_key key;
	const uint8_t *data; /* in the node */
	size_t size;
};

/*
 * Whether @block, of super->node_size bytes, is the node that @ref means, and whole: its checksum,
 * what it says of itself, keys that ascend, and items that fill it from its end without a gap.
 * Else WHERRY_ERROR_DAMAGED.  Only one that was checked may be given to those below.
 */
bool btrfs_node_check(const struct btrfs_super *super, const struct btrfs_ref *ref,
		      const uint8_t *block, GError **error);

/* How many items or references it has: of an internal one, one at least. */
uint32_t btrfs_node_count(const uint8_t *block);

struct btrfs_key btrfs_node_key(const uint8_t *block, uint32_t i);

/* Of a leaf. */
struct btrfs_item btrfs_node_item(const uint8_t *block, uint32_t i);

/* Of an internal node: that of the same tree one level below. */
struct btrfs_ref btrfs_node_ref(const uint8_t *block, uint32_t i);
