/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From blocks to inodes, by a look at the blocks of each; then from inodes to names, by a look into
 * each directory.  The disk has bad sectors: what of inodes and directories cannot be read is
 * passed over.  A journal is not replayed for it.
 */
#include "map/ext-files.h"

#include "map/ext-io.h"

#include <sys/stat.h>

/* More pairs of a file and a range are not kept. */
#define MAX_HITS 65536u

/* Time is asked for once in so many blocks. */
#define BLOCKS_PER_LOOK 4096u

/* Blocks of a range. */
struct block_range {
	uint64_t first, last;
	unsigned int range; /* its index */
};

/* An inode has a byte of a range. */
struct hit {
	ext2_ino_t inode;
	unsigned int range;
};

typedef struct {
	ExtFilesystem *fs;         /* borrowed */
	struct ext_source *source; /* borrowed */
	GArray *ranges;            /* of struct block_range, by their first block; owned */
	GArray *hits;              /* of struct hit, by their inode; owned */
	GArray *directories;       /* of ext2_ino_t; owned */
	GHashTable *left;          /* of inodes without a name so far, as keys; owned */
	ext2_ino_t inode;          /* that is looked at */
	unsigned int n_blocks;     /* that were looked at */
	int64_t until;             /* of g_get_monotonic_time() */
	map_file_fn found;
	void *userdata;
	bool enough;
} Search;

static void search_clear(Search *search)
{
	g_clear_pointer(&search->ranges, g_array_unref);
	g_clear_pointer(&search->hits, g_array_unref);
	g_clear_pointer(&search->directories, g_array_unref);
	g_clear_pointer(&search->left, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* Then no more is read either, and the library comes to its end. */
static bool is_late(Search *search)
{
	search->enough = search->enough || g_get_monotonic_time() >= search->until;
	if (search->enough)
		search->source->n_reads_left = 0;
	return search->enough;
}

/* ---- Blocks ---- */

static int compare_ranges(const void *a, const void *b)
{
	const struct block_range *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

static GArray *to_blocks(const ExtFilesystem *fs, const GArray *ranges)
{
	GArray *blocks = g_array_new(false, false, sizeof(struct block_range));

	for (unsigned int i = 0; i < ranges->len; i++) {
		const struct extent *e = &g_array_index(ranges, struct extent, i);
		const struct block_range range = {
			e->offset / fs->blocksize,
			(e->offset + e->length - 1) / fs->blocksize,
			i,
		};

		g_array_append_val(blocks, range);
	}
	g_array_sort(blocks, compare_ranges);
	return blocks;
}

/* The index of the first range that begins behind @block. */
static unsigned int first_behind(const GArray *ranges, uint64_t block)
{
	unsigned int low = 0, high = ranges->len;

	while (low < high) { /* ends: it halves */
		unsigned int middle = low + (high - low) / 2;

		if (g_array_index(ranges, struct block_range, middle).first <= block)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_hit(Search *search, unsigned int range)
{
	const struct hit hit = { search->inode, range };

	for (unsigned int i = search->hits->len; i-- > 0;) {
		const struct hit *other = &g_array_index(search->hits, struct hit, i);

		if (other->inode != hit.inode)
			break;
		if (other->range == range)
			return;
	}
	if (search->hits->len < MAX_HITS)
		g_array_append_val(search->hits, hit);
}

static int look_at_block(ExtFilesystem *fs, blk64_t *block, e2_blkcnt_t i, blk64_t ref_block,
			 int ref_offset, void *userdata)
{
	Search *search = userdata;

	if (++search->n_blocks % BLOCKS_PER_LOOK == 0 && is_late(search))
		return BLOCK_ABORT;
	/* Ranges do not overlap, but two of them may lie in one block. */
	for (unsigned int at = first_behind(search->ranges, *block); at-- > 0;) {
		const struct block_range *range =
		    &g_array_index(search->ranges, struct block_range, at);

		if (range->last < *block)
			break;
		add_hit(search, range->range);
	}
	return 0;
}

static void look_at_inode(Search *search, ext2_ino_t number, struct ext2_inode *inode)
{
	if (inode->i_links_count == 0)
		return;
	if (S_ISDIR(inode->i_mode))
		g_array_append_val(search->directories, number);
	search->inode = number;
	if (ext2fs_inode_has_valid_blocks2(search->fs, inode))
		(void)ext2fs_block_iterate3(search->fs, number, BLOCK_FLAG_READ_ONLY, NULL,
					    look_at_block, search); /* as far as can be read */
}

/* Ends: with the last inode, a group that cannot be read, or by the time. */
static void look_at_inodes(Search *search)
{
	ext2_inode_scan scan;
	struct ext2_inode inode;
	ext2_ino_t number;
	errcode_t code;

	if (ext2fs_open_inode_scan(search->fs, 0, &scan))
		return;
	for (;;) {
		code = ext2fs_get_next_inode(scan, &number, &inode);
		if (code == EXT2_ET_BAD_BLOCK_IN_INODE_TABLE || code == EXT2_ET_INODE_CSUM_INVALID)
			continue;
		if (code || number == 0 || is_late(search))
			break;
		look_at_inode(search, number, &inode);
	}
	ext2fs_close_inode_scan(scan);
}

/* ---- Names ---- */

static void tell(Search *search, ext2_ino_t inode, const char *path)
{
	for (unsigned int i = 0; i < search->hits->len && !search->enough; i++) {
		const struct hit *hit = &g_array_index(search->hits, struct hit, i);

		if (hit->inode == inode)
			search->enough = !search->found(hit->range, path, search->userdata);
	}
}

static char *path_of(Search *search, ext2_ino_t directory, const char *name)
{
	char *folder = NULL, *path;

	if (ext2fs_get_pathname(search->fs, directory, 0, &folder))
		return g_strdup_printf(".../%s", name);
	path = g_strdup_printf("%s%s%s", folder, g_str_has_suffix(folder, "/") ? "" : "/", name);
	(void)ext2fs_free_mem(&folder);
	return path;
}

static int look_at_entry(ext2_ino_t directory, int entry, struct ext2_dir_entry *dirent, int offset,
			 int blocksize, char *buf, void *userdata)
{
	Search *search = userdata;
	g_autofree char *name = g_strndup(dirent->name, (size_t)ext2fs_dirent_name_len(dirent));
	g_autofree char *path = NULL;

	if (entry != DIRENT_OTHER_FILE ||
	    !g_hash_table_remove(search->left, GUINT_TO_POINTER(dirent->inode)))
		return 0;
	path = path_of(search, directory, name);
	tell(search, dirent->inode, path);
	return search->enough || g_hash_table_size(search->left) == 0 ? DIRENT_ABORT : 0;
}

static void find_names(Search *search)
{
	for (unsigned int i = 0; i < search->hits->len; i++)
		g_hash_table_add(search->left,
				 GUINT_TO_POINTER(
				     g_array_index(search->hits, struct hit, i).inode));
	if (g_hash_table_remove(search->left, GUINT_TO_POINTER(EXT2_ROOT_INO)))
		tell(search, EXT2_ROOT_INO, "/");
	for (unsigned int i = 0; i < search->directories->len; i++) {
		if (g_hash_table_size(search->left) == 0 || is_late(search))
			return;
		(void)ext2fs_dir_iterate2(search->fs,
					  g_array_index(search->directories, ext2_ino_t, i), 0,
					  NULL, look_at_entry, search); /* as far as can be read */
	}
}

/* Those without: the journal, and what lies in directories that cannot be read. */
static void tell_rest(Search *search)
{
	ext2_ino_t last = 0;

	for (unsigned int i = 0; i < search->hits->len && !search->enough; i++) {
		ext2_ino_t inode = g_array_index(search->hits, struct hit, i).inode;
		g_autofree char *words = g_strdup_printf("inode %u", inode);

		if (inode == last || !g_hash_table_contains(search->left, GUINT_TO_POINTER(inode)))
			continue;
		tell(search, inode,
		     inode == search->fs->super->s_journal_inum ? "the journal" : words);
		last = inode;
	}
}

void ext_files(const Volume *volume, const GArray *ranges, map_file_fn found, void *userdata)
{
	struct ext_source source = { volume, NULL, UINT64_MAX };
	g_autoptr(GError) cause = NULL;
	g_autoptr(ExtFilesystem) fs = ext_open(&source, &cause);
	g_auto(Search) search = {
		.fs = fs,
		.source = &source,
		.until = g_get_monotonic_time() + EXT_FILES_SECONDS * G_USEC_PER_SEC,
		.found = found,
		.userdata = userdata,
	};

	if (!fs) {
		g_debug("%s: no names of files: %s", volume->name, cause->message);
		return;
	}
	search.ranges = to_blocks(fs, ranges);
	search.hits = g_array_new(false, false, sizeof(struct hit));
	search.directories = g_array_new(false, false, sizeof(ext2_ino_t));
	search.left = g_hash_table_new(NULL, NULL);
	look_at_inodes(&search);
	find_names(&search);
	tell_rest(&search);
}
