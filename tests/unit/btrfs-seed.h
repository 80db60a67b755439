/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that mkfs.btrfs and the kernel made for the fuzzer (tests/fuzz/corpus/map-btrfs), to
 * be changed and looked at.
 */
#pragma once

#include "disk.h"

#include "../fuzz/fuzz-btrfs.h"

#define SUPER(field)  offsetof(struct btrfs_disk_super, field)
#define DEVICE(field) (SUPER(device) + offsetof(struct btrfs_disk_device, field))

/* In the header of an item. */
#define KEY_TYPE   8
#define KEY_OFFSET 9

struct set {
	char *data; /* of the seed */
	size_t size;
	struct members_input input;
};

static inline void setup(struct set *set, const char *seed)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/map-btrfs", seed, NULL);

	assert_true(g_file_get_contents(path, &set->data, &set->size, NULL));
	btrfs_input_open(&set->input, (const uint8_t *)set->data, set->size);
}

static inline void teardown(struct set *set)
{
	members_input_close(&set->input);
	g_free(set->data);
}

static inline void mend(const struct set *set)
{
	btrfs_input_mend(&set->input, (const uint8_t *)set->data, set->size);
}

static inline void read_at(const struct set *set, unsigned int member, uint64_t offset, void *buf,
			   size_t len)
{
	assert_true(volume_read(set->input.volumes[member], offset, buf, len, NULL));
}

static inline void put(const struct set *set, unsigned int member, uint64_t offset, uint64_t value,
		       size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	members_input_write(set->input.disks[member]->fd, bytes, len, offset);
}

/* The first @n members, as if there were no others. */
static inline void assemble(struct set *set, unsigned int n, bool last)
{
	g_autoptr(GPtrArray) members = g_ptr_array_new();

	for (unsigned int i = 0; i < n; i++)
		g_ptr_array_add(members, &set->input.members[i]);
	map_layer_btrfs.assemble(members, last, set->input.found, set->input.warnings);
}

static inline void check_how(const struct set *set, unsigned int member, const char *words)
{
	const char *how = set->input.members[member].how;
	uint64_t used = used_map_count(set->input.used[member], 0, BTRFS_MEMBER_SIZE);

	if (!how || !strstr(how, words))
		fail_msg("member %u: '%s', not '%s'", member, how ? how : "(not settled)", words);
	assert_int_equal(used == BTRFS_MEMBER_SIZE, g_str_has_prefix(how, "carried whole: "));
}

/* Where, on the device, the header of the first item of @type lies in the node there; 0: nowhere.
 */
static inline uint64_t find_item(const struct set *set, uint64_t node, uint8_t type)
{
	struct btrfs_disk_header header;

	read_at(set, 0, node, &header, sizeof(header));
	for (uint32_t i = 0; header.level == 0 && i < le32_get(header.n_items); i++) {
		uint64_t at = node + sizeof(header) + i * sizeof(struct btrfs_disk_item);
		struct btrfs_disk_item item;

		read_at(set, 0, at, &item, sizeof(item));
		if (item.key.type == type)
			return at;
	}
	return 0;
}

/*
 * Where the newest node of a tree lies first on member 0: one that has an item of @type, if that is
 * not 0.
 */
static inline uint64_t find_node(const struct set *set, uint64_t owner, uint8_t type)
{
	struct btrfs_disk_super super;
	uint64_t found = 0, newest = 0;

	read_at(set, 0, BTRFS_SUPER_AT, &super, sizeof(super));
	for (uint64_t at = BTRFS_RESERVED; at < BTRFS_MEMBER_SIZE; at += 4096) {
		struct btrfs_disk_header header;

		read_at(set, 0, at, &header, sizeof(header));
		if (memcmp(header.fsid, super.fsid, sizeof(super.fsid)) == 0 &&
		    le64_get(header.owner) == owner && le64_get(header.generation) > newest &&
		    (type == 0 || find_item(set, at, type) != 0)) {
			newest = le64_get(header.generation);
			found = at;
		}
	}
	assert_int_not_equal(found, 0);
	return found;
}

static inline uint64_t data_of(const struct set *set, uint64_t node, uint64_t at)
{
	struct btrfs_disk_item item;

	read_at(set, 0, at, &item, sizeof(item));
	return node + sizeof(struct btrfs_disk_header) + le32_get(item.offset);
}
