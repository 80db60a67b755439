/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each extent is counted for the block group that it is in. */
#include "map/btrfs-extents.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

/* Who refers to an extent, where that does not fit into its item. */
#define EXTENT_OWNER_REF 172
#define TREE_BLOCK_REF   176
#define EXTENT_DATA_REF  178
#define SHARED_BLOCK_REF 182
#define SHARED_DATA_REF  184

/* Of a chunk. */
struct group {
	bool is_there;
	uint64_t used; /* bytes, by its item */
	uint64_t sum;  /* bytes, of the extents in it */
};

struct btrfs_extents {
	const BtrfsChunks *chunks;
	uint32_t node_size;
	struct group *groups; /* as many as there are chunks */
	uint64_t end;         /* of the last extent */
};

BtrfsExtents *btrfs_extents_new(const BtrfsChunks *chunks, uint32_t node_size)
{
	BtrfsExtents *extents = g_new0(BtrfsExtents, 1);

	extents->chunks = chunks;
	extents->node_size = node_size;
	extents->groups = g_new0(struct group, chunks->chunks->len);
	return extents;
}

void btrfs_extents_free(BtrfsExtents *extents)
{
	if (!extents)
		return;
	g_free(extents->groups);
	g_free(extents);
}

static struct group *group_of(const BtrfsExtents *extents, const struct btrfs_chunk *chunk)
{
	const struct btrfs_chunk *first =
	    &g_array_index(extents->chunks->chunks, struct btrfs_chunk, 0);

	return extents->groups + (chunk - first);
}

static bool take_extent(BtrfsExtents *extents, const struct btrfs_item *item, uint64_t length,
			GError **error)
{
	uint64_t start = item->key.object;
	const struct btrfs_chunk *chunk = btrfs_chunks_find(extents->chunks, start, length);
	uint32_t unit = extents->chunks->sector_size;

	if (!chunk || length == 0 || start < extents->end || start % unit != 0 ||
	    length % unit != 0 || item->size < sizeof(struct btrfs_disk_extent)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs with an extent of %" PRIu64 " bytes at %" PRIu64
			    ", which is in no chunk or over another",
			    length, start);
		return false;
	}
	extents->end = start + length;
	group_of(extents, chunk)->sum += length;
	return btrfs_chunks_use(extents->chunks, start, length, error);
}

static bool take_group(BtrfsExtents *extents, const struct btrfs_item *item, GError **error)
{
	uint64_t start = item->key.object, length = item->key.offset;
	const struct btrfs_chunk *chunk = btrfs_chunks_find(extents->chunks, start, length);
	struct btrfs_disk_group disk;

	if (item->size == sizeof(disk) && chunk && chunk->logical == start &&
	    chunk->length == length) {
		struct group *group = group_of(extents, chunk);

		memcpy(&disk, item->data, sizeof(disk));
		if (le64_get(disk.flags) == chunk->type && !group->is_there) {
			group->is_there = true;
			group->used = le64_get(disk.used);
			return true;
		}
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose block group of %" PRIu64 " bytes at %" PRIu64 " is no chunk",
		    length, start);
	return false;
}

bool btrfs_extents_take(const struct btrfs_item *item, void *userdata, GError **error)
{
	BtrfsExtents *extents = userdata;

	switch (item->key.type) {
	case BTRFS_EXTENT_ITEM:
		return take_extent(extents, item, item->key.offset, error);
	case BTRFS_METADATA_ITEM:
		return take_extent(extents, item, extents->node_size, error);
	case BTRFS_BLOCK_GROUP_ITEM:
		return take_group(extents, item, error);
	case EXTENT_OWNER_REF:
	case TREE_BLOCK_REF:
	case EXTENT_DATA_REF:
	case SHARED_BLOCK_REF:
	case SHARED_DATA_REF:
		return true;
	default:
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose extent tree has items of type %u", item->key.type);
		return false;
	}
}

bool btrfs_extents_check(const BtrfsExtents *extents, uint64_t used, GError **error)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < extents->chunks->chunks->len; i++) {
		const struct btrfs_chunk *chunk =
		    &g_array_index(extents->chunks->chunks, struct btrfs_chunk, i);
		const struct group *group = &extents->groups[i];

		sum += group->sum;
		if (group->is_there && group->used == group->sum)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose block group at %" PRIu64 " has %" PRIu64
			    " bytes in use%s, and extents of %" PRIu64,
			    chunk->logical, group->used, group->is_there ? "" : ", or is missing",
			    group->sum);
		return false;
	}
	if (sum == used)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs with %" PRIu64
		    " bytes in use by its superblock, and extents of %" PRIu64,
		    used, sum);
	return false;
}
