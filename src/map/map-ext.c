/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext2, ext3 and ext4 that were cleanly unmounted: the block bitmaps, read by libext2fs group by
 * group, through an io_manager that knows no way to write.
 *
 * The layout is that of the kernel's Documentation/filesystems/ext4/.  libext2fs refuses unknown
 * features and wrong checksums; that the bitmap of every group agrees with the count in its
 * descriptor is checked here, for a bitmap that lies is the one thing that would lose data.
 */
#include "map/map-driver.h"

#include "base/error.h"

#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More group descriptors than this are no filesystem that anybody made. */
#define MAX_DESCRIPTOR_BYTES (UINT64_C(64) << 20)

typedef struct struct_ext2_filsys ExtFilesystem;

static void ext_filesystem_free(ExtFilesystem *fs)
{
	if (fs)
		ext2fs_free(fs);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExtFilesystem, ext_filesystem_free)

static errcode_t io_open_volume(const char *name, int flags, io_channel *ret);

static errcode_t io_close(io_channel channel)
{
	g_free(channel);
	return 0;
}

static errcode_t io_set_block_size(io_channel channel, int size)
{
	channel->block_size = size;
	return 0;
}

/* A negative @count is a number of bytes. */
static errcode_t io_read_64(io_channel channel, unsigned long long block, int count, void *data)
{
	const Volume *volume = channel->private_data;
	size_t len = count < 0 ? (size_t)-count : (size_t)count * (size_t)channel->block_size;
	g_autoptr(GError) cause = NULL;
	uint64_t offset;

	if (__builtin_mul_overflow(block, (unsigned int)channel->block_size, &offset))
		return EXT2_ET_SHORT_READ;
	if (!volume_read(volume, offset, data, len, &cause)) {
		g_debug("%s: %s, as libext2fs will say in its words", volume->name, cause->message);
		return EXT2_ET_SHORT_READ;
	}
	return 0;
}

static errcode_t io_read(io_channel channel, unsigned long block, int count, void *data)
{
	return io_read_64(channel, block, count, data);
}

static errcode_t io_refuse_write_64(io_channel channel, unsigned long long block, int count,
				    const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_refuse_write(io_channel channel, unsigned long block, int count,
				 const void *data)
{
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush_nothing(io_channel channel)
{
	return 0;
}

static struct struct_io_manager volume_io = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "wherry volume",
	.open = io_open_volume,
	.close = io_close,
	.set_blksize = io_set_block_size,
	.read_blk = io_read,
	.write_blk = io_refuse_write,
	.flush = io_flush_nothing,
	.read_blk64 = io_read_64,
	.write_blk64 = io_refuse_write_64,
};

/* libext2fs hands a name through and nothing else, so the name is the address of the volume. */
static errcode_t io_open_volume(const char *name, int flags, io_channel *ret)
{
	io_channel channel = g_new0(struct struct_io_channel, 1);
	void *volume;

	if (sscanf(name, "%p", &volume) != 1) {
		g_free(channel);
		return EXT2_ET_BAD_DEVICE_NAME;
	}
	channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	channel->manager = &volume_io;
	channel->block_size = 1024;
	channel->refcount = 1;
	channel->private_data = volume;
	*ret = channel;
	return 0;
}

static void set_error(GError **error, errcode_t code, const char *what)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "ext filesystem %s: %s", what,
		    error_message(code));
}

/*
 * The superblock's own words on size, before libext2fs allocates by them.  Descriptors are counted
 * by its smallest conceivable group, so a wrong number cannot make them many.
 */
static bool check_sizes(const Volume *volume, GError **error)
{
	struct ext2_super_block sb;
	uint64_t blocks, bytes, groups, per_group;
	uint32_t log_size;

	if (!volume_read(volume, SUPERBLOCK_OFFSET, &sb, sizeof(sb), error))
		return false;
	log_size = GUINT32_FROM_LE(sb.s_log_block_size);
	blocks = GUINT32_FROM_LE(sb.s_blocks_count);
	if (GUINT32_FROM_LE(sb.s_feature_incompat) & EXT4_FEATURE_INCOMPAT_64BIT)
		blocks |= (uint64_t)GUINT32_FROM_LE(sb.s_blocks_count_hi) << 32;
	if (log_size > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE ||
	    __builtin_mul_overflow(blocks, UINT64_C(1024) << log_size, &bytes) ||
	    bytes > volume->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem of %" PRIu64 " blocks of 2^%" PRIu32
			    " KiB on a volume of %" PRIu64 " bytes",
			    blocks, log_size, volume->size);
		return false;
	}

	per_group = GUINT32_FROM_LE(sb.s_blocks_per_group);
	groups = per_group ? blocks / per_group : UINT64_MAX;
	if (groups > MAX_DESCRIPTOR_BYTES / EXT2_MIN_DESC_SIZE_64BIT) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem of %" PRIu64 " blocks in groups of %" PRIu64, blocks,
			    per_group);
		return false;
	}
	return true;
}

/*
 * libext2fs looks at the read-only compatible features only when it may write.  But what must not
 * be written by those who do not know it may mean other bitmaps, too, as bigalloc does.
 */
static bool check_features(const ExtFilesystem *fs, GError **error)
{
	uint32_t unknown = fs->super->s_feature_ro_compat & ~EXT2_LIB_FEATURE_RO_COMPAT_SUPP;

	if (unknown == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "ext filesystem with read-only compatible features 0x%" PRIx32
		    " that are not known",
		    unknown);
	return false;
}

/* What makes the bitmaps on disk something else than the truth. */
static bool check_clean(const ExtFilesystem *fs, GError **error)
{
	const struct ext2_super_block *sb = fs->super;
	const char *why = NULL;

	if (sb->s_feature_incompat & EXT3_FEATURE_INCOMPAT_RECOVER)
		why = "its journal must be replayed";
	else if (sb->s_state & EXT2_ERROR_FS)
		why = "it has errors";
	else if (!(sb->s_state & EXT2_VALID_FS))
		why = "it was not cleanly unmounted";
	else if (sb->s_last_orphan != 0 ||
		 sb->s_feature_ro_compat & EXT4_FEATURE_RO_COMPAT_ORPHAN_PRESENT)
		why = "it has orphans";
	if (!why)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED, "ext filesystem, and %s", why);
	return false;
}

/* One bit for each cluster of a group, as on the disk. */
struct group_bitmap {
	uint8_t *bits;  /* a block of them; owned */
	blk64_t first;  /* the first block of the group ... */
	blk64_t last;   /* ... and its last */
	uint32_t count; /* of clusters */
};

static bool get_bit(const struct group_bitmap *bitmap, uint32_t i)
{
	return bitmap->bits[i / 8] & 1u << i % 8;
}

/* Mark [@start, @start + @count) as in use, as far as it lies in the group. */
static void set_blocks(const ExtFilesystem *fs, struct group_bitmap *bitmap, blk64_t start,
		       blk64_t count)
{
	for (blk64_t block = start; block < start + count; block++) {
		uint32_t i;

		if (block < bitmap->first || block > bitmap->last)
			continue;
		i = (uint32_t)((block - bitmap->first) >> fs->cluster_ratio_bits);
		bitmap->bits[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

/* Where the superblock and the descriptors of a group lie; 0: not in this group. */
struct group_head {
	blk64_t super, old, new;
	bool has_super;
	blk64_t n_old;
};

static struct group_head find_head(ExtFilesystem *fs, dgrp_t group)
{
	struct group_head head;
	blk_t n_all;

	(void)ext2fs_super_and_bgd_loc2(fs, group, &head.super, &head.old, &head.new,
					&n_all); /* always 0 */
	head.has_super = head.super != 0 || group == 0;
	head.n_old = head.old ? n_all - head.has_super - (head.new != 0) : 0;
	return head;
}

/* A group that nothing was ever allocated in has no bitmap on the disk, only its structures. */
static void make_bitmap(ExtFilesystem *fs, dgrp_t group, struct group_bitmap *bitmap)
{
	struct group_head head = find_head(fs, group);

	memset(bitmap->bits, 0, fs->blocksize);
	set_blocks(fs, bitmap, head.super, head.has_super);
	set_blocks(fs, bitmap, head.new, head.new != 0);
	set_blocks(fs, bitmap, head.old, head.n_old);
	set_blocks(fs, bitmap, ext2fs_block_bitmap_loc(fs, group), 1);
	set_blocks(fs, bitmap, ext2fs_inode_bitmap_loc(fs, group), 1);
	set_blocks(fs, bitmap, ext2fs_inode_table_loc(fs, group), fs->inode_blocks_per_group);
}

/*
 * The bitmap of one group.  Not all of them by ext2fs_read_block_bitmap(): those of 16 TiB take
 * 512 MiB of memory.
 */
static bool read_bitmap(ExtFilesystem *fs, dgrp_t group, struct group_bitmap *bitmap,
			GError **error)
{
	blk64_t where = ext2fs_block_bitmap_loc(fs, group);
	uint32_t clusters = fs->super->s_clusters_per_group;
	errcode_t code;

	bitmap->first = ext2fs_group_first_block2(fs, group);
	bitmap->last = ext2fs_group_last_block2(fs, group);
	bitmap->count = (uint32_t)((bitmap->last - bitmap->first) >> fs->cluster_ratio_bits) + 1;
	if (where == 0 || bitmap->count > clusters || clusters / 8 > fs->blocksize) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem with %" PRIu32
			    " clusters in group %u, and its bitmap in block %" PRIu64,
			    bitmap->count, group, (uint64_t)where);
		return false;
	}
	if (ext2fs_has_group_desc_csum(fs) &&
	    ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT)) {
		make_bitmap(fs, group, bitmap);
		return true;
	}
	code = io_channel_read_blk64(fs->io, where, 1, bitmap->bits);
	if (!code &&
	    !ext2fs_block_bitmap_csum_verify(fs, group, (char *)bitmap->bits, (int)(clusters / 8)))
		code = EXT2_ET_BLOCK_BITMAP_CSUM_INVALID;
	if (code)
		set_error(error, code, "whose block bitmaps cannot be read");
	return code == 0;
}

/* The first cluster from @i on that is not as @i is; the count of clusters when there is none. */
static uint32_t find_end(const struct group_bitmap *bitmap, uint32_t i)
{
	const bool is_used = get_bit(bitmap, i);
	const uint8_t same = is_used ? 0xff : 0;

	while (i < bitmap->count && get_bit(bitmap, i) == is_used) {
		i++;
		while (i % 8 == 0 && i + 8 <= bitmap->count && bitmap->bits[i / 8] == same)
			i += 8;
	}
	return i;
}

/* Add the used blocks of a group and count its free clusters. */
static uint32_t add_used(const ExtFilesystem *fs, const struct group_bitmap *bitmap,
			 const Volume *volume)
{
	uint32_t n_free = 0, end;

	for (uint32_t i = 0; i < bitmap->count; i = end) { /* ends: @end is behind @i */
		blk64_t from = bitmap->first + ((blk64_t)i << fs->cluster_ratio_bits), to;

		end = find_end(bitmap, i);
		to =
		    MIN(bitmap->first + ((blk64_t)end << fs->cluster_ratio_bits), bitmap->last + 1);
		if (get_bit(bitmap, i))
			volume_use(volume, from * fs->blocksize, (to - from) * fs->blocksize);
		else
			n_free += end - i;
	}
	return n_free;
}

static bool walk_bitmaps(ExtFilesystem *fs, const Volume *volume, GError **error)
{
	g_autofree uint8_t *bits = g_malloc(fs->blocksize);
	struct group_bitmap bitmap = { .bits = bits };

	for (dgrp_t i = 0; i < fs->group_desc_count; i++) {
		uint32_t n_free, want = ext2fs_bg_free_blocks_count(fs, i);

		if (!ext2fs_group_desc_csum_verify(fs, i)) {
			g_set_error(
			    error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem whose descriptor of group %u has a wrong checksum", i);
			return false;
		}
		if (!read_bitmap(fs, i, &bitmap, error))
			return false;
		n_free = add_used(fs, &bitmap, volume);
		if (n_free != want) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "ext filesystem with %" PRIu32
				    " clusters free in group %u by its bitmap, and %" PRIu32
				    " by its descriptor",
				    n_free, i, want);
			return false;
		}
	}
	return true;
}

/* Whether blocks [@first, @first + @count) are in the map. */
static bool all_in_use(const ExtFilesystem *fs, const Volume *volume, blk64_t first, blk64_t count)
{
	uint64_t bytes = count * fs->blocksize;

	return volume_count_used(volume, first * fs->blocksize, bytes) == bytes;
}

/* A bitmap that gives the filesystem's own structures away cannot be believed in the rest. */
static bool check_structures(ExtFilesystem *fs, const Volume *volume, GError **error)
{
	for (dgrp_t i = 0; i < fs->group_desc_count; i++) {
		struct group_head head = find_head(fs, i);

		if (all_in_use(fs, volume, head.super, head.has_super) &&
		    all_in_use(fs, volume, head.new, head.new != 0) &&
		    all_in_use(fs, volume, head.old, head.n_old) &&
		    all_in_use(fs, volume, ext2fs_block_bitmap_loc(fs, i), 1) &&
		    all_in_use(fs, volume, ext2fs_inode_bitmap_loc(fs, i), 1) &&
		    all_in_use(fs, volume, ext2fs_inode_table_loc(fs, i),
			       fs->inode_blocks_per_group))
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem whose block bitmap says that structures of group %u "
			    "are free",
			    i);
		return false;
	}
	return true;
}

/* By itself the library prints what it finds to stderr. */
static void G_GNUC_PRINTF(3, 0)
    hear_library(const char *who, long code, const char *format, va_list ap)
{
	g_autofree char *text = g_strdup_vprintf(format, ap);

	g_debug("libext2fs: %s", text);
}

static bool ext_map(const Volume *volume, const char *content, struct map_found *ret,
		    GError **error)
{
	g_autofree char *name = g_strdup_printf("%p", (const void *)volume);
	const int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP;
	g_autoptr(ExtFilesystem) fs = NULL;
	uint64_t end;
	errcode_t code;

	initialize_ext2_error_table();
	(void)set_com_err_hook(hear_library);
	if (!check_sizes(volume, error))
		return false;
	code = ext2fs_open(name, flags, 0, 0, &volume_io, &fs);
	if (code) {
		set_error(error, code, "that cannot be opened");
		return false;
	}
	if (!check_features(fs, error) || !check_clean(fs, error))
		return false;
	fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE; /* what it holds counts, not the size */
	code = ext2fs_check_desc(fs);
	if (code) {
		set_error(error, code, "whose group descriptors are damaged");
		return false;
	}
	if (!walk_bitmaps(fs, volume, error) || !check_structures(fs, volume, error))
		return false;

	/* No bitmap speaks of the boot block of 1 KiB blocks, nor of what is behind the last. */
	end = ext2fs_blocks_count(fs->super) * fs->blocksize;
	volume_use(volume, 0, (uint64_t)fs->super->s_first_data_block * fs->blocksize);
	volume_use(volume, end, volume->size - end);
	ret->how = g_strdup_printf("%s, clean", content);
	return true;
}

static const char *const ext_contents[] = { "ext2", "ext3", "ext4", NULL };

const struct map_driver map_ext = {
	.contents = ext_contents,
	.map = ext_map,
};
