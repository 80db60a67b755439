/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items of every version begin alike; the times and UUIDs behind that are not needed. */
#include "map/btrfs-root.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

bool btrfs_root_read(const struct btrfs_item *item, struct btrfs_ref *ret, GError **error)
{
	struct btrfs_disk_root disk;

	if (item->size >= sizeof(disk)) {
		memcpy(&disk, item->data, sizeof(disk));
		*ret = (struct btrfs_ref){ item->key.object, le64_get(disk.bytenr),
					   le64_get(disk.generation), disk.level };
		if (disk.level <= BTRFS_MAX_LEVEL)
			return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose tree %" PRIu64
		    " has a root item of %zu bytes that cannot be right",
		    item->key.object, item->size);
	return false;
}

/* The last one, of several. */
static bool take_root(const struct btrfs_item *item, void *userdata, GError **error)
{
	return btrfs_root_read(item, userdata, error);
}

bool btrfs_root_find(struct btrfs_reader *reader, uint64_t owner, struct btrfs_ref *ret,
		     GError **error)
{
	struct btrfs_ref found = { .bytenr = 0 };

	if (!btrfs_tree_walk(reader, &reader->super->root_tree,
			     (struct btrfs_key){ owner, BTRFS_ROOT_ITEM, 0 },
			     (struct btrfs_key){ owner, BTRFS_ROOT_ITEM, UINT64_MAX }, take_root,
			     &found, error))
		return false;
	if (found.bytenr == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs without tree %" PRIu64, owner);
		return false;
	}
	*ret = found;
	return true;
}
