/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One step after the other, each with what the one before it has checked. */
#include "map/btrfs-map.h"

#include "base/error.h"
#include "map/btrfs-devices.h"
#include "map/btrfs-extents.h"
#include "map/btrfs-log.h"
#include "map/btrfs-root.h"

#include <inttypes.h>
#include <string.h>

static const struct btrfs_member *member_at(const GArray *members, unsigned int i)
{
	return &g_array_index(members, struct btrfs_member, i);
}

static bool same_ref(const struct btrfs_ref *a, const struct btrfs_ref *b)
{
	return a->bytenr == b->bytenr && a->generation == b->generation && a->level == b->level;
}

/* Of one generation: whether both are of the same commit. */
static bool same_commit(const struct btrfs_super *a, const struct btrfs_super *b)
{
	return same_ref(&a->root_tree, &b->root_tree) && same_ref(&a->chunk_tree, &b->chunk_tree) &&
	       a->sys_array_size == b->sys_array_size &&
	       memcmp(a->sys_array, b->sys_array, a->sys_array_size) == 0;
}

static bool same_format(const struct btrfs_super *a, const struct btrfs_super *b)
{
	return a->sector_size == b->sector_size && a->node_size == b->node_size &&
	       a->checksum == b->checksum && a->has_group_tree == b->has_group_tree &&
	       memcmp(a->metadata_uuid, b->metadata_uuid, sizeof(a->metadata_uuid)) == 0;
}

/*
 * The kernel takes the superblock of the newest generation.  When the power fails as they are
 * written, the others are one older; one that is older still has missed something.
 */
static const struct btrfs_super *find_newest(const GArray *members, GError **error)
{
	const struct btrfs_super *newest = &member_at(members, 0)->super;

	for (unsigned int i = 1; i < members->len; i++)
		if (member_at(members, i)->super.generation > newest->generation)
			newest = &member_at(members, i)->super;
	for (unsigned int i = 0; i < members->len; i++) {
		const struct btrfs_super *super = &member_at(members, i)->super;

		if (same_format(super, newest) &&
		    (super->generation == newest->generation
			 ? same_commit(super, newest)
			 : super->generation + 1 == newest->generation))
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs whose devices %" PRIu64 " and %" PRIu64
			    " have gone apart (generations %" PRIu64 " and %" PRIu64 ")",
			    newest->device, super->device, newest->generation, super->generation);
		return NULL;
	}
	return newest;
}

static GArray *make_devices(const GArray *members)
{
	GArray *devices = g_array_new(false, false, sizeof(struct btrfs_device));

	for (unsigned int i = 0; i < members->len; i++) {
		const struct btrfs_member *member = member_at(members, i);
		struct btrfs_device device = {
			.volume = member->volume,
			.id = member->super.device,
			.size = member->super.device_size,
		};

		memcpy(device.uuid, member->super.device_uuid, sizeof(device.uuid));
		g_array_append_val(devices, device);
	}
	return devices;
}

/* All chunks, by way of those in the superblock. */
static BtrfsChunks *read_chunks(const GArray *members, const struct btrfs_super *super,
				GError **error)
{
	g_autoptr(GArray) devices = make_devices(members);
	g_autoptr(BtrfsChunks) system = btrfs_chunks_new(devices, super->sector_size);
	g_autoptr(BtrfsChunks) all = btrfs_chunks_new(devices, super->sector_size);
	struct btrfs_reader reader;

	if (!btrfs_chunks_add_array(system, super->sys_array, super->sys_array_size, error))
		return NULL;
	reader = btrfs_reader_start(super, system);
	if (!btrfs_devices_read_chunks(&reader, all, error))
		return NULL;
	if (btrfs_chunks_contain(all, system))
		return g_steal_pointer(&all);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose superblock has system chunks that its chunk tree has not");
	return NULL;
}

static bool use_extents(struct btrfs_reader *reader, GError **error)
{
	g_autoptr(BtrfsExtents) extents =
	    btrfs_extents_new(reader->chunks, reader->super->node_size);
	struct btrfs_ref tree;

	if (reader->super->has_group_tree &&
	    (!btrfs_root_find(reader, BTRFS_BLOCK_GROUP_TREE, &tree, error) ||
	     !btrfs_tree_walk(reader, &tree, BTRFS_KEY_FIRST, BTRFS_KEY_LAST, btrfs_extents_take,
			      extents, error)))
		return false;
	return btrfs_root_find(reader, BTRFS_EXTENT_TREE, &tree, error) &&
	       btrfs_tree_walk(reader, &tree, BTRFS_KEY_FIRST, BTRFS_KEY_LAST, btrfs_extents_take,
			       extents, error) &&
	       btrfs_extents_check(extents, reader->super->used_bytes, error);
}

static bool check_devices(struct btrfs_reader *reader, GError **error)
{
	struct btrfs_ref tree;

	return btrfs_root_find(reader, BTRFS_DEVICE_TREE, &tree, error) &&
	       btrfs_devices_check_extents(reader, &tree, error);
}

/*
 * An fsync writes all superblocks, one by one: when the power fails then, the kernel takes any of
 * the newest generation, with the log that it names or with none.
 */
static bool use_logs(struct btrfs_reader *reader, const GArray *members, bool *ret_logged,
		     GError **error)
{
	const struct btrfs_ref *last = NULL;

	for (unsigned int i = 0; i < members->len; i++) {
		const struct btrfs_super *super = &member_at(members, i)->super;
		const struct btrfs_ref *log = &super->log_tree;

		if (super->generation != reader->super->generation || log->bytenr == 0 ||
		    (last && same_ref(last, log)))
			continue;
		if (!btrfs_log_use(reader, log, error))
			return false;
		last = log;
	}
	*ret_logged = last != NULL;
	return true;
}

/* What no tree speaks of: a boot loader, the superblocks, and what is behind the filesystem. */
static void use_ends(const struct btrfs_member *member)
{
	const Volume *volume = member->volume;
	uint64_t end = member->super.device_size;

	volume_use(volume, 0, BTRFS_RESERVED);
	for (unsigned int i = 0; i < BTRFS_SUPER_COPIES; i++)
		volume_use(volume, btrfs_super_offset(i), BTRFS_SUPER_SIZE);
	volume_use(volume, end, volume->size - end);
}

bool btrfs_map(const GArray *members, bool *ret_logged, GError **error)
{
	const struct btrfs_super *super = find_newest(members, error);
	g_autoptr(BtrfsChunks) chunks = super ? read_chunks(members, super, error) : NULL;
	struct btrfs_reader reader;

	if (!chunks)
		return false;
	reader = btrfs_reader_start(super, chunks);
	if (!check_devices(&reader, error) || !use_extents(&reader, error) ||
	    !use_logs(&reader, members, ret_logged, error))
		return false;
	btrfs_chunks_use_parity(chunks);
	for (unsigned int i = 0; i < members->len; i++)
		use_ends(member_at(members, i));
	return true;
}
