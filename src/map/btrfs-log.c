/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing else that a log holds speaks of space: inodes, names, and checksums of the extents.  The
 * replay writes only what the extent tree, which is read then, has as free.
 */
#include "map/btrfs-log.h"

#include "base/error.h"
#include "map/btrfs-root.h"

#include <inttypes.h>
#include <string.h>

static bool use_data(const struct btrfs_reader *reader, const struct btrfs_item *item,
		     const struct btrfs_disk_file_extent *disk, GError **error)
{
	if (le64_get(disk->bytenr) == 0)
		return true; /* a hole */
	if (btrfs_chunks_use(reader->chunks, le64_get(disk->bytenr), le64_get(disk->disk_bytes),
			     error))
		return true;
	g_prefix_error(error, "log of inode %" PRIu64 ": ", item->key.object);
	return false;
}

static bool take_item(const struct btrfs_item *item, void *userdata, GError **error)
{
	struct btrfs_disk_file_extent disk = { .type = UINT8_MAX };

	if (item->key.type != BTRFS_EXTENT_DATA)
		return true;
	memcpy(&disk, item->data, MIN(item->size, sizeof(disk)));
	if (disk.encryption == 0 && disk.type == BTRFS_FILE_INLINE)
		return true;
	if (disk.encryption == 0 && item->size == sizeof(disk) &&
	    (disk.type == BTRFS_FILE_REGULAR || disk.type == BTRFS_FILE_PREALLOC))
		return use_data(userdata, item, &disk, error);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "btrfs whose log has an extent of type %u, encryption %u and %zu bytes",
		    disk.type, disk.encryption, item->size);
	return false;
}

static bool take_root(const struct btrfs_item *item, void *userdata, GError **error)
{
	struct btrfs_reader *reader = userdata;
	struct btrfs_ref root;

	if (item->key.object != BTRFS_LOG_TREE || item->key.type != BTRFS_ROOT_ITEM) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose tree of logs has items of type %u", item->key.type);
		return false;
	}
	return btrfs_root_read(item, &root, error) &&
	       btrfs_tree_walk(reader, &root, BTRFS_KEY_FIRST, BTRFS_KEY_LAST, take_item, reader,
			       error);
}

bool btrfs_log_use(struct btrfs_reader *reader, const struct btrfs_ref *root, GError **error)
{
	return btrfs_tree_walk(reader, root, BTRFS_KEY_FIRST, BTRFS_KEY_LAST, take_root, reader,
			       error);
}
