/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Features are taken by a list of those that leave the meaning of free space as it is. */
#include "map/xfs-super.h"

#include "base/error.h"

#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <string.h>

#define SECTOR_MAX 32768u

/* sb_versionnum: the low four bits are the version. */
#define VERSION_MASK  0x000fu
#define VERSION_KNOWN 0xfdf0u /* all of version 4 but SHARED */
#define VERSION_MORE  0x8000u /* sb_features2 means something */

/* LAZYSBCOUNT, ATTR2, PARENT, PROJID32BIT, CRC, FTYPE. */
#define FEATURES2_KNOWN (0x2u | 0x8u | 0x10u | 0x80u | 0x100u | 0x200u)

/* FINOBT, RMAPBT, REFLINK, INOBTCNT. */
#define RO_COMPAT_KNOWN 0xfu
#define RO_COMPAT_RMAP  0x2u
/* FTYPE, SPINODES, META_UUID, BIGTIME, NREXT64, EXCHRANGE, PARENT. */
#define INCOMPAT_KNOWN        (0xfu | 0x20u | 0x40u | 0x80u)
#define INCOMPAT_META_UUID    0x4u
#define INCOMPAT_NEEDS_REPAIR 0x10u
#define LOG_INCOMPAT_KNOWN    0x1u /* XATTRS, which means nothing once the log is clean */

bool xfs_crc_is_right(const uint8_t *data, size_t size, size_t at)
{
	static const uint8_t zero[sizeof(le32)];
	uint32_t crc = ext2fs_crc32c_le(~0u, data, at);
	le32 want;

	memcpy(&want, data + at, sizeof(want));
	crc = ext2fs_crc32c_le(crc, zero, sizeof(zero));
	crc = ext2fs_crc32c_le(crc, data + at + sizeof(want), size - at - sizeof(want));
	return ~crc == le32_get(want);
}

uint32_t xfs_ag_blocks(const struct xfs_super *super, uint32_t ag)
{
	uint64_t before = (uint64_t)ag * super->ag_blocks;

	return (uint32_t)MIN(super->ag_blocks, super->blocks - before);
}

uint64_t xfs_offset(const struct xfs_super *super, uint32_t ag, uint64_t block)
{
	return ((uint64_t)ag * super->ag_blocks + block) * super->block_size;
}

/* The superblock, AGF, AGI and AGFL, a sector each. */
uint32_t xfs_header_blocks(const struct xfs_super *super)
{
	return (4 * super->sector_size + super->block_size - 1) / super->block_size;
}

static bool is_size(uint32_t size, uint32_t min, uint32_t max, uint8_t shift)
{
	return size >= min && size <= max && shift < 32 && size == 1u << shift;
}

static bool check_unknown(const char *kind, uint32_t features, uint32_t known, GError **error)
{
	if ((features & ~known) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "XFS with %s features 0x%" PRIx32 " that are not known", kind,
		    features & ~known);
	return false;
}

static bool check_features(const struct xfs_disk_super *sb, uint32_t version, GError **error)
{
	uint32_t bits = be16_get(sb->version) & ~VERSION_MASK;

	if (version == 5 && be32_get(sb->incompat) & INCOMPAT_NEEDS_REPAIR) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "XFS that needs xfs_repair, by its superblock");
		return false;
	}
	if (!check_unknown("version", bits, VERSION_KNOWN, error) ||
	    (bits & VERSION_MORE &&
	     !check_unknown("version 2", be32_get(sb->features2), FEATURES2_KNOWN, error)))
		return false;
	return version == 4 ||
	       (check_unknown("compatible", be32_get(sb->compat), 0, error) &&
		check_unknown("read-only compatible", be32_get(sb->ro_compat), RO_COMPAT_KNOWN,
			      error) &&
		check_unknown("incompatible", be32_get(sb->incompat), INCOMPAT_KNOWN, error) &&
		check_unknown("log", be32_get(sb->log_incompat), LOG_INCOMPAT_KNOWN, error));
}

/* What lies elsewhere, or is not finished. */
static bool check_kind(const struct xfs_disk_super *sb, GError **error)
{
	const char *why = NULL;

	if (be64_get(sb->rt_blocks) != 0 || be64_get(sb->rt_extents) != 0)
		why = "a real-time volume";
	else if (be64_get(sb->log_start) == 0)
		why = "an external log";
	else if (sb->in_progress != 0)
		why = "mkfs or xfs_copy not done";
	if (why)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED, "XFS with %s", why);
	return !why;
}

static bool check_sizes(const struct xfs_disk_super *sb, const Volume *volume,
			struct xfs_super *ret, GError **error)
{
	ret->block_size = be32_get(sb->block_size);
	ret->sector_size = be16_get(sb->sector_size);
	ret->blocks = be64_get(sb->blocks);
	ret->ag_blocks = be32_get(sb->ag_blocks);
	ret->ag_count = be32_get(sb->ag_count);
	if (is_size(ret->block_size, 512, 65536, sb->block_shift) &&
	    is_size(ret->sector_size, 512, SECTOR_MAX, sb->sector_shift) &&
	    ret->sector_size <= ret->block_size && ret->blocks <= volume->size / ret->block_size &&
	    ret->ag_blocks > 0 && sb->ag_shift < 32 && ret->ag_blocks <= 1u << sb->ag_shift &&
	    ret->ag_count > 0 &&
	    (ret->blocks + ret->ag_blocks - 1) / ret->ag_blocks == ret->ag_count &&
	    xfs_ag_blocks(ret, ret->ag_count - 1) > xfs_header_blocks(ret))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS of %" PRIu64 " blocks of %" PRIu32 " bytes (sectors of %" PRIu32
		    "), %" PRIu32 " groups of %" PRIu32 ", on a volume of %" PRIu64 " bytes",
		    ret->blocks, ret->block_size, ret->sector_size, ret->ag_count, ret->ag_blocks,
		    volume->size);
	return false;
}

static bool find_log(const struct xfs_disk_super *sb, struct xfs_super *ret, GError **error)
{
	uint64_t start = be64_get(sb->log_start), ag = start >> sb->ag_shift;
	uint64_t block = start & ((UINT64_C(1) << sb->ag_shift) - 1);

	ret->log_blocks = be32_get(sb->log_blocks);
	if (ag < ret->ag_count && ret->log_blocks > 0 && block >= xfs_header_blocks(ret) &&
	    block + ret->log_blocks <= xfs_ag_blocks(ret, (uint32_t)ag)) {
		ret->log_ag = (uint32_t)ag;
		ret->log_block = (uint32_t)block;
		return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS with a log of %" PRIu32 " blocks at block %" PRIu64 " of group %" PRIu64
		    ", of which there are %" PRIu32,
		    ret->log_blocks, block, ag, ret->ag_count);
	return false;
}

/* @data has as many bytes as there are. */
static bool check_crc(const uint8_t *data, const struct xfs_super *super, uint32_t ag,
		      GError **error)
{
	if (super->version == 4 ||
	    xfs_crc_is_right(data, super->sector_size, offsetof(struct xfs_disk_super, crc)))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS whose superblock in group %" PRIu32 " has a wrong checksum", ag);
	return false;
}

bool xfs_super_read(const Volume *volume, struct xfs_super *ret, GError **error)
{
	struct xfs_disk_super sb;
	struct xfs_super super = { 0 };
	g_autofree uint8_t *data = g_malloc(SECTOR_MAX);

	if (!volume_read(volume, 0, &sb, sizeof(sb), error))
		return false;
	super.version = be16_get(sb.version) & VERSION_MASK;
	if (be32_get(sb.magic) != XFS_MAGIC_SUPER || super.version < 4 || super.version > 5) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "XFS of version %" PRIu32 " (magic number 0x%" PRIx32 ")",
			    super.version, be32_get(sb.magic));
		return false;
	}
	if (!check_sizes(&sb, volume, &super, error) ||
	    !volume_read(volume, 0, data, super.sector_size, error) ||
	    !check_crc(data, &super, 0, error) || !check_features(&sb, super.version, error) ||
	    !check_kind(&sb, error) || !find_log(&sb, &super, error))
		return false;
	memcpy(super.uuid, sb.uuid, XFS_UUID_SIZE);
	memcpy(super.meta_uuid, sb.uuid, XFS_UUID_SIZE);
	super.has_rmap = super.version == 5 && be32_get(sb.ro_compat) & RO_COMPAT_RMAP;
	if (be32_get(sb.incompat) & INCOMPAT_META_UUID) /* of version 5, as is its use */
		memcpy(super.meta_uuid, sb.meta_uuid, XFS_UUID_SIZE);
	*ret = super;
	return true;
}

static bool check_copy(const Volume *volume, const struct xfs_super *super, uint32_t ag,
		       uint8_t *data, GError **error)
{
	struct xfs_disk_super sb;

	if (!volume_read(volume, xfs_offset(super, ag, 0), data, super->sector_size, error))
		return false;
	memcpy(&sb, data, sizeof(sb));
	if (be32_get(sb.magic) == XFS_MAGIC_SUPER &&
	    (be16_get(sb.version) & VERSION_MASK) == super->version &&
	    be32_get(sb.block_size) == super->block_size &&
	    be16_get(sb.sector_size) == super->sector_size &&
	    be64_get(sb.blocks) == super->blocks && be32_get(sb.ag_blocks) == super->ag_blocks &&
	    be32_get(sb.ag_count) == super->ag_count &&
	    be32_get(sb.log_blocks) == super->log_blocks)
		return check_crc(data, super, ag, error);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS of %" PRIu64 " blocks in %" PRIu32
		    " groups, whose superblock in group %" PRIu32 " says %" PRIu64 " in %" PRIu32
		    " (magic number 0x%" PRIx32 ")",
		    super->blocks, super->ag_count, ag, be64_get(sb.blocks), be32_get(sb.ag_count),
		    be32_get(sb.magic));
	return false;
}

bool xfs_super_check_copies(const Volume *volume, const struct xfs_super *super, GError **error)
{
	g_autofree uint8_t *data = g_malloc(super->sector_size);

	for (uint32_t ag = 1; ag < super->ag_count; ag++)
		if (!check_copy(volume, super, ag, data, error))
			return false;
	return true;
}
