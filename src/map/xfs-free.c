/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "AG Free Space Management" of "XFS Algorithms & Data Structures".  The two B+trees say the same
 * in two orders: they are compared by a sum over their records that no order changes.
 */
#include "map/xfs-free.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define AGF_VERSION 1u

/* The header of a group, checked. */
struct header {
	uint32_t roots[2], levels[2]; /* by enum xfs_btree_kind */
	uint32_t free_blocks, longest;
	uint32_t list_first, list_last, list_count;
	uint32_t tree_blocks, rmap_blocks; /* as in struct xfs_disk_agf */
};

/* What a B+tree says. */
struct tally {
	uint64_t n_records, blocks, mixed;
	uint32_t longest;
};

/* The walk of one group. */
struct group {
	const Volume *volume;
	const struct xfs_super *super;
	uint32_t ag;
	GArray *own;  /* of uint32_t: blocks of the group that the B+trees and the list take */
	uint32_t end; /* of the last free blocks */
	struct tally tally;
};

static bool read_sector(const Volume *volume, const struct xfs_super *super, uint32_t ag,
			uint32_t sector, uint8_t *to, GError **error)
{
	return volume_read(volume, xfs_offset(super, ag, 0) + (uint64_t)sector * super->sector_size,
			   to, super->sector_size, error);
}

/* Whether version 5 says at @uuid whose it is, and has the checksum that lies @at bytes into it. */
static bool is_ours(const uint8_t *data, const struct xfs_super *super, const uint8_t *uuid,
		    size_t at)
{
	return super->version == 4 || (memcmp(uuid, super->meta_uuid, XFS_UUID_SIZE) == 0 &&
				       xfs_crc_is_right(data, super->sector_size, at));
}

static bool read_header(const struct group *group, uint8_t *data, struct header *ret,
			GError **error)
{
	const struct xfs_super *super = group->super;
	const struct xfs_disk_agf *agf = (const void *)data;

	if (!read_sector(group->volume, super, group->ag, 1, data, error))
		return false;
	if (be32_get(agf->magic) != XFS_MAGIC_AGF || be32_get(agf->version) != AGF_VERSION ||
	    be32_get(agf->ag) != group->ag ||
	    be32_get(agf->blocks) != xfs_ag_blocks(super, group->ag) ||
	    !is_ours(data, super, agf->uuid, offsetof(struct xfs_disk_agf, crc))) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "XFS whose header of group %" PRIu32 " (0x%" PRIx32 ", version %" PRIu32
			    ") is of group %" PRIu32 " with %" PRIu32
			    " blocks, or has a wrong checksum",
			    group->ag, be32_get(agf->magic), be32_get(agf->version),
			    be32_get(agf->ag), be32_get(agf->blocks));
		return false;
	}
	for (unsigned int i = 0; i < 2; i++) {
		ret->roots[i] = be32_get(agf->roots[i]);
		ret->levels[i] = be32_get(agf->levels[i]);
	}
	ret->free_blocks = be32_get(agf->free_blocks);
	ret->longest = be32_get(agf->longest);
	ret->list_first = be32_get(agf->list_first);
	ret->list_last = be32_get(agf->list_last);
	ret->list_count = be32_get(agf->list_count);
	ret->tree_blocks = be32_get(agf->tree_blocks);
	ret->rmap_blocks = be32_get(agf->rmap_blocks);
	return true;
}

static void add_own(uint32_t block, void *userdata)
{
	struct group *group = userdata;

	g_array_append_val(group->own, block);
}

/* @n entries of the free list, a ring, from @first to @last, are @count. */
static bool list_fits(const struct header *header, uint32_t n)
{
	uint32_t first = header->list_first, last = header->list_last, count;

	if (first >= n || last >= n)
		return false;
	count = last >= first ? last - first + 1 : n - first + last + 1;
	/* An empty one ends before it begins. */
	return header->list_count == count || (header->list_count == 0 && count == n);
}

/* Reserved for the B+trees to grow: free to nobody else, and in no B+tree. */
static bool read_list(struct group *group, const struct header *header, uint8_t *data,
		      GError **error)
{
	const struct xfs_super *super = group->super;
	const struct xfs_disk_agfl *agfl = (const void *)data;
	size_t head = super->version == 5 ? sizeof(*agfl) : 0;
	uint32_t n = (uint32_t)((super->sector_size - head) / sizeof(be32));

	if (!read_sector(group->volume, super, group->ag, 3, data, error))
		return false;
	if (!list_fits(header, n) ||
	    (super->version == 5 &&
	     (be32_get(agfl->magic) != XFS_MAGIC_AGFL || be32_get(agfl->ag) != group->ag ||
	      !is_ours(data, super, agfl->uuid, offsetof(struct xfs_disk_agfl, crc))))) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "XFS whose free list of group %" PRIu32 ", entries %" PRIu32
			    " to %" PRIu32 " of %" PRIu32 ", has %" PRIu32
			    " by its header, or a wrong checksum",
			    group->ag, header->list_first, header->list_last, n,
			    header->list_count);
		return false;
	}
	for (uint32_t i = 0; i < header->list_count; i++) {
		be32 block;

		memcpy(&block, data + head + (header->list_first + i) % n * sizeof(block),
		       sizeof(block));
		add_own(be32_get(block), group);
	}
	return true;
}

static uint64_t mix(uint32_t start, uint32_t count)
{
	uint64_t x = ((uint64_t)start << 32 | count) * UINT64_C(0x9e3779b97f4a7c15);

	return (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static bool count_free(uint32_t start, uint32_t count, void *userdata, GError **error)
{
	struct group *group = userdata;

	(void)error; /* any is right */
	group->tally.n_records++;
	group->tally.blocks += count;
	group->tally.mixed += mix(start, count);
	group->tally.longest = MAX(group->tally.longest, count);
	return true;
}

static void use_blocks(const struct group *group, uint32_t start, uint32_t end)
{
	volume_use(group->volume, xfs_offset(group->super, group->ag, start),
		   (uint64_t)(end - start) * group->super->block_size);
}

/* They come by block: what lies between two is in use. */
static bool skip_free(uint32_t start, uint32_t count, void *userdata, GError **error)
{
	struct group *group = userdata;

	use_blocks(group, group->end, start);
	group->end = start + count;
	return count_free(start, count, userdata, error);
}

static bool walk_tree(struct group *group, const struct header *header, enum xfs_btree_kind kind,
		      GError **error)
{
	const struct xfs_btree tree = {
		.volume = group->volume,
		.super = group->super,
		.ag = group->ag,
		.kind = kind,
		.root = header->roots[kind],
		.depth = header->levels[kind],
		.found = kind == XFS_BTREE_BNO ? skip_free : count_free,
		.node = add_own,
		.userdata = group,
	};

	group->tally = (struct tally){ 0 };
	return xfs_btree_walk(&tree, error);
}

static bool check_tallies(const struct group *group, const struct header *header,
			  const struct tally *by_block, const struct tally *by_count,
			  GError **error)
{
	if (by_block->mixed == by_count->mixed && by_block->blocks == header->free_blocks &&
	    by_block->longest == header->longest)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS with %" PRIu32 " free blocks in group %" PRIu32
		    " by its header (at most %" PRIu32 " in a row), %" PRIu64 " in %" PRIu64
		    " by block, %" PRIu64 " in %" PRIu64 " by length",
		    header->free_blocks, group->ag, header->longest, by_block->blocks,
		    by_block->n_records, by_count->blocks, by_count->n_records);
	return false;
}

/* Not every version 4 counts them. */
static bool check_tree_blocks(const struct group *group, const struct header *header,
			      GError **error)
{
	uint32_t roots = group->super->has_rmap ? 3 : 2;
	uint64_t found = (uint64_t)group->own->len - header->list_count +
			 (group->super->has_rmap ? header->rmap_blocks : 0);

	if (group->super->version == 4 || found == (uint64_t)header->tree_blocks + roots)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS whose B+trees in group %" PRIu32 " take %" PRIu64
		    " blocks, and by its header %" PRIu32 " and %" PRIu32 " roots",
		    group->ag, found, header->tree_blocks, roots);
	return false;
}

static int compare_blocks(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool is_used(const struct group *group, uint32_t start, uint32_t count)
{
	uint64_t length = (uint64_t)count * group->super->block_size;

	return volume_count_used(group->volume, xfs_offset(group->super, group->ag, start),
				 length) == length;
}

/* Free space that takes the structures which speak of it cannot be believed, nor can these. */
static bool check_own(const struct group *group, GError **error)
{
	const struct xfs_super *super = group->super;
	bool ok = is_used(group, 0, xfs_header_blocks(super));

	if (group->ag == super->log_ag)
		ok = ok && is_used(group, super->log_block, super->log_blocks);
	g_array_sort(group->own, compare_blocks);
	for (unsigned int i = 0; ok && i < group->own->len; i++) {
		uint32_t block = g_array_index(group->own, uint32_t, i);

		/* What is behind the group is in use by nobody yet. */
		ok = block >= xfs_header_blocks(super) && is_used(group, block, 1) &&
		     (i == 0 || block != g_array_index(group->own, uint32_t, i - 1));
	}
	if (!ok)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "XFS whose group %" PRIu32
			    " has its own structures, or the log, in its free space, or in one "
			    "place",
			    group->ag);
	return ok;
}

bool xfs_free_use_group(const Volume *volume, const struct xfs_super *super, uint32_t ag,
			GError **error)
{
	g_autofree uint8_t *data = g_malloc(super->sector_size);
	g_autoptr(GArray) own = g_array_new(false, false, sizeof(uint32_t));
	struct group group = { .volume = volume, .super = super, .ag = ag, .own = own };
	struct header header;
	struct tally by_block;

	if (!read_header(&group, data, &header, error) ||
	    !read_list(&group, &header, data, error) ||
	    !walk_tree(&group, &header, XFS_BTREE_BNO, error))
		return false;
	use_blocks(&group, group.end, xfs_ag_blocks(super, ag));
	by_block = group.tally;
	return walk_tree(&group, &header, XFS_BTREE_CNT, error) &&
	       check_tallies(&group, &header, &by_block, &group.tally, error) &&
	       check_tree_blocks(&group, &header, error) && check_own(&group, error);
}
