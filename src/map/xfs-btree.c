/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "AG Free Space B+trees" of "XFS Algorithms & Data Structures".  Each block must stand where its
 * parent and its neighbours say, have the level that is due and, in version 5, name itself; records
 * must ascend through the whole tree.  So no block is met twice, and every walk ends.
 */
#include "map/xfs-btree.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX 9u

/* Where the walk is on one level. */
struct level {
	uint8_t *data; /* a block; owned */
	uint32_t block, right;
	unsigned int n, next; /* entries, and the one that is due */
};

typedef struct {
	const struct xfs_btree *tree;
	uint32_t n_blocks;    /* of the group */
	size_t head;          /* bytes */
	unsigned int n_leaf;  /* entries that a leaf has room for ... */
	unsigned int n_node;  /* ... and a node */
	uint64_t next;        /* the least that the next record may be, as it is sorted */
	struct level *levels; /* of DEPTH_MAX; owned */
} Walk;

static void walk_clear(Walk *walk)
{
	for (unsigned int i = 0; i < DEPTH_MAX; i++)
		g_free(walk->levels[i].data);
	g_free(walk->levels);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static bool fail(const Walk *walk, uint32_t block, const char *what, GError **error)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "XFS with a B+tree of free space by %s in group %" PRIu32
		    " of which block %" PRIu32 " %s",
		    walk->tree->kind == XFS_BTREE_BNO ? "block" : "length", walk->tree->ag, block,
		    what);
	return false;
}

static uint32_t wanted_magic(const struct xfs_btree *tree)
{
	if (tree->kind == XFS_BTREE_BNO)
		return tree->super->version == 5 ? XFS_MAGIC_BNO_CRC : XFS_MAGIC_BNO;
	return tree->super->version == 5 ? XFS_MAGIC_CNT_CRC : XFS_MAGIC_CNT;
}

static bool names_itself(const struct xfs_btree *tree, const uint8_t *data, uint32_t block)
{
	const struct xfs_disk_btree *head = (const void *)data;
	uint64_t offset = xfs_offset(tree->super, tree->ag, block);

	return be64_get(head->address) == offset / XFS_BASIC_BLOCK &&
	       be32_get(head->ag) == tree->ag &&
	       memcmp(head->uuid, tree->super->meta_uuid, XFS_UUID_SIZE) == 0;
}

static const char *find_fault(const Walk *walk, unsigned int level, uint32_t block, uint8_t *data)
{
	const struct xfs_btree *tree = walk->tree;
	const struct xfs_disk_btree *head = (const void *)data;
	const struct level *before = &walk->levels[level];
	unsigned int n = be16_get(head->count);

	if (be32_get(head->magic) != wanted_magic(tree))
		return "is not one";
	if (tree->super->version == 5 && !names_itself(tree, data, block))
		return "belongs elsewhere";
	if (tree->super->version == 5 &&
	    !xfs_crc_is_right(data, tree->super->block_size, offsetof(struct xfs_disk_btree, crc)))
		return "has a wrong checksum";
	if (be16_get(head->level) != level)
		return "is on another level";
	/* Of a group without free space, the root is a leaf without records. */
	if (n > (level == 0 ? walk->n_leaf : walk->n_node) || (n == 0 && tree->depth > 1))
		return "has too many entries, or none";
	if (be32_get(head->left) != before->block || (before->data && before->right != block))
		return "has other neighbours than it should";
	return NULL;
}

/* The first one of a level has no left neighbour. */
static bool enter(Walk *walk, unsigned int i, uint32_t block, GError **error)
{
	const struct xfs_btree *tree = walk->tree;
	g_autofree uint8_t *data = g_malloc(tree->super->block_size);
	const struct xfs_disk_btree *head = (const void *)data;
	struct level *level = &walk->levels[i];
	const char *fault;

	if (block < xfs_header_blocks(tree->super) || block >= walk->n_blocks)
		return fail(walk, block, "lies outside of the group", error);
	if (!volume_read(tree->volume, xfs_offset(tree->super, tree->ag, block), data,
			 tree->super->block_size, error))
		return false;
	fault = find_fault(walk, i, block, data);
	if (fault)
		return fail(walk, block, fault, error);
	tree->node(block, tree->userdata);
	level->block = block;
	level->right = be32_get(head->right);
	level->n = be16_get(head->count);
	level->next = 0;
	g_free(level->data);
	level->data = g_steal_pointer(&data);
	return true;
}

static struct xfs_disk_free get_entry(const Walk *walk, const struct level *level, unsigned int i)
{
	struct xfs_disk_free entry;

	memcpy(&entry, level->data + walk->head + i * sizeof(entry), sizeof(entry));
	return entry;
}

static uint32_t get_child(const Walk *walk, const struct level *level, unsigned int i)
{
	be32 child;

	memcpy(&child,
	       level->data + walk->head + walk->n_node * sizeof(struct xfs_disk_free) +
		   i * sizeof(child),
	       sizeof(child));
	return be32_get(child);
}

/* By block they must not overlap, which is more than to ascend. */
static bool comes_next(Walk *walk, uint32_t start, uint32_t count)
{
	const bool by_block = walk->tree->kind == XFS_BTREE_BNO;
	const uint64_t now = by_block ? start : (uint64_t)count << 32 | start;
	bool ok = now >= walk->next;

	walk->next = now + (by_block ? count : 1);
	return ok;
}

static bool read_leaf(Walk *walk, GError **error)
{
	const struct level *leaf = &walk->levels[0];

	for (unsigned int i = 0; i < leaf->n; i++) {
		struct xfs_disk_free entry = get_entry(walk, leaf, i);
		uint32_t start = be32_get(entry.start), count = be32_get(entry.count);

		if (count == 0 || start >= walk->n_blocks || count > walk->n_blocks - start)
			return fail(walk, leaf->block, "has a record outside of the group", error);
		if (!comes_next(walk, start, count))
			return fail(walk, leaf->block, "has records out of order", error);
		if (!walk->tree->found(start, count, walk->tree->userdata, error))
			return false;
	}
	return true;
}

/* The key of a node is the first entry of its child. */
static bool check_key(const Walk *walk, unsigned int level, GError **error)
{
	const struct level *node = &walk->levels[level];
	struct xfs_disk_free key = get_entry(walk, node, node->next);
	struct xfs_disk_free first = get_entry(walk, &walk->levels[level - 1], 0);

	if (memcmp(&key, &first, sizeof(key)) == 0)
		return true;
	return fail(walk, node->block, "has another key than its child", error);
}

/* Down to the next leaf, from the lowest level that has one. */
static bool next_leaf(Walk *walk, bool *ret_done, GError **error)
{
	unsigned int i = 1;

	while (i < walk->tree->depth && walk->levels[i].next == walk->levels[i].n)
		i++;
	*ret_done = i >= walk->tree->depth;
	for (; !*ret_done && i > 0; i--) {
		struct level *node = &walk->levels[i];

		if (!enter(walk, i - 1, get_child(walk, node, node->next), error) ||
		    !check_key(walk, i, error))
			return false;
		node->next++;
	}
	return true;
}

static bool check_ends(const Walk *walk, GError **error)
{
	for (unsigned int i = 0; i < walk->tree->depth; i++)
		if (walk->levels[i].right != XFS_NULL_BLOCK)
			return fail(walk, walk->levels[i].block, "has a neighbour without a parent",
				    error);
	return true;
}

bool xfs_btree_walk(const struct xfs_btree *tree, GError **error)
{
	g_auto(Walk) walk = {
		.tree = tree,
		.n_blocks = xfs_ag_blocks(tree->super, tree->ag),
		.head = tree->super->version == 5 ? sizeof(struct xfs_disk_btree)
						  : offsetof(struct xfs_disk_btree, address),
		.levels = g_new0(struct level, DEPTH_MAX),
	};
	size_t room = tree->super->block_size - walk.head;
	bool done = false;

	walk.n_leaf = (unsigned int)(room / sizeof(struct xfs_disk_free));
	walk.n_node = (unsigned int)(room / (sizeof(struct xfs_disk_free) + sizeof(be32)));
	if (tree->depth == 0 || tree->depth > DEPTH_MAX)
		return fail(&walk, tree->root, "is the root of none or too many levels", error);
	for (unsigned int i = 0; i < tree->depth; i++)
		walk.levels[i].block = XFS_NULL_BLOCK;
	if (!enter(&walk, tree->depth - 1, tree->root, error))
		return false;
	while (!done) /* ends: each leaf has records, which ascend */
		if ((tree->depth > 1 && !next_leaf(&walk, &done, error)) ||
		    (!done && !read_leaf(&walk, error)))
			return false;
		else if (tree->depth == 1)
			done = true;
	return check_ends(&walk, error);
}
