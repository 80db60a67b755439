/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thing in the superblock or a node of a btrfs is wrong at a time, with the checksums put right
 * again: what is said then.
 */
#include "btrfs-seed.h"

#include "map/btrfs-super.h"

/* In the superblock of valid-mixed-log. */
static void test_superblock(void **state)
{
	static const struct {
		const char *what;
		size_t at, len;
		uint64_t value;
		const char *words;
	} changes[] = {
		{ "nothing", SUPER(padding), 1, 7, "btrfs, log followed" },
		{ "zoned", SUPER(incompat), 8, 0x1361,
		  "incompatible features 0x1000 that are not" },
		{ "extent tree v2", SUPER(incompat), 8, 0x2361,
		  "incompatible features 0x2000 that" },
		{ "stripe tree", SUPER(incompat), 8, 0x4361, "incompatible features 0x4000 that" },
		{ "nobody knows", SUPER(incompat) + 7, 1, 0x80,
		  "features 0x8000000000000000 that" },
		{ "old backrefs", SUPER(incompat), 1, 0x64, "extent tree of before 2009" },
		{ "unknown compat_ro", SUPER(compat_ro) + 1, 1, 1,
		  "only compatible features 0x100 " },
		{ "unknown compat", SUPER(compat), 1, 1, "with compatible features 0x1 that are" },
		{ "unknown checksum", SUPER(checksum_type), 2, 7, "checksums of type 7, which" },
		{ "magic", SUPER(magic), 1, 'x', "no superblock of btrfs at 65536" },
		{ "lies elsewhere", SUPER(bytenr), 8, 4096, "no superblock of btrfs at 65536" },
		{ "seed", SUPER(flags) + 4, 1, 1,
		  "state that is not followed (flags 0x100000000)" },
		{ "error", SUPER(flags), 1, 5, "state that is not followed (flags 0x4)" },
		{ "small nodes", SUPER(node_size), 4, 2048, "nodes of 2048 bytes" },
		{ "large nodes", SUPER(node_size), 4, 131072, "nodes of 131072 bytes" },
		{ "odd nodes", SUPER(node_size), 4, 5000, "nodes of 5000 bytes" },
		{ "sectors beyond nodes", SUPER(sector_size), 4, 8192, "sectors of 8192 and" },
		{ "too large", DEVICE(total_bytes), 8, 128 * 1048576 + 4096,
		  "on a volume of 13421" },
		{ "another size", DEVICE(total_bytes), 8, 127 * 1048576,
		  "has 133169152 bytes by its superblock" },
		{ "two devices", SUPER(n_devices), 8, 2, "of 2 devices, of which 1 is among" },
		{ "less in use", SUPER(used_bytes), 8, 4096,
		  "4096 bytes in use by its superblock" },
		{ "no devices", SUPER(n_devices), 8, 0, "btrfs of 0 devices" },
		{ "a device to come", DEVICE(id), 8, 0, "a device is being replaced" },
		{ "another device", DEVICE(id), 8, 5, "device 1 that it does not have" },
		{ "another UUID", DEVICE(uuid), 1, 1, "or is another" },
		{ "deep root", SUPER(root_level), 1, 8, "with trees of levels 8, 0 and 0" },
		{ "deep log", SUPER(log_root_level), 1, 9, "with trees of levels 0, 0 and 9" },
		{ "root on level 1", SUPER(root_level), 1, 1, "has the level 0, not 1" },
		{ "newer", SUPER(generation), 8, 100, "has the generation " },
		{ "no root", SUPER(root), 8, 0, "which are not in one chunk" },
		{ "root elsewhere", SUPER(root), 8, 5242880, "btrfs node at 5242880 has" },
		{ "chunks elsewhere", SUPER(chunk_root_generation), 8, 1, "has the generation " },
		{ "log elsewhere", SUPER(log_root), 8, 5242880, "btrfs node at 5242880 has" },
		{ "log outside", SUPER(log_root), 8, UINT64_MAX, "which are not in one chunk" },
		{ "long array", SUPER(sys_array_size), 4, 2049,
		  "with 2049 bytes of system chunks" },
		{ "short array", SUPER(sys_array_size), 4, 90, "no system chunk at 0 of 90 bytes" },
		{ "no array", SUPER(sys_array_size), 4, 0, "more nodes than its chunks have room" },
		{ "array of others", SUPER(sys_array) + 8, 1, 1, "no system chunk at 0 of" },
		{ "another chunk", SUPER(sys_array) + 17 + 24, 1, 6,
		  "that its chunk tree has not" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		struct set set;

		print_message("%s\n", changes[i].what);
		setup(&set, "valid-mixed-log");
		put(&set, 0, BTRFS_SUPER_AT + changes[i].at, changes[i].value, changes[i].len);
		mend(&set);
		assemble(&set, 1, true);
		check_how(&set, 0, changes[i].words);
		teardown(&set);
	}
}

/* The copy at 64 MiB: of @generation more than the first; only a newer one is a reason. */
static void test_copies(void **state)
{
	static const struct {
		const char *what;
		int generation;
		size_t at; /* a byte that is changed */
		bool sign;
		const char *words;
	} copies[] = {
		{ "newer", 1, 0, true, "is older than its copy at 67108864" },
		{ "older", -1, 0, true, "btrfs, log followed" },
		{ "newer, of another filesystem", 1, SUPER(fsid), true, "btrfs, log followed" },
		{ "newer, of another device", 1, DEVICE(uuid), true, "btrfs, log followed" },
		{ "newer, damaged", 1, SUPER(label), false, "btrfs, log followed" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(copies); i++) {
		const uint64_t at = btrfs_super_offset(1);
		struct btrfs_disk_super super;
		struct set set;

		print_message("%s\n", copies[i].what);
		setup(&set, "valid-mixed-log");
		read_at(&set, 0, BTRFS_SUPER_AT, &super, sizeof(super));
		super.bytenr = le64_make(at);
		super.generation =
		    le64_make(le64_get(super.generation) + (uint64_t)copies[i].generation);
		if (copies[i].at > 0)
			((uint8_t *)&super)[copies[i].at] ^= 1;
		members_input_write(set.input.disks[0]->fd, &super, sizeof(super), at);
		if (copies[i].sign)
			btrfs_input_sign(&set.input, 0, BTRFS_CRC32C, at, sizeof(super));
		assemble(&set, 1, true);
		check_how(&set, 0, copies[i].words);
		assert_int_equal(used_map_count(set.input.used[0], at, 4096), 4096);
		teardown(&set);
	}
}

enum part {
	HEADER, /* of the node */
	ITEM,   /* the header of the item */
	DATA,   /* of the item */
};

#define HEAD(field)    HEADER, 0, offsetof(struct btrfs_disk_header, field)
#define CHUNK(field)   DATA, BTRFS_CHUNK_ITEM, offsetof(struct btrfs_disk_chunk, field)
#define GROUP(field)   DATA, BTRFS_BLOCK_GROUP_ITEM, offsetof(struct btrfs_disk_group, field)
#define DEVITEM(field) DATA, BTRFS_DEVICE_ITEM, offsetof(struct btrfs_disk_device, field)
#define LOGGED(field)  DATA, BTRFS_EXTENT_DATA, offsetof(struct btrfs_disk_file_extent, field)

/* In a leaf of a tree of valid-mixed-log. */
static void test_nodes(void **state)
{
	static const struct {
		const char *what;
		uint64_t tree;
		enum part part;
		uint8_t type; /* of the item */
		size_t at, len;
		uint64_t value;
		const char *words;
	} changes[] = {
		{ "nothing", BTRFS_EXTENT_TREE, HEAD(chunk_tree_uuid), 1, 1,
		  "btrfs, log followed" },
		{ "fsid", BTRFS_CHUNK_TREE, HEAD(fsid), 1, 1, "is of another filesystem" },
		{ "address", BTRFS_EXTENT_TREE, HEAD(bytenr), 8, 4096,
		  "has the address 4096, not" },
		{ "generation", BTRFS_ROOT_TREE, HEAD(generation), 8, 2,
		  "has the generation 2, not" },
		{ "owner", BTRFS_EXTENT_TREE, HEAD(owner), 8, 5, "has the owner 5, not 2" },
		{ "level", BTRFS_EXTENT_TREE, HEAD(level), 1, 1, "has the level 1, not 0" },
		{ "many items", BTRFS_ROOT_TREE, HEAD(n_items), 4, 200, "has 200 entries that" },
		{ "more items", BTRFS_ROOT_TREE, HEAD(n_items), 4, UINT32_MAX, "entries that" },
		{ "no items", BTRFS_ROOT_TREE, HEAD(n_items), 4, 0, "btrfs without tree 4" },
		{ "no chunks", BTRFS_CHUNK_TREE, HEAD(n_items), 4, 0, "the chunk tree has 0" },

		{ "a foreign item", BTRFS_CHUNK_TREE, ITEM, BTRFS_CHUNK_ITEM, KEY_TYPE, 1, 227,
		  "chunk tree has items of type 227" },
		{ "keys descend", BTRFS_CHUNK_TREE, ITEM, BTRFS_CHUNK_ITEM, 0, 8, 0,
		  "entries that cannot be right" },
		{ "data overlaps", BTRFS_CHUNK_TREE, ITEM, BTRFS_CHUNK_ITEM, 17, 4, 100,
		  "entries that cannot be right" },
		{ "too long", BTRFS_CHUNK_TREE, ITEM, BTRFS_CHUNK_ITEM, 21, 4, 4000,
		  "entries that cannot be right" },
		{ "no stripes", BTRFS_CHUNK_TREE, CHUNK(n_stripes), 2, 0, "in 0 stripes" },
		{ "unknown profile", BTRFS_CHUNK_TREE, CHUNK(type) + 1, 1, 0x8, "is not followed" },
		{ "seed", BTRFS_CHUNK_TREE, DEVITEM(fsid), 1, 1, "has grown from a seed" },
		{ "other UUID", BTRFS_CHUNK_TREE, DEVITEM(uuid), 1, 1, "or another UUID by the" },
		{ "other size", BTRFS_CHUNK_TREE, DEVITEM(total_bytes), 8, 4096,
		  "by its superblock" },
		{ "another device", BTRFS_CHUNK_TREE, DEVITEM(id), 8, 2,
		  "2 is not among the disks" },

		{ "no extent tree", BTRFS_ROOT_TREE, ITEM, BTRFS_ROOT_ITEM, 0, 8, 1,
		  "btrfs without tree 2" },
		{ "extent tree elsewhere", BTRFS_ROOT_TREE, DATA, BTRFS_ROOT_ITEM,
		  offsetof(struct btrfs_disk_root, bytenr), 8, 4096, "which are not in one chunk" },
		{ "extent tree of level 9", BTRFS_ROOT_TREE, DATA, BTRFS_ROOT_ITEM,
		  offsetof(struct btrfs_disk_root, level), 1, 9, "has a root item of 439 bytes" },

		{ "taken elsewhere", BTRFS_DEVICE_TREE, ITEM, BTRFS_DEVICE_EXTENT, KEY_OFFSET, 8,
		  4096, "bytes taken at 4096, where no chunk" },
		{ "taken by nobody", BTRFS_DEVICE_TREE, DATA, BTRFS_DEVICE_EXTENT, 16, 8, 4096,
		  "where no chunk lies alone" },
		{ "taken shorter", BTRFS_DEVICE_TREE, DATA, BTRFS_DEVICE_EXTENT, 24, 8, 4096,
		  "has 4096 bytes taken at" },
		{ "not taken", BTRFS_DEVICE_TREE, ITEM, BTRFS_DEVICE_EXTENT, KEY_TYPE, 1, 203,
		  "in the device tree" },

		{ "used more", BTRFS_EXTENT_TREE, GROUP(used), 8, 8192,
		  "has 8192 bytes in use, and" },
		{ "another type", BTRFS_EXTENT_TREE, GROUP(flags), 8, 1, "is no chunk" },
		{ "another length", BTRFS_EXTENT_TREE, ITEM, BTRFS_BLOCK_GROUP_ITEM, KEY_OFFSET, 8,
		  4096, "block group of 4096 bytes at" },
		{ "no group", BTRFS_EXTENT_TREE, ITEM, BTRFS_BLOCK_GROUP_ITEM, KEY_TYPE, 1, 184,
		  "or is missing" },
		{ "old references", BTRFS_EXTENT_TREE, ITEM, BTRFS_METADATA_ITEM, KEY_TYPE, 1, 180,
		  "extent tree has items of type 180" },
		{ "one less", BTRFS_EXTENT_TREE, ITEM, BTRFS_METADATA_ITEM, KEY_TYPE, 1, 176,
		  "bytes in use, and extents of" },
		{ "odd extent", BTRFS_EXTENT_TREE, ITEM, BTRFS_EXTENT_ITEM, KEY_OFFSET, 8, 100,
		  "extent of 100 bytes at" },
		{ "empty extent", BTRFS_EXTENT_TREE, ITEM, BTRFS_EXTENT_ITEM, KEY_OFFSET, 8, 0,
		  "extent of 0 bytes at" },
		{ "endless extent", BTRFS_EXTENT_TREE, ITEM, BTRFS_EXTENT_ITEM, KEY_OFFSET, 8,
		  UINT64_MAX - 4095, "which is in no chunk" },
		{ "extent over the next", BTRFS_EXTENT_TREE, ITEM, BTRFS_EXTENT_ITEM, KEY_OFFSET, 8,
		  8192, "in no chunk or over another" },
		{ "logged outside", BTRFS_LOG_TREE, LOGGED(bytenr), 8, 4096, "log of inode 2" },
		{ "logged too long", BTRFS_LOG_TREE, LOGGED(disk_bytes), 8, UINT64_MAX - 4095,
		  "which are not in one chunk" },
		{ "logged as nothing known", BTRFS_LOG_TREE, LOGGED(type), 1, 3,
		  "extent of type 3" },
		{ "encrypted", BTRFS_LOG_TREE, LOGGED(encryption), 1, 1, "encryption 1 and 53" },
		{ "encrypted inline", BTRFS_LOG_TREE, LOGGED(encryption), 4, 1,
		  "extent of type 0, encryption 1" },
		{ "inline", BTRFS_LOG_TREE, LOGGED(type), 1, 0, "btrfs, log followed" },
		{ "a hole", BTRFS_LOG_TREE, LOGGED(bytenr), 8, 0, "btrfs, log followed" },
		{ "no root of a log", BTRFS_LOG_TREE, ITEM, BTRFS_ROOT_ITEM, KEY_TYPE, 1, 133,
		  "tree of logs has items of type 133" },
		{ "a log elsewhere", BTRFS_LOG_TREE, DATA, BTRFS_ROOT_ITEM,
		  offsetof(struct btrfs_disk_root, bytenr), 8, 5242880,
		  "btrfs node at 5242880 has" },
		{ "a log of another time", BTRFS_LOG_TREE, DATA, BTRFS_ROOT_ITEM,
		  offsetof(struct btrfs_disk_root, generation), 8, 3, ", not 3" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		uint64_t node, at;
		struct set set;

		print_message("%s\n", changes[i].what);
		setup(&set, "valid-mixed-log");
		at = node = find_node(&set, changes[i].tree, changes[i].type);
		if (changes[i].part != HEADER)
			at = find_item(&set, node, changes[i].type);
		if (changes[i].part == DATA)
			at = data_of(&set, node, at);
		put(&set, 0, at + changes[i].at, changes[i].value, changes[i].len);
		btrfs_input_sign(&set.input, 0, BTRFS_CRC32C, node, 4096);
		assemble(&set, 1, true);
		check_how(&set, 0, changes[i].words);
		teardown(&set);
	}
}

/* A replacement is noted beside the counts of errors. */
static void test_replacement(void **state)
{
	static const struct {
		uint64_t state;
		const char *words;
	} states[] = {
		{ 0, "btrfs, log followed" }, { 1, "is being replaced" },
		{ 2, "btrfs, log followed" }, { 3, "btrfs, log followed" },
		{ 4, "is being replaced" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		uint64_t node, at;
		struct set set;

		setup(&set, "valid-mixed-log");
		node = find_node(&set, BTRFS_DEVICE_TREE, 249);
		at = find_item(&set, node, 249);
		put(&set, 0, at + KEY_TYPE, BTRFS_DEVICE_REPLACE, 1);
		put(&set, 0, data_of(&set, node, at) + offsetof(struct btrfs_disk_replace, state),
		    states[i].state, 8);
		btrfs_input_sign(&set.input, 0, BTRFS_CRC32C, node, 4096);
		assemble(&set, 1, true);
		check_how(&set, 0, states[i].words);
		teardown(&set);
	}
}

/* Of a tree with an internal node. */
static void test_pointers(void **state)
{
	static const struct {
		const char *what;
		size_t at, len; /* in the second pointer */
		uint64_t value;
		const char *words;
	} changes[] = {
		{ "as it is", 0, 0, 0, "btrfs, clean" },
		{ "key", KEY_OFFSET, 1, 1, "has other keys than the one above it says" },
		{ "key after the next", 0, 8, UINT64_MAX, "entries that cannot be right" },
		{ "address", 17, 8, 4096, "which are not in one chunk" },
		{ "generation", 25, 8, 1, "has the generation " },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
		struct btrfs_disk_header header = { .level = 0 };
		uint64_t node = BTRFS_RESERVED;
		struct set set;

		print_message("%s\n", changes[i].what);
		setup(&set, "valid-deep");
		while (header.level != 1 || le64_get(header.owner) != BTRFS_EXTENT_TREE) {
			node += 4096;
			assert_true(node < BTRFS_MEMBER_SIZE);
			read_at(&set, 0, node, &header, sizeof(header));
		}
		put(&set, 0,
		    node + sizeof(header) + sizeof(struct btrfs_disk_pointer) + changes[i].at,
		    changes[i].value, changes[i].len);
		btrfs_input_sign(&set.input, 0, BTRFS_CRC32C, node, 4096);
		assemble(&set, 1, true);
		check_how(&set, 0, changes[i].words);
		teardown(&set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_superblock), cmocka_unit_test(test_copies),
		cmocka_unit_test(test_nodes),      cmocka_unit_test(test_replacement),
		cmocka_unit_test(test_pointers),
	};

	return cmocka_run_group_tests_name("btrfs-damage", tests, NULL, NULL);
}
