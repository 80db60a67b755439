/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices that mkfs.btrfs and the kernel made for the fuzzer (tests/fuzz/corpus/map-btrfs) are
 * followed; then one thing in them is wrong at a time, with the checksums put right again.
 */
#include "disk.h"

#include "../fuzz/fuzz-btrfs.h"
#include "map/btrfs-node.h"

#include <string.h>

struct set {
	char *data; /* of the seed */
	size_t size;
	struct members_input input;
};

static void setup(struct set *set, const char *seed)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/map-btrfs", seed, NULL);

	assert_true(g_file_get_contents(path, &set->data, &set->size, NULL));
	btrfs_input_open(&set->input, (const uint8_t *)set->data, set->size);
}

static void teardown(struct set *set)
{
	members_input_close(&set->input);
	g_free(set->data);
}

static void mend(const struct set *set)
{
	btrfs_input_mend(&set->input, (const uint8_t *)set->data, set->size);
}

static void read_at(const struct set *set, unsigned int member, uint64_t offset, void *buf,
		    size_t len)
{
	assert_true(volume_read(set->input.volumes[member], offset, buf, len, NULL));
}

static void put(const struct set *set, unsigned int member, uint64_t offset, uint64_t value,
		size_t len)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	members_input_write(set->input.disks[member]->fd, bytes, len, offset);
}

/* The first @n members, as if there were no others. */
static void assemble(struct set *set, unsigned int n, bool last)
{
	g_autoptr(GPtrArray) members = g_ptr_array_new();

	for (unsigned int i = 0; i < n; i++)
		g_ptr_array_add(members, &set->input.members[i]);
	map_layer_btrfs.assemble(members, last, set->input.found, set->input.warnings);
}

static void check_how(const struct set *set, unsigned int member, const char *words)
{
	const char *how = set->input.members[member].how;
	uint64_t used = used_map_count(set->input.used[member], 0, BTRFS_MEMBER_SIZE);

	if (!how || !strstr(how, words))
		fail_msg("member %u: '%s', not '%s'", member, how ? how : "(not settled)", words);
	assert_int_equal(used == BTRFS_MEMBER_SIZE, g_str_has_prefix(how, "carried whole: "));
}

/* The bytes in use are those that were so when the seed was made, and mounted. */
static void test_valid(void **state)
{
	static const struct {
		const char *seed;
		unsigned int n;
		const char *how[N_MEMBERS];
		uint64_t used[N_MEMBERS];
	} seeds[] = {
		{ "valid-dup", 1, { "btrfs, clean" }, { 1142784 } },
		{ "valid-deep", 1, { "btrfs, clean" }, { 1802240 } },
		{ "valid-16k-blake2", 1, { "btrfs, clean" }, { 1363968 } },
		{ "valid-mixed-log", 1, { "btrfs, log followed" }, { 1257472 } },
		{ "valid-raid1-log",
		  2,
		  { "btrfs, device 1 of 2, log followed", "btrfs, device 2 of 2, log followed" },
		  { 1191936, 1163264 } },
		{ "valid-raid10",
		  2,
		  { "btrfs, device 1 of 2, clean", "btrfs, device 2 of 2, clean" },
		  { 1105920, 1105920 } },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		struct set set;

		print_message("%s\n", seeds[i].seed);
		setup(&set, seeds[i].seed);
		assemble(&set, seeds[i].n, false);
		for (unsigned int j = 0; j < seeds[i].n; j++) {
			assert_string_equal(set.input.members[j].how, seeds[i].how[j]);
			assert_int_equal(used_map_count(set.input.used[j], 0, BTRFS_MEMBER_SIZE),
					 seeds[i].used[j]);
		}
		assert_int_equal(set.input.found->len, 0);
		assert_int_equal(set.input.warnings->len, 0);
		teardown(&set);
	}
}

#define SUPER(field)  offsetof(struct btrfs_disk_super, field)
#define DEVICE(field) (SUPER(device) + offsetof(struct btrfs_disk_device, field))

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

static void test_wrong_checksum(void **state)
{
	struct set set;

	setup(&set, "valid-mixed-log");
	put(&set, 0, BTRFS_SUPER_AT + SUPER(padding), 1, 1);
	assemble(&set, 1, true);
	check_how(&set, 0, "superblock has a wrong checksum");
	teardown(&set);
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

/* Where, on the device, the header of the first item of @type lies in the node there; 0: nowhere.
 */
static uint64_t find_item(const struct set *set, uint64_t node, uint8_t type)
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
static uint64_t find_node(const struct set *set, uint64_t owner, uint8_t type)
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

static uint64_t data_of(const struct set *set, uint64_t node, uint64_t at)
{
	struct btrfs_disk_item item;

	read_at(set, 0, at, &item, sizeof(item));
	return node + sizeof(struct btrfs_disk_header) + le32_get(item.offset);
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

#define KEY_TYPE   8
#define KEY_OFFSET 9

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

/* Nodes of valid-raid1-log are on both devices, at the same place on the first that is searched. */
static void test_mirrors(void **state)
{
	static const uint64_t trees[] = { BTRFS_ROOT_TREE, BTRFS_EXTENT_TREE, BTRFS_CHUNK_TREE,
					  BTRFS_DEVICE_TREE, BTRFS_LOG_TREE };

	for (size_t i = 0; i < G_N_ELEMENTS(trees); i++) {
		uint8_t block[4096], other[4096];
		uint64_t node, twin;
		struct set set;

		setup(&set, "valid-raid1-log");
		node = find_node(&set, trees[i], 0);
		read_at(&set, 0, node, block, sizeof(block));
		put(&set, 0, node + 2000, UINT64_MAX, 8);
		assemble(&set, 2, true);
		check_how(&set, 0, "btrfs, device 1 of 2, log followed");
		assert_int_equal(used_map_count(set.input.used[0], node, 4096), 4096);
		teardown(&set);

		setup(&set, "valid-raid1-log");
		for (twin = BTRFS_RESERVED; twin < BTRFS_MEMBER_SIZE; twin += 4096) {
			read_at(&set, 1, twin, other, sizeof(other));
			if (memcmp(block, other, sizeof(block)) == 0)
				break;
		}
		put(&set, 0, node + 2000, UINT64_MAX, 8);
		put(&set, 1, twin + 2000, UINT64_MAX, 8);
		assemble(&set, 2, true);
		check_how(&set, 0, "has a wrong checksum");
		check_how(&set, 1, "has a wrong checksum");
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

/* Two devices of which one is missing, comes later, is there twice, or has missed something. */
static void test_devices(void **state)
{
	struct set set;

	setup(&set, "valid-raid1-log");
	assemble(&set, 1, false);
	assert_null(set.input.members[0].how);
	assert_non_null(set.input.members[0].group);
	assemble(&set, 1, true);
	check_how(&set, 0, "carried whole: btrfs of 2 devices, of which 1 is among the disks");
	assert_int_equal(set.input.warnings->len, 1);
	teardown(&set);

	setup(&set, "valid-mixed-log");
	for (uint64_t at = 0; at < 16 << 20; at += 4096) {
		uint8_t block[4096];

		read_at(&set, 0, at, block, sizeof(block));
		members_input_write(set.input.disks[1]->fd, block, sizeof(block), at);
	}
	assemble(&set, 2, false);
	check_how(&set, 0, "carried whole: btrfs whose device 1 is there twice");
	check_how(&set, 1, "carried whole: btrfs whose device 1 is there twice");
	assert_int_equal(set.input.warnings->len, 1);
	teardown(&set);

	setup(&set, "valid-raid1-log");
	set.input.volumes[1]->copy = 1;
	assemble(&set, 2, true);
	check_how(&set, 0, "carried whole: btrfs of several devices, on mirrors that may differ");
	teardown(&set);
}

/* What one device's superblock says, and not the other's. */
static void test_apart(void **state)
{
	static const struct {
		const char *what;
		size_t at, len;
		int64_t add;
		const char *words;
	} changes[] = {
		{ "one commit older", SUPER(generation), 8, -1, "device 1 of 2, log followed" },
		{ "two commits older", SUPER(generation), 8, -2, "have gone apart" },
		{ "other trees", SUPER(root), 8, 4096, "have gone apart" },
		{ "other chunks", SUPER(chunk_root), 8, 4096, "have gone apart" },
		{ "other nodes", SUPER(node_size), 4, 4096, "have gone apart" },
		{ "another log", SUPER(log_root), 8, 16384, "carried whole: btrfs node at " },
		{ "an older log", SUPER(log_root_level), 1, 1, "carried whole: btrfs node at " },
	};

	for (unsigned int member = 0; member < 2; member++)
		for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
			le64 was = le64_make(0);
			struct set set;

			print_message("%s, on %u\n", changes[i].what, member);
			setup(&set, "valid-raid1-log");
			read_at(&set, member, BTRFS_SUPER_AT + changes[i].at, &was, changes[i].len);
			put(&set, member, BTRFS_SUPER_AT + changes[i].at,
			    le64_get(was) + (uint64_t)changes[i].add, changes[i].len);
			/* Its copy, which says what was, is gone. */
			put(&set, member, btrfs_super_offset(1) + SUPER(magic), 0, 8);
			mend(&set);
			assemble(&set, 2, true);
			check_how(&set, 0, changes[i].words);
			teardown(&set);
		}
}

/* Only one of two superblocks had the log when the power failed: it is followed all the same. */
static void test_one_log(void **state)
{
	for (unsigned int member = 0; member < 2; member++) {
		uint64_t node;
		struct set set;

		setup(&set, "valid-raid1-log");
		node = find_node(&set, BTRFS_LOG_TREE, 0);
		put(&set, member, BTRFS_SUPER_AT + SUPER(log_root), 0, 8);
		mend(&set);
		assemble(&set, 2, true);
		check_how(&set, 0, "device 1 of 2, log followed");
		assert_int_equal(used_map_count(set.input.used[0], node, 4096), 4096);
		teardown(&set);
	}
}

/*
 * No mkfs here makes a block group tree: its items are taken out of the extent tree of valid-dup by
 * another type, and into a leaf in place of the root of the free space tree.
 */
static void make_group_tree(const struct set *set, uint64_t used_more)
{
	uint64_t extents = find_node(set, BTRFS_EXTENT_TREE, 0), roots, space, at;
	uint8_t leaf[4096], old[4096];
	struct btrfs_disk_header header;
	uint32_t n = 0, end = sizeof(leaf) - sizeof(header);

	roots = find_node(set, BTRFS_ROOT_TREE, 0);
	space = find_node(set, 10, 0);
	read_at(set, 0, space, &header, sizeof(header)); /* its place becomes that of the new one */
	read_at(set, 0, extents, old, sizeof(old));
	memset(leaf, 0, sizeof(leaf));
	for (uint32_t i = 0; i < btrfs_node_count(old); i++) {
		struct btrfs_item item = btrfs_node_item(old, i);
		struct btrfs_disk_item disk;

		if (item.key.type != BTRFS_BLOCK_GROUP_ITEM)
			continue;
		end -= (uint32_t)item.size;
		disk = (struct btrfs_disk_item){
			{ le64_make(item.key.object), item.key.type, le64_make(item.key.offset) },
			le32_make(end),
			le32_make((uint32_t)item.size),
		};
		memcpy(leaf + sizeof(header) + end, item.data, item.size);
		memcpy(leaf + sizeof(header) + n++ * sizeof(disk), &disk, sizeof(disk));
		at = extents + sizeof(header) + i * sizeof(disk);
		put(set, 0, at + KEY_TYPE, 184, 1);
	}
	leaf[sizeof(header) + end] += (uint8_t)used_more;
	header.owner = le64_make(BTRFS_BLOCK_GROUP_TREE);
	header.n_items = le32_make(n);
	memcpy(leaf, &header, sizeof(header));
	members_input_write(set->input.disks[0]->fd, leaf, sizeof(leaf), space);
	read_at(set, 0, roots, old, sizeof(old));
	for (uint32_t i = 0; i < btrfs_node_count(old); i++)
		if (btrfs_node_key(old, i).object == 10)
			put(set, 0, roots + sizeof(header) + i * sizeof(struct btrfs_disk_item),
			    BTRFS_BLOCK_GROUP_TREE, 8);
	put(set, 0, BTRFS_SUPER_AT + SUPER(compat_ro), 0xb, 1);
	mend(set);
}

static void test_group_tree(void **state)
{
	struct set set;

	setup(&set, "valid-dup");
	make_group_tree(&set, 0);
	assemble(&set, 1, true);
	check_how(&set, 0, "btrfs, clean");
	assert_int_equal(used_map_count(set.input.used[0], 0, BTRFS_MEMBER_SIZE), 1142784);
	teardown(&set);

	setup(&set, "valid-dup");
	make_group_tree(&set, 16);
	assemble(&set, 1, true);
	check_how(&set, 0, "bytes in use, and extents of");
	teardown(&set);

	setup(&set, "valid-dup");
	make_group_tree(&set, 0);
	put(&set, 0, BTRFS_SUPER_AT + SUPER(compat_ro), 0x3, 1);
	mend(&set);
	assemble(&set, 1, true);
	check_how(&set, 0, "or is missing");
	teardown(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),   cmocka_unit_test(test_superblock),
		cmocka_unit_test(test_copies),  cmocka_unit_test(test_wrong_checksum),
		cmocka_unit_test(test_nodes),   cmocka_unit_test(test_replacement),
		cmocka_unit_test(test_mirrors), cmocka_unit_test(test_pointers),
		cmocka_unit_test(test_devices), cmocka_unit_test(test_apart),
		cmocka_unit_test(test_one_log), cmocka_unit_test(test_group_tree),
	};

	return cmocka_run_group_tests_name("layer-btrfs", tests, NULL, NULL);
}
