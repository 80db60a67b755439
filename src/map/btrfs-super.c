/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Superblocks as the kernel would take them, of features whose meaning for the map is known. */
#include "map/btrfs-super.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define MIN_BLOCK 4096u
#define MAX_BLOCK 65536u

/*
 * None of these moves what is in use out of the extent tree and the chunks.  Not among them are
 * zoned devices, whose superblocks wander, a second version of the extent tree, and stripes in a
 * tree of their own.
 */
static const uint64_t incompat_known =
    BTRFS_INCOMPAT_MIXED_BACKREF | BTRFS_INCOMPAT_DEFAULT_SUBVOL | BTRFS_INCOMPAT_MIXED_GROUPS |
    BTRFS_INCOMPAT_COMPRESS_LZO | BTRFS_INCOMPAT_COMPRESS_ZSTD | BTRFS_INCOMPAT_BIG_METADATA |
    BTRFS_INCOMPAT_EXTENDED_IREF | BTRFS_INCOMPAT_RAID56 | BTRFS_INCOMPAT_SKINNY_METADATA |
    BTRFS_INCOMPAT_NO_HOLES | BTRFS_INCOMPAT_METADATA_UUID | BTRFS_INCOMPAT_RAID1C34 |
    BTRFS_INCOMPAT_SIMPLE_QUOTA;

static const uint64_t compat_ro_known = BTRFS_COMPAT_RO_FREE_SPACE_TREE |
					BTRFS_COMPAT_RO_FREE_SPACE_TREE_VALID |
					BTRFS_COMPAT_RO_VERITY | BTRFS_COMPAT_RO_BLOCK_GROUP_TREE;

uint64_t btrfs_super_offset(unsigned int i)
{
	static const uint64_t offsets[BTRFS_SUPER_COPIES] = { UINT64_C(64) << 10,
							      UINT64_C(64) << 20,
							      UINT64_C(256) << 30 };

	return offsets[i];
}

static bool check_signature(const struct btrfs_disk_super *disk, uint64_t offset, GError **error)
{
	unsigned int type = le16_get(disk->checksum_type);

	if (memcmp(disk->magic, BTRFS_MAGIC, sizeof(disk->magic)) != 0 ||
	    le64_get(disk->bytenr) != offset)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "no superblock of btrfs at %" PRIu64, offset);
	else if (!btrfs_checksum_known(type))
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs with checksums of type %u, which cannot be checked", type);
	else if (!btrfs_checksum_verify((enum btrfs_checksum)type, (const uint8_t *)disk,
					sizeof(*disk)))
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose superblock has a wrong checksum");
	else
		return true;
	return false;
}

static bool check_features(const struct btrfs_disk_super *disk, GError **error)
{
	uint64_t incompat = le64_get(disk->incompat), unknown = incompat & ~incompat_known;
	const char *kind = "incompatible";

	if (unknown == 0) {
		unknown = le64_get(disk->compat_ro) & ~compat_ro_known;
		kind = "read-only compatible";
	}
	if (unknown == 0) {
		unknown = le64_get(disk->compat);
		kind = "compatible";
	}
	if (unknown != 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs with %s features 0x%" PRIx64 " that are not followed", kind,
			    unknown);
	else if (!(incompat & BTRFS_INCOMPAT_MIXED_BACKREF))
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "btrfs with an extent tree of before 2009");
	else
		return true;
	return false;
}

/* Seeds, filesystems whose UUID is being changed, or that are being converted, have others. */
static bool check_flags(const struct btrfs_disk_super *disk, GError **error)
{
	uint64_t unknown = le64_get(disk->flags) & ~(BTRFS_FLAG_WRITTEN | BTRFS_FLAG_RELOC);

	if (unknown == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "btrfs in a state that is not followed (flags 0x%" PRIx64 ")", unknown);
	return false;
}

static bool is_block_size(uint32_t size)
{
	return size >= MIN_BLOCK && size <= MAX_BLOCK && (size & (size - 1)) == 0;
}

static bool check_numbers(const struct btrfs_super *super, const Volume *volume, GError **error)
{
	if (!is_block_size(super->sector_size) || !is_block_size(super->node_size) ||
	    super->node_size < super->sector_size)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs with sectors of %" PRIu32 " and nodes of %" PRIu32 " bytes",
			    super->sector_size, super->node_size);
	else if (super->device_size > volume->size)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs of %" PRIu64 " bytes on a volume of %" PRIu64,
			    super->device_size, volume->size);
	else if (super->n_devices == 0 || super->sys_array_size > BTRFS_SYS_ARRAY_SIZE)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs of %" PRIu64 " devices, with %" PRIu32 " bytes of system chunks",
			    super->n_devices, super->sys_array_size);
	else if (super->root_tree.level > BTRFS_MAX_LEVEL ||
		 super->chunk_tree.level > BTRFS_MAX_LEVEL ||
		 super->log_tree.level > BTRFS_MAX_LEVEL)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs with trees of levels %u, %u and %u", super->root_tree.level,
			    super->chunk_tree.level, super->log_tree.level);
	else
		return true;
	return false;
}

static void get_label(const struct btrfs_disk_super *disk, struct btrfs_super *ret)
{
	size_t len = strnlen(disk->label, sizeof(disk->label) - 1);

	for (size_t i = 0; i < len; i++)
		ret->label[i] = g_ascii_isprint(disk->label[i]) ? disk->label[i] : '?';
}

static void get_super(const struct btrfs_disk_super *disk, struct btrfs_super *ret)
{
	const uint8_t *metadata_uuid = disk->fsid;

	if (le64_get(disk->incompat) & BTRFS_INCOMPAT_METADATA_UUID)
		metadata_uuid = disk->metadata_uuid;
	memcpy(ret->fsid, disk->fsid, sizeof(ret->fsid));
	memcpy(ret->metadata_uuid, metadata_uuid, sizeof(ret->metadata_uuid));
	ret->generation = le64_get(disk->generation);
	ret->used_bytes = le64_get(disk->used_bytes);
	ret->sector_size = le32_get(disk->sector_size);
	ret->node_size = le32_get(disk->node_size);
	ret->checksum = (enum btrfs_checksum)le16_get(disk->checksum_type);
	ret->has_group_tree = le64_get(disk->compat_ro) & BTRFS_COMPAT_RO_BLOCK_GROUP_TREE;
	ret->root_tree = (struct btrfs_ref){ BTRFS_ROOT_TREE, le64_get(disk->root), ret->generation,
					     disk->root_level };
	ret->chunk_tree =
	    (struct btrfs_ref){ BTRFS_CHUNK_TREE, le64_get(disk->chunk_root),
				le64_get(disk->chunk_root_generation), disk->chunk_root_level };
	/* A log is of the transaction that was open when the power failed. */
	ret->log_tree = (struct btrfs_ref){ BTRFS_LOG_TREE, le64_get(disk->log_root),
					    ret->generation + 1, disk->log_root_level };
	get_label(disk, ret);

	ret->n_devices = le64_get(disk->n_devices);
	ret->device = le64_get(disk->device.id);
	memcpy(ret->device_uuid, disk->device.uuid, sizeof(ret->device_uuid));
	ret->device_size = le64_get(disk->device.total_bytes);
	ret->sys_array_size = le32_get(disk->sys_array_size);
	memcpy(ret->sys_array, disk->sys_array, sizeof(ret->sys_array));
}

/* One that cannot be read or is of another filesystem is none: an older one, or never written. */
static bool check_copy(const struct btrfs_disk_super *first, const Volume *volume, uint64_t offset,
		       GError **error)
{
	struct btrfs_disk_super copy;

	if (offset + sizeof(copy) > volume->size ||
	    !volume_read(volume, offset, &copy, sizeof(copy), NULL) ||
	    !check_signature(&copy, offset, NULL) ||
	    memcmp(copy.fsid, first->fsid, sizeof(copy.fsid)) != 0 ||
	    memcmp(copy.device.uuid, first->device.uuid, sizeof(copy.device.uuid)) != 0 ||
	    le64_get(copy.generation) <= le64_get(first->generation))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs whose superblock, of generation %" PRIu64
		    ", is older than its copy at %" PRIu64 ", of %" PRIu64,
		    le64_get(first->generation), offset, le64_get(copy.generation));
	return false;
}

bool btrfs_super_read(const Volume *volume, struct btrfs_super *ret, GError **error)
{
	struct btrfs_super super = { .n_devices = 0 };
	struct btrfs_disk_super disk;
	uint64_t offset = btrfs_super_offset(0);

	if (!volume_read(volume, offset, &disk, sizeof(disk), error) ||
	    !check_signature(&disk, offset, error) || !check_features(&disk, error) ||
	    !check_flags(&disk, error))
		return false;
	get_super(&disk, &super);
	if (!check_numbers(&super, volume, error))
		return false;
	for (unsigned int i = 1; i < BTRFS_SUPER_COPIES; i++)
		if (!check_copy(&disk, volume, btrfs_super_offset(i), error))
			return false;
	*ret = super;
	return true;
}
