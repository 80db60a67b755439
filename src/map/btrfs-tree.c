/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ends: a node lies one level below the one that refers to it, its first key is the one that is
 * given there, and keys ascend, so that no block can be in a tree twice.
 */
#include "map/btrfs-tree.h"

#include "base/error.h"

#include <inttypes.h>

struct walk {
	struct btrfs_reader *reader;
	struct btrfs_key from, to;
	btrfs_item_fn *fn;
	void *userdata;
};

struct btrfs_reader btrfs_reader_start(const struct btrfs_super *super, const BtrfsChunks *chunks)
{
	struct btrfs_reader reader = { super, chunks, 0 };

	for (unsigned int i = 0; i < chunks->chunks->len; i++)
		reader.nodes_left +=
		    g_array_index(chunks->chunks, struct btrfs_chunk, i).length / super->node_size;
	return reader;
}

/* The keys that a node may have. */
struct bounds {
	const struct btrfs_key *first; /* NULL: of a root, which may begin with any or have none */
	const struct btrfs_key *end;   /* less than this; NULL: any */
};

/* The first failure is told: the others may be of copies that were never written. */
static bool read_node(struct btrfs_reader *reader, const struct btrfs_ref *ref, uint8_t *buf,
		      GError **error)
{
	uint32_t size = reader->super->node_size;
	unsigned int n = btrfs_chunks_count_copies(reader->chunks, ref->bytenr);
	g_autoptr(GError) first = NULL;

	if (reader->nodes_left == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs whose trees, with a node at %" PRIu64
			    ", have more nodes than its chunks have room for",
			    ref->bytenr);
		return false;
	}
	reader->nodes_left--;
	if (!btrfs_chunks_use(reader->chunks, ref->bytenr, size, error))
		return false;
	for (unsigned int copy = 0; copy < n; copy++) {
		g_autoptr(GError) cause = NULL;

		if (btrfs_chunks_read(reader->chunks, ref->bytenr, copy, buf, size, &cause) &&
		    btrfs_node_check(reader->super, ref, buf, &cause))
			return true;
		g_debug("copy %u of %u: %s", copy, n, cause->message);
		if (!first)
			first = g_steal_pointer(&cause);
	}
	g_propagate_error(error, g_steal_pointer(&first));
	return false;
}

static bool check_bounds(const struct btrfs_ref *ref, const uint8_t *block,
			 const struct bounds *bounds, GError **error)
{
	uint32_t n = btrfs_node_count(block);

	if ((!bounds->first ||
	     (n > 0 && btrfs_key_compare(btrfs_node_key(block, 0), *bounds->first) == 0)) &&
	    (!bounds->end || n == 0 ||
	     btrfs_key_compare(btrfs_node_key(block, n - 1), *bounds->end) < 0))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs node at %" PRIu64 " has other keys than the one above it says",
		    ref->bytenr);
	return false;
}

static bool walk_leaf(const struct walk *walk, const uint8_t *block, GError **error)
{
	for (uint32_t i = 0; i < btrfs_node_count(block); i++) {
		struct btrfs_item item = btrfs_node_item(block, i);

		if (btrfs_key_compare(item.key, walk->from) < 0)
			continue;
		if (btrfs_key_compare(item.key, walk->to) > 0)
			break;
		if (!walk->fn(&item, walk->userdata, error))
			return false;
	}
	return true;
}

static bool walk_node(const struct walk *walk, const struct btrfs_ref *ref,
		      const struct bounds *bounds, GError **error)
{
	g_autofree uint8_t *block = g_malloc(walk->reader->super->node_size);
	uint32_t n;

	if (!read_node(walk->reader, ref, block, error) || !check_bounds(ref, block, bounds, error))
		return false;
	if (ref->level == 0)
		return walk_leaf(walk, block, error);
	n = btrfs_node_count(block);
	for (uint32_t i = 0; i < n; i++) {
		struct btrfs_ref below = btrfs_node_ref(block, i);
		struct btrfs_key first = btrfs_node_key(block, i), next;
		struct bounds inner = { &first, bounds->end };

		if (btrfs_key_compare(first, walk->to) > 0)
			break;
		if (i + 1 < n) {
			next = btrfs_node_key(block, i + 1);
			inner.end = &next;
		}
		if (inner.end && btrfs_key_compare(*inner.end, walk->from) <= 0)
			continue;
		if (!walk_node(walk, &below, &inner, error))
			return false;
	}
	return true;
}

bool btrfs_tree_walk(struct btrfs_reader *reader, const struct btrfs_ref *root,
		     struct btrfs_key from, struct btrfs_key to, btrfs_item_fn *fn, void *userdata,
		     GError **error)
{
	const struct walk walk = { reader, from, to, fn, userdata };
	const struct bounds any = { NULL, NULL };

	return walk_node(&walk, root, &any, error);
}
