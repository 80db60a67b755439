/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel sees to when it mounts: fs/btrfs/volumes.c, btrfs_verify_dev_extents(). */
#include "map/btrfs-devices.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

struct chunk_walk {
	const struct btrfs_super *super;
	BtrfsChunks *chunks;
	unsigned int n_devices;
};

static bool take_device(struct chunk_walk *walk, const struct btrfs_item *item, GError **error)
{
	struct btrfs_disk_device disk;
	const struct btrfs_device *device;
	int i;

	if (item->size != sizeof(disk)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose device %" PRIu64 " has an item of %zu bytes",
			    item->key.offset, item->size);
		return false;
	}
	memcpy(&disk, item->data, sizeof(disk));
	if (memcmp(disk.fsid, walk->super->metadata_uuid, sizeof(disk.fsid)) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs that has grown from a seed, on its device %" PRIu64,
			    le64_get(disk.id));
		return false;
	}
	i = btrfs_chunks_find_device(walk->chunks, le64_get(disk.id));
	if (i < 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose device %" PRIu64 " is not among the disks",
			    le64_get(disk.id));
		return false;
	}
	device = &g_array_index(walk->chunks->devices, struct btrfs_device, i);
	if (item->key.offset != device->id || le64_get(disk.total_bytes) != device->size ||
	    memcmp(disk.uuid, device->uuid, sizeof(disk.uuid)) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose device %" PRIu64 " has %" PRIu64
			    " bytes by its superblock, and %" PRIu64
			    " or another UUID by the chunk tree",
			    device->id, device->size, le64_get(disk.total_bytes));
		return false;
	}
	walk->n_devices++; /* no other has this key */
	return true;
}

static bool take_chunk_item(const struct btrfs_item *item, void *userdata, GError **error)
{
	struct chunk_walk *walk = userdata;

	if (item->key.type == BTRFS_DEVICE_ITEM && item->key.object == BTRFS_DEVICES)
		return take_device(walk, item, error);
	if (item->key.type == BTRFS_CHUNK_ITEM && item->key.object == BTRFS_FIRST_CHUNK_TREE)
		return btrfs_chunks_add(walk->chunks, item->key.offset, item->data, item->size,
					error);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "btrfs whose chunk tree has items of type %u", item->key.type);
	return false;
}

bool btrfs_devices_read_chunks(struct btrfs_reader *reader, BtrfsChunks *chunks, GError **error)
{
	struct chunk_walk walk = { reader->super, chunks, 0 };

	if (!btrfs_tree_walk(reader, &reader->super->chunk_tree, BTRFS_KEY_FIRST, BTRFS_KEY_LAST,
			     take_chunk_item, &walk, error))
		return false;
	if (walk.n_devices == chunks->devices->len)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs of %u devices, of which the chunk tree has %u", chunks->devices->len,
		    walk.n_devices);
	return false;
}

struct extent_walk {
	const BtrfsChunks *chunks;
	uint64_t device, end; /* of the last extent */
	unsigned int n_extents;
};

static bool check_not_replaced(const struct btrfs_item *item, GError **error)
{
	struct btrfs_disk_replace disk = { .source_device = le64_make(0) };
	uint64_t state;

	memcpy(&disk, item->data, MIN(item->size, sizeof(disk)));
	state = le64_get(disk.state);
	if (state != BTRFS_REPLACE_STARTED && state != BTRFS_REPLACE_SUSPENDED)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "btrfs whose device %" PRIu64 " is being replaced",
		    le64_get(disk.source_device));
	return false;
}

static bool has_stripe(const BtrfsChunks *chunks, const struct btrfs_chunk *chunk, uint64_t device,
		       struct extent extent)
{
	int index = btrfs_chunks_find_device(chunks, device);

	if (index < 0 || btrfs_chunk_stripe_length(chunk) != extent.length)
		return false;
	for (unsigned int i = 0; i < chunk->n_stripes; i++) {
		const struct btrfs_stripe *stripe = btrfs_chunk_stripe(chunks, chunk, i);

		if (stripe->device == (uint32_t)index && stripe->offset == extent.offset)
			return true;
	}
	return false;
}

static bool take_extent(struct extent_walk *walk, const struct btrfs_item *item, GError **error)
{
	uint64_t device = item->key.object, offset = item->key.offset, length = 0, logical = 0;
	const struct btrfs_chunk *chunk = NULL;
	struct btrfs_disk_device_extent disk;

	if (item->size == sizeof(disk)) {
		memcpy(&disk, item->data, sizeof(disk));
		length = le64_get(disk.length);
		logical = le64_get(disk.chunk_offset);
		chunk = btrfs_chunks_find(walk->chunks, logical, length);
	}
	/* Keys ascend: one that is over another is over the one before it. */
	if (!chunk || chunk->logical != logical ||
	    !has_stripe(walk->chunks, chunk, device, (struct extent){ offset, length }) ||
	    (device == walk->device && offset < walk->end)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose device %" PRIu64 " has %" PRIu64 " bytes taken at %" PRIu64
			    ", where no chunk lies alone",
			    device, length, offset);
		return false;
	}
	walk->device = device;
	walk->end = offset + length;
	walk->n_extents++;
	return true;
}

static bool take_device_item(const struct btrfs_item *item, void *userdata, GError **error)
{
	if (item->key.type == BTRFS_DEVICE_REPLACE)
		return check_not_replaced(item, error);
	if (item->key.type == BTRFS_DEVICE_EXTENT)
		return take_extent(userdata, item, error);
	return true; /* counts of errors */
}

bool btrfs_devices_check_extents(struct btrfs_reader *reader, const struct btrfs_ref *root,
				 GError **error)
{
	struct extent_walk walk = { .chunks = reader->chunks };

	if (!btrfs_tree_walk(reader, root, BTRFS_KEY_FIRST, BTRFS_KEY_LAST, take_device_item, &walk,
			     error))
		return false;
	if (walk.n_extents == reader->chunks->stripes->len)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose chunks have %u stripes, of which %u are in the device tree",
		    reader->chunks->stripes->len, walk.n_extents);
	return false;
}
