/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole filesystems: what is followed, on which devices, with which copies; and a tree that no mkfs
 * here makes.
 */
#include "btrfs-seed.h"

#include "map/btrfs-node.h"

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
		  { "btrfs, devid 1 of 2 devices, log followed",
		    "btrfs, devid 2 of 2 devices, log followed" },
		  { 1191936, 1163264 } },
		{ "valid-raid10",
		  2,
		  { "btrfs, devid 1 of 2 devices, clean", "btrfs, devid 2 of 2 devices, clean" },
		  { 1105920, 1105920 } },
		{ "valid-raid5",
		  2,
		  { "btrfs, devid 1 of 2 devices, clean", "btrfs, devid 2 of 2 devices, clean" },
		  { 110100480, 110100480 } },
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

static void test_wrong_checksum(void **state)
{
	struct set set;

	setup(&set, "valid-mixed-log");
	put(&set, 0, BTRFS_SUPER_AT + SUPER(padding), 1, 1);
	assemble(&set, 1, true);
	check_how(&set, 0, "superblock has a wrong checksum");
	teardown(&set);
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
		check_how(&set, 0, "btrfs, devid 1 of 2 devices, log followed");
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
		{ "one commit older", SUPER(generation), 8, -1,
		  "devid 1 of 2 devices, log followed" },
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
		check_how(&set, 0, "devid 1 of 2 devices, log followed");
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

/* What is behind the end of the device is carried. */
static void test_tail(void **state)
{
	const uint64_t tail = UINT64_C(8) << 20;
	struct set set;

	setup(&set, "valid-dup");
	members_input_close(&set.input);
	set.input =
	    (struct members_input){ .layer = &map_layer_btrfs, .size = BTRFS_MEMBER_SIZE + tail };
	members_input_open(&set.input, (const uint8_t *)set.data, set.size);
	assemble(&set, 1, true);
	assert_string_equal(set.input.members[0].how, "btrfs, clean");
	assert_int_equal(used_map_count(set.input.used[0], 0, BTRFS_MEMBER_SIZE), 1142784);
	assert_int_equal(used_map_count(set.input.used[0], BTRFS_MEMBER_SIZE, tail), tail);
	teardown(&set);
}

/*
 * Lessen by 4096 what is at @at, of the key or of the data, of the items of @type that have @number
 * at
 * @number_at of their data.  Returns how many there are.
 */
static unsigned int shift_items(const struct set *set, uint64_t tree, uint8_t type, uint64_t number,
				size_t number_at, size_t at, bool in_key)
{
	uint64_t node = find_node(set, tree, type);
	uint8_t block[4096];
	unsigned int n = 0;

	read_at(set, 0, node, block, sizeof(block));
	for (uint32_t i = 0; i < btrfs_node_count(block); i++) {
		uint64_t header =
		    node + sizeof(struct btrfs_disk_header) + i * sizeof(struct btrfs_disk_item);
		struct btrfs_item item = btrfs_node_item(block, i);
		le64 found, old;

		if (item.key.type != type)
			continue;
		memcpy(&found, item.data + number_at, sizeof(found));
		if (le64_get(found) != number)
			continue;
		header = in_key ? header + at : data_of(set, node, header) + at;
		read_at(set, 0, header, &old, sizeof(old));
		put(set, 0, header, le64_get(old) - 4096, 8);
		n++;
	}
	btrfs_input_sign(&set->input, 0, BTRFS_CRC32C, node, sizeof(block));
	return n;
}

/* The data's chunk and its device extent agree, and reach into what is before them. */
static void test_overlap(void **state)
{
	const size_t offset_at =
	    sizeof(struct btrfs_disk_chunk) + offsetof(struct btrfs_disk_stripe, offset);
	const uint64_t data = 13631488; /* logical: where mkfs.btrfs has it */
	struct set set;

	setup(&set, "valid-deep");
	assert_int_equal(shift_items(&set, BTRFS_CHUNK_TREE, BTRFS_CHUNK_ITEM, BTRFS_GROUP_DATA,
				     offsetof(struct btrfs_disk_chunk, type), offset_at, false),
			 1);
	assert_int_equal(shift_items(&set, BTRFS_DEVICE_TREE, BTRFS_DEVICE_EXTENT, data,
				     offsetof(struct btrfs_disk_device_extent, chunk_offset),
				     KEY_OFFSET, true),
			 1);
	assemble(&set, 1, true);
	check_how(&set, 0, "where no chunk lies alone");
	teardown(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valid),      cmocka_unit_test(test_wrong_checksum),
		cmocka_unit_test(test_mirrors),    cmocka_unit_test(test_devices),
		cmocka_unit_test(test_apart),      cmocka_unit_test(test_one_log),
		cmocka_unit_test(test_group_tree), cmocka_unit_test(test_tail),
		cmocka_unit_test(test_overlap),
	};

	return cmocka_run_group_tests_name("layer-btrfs", tests, NULL, NULL);
}
