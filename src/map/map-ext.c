/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ext2, ext3 and ext4, cleanly unmounted or with a journal to be replayed.
 *
 * Bytes are carried as they lie, so that the guest's kernel replays.  It needs the journal, what
 * the replay writes, and what is in use afterwards; orphans it deletes only then, so what they hold
 * is in use by the bitmaps, too.  What is in use only before the replay is added for safety: with
 * it, those who do not replay see what they saw on the source.
 *
 * The layout is that of the kernel's Documentation/filesystems/ext4/.
 */
#include "map/map-driver.h"

#include "base/error.h"
#include "map/ext-bitmap.h"
#include "map/ext-files.h"
#include "map/ext-io.h"
#include "map/ext-journal.h"

#include <inttypes.h>
#include <sys/stat.h>

/* A journal in more parts than this, or with more indirect blocks, was made by nobody. */
#define MAX_RUNS  65536
#define MAX_READS (UINT64_C(1) << 20)

/*
 * libext2fs looks at the others only when it may write.  But what must not be written by those who
 * do not know it may mean other bitmaps, as bigalloc does, and fast commits are called compatible.
 */
static bool check_features(const ExtFilesystem *fs, GError **error)
{
	const struct ext2_super_block *sb = fs->super;
	uint32_t unknown = sb->s_feature_ro_compat & ~EXT2_LIB_FEATURE_RO_COMPAT_SUPP;
	const char *kind = "read-only compatible";

	if (unknown == 0) {
		unknown = sb->s_feature_compat & ~(uint32_t)EXT2_LIB_FEATURE_COMPAT_SUPP;
		kind = "compatible";
	}
	if (unknown != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "ext filesystem with %s features 0x%" PRIx32 " that are not known",
			    kind, unknown);
		return false;
	}
	if (!ext2fs_has_feature_fast_commit(fs->super))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "ext filesystem with fast commits, which cannot be replayed here");
	return false;
}

/* What makes the bitmaps something else than the truth, also once the journal is replayed. */
static bool check_state(const ExtFilesystem *fs, GError **error)
{
	const struct ext2_super_block *sb = fs->super;
	const bool has_journal = ext2fs_has_feature_journal(fs->super);
	const char *why = NULL;

	if (sb->s_state & EXT2_ERROR_FS)
		why = "it has errors";
	else if (!(sb->s_state & EXT2_VALID_FS))
		why = "it was not cleanly unmounted";
	else if (ext2fs_has_feature_journal_needs_recovery(fs->super) && !has_journal)
		why = "its journal must be replayed, but it has none";
	else if (!has_journal &&
		 (sb->s_last_orphan != 0 || ext2fs_has_feature_orphan_present(fs->super)))
		why = "it has orphans, but no journal";
	if (!why)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "ext filesystem, and %s (state 0x%x)", why, sb->s_state);
	return false;
}

/* Where the journal lies, as it is found block by block. */
struct search {
	uint64_t n_blocks; /* that there should be */
	uint64_t n_found;
	GArray *runs; /* of struct extent; in the order of the journal */
	GError *error;
};

static int find_block(ExtFilesystem *fs, blk64_t *block, e2_blkcnt_t i, blk64_t ref_block,
		      int ref_offset, void *private_data)
{
	struct search *search = private_data;
	struct extent run = { *block * fs->blocksize, fs->blocksize }, *last = NULL;

	if (i < 0 || (uint64_t)i >= search->n_blocks)
		return BLOCK_ABORT; /* behind its end */
	if ((uint64_t)i != search->n_found || *block >= ext2fs_blocks_count(fs->super) ||
	    search->runs->len >= MAX_RUNS) {
		g_set_error(&search->error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem whose journal, in %u parts, has block %" PRIu64
			    " at %" PRIu64 " where %" PRIu64 " should follow",
			    search->runs->len, (uint64_t)i, (uint64_t)*block, search->n_found);
		return BLOCK_ABORT;
	}
	search->n_found++;
	if (search->runs->len > 0)
		last = &g_array_index(search->runs, struct extent, search->runs->len - 1);
	if (last && last->offset + last->length == run.offset)
		last->length += run.length;
	else
		g_array_append_val(search->runs, run);
	return 0;
}

static bool read_journal_inode(ExtFilesystem *fs, struct ext2_inode *ret, GError **error)
{
	const struct ext2_super_block *sb = fs->super;
	errcode_t code;

	if (sb->s_journal_inum == 0 || sb->s_journal_dev != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "ext filesystem with an external journal (on device 0x%x, inode %u)",
			    sb->s_journal_dev, sb->s_journal_inum);
		return false;
	}
	code = ext2fs_read_inode(fs, sb->s_journal_inum, ret);
	if (code) {
		ext_set_error(error, code, "whose journal inode cannot be read");
		return false;
	}
	if (ret->i_links_count != 0 && S_ISREG(ret->i_mode))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext filesystem whose journal, inode %u, has mode 0%o and %u links",
		    sb->s_journal_inum, ret->i_mode, ret->i_links_count);
	return false;
}

/* What it returns is of struct extent: the bytes of the volume that are the journal. */
static GArray *find_journal(ExtFilesystem *fs, struct ext_source *source, GError **error)
{
	g_autoptr(GArray) runs = g_array_new(false, false, sizeof(struct extent));
	struct search search = { .runs = runs };
	struct ext2_inode inode;
	errcode_t code;

	if (!read_journal_inode(fs, &inode, error))
		return NULL;
	search.n_blocks = EXT2_I_SIZE(&inode) / fs->blocksize;
	source->n_reads_left = MAX_READS;
	code = ext2fs_block_iterate3(fs, fs->super->s_journal_inum,
				     BLOCK_FLAG_DATA_ONLY | BLOCK_FLAG_READ_ONLY, NULL, find_block,
				     &search);
	source->n_reads_left = UINT64_MAX;
	if (!search.error && code)
		ext_set_error(&search.error, code, "whose journal cannot be found");
	if (search.error) {
		g_propagate_error(error, search.error);
		return NULL;
	}
	return g_steal_pointer(&runs);
}

static Volume *new_journal(const Volume *volume, const GArray *runs, GError **error)
{
	g_autofree char *name = g_strdup_printf("the journal of %s", volume->name);
	g_autoptr(Volume) journal = volume_new(name);

	for (unsigned int i = 0; i < runs->len; i++) {
		const struct extent *run = &g_array_index(runs, struct extent, i);

		if (!volume_add_linear(journal, run->length,
				       (struct volume_place){ volume, run->offset }, error))
			return NULL;
	}
	return g_steal_pointer(&journal);
}

/* What a journal may change, and what none does. */
static bool check_same(const ExtFilesystem *before, const ExtFilesystem *after, GError **error)
{
	const struct ext2_super_block *a = before->super, *b = after->super;

	if (before->blocksize == after->blocksize &&
	    before->cluster_ratio_bits == after->cluster_ratio_bits &&
	    before->group_desc_count <= after->group_desc_count &&
	    a->s_first_data_block == b->s_first_data_block &&
	    a->s_blocks_per_group == b->s_blocks_per_group &&
	    a->s_inodes_per_group == b->s_inodes_per_group && a->s_inode_size == b->s_inode_size &&
	    a->s_journal_inum == b->s_journal_inum)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "ext filesystem of %u groups of %u blocks, in whose journal it has %u of %u",
		    before->group_desc_count, a->s_blocks_per_group, after->group_desc_count,
		    b->s_blocks_per_group);
	return false;
}

/* A bitmap that gives the journal away cannot be believed, nor a replay that writes over it. */
static bool check_journal(const GArray *runs, const ExtReplay *replay, const Volume *volume,
			  GError **error)
{
	for (unsigned int i = 0; i < runs->len; i++) {
		const struct extent *run = &g_array_index(runs, struct extent, i);

		if (volume_count_used(volume, run->offset, run->length) == run->length &&
		    !block_table_has(replay->blocks, run->offset / replay->block_size,
				     run->length / replay->block_size))
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem whose journal, %" PRIu64 " bytes of it at %" PRIu64
			    ", is free by the block bitmap, or written over by itself",
			    run->length, run->offset);
		return false;
	}
	return true;
}

/* No bitmap speaks of the boot block of 1 KiB blocks, nor of what is behind the last. */
static void use_ends(const ExtFilesystem *fs, const Volume *volume)
{
	uint64_t end = ext2fs_blocks_count(fs->super) * fs->blocksize;

	volume_use(volume, 0, (uint64_t)fs->super->s_first_data_block * fs->blocksize);
	volume_use(volume, end, volume->size - end);
}

/* @disk: the filesystem as it lies on @volume. */
static bool map_replayed(ExtFilesystem *disk, const ExtReplay *replay, const Volume *volume,
			 GError **error)
{
	struct ext_source source = { volume, replay, UINT64_MAX };
	g_autoptr(ExtFilesystem) fs = ext_open(&source, error);
	const struct block_entry *entry;

	if (!fs) {
		g_prefix_error(error, "after the replay of its journal: ");
		return false;
	}
	if (!check_features(fs, error) || !check_state(fs, error) || !check_same(disk, fs, error) ||
	    !ext_bitmap_use(fs, volume, error) ||
	    !ext_bitmap_use_before(disk, fs, replay, volume, error))
		return false;
	for (unsigned int i = 0; (entry = block_table_nth(replay->blocks, i)); i++)
		volume_use(volume, entry->block * fs->blocksize, fs->blocksize);
	use_ends(fs, volume);
	return true;
}

static bool map_with_journal(ExtFilesystem *fs, struct ext_source *source, GError **error)
{
	const Volume *volume = source->volume;
	g_autoptr(GArray) runs = find_journal(fs, source, error);
	g_autoptr(Volume) journal = runs ? new_journal(volume, runs, error) : NULL;
	g_autoptr(ExtReplay) replay = NULL;

	if (!journal)
		return false;
	replay = ext_replay_new(journal, fs->blocksize, volume->size / fs->blocksize, error);
	if (!replay)
		return false;
	if (ext2fs_has_feature_journal_needs_recovery(fs->super)) {
		if (!map_replayed(fs, replay, volume, error))
			return false;
	} else if (!replay->is_empty) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "ext filesystem that says that its journal is empty, but there are "
			    "%u blocks in it",
			    replay->blocks->entries->len);
		return false;
	} else if (!ext_bitmap_use(fs, volume, error)) {
		return false;
	}
	return check_journal(runs, replay, volume, error);
}

static bool ext_map(const Volume *volume, const char *content, const struct map_options *options,
		    struct map_found *ret, GError **error)
{
	struct ext_source source = { volume, NULL, UINT64_MAX };
	g_autoptr(ExtFilesystem) fs = ext_open(&source, error);
	const char *how = "clean";

	if (!fs || !check_features(fs, error) || !check_state(fs, error))
		return false;
	if (!ext2fs_has_feature_journal(fs->super)) {
		if (!ext_bitmap_use(fs, volume, error))
			return false;
	} else if (!map_with_journal(fs, &source, error)) {
		return false;
	}
	ret->mounted = ext2fs_has_feature_journal_needs_recovery(fs->super);
	if (ret->mounted)
		how = "journal replayed"; /* in which it may have grown: its end is used already */
	else
		use_ends(fs, volume);
	ret->how = g_strdup_printf("%s, %s", content, how);
	return true;
}

static const char *const ext_contents[] = { "ext2", "ext3", "ext4", NULL };

const struct map_driver map_ext = {
	.contents = ext_contents,
	.map = ext_map,
	.files = ext_files,
};
