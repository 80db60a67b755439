/* SPDX-License-Identifier: GPL-2.0-or-later */
/* As strict as the kernel's tree checker (fs/btrfs/tree-checker.c) where the walk depends on it. */
#include "map/btrfs-node.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

#define HEADER sizeof(struct btrfs_disk_header)

int btrfs_key_compare(struct btrfs_key a, struct btrfs_key b)
{
	if (a.object != b.object)
		return a.object < b.object ? -1 : 1;
	if (a.type != b.type)
		return a.type < b.type ? -1 : 1;
	return (a.offset > b.offset) - (a.offset < b.offset);
}

static struct btrfs_disk_header header_of(const uint8_t *block)
{
	struct btrfs_disk_header header;

	memcpy(&header, block, sizeof(header));
	return header;
}

/* Both an item and a reference begin with their key. */
static size_t entry_size(const uint8_t *block)
{
	return header_of(block).level == 0 ? sizeof(struct btrfs_disk_item)
					   : sizeof(struct btrfs_disk_pointer);
}

uint32_t btrfs_node_count(const uint8_t *block)
{
	return le32_get(header_of(block).n_items);
}

struct btrfs_key btrfs_node_key(const uint8_t *block, uint32_t i)
{
	struct btrfs_disk_key key;

	memcpy(&key, block + HEADER + i * entry_size(block), sizeof(key));
	return (struct btrfs_key){ le64_get(key.object), key.type, le64_get(key.offset) };
}

static struct btrfs_disk_item disk_item(const uint8_t *block, uint32_t i)
{
	struct btrfs_disk_item item;

	memcpy(&item, block + HEADER + i * sizeof(item), sizeof(item));
	return item;
}

struct btrfs_item btrfs_node_item(const uint8_t *block, uint32_t i)
{
	struct btrfs_disk_item item = disk_item(block, i);

	return (struct btrfs_item){ btrfs_node_key(block, i),
				    block + HEADER + le32_get(item.offset), le32_get(item.size) };
}

struct btrfs_ref btrfs_node_ref(const uint8_t *block, uint32_t i)
{
	struct btrfs_disk_header header = header_of(block);
	struct btrfs_disk_pointer pointer;

	memcpy(&pointer, block + HEADER + i * sizeof(pointer), sizeof(pointer));
	return (struct btrfs_ref){ le64_get(header.owner), le64_get(pointer.bytenr),
				   le64_get(pointer.generation), (uint8_t)(header.level - 1) };
}

static bool check_header(const struct btrfs_super *super, const struct btrfs_ref *ref,
			 const struct btrfs_disk_header *header, GError **error)
{
	const char *what = NULL;
	uint64_t found = 0, want = 0;

	if (le64_get(header->bytenr) != ref->bytenr) {
		what = "address";
		found = le64_get(header->bytenr);
		want = ref->bytenr;
	} else if (le64_get(header->generation) != ref->generation) {
		what = "generation";
		found = le64_get(header->generation);
		want = ref->generation;
	} else if (le64_get(header->owner) != ref->owner) {
		what = "owner";
		found = le64_get(header->owner);
		want = ref->owner;
	} else if (header->level != ref->level) {
		what = "level";
		found = header->level;
		want = ref->level;
	}
	if (what) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs node at %" PRIu64 " has the %s %" PRIu64 ", not %" PRIu64,
			    ref->bytenr, what, found, want);
		return false;
	}
	if (memcmp(header->fsid, super->metadata_uuid, sizeof(header->fsid)) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs node at %" PRIu64 " is of another filesystem", ref->bytenr);
	return false;
}

static bool check_keys(const uint8_t *block, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (btrfs_key_compare(btrfs_node_key(block, i - 1), btrfs_node_key(block, i)) >= 0)
			return false;
	return true;
}

/* The data of the items, from the end of the leaf on down to the last of the items themselves. */
static bool check_items(const uint8_t *block, uint32_t n, uint32_t node_size)
{
	uint32_t end = node_size - (uint32_t)HEADER;
	uint32_t limit = n * (uint32_t)sizeof(struct btrfs_disk_item);

	for (uint32_t i = 0; i < n; i++) {
		struct btrfs_disk_item item = disk_item(block, i);
		uint32_t offset = le32_get(item.offset), size = le32_get(item.size);

		if (offset < limit || offset > end || size != end - offset)
			return false;
		end = offset;
	}
	return true;
}

bool btrfs_node_check(const struct btrfs_super *super, const struct btrfs_ref *ref,
		      const uint8_t *block, GError **error)
{
	struct btrfs_disk_header header = header_of(block);
	uint32_t n = le32_get(header.n_items);

	if (!btrfs_checksum_verify(super->checksum, block, super->node_size)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "btrfs node at %" PRIu64 " has a wrong checksum", ref->bytenr);
		return false;
	}
	if (!check_header(super, ref, &header, error))
		return false;
	if (n <= (super->node_size - HEADER) / entry_size(block) && (n > 0 || ref->level == 0) &&
	    check_keys(block, n) && (ref->level > 0 || check_items(block, n, super->node_size)))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "btrfs node at %" PRIu64 " has %" PRIu32 " entries that cannot be right",
		    ref->bytenr, n);
	return false;
}
