/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Not by ext2fs_read_block_bitmap(): the bitmaps of 16 TiB take 512 MiB of memory.  libext2fs knows
 * where they lie and what their checksums are; that the bitmap of every group agrees with the count
 * in its descriptor is checked here, for a bitmap that lies is the one thing that would lose data.
 */
#include "map/ext-bitmap.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

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

static void set_range(ExtFilesystem *fs, dgrp_t group, struct group_bitmap *bitmap)
{
	bitmap->first = ext2fs_group_first_block2(fs, group);
	bitmap->last = ext2fs_group_last_block2(fs, group);
	bitmap->count = (uint32_t)((bitmap->last - bitmap->first) >> fs->cluster_ratio_bits) + 1;
}

static bool read_bitmap(ExtFilesystem *fs, dgrp_t group, struct group_bitmap *bitmap,
			GError **error)
{
	blk64_t where = ext2fs_block_bitmap_loc(fs, group);
	uint32_t clusters = fs->super->s_clusters_per_group;
	errcode_t code;

	set_range(fs, group, bitmap);
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
		ext_set_error(error, code, "whose block bitmaps cannot be read");
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

bool ext_bitmap_use(ExtFilesystem *fs, const Volume *volume, GError **error)
{
	errcode_t code = ext2fs_check_desc(fs);

	if (code) {
		ext_set_error(error, code, "whose group descriptors are damaged");
		return false;
	}
	return walk_bitmaps(fs, volume, error) && check_structures(fs, volume, error);
}

/*
 * Whether the bitmap of a group before the replay must be looked at: not when it is the same as
 * after it, nor when there is none yet.
 */
static bool is_different(ExtFilesystem *disk, ExtFilesystem *fs, const ExtReplay *replay,
			 dgrp_t group)
{
	if (!ext2fs_has_group_desc_csum(fs))
		return block_table_has(replay->blocks, ext2fs_block_bitmap_loc(fs, group), 1);
	if (ext2fs_bg_flags_test(disk, group, EXT2_BG_BLOCK_UNINIT) &&
	    ext2fs_group_desc_csum_verify(disk, group))
		return false;
	return ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT) ||
	       block_table_has(replay->blocks, ext2fs_block_bitmap_loc(fs, group), 1);
}

bool ext_bitmap_use_before(ExtFilesystem *disk, ExtFilesystem *fs, const ExtReplay *replay,
			   const Volume *volume, GError **error)
{
	g_autofree uint8_t *bits = g_malloc(fs->blocksize);
	struct group_bitmap bitmap = { .bits = bits };

	for (dgrp_t i = 0; i < disk->group_desc_count; i++) {
		blk64_t where = ext2fs_block_bitmap_loc(fs, i);
		errcode_t code;

		if (ext2fs_block_bitmap_loc(disk, i) != where) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "ext filesystem whose journal moves the block bitmap of group "
				    "%u from block %" PRIu64 " to %" PRIu64,
				    i, (uint64_t)ext2fs_block_bitmap_loc(disk, i), (uint64_t)where);
			return false;
		}
		if (!is_different(disk, fs, replay, i))
			continue;
		code = io_channel_read_blk64(disk->io, where, 1, bits);
		if (code) {
			ext_set_error(error, code, "whose block bitmaps cannot be read");
			return false;
		}
		set_range(fs, i, &bitmap);
		(void)add_used(fs, &bitmap, volume); /* how many are free does not count here */
	}
	return true;
}
