/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The trees are those in memory, so what was allocated is in them, once its transaction has come so
 * far.  How their items are read is told in btrfs-chunks.h and btrfs-extents.h; only that the
 * counts of the block groups agree is not asked for: those of a filesystem in use lag.
 */
#include "map/mounted-btrfs.h"

#include "base/error.h"
#include "map/btrfs-extents.h"
#include "map/btrfs-super.h"
#include "map/mounted-ioctl.h"

#include <inttypes.h>
#include <string.h>

/* An item is not larger than a node, which has 64 KiB at most. */
#define BUFFER_SIZE (128u << 10)

#define TRIES 5

typedef struct btrfs_ioctl_search_args_v2 Search;

static Search *search_new(uint64_t tree)
{
	Search *search = g_malloc0(sizeof(*search) + BUFFER_SIZE);

	search->buf_size = BUFFER_SIZE;
	search->key.tree_id = tree;
	search->key.max_objectid = search->key.max_offset = UINT64_MAX;
	search->key.max_transid = UINT64_MAX;
	search->key.max_type = UINT8_MAX;
	return search;
}

/* From the key behind @last on; false: there is none. */
static bool search_advance(Search *search, const struct btrfs_key *last)
{
	struct btrfs_ioctl_search_key *key = &search->key;

	key->min_objectid = last->object;
	key->min_type = last->type;
	key->min_offset = last->offset + 1;
	if (key->min_offset == 0)
		key->min_type++;
	if (key->min_type > UINT8_MAX) {
		key->min_type = 0;
		key->min_objectid++;
	}
	return key->min_offset != 0 || key->min_type != 0 || key->min_objectid != 0;
}

/* Hand all items of an answer to @fn; @ret_last: the key of the last one. */
static bool take_items(const Search *search, btrfs_item_fn *fn, void *userdata,
		       struct btrfs_key *ret_last, GError **error)
{
	const uint8_t *at = (const uint8_t *)search->buf, *end = at + BUFFER_SIZE;
	struct btrfs_ioctl_search_header header;
	struct btrfs_item item;

	for (uint32_t i = 0; i < search->key.nr_items; i++) {
		if ((size_t)(end - at) >= sizeof(header))
			memcpy(&header, at, sizeof(header));
		if ((size_t)(end - at) < sizeof(header) ||
		    (size_t)(end - at) - sizeof(header) < header.len || header.type > UINT8_MAX) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "the kernel answers with %" PRIu32
				    " items of a btrfs, and there are %" PRIu32,
				    search->key.nr_items, i);
			return false;
		}
		item.key =
		    (struct btrfs_key){ header.objectid, (uint8_t)header.type, header.offset };
		item.data = at + sizeof(header);
		item.size = header.len;
		if (!fn(&item, userdata, error))
			return false;
		at = item.data + item.size;
		*ret_last = item.key;
	}
	return true;
}

static bool walk(int fd, uint64_t tree, btrfs_item_fn *fn, void *userdata, GError **error)
{
	g_autofree Search *search = search_new(tree);
	struct btrfs_key last;

	do { /* ends: each time it begins farther on */
		search->key.nr_items = UINT32_MAX;
		search->buf_size = BUFFER_SIZE;
		if (!mounted_ioctl_btrfs_search(fd, search, error))
			return false;
		if (search->key.nr_items == 0)
			return true;
		if (!take_items(search, fn, userdata, &last, error))
			return false;
	} while (search_advance(search, &last));
	return true;
}

static bool take_chunk(const struct btrfs_item *item, void *userdata, GError **error)
{
	if (item->key.type != BTRFS_CHUNK_ITEM)
		return true;
	return btrfs_chunks_add(userdata, item->key.offset, item->data, item->size, error);
}

/* Boot loaders' first MiB, the superblocks, and what btrfs does not use at the end. */
static void use_own(const struct btrfs_device *device)
{
	const Volume *volume = device->volume;

	volume_use(volume, 0, BTRFS_RESERVED);
	for (unsigned int i = 0; i < BTRFS_SUPER_COPIES; i++)
		volume_use(volume, btrfs_super_offset(i), BTRFS_SUPER_SIZE);
	volume_use(volume, device->size, volume->size - device->size);
}

static bool add_device(const Volume *volume, const struct btrfs_ioctl_fs_info_args *info,
		       GArray *devices, GError **error)
{
	struct btrfs_device device = { .volume = volume };
	struct btrfs_super super;

	if (!btrfs_super_read(volume, &super, error))
		return false;
	if (memcmp(super.fsid, info->fsid, sizeof(super.fsid)) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "%s is of another btrfs than the one that is mounted", volume->name);
		return false;
	}
	device.id = super.device;
	device.size = super.device_size;
	memcpy(device.uuid, super.device_uuid, sizeof(device.uuid));
	g_array_append_val(devices, device);
	return true;
}

static bool use_once(int fd, const struct mounted_device *devices, unsigned int n_devices,
		     GError **error)
{
	g_autoptr(GArray) found = g_array_new(false, false, sizeof(struct btrfs_device));
	struct btrfs_ioctl_fs_info_args info = { 0 };
	g_autoptr(BtrfsExtents) extents = NULL;
	g_autoptr(BtrfsChunks) chunks = NULL;

	if (!mounted_ioctl_btrfs_info(fd, &info, error))
		return false;
	if (info.num_devices != n_devices) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "a btrfs on %" PRIu64 " devices, of which %u are known",
			    (uint64_t)info.num_devices, n_devices);
		return false;
	}
	for (unsigned int i = 0; i < n_devices; i++)
		if (!add_device(devices[i].volume, &info, found, error))
			return false;
	chunks = btrfs_chunks_new(found, info.sectorsize);
	if (!walk(fd, BTRFS_CHUNK_TREE, take_chunk, chunks, error))
		return false;
	for (unsigned int i = 0; i < found->len; i++)
		use_own(&g_array_index(found, struct btrfs_device, i));
	btrfs_chunks_use_parity(chunks);
	extents = btrfs_extents_new(chunks, info.nodesize);
	return walk(fd, BTRFS_EXTENT_TREE, btrfs_extents_take, extents, error);
}

/* An extent may lie in a chunk that was made after the chunks were read. */
bool mounted_btrfs_use(int fd, const struct mounted_device *devices, unsigned int n_devices,
		       GError **error)
{
	g_autoptr(GError) cause = NULL;

	for (int i = 0; i < TRIES; i++) {
		g_clear_error(&cause);
		if (use_once(fd, devices, n_devices, &cause))
			return true;
		if (!g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DAMAGED))
			break;
		g_debug("asking again: %s", cause->message);
	}
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
