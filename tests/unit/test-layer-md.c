/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arrays with superblocks written here by their offsets in md_p.h, and one thing wrong at a time.
 * Those that mdadm and the kernel write are in tests/scripts/vm-md-luks.sh and the fuzz corpus.
 */
#include "disk.h"

#include "map/layer-md-priv.h"
#include "map/map-layer.h"
#include "map/storage-map.h"

#include <endian.h>

#define MIB         (UINT64_C(1) << 20)
#define MEMBER_SIZE (16 * MIB)
#define DATA_SIZE   (12 * MIB)
#define MEMBERS     3

struct member {
	Blkdev *disk;
	UsedMap *used;
	Volume *volume;
	uint8_t super[4096];
	uint64_t offset; /* of the superblock */
	struct layer_member layer;
};

/* Members 0 and 1 are mirrors, 2 comes into play where a case says so. */
struct set {
	enum md_version version;
	struct member members[MEMBERS];
	GPtrArray *volumes, *warnings;
};

static void put(uint8_t *at, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t data_offset(enum md_version version)
{
	return version == MD_1_1 || version == MD_1_2 ? 2 * MIB : 0;
}

/* In sync, of two, with event count 20 and no bitmap. */
static void fill_1(struct set *set, struct member *m, unsigned int number)
{
	uint8_t *sb = m->super;

	put(sb, 0xa92b4efc, 4);
	put(sb + 4, 1, 4);
	memset(sb + 16, 0x5e, 16);
	memcpy(sb + 32, "web:0", 5);
	put(sb + 72, 1, 4);
	put(sb + 80, DATA_SIZE / 512, 8);
	put(sb + 92, 2, 4);
	put(sb + 128, data_offset(set->version) / 512, 8);
	put(sb + 136, DATA_SIZE / 512 + 100, 8);
	put(sb + 144, m->offset / 512, 8);
	put(sb + 160, number, 4);
	memset(sb + 168, 0x11 * (int)(number + 1), 16);
	put(sb + 200, 20, 8);
	put(sb + 208, UINT64_MAX, 8);
	put(sb + 220, 128, 4);
	memset(sb + 256, 0xff, 256);
	put(sb + 256, 0, 2);
	put(sb + 258, 1, 2);
}

static void fill_0(struct member *m, unsigned int number)
{
	uint8_t *sb = m->super;

	put(sb, 0xa92b4efc, 4);
	put(sb + 8, 90, 4);
	put(sb + 20, 0x5e5e5e5e, 4);
	put(sb + 28, 1, 4);
	put(sb + 32, DATA_SIZE / 1024, 4);
	put(sb + 40, 2, 4);
	put(sb + 44, 7, 4);
	put(sb + 132, 1, 4);
	put(sb + 156, 20, 8);
	for (unsigned int i = 0; i < 2; i++) {
		put(sb + 512 + i * 128, i, 4);
		put(sb + 512 + i * 128 + 12, i, 4);
		put(sb + 512 + i * 128 + 16, 6, 4);
	}
	put(sb + 3968, number, 4);
}

static void write_super(struct set *set, struct member *m)
{
	bool old = set->version == MD_0_90;
	size_t at = old ? MD_SUPER_0_CHECKSUM : MD_SUPER_1_CHECKSUM;
	size_t len = old ? sizeof(m->super) : 256 + 2 * 128;

	put(m->super + at, md_checksum(m->super, len, at), 4);
	disk_write(m->disk, m->offset, m->super, sizeof(m->super));
}

static void setup(struct set *set, enum md_version version)
{
	*set = (struct set){ .version = version };
	set->volumes = g_ptr_array_new_with_free_func(layer_volume_free);
	set->warnings = g_ptr_array_new_with_free_func(g_free);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		struct member *m = &set->members[i];

		m->disk = disk_new(MEMBER_SIZE, 512);
		m->used = used_map_new(MEMBER_SIZE, 1000);
		m->volume = volume_new_disk(m->disk, m->used);
		m->offset = md_super_offset(MEMBER_SIZE, version);
		m->layer.volume = m->volume;
		if (version == MD_0_90)
			fill_0(m, i);
		else
			fill_1(set, m, i);
		write_super(set, m);
	}
}

static void teardown(struct set *set)
{
	g_ptr_array_unref(set->volumes);
	g_ptr_array_unref(set->warnings);
	for (unsigned int i = 0; i < MEMBERS; i++) {
		layer_member_clear(&set->members[i].layer);
		volume_free(set->members[i].volume);
		used_map_free(set->members[i].used);
		blkdev_free(set->members[i].disk);
	}
}

static void assemble(struct set *set, unsigned int n, bool last)
{
	g_autoptr(GPtrArray) members = g_ptr_array_new();

	for (unsigned int i = 0; i < n; i++)
		g_ptr_array_add(members, &set->members[i].layer);
	map_layer_md.assemble(members, last, set->volumes, set->warnings);
}

static const Volume *volume_of(const struct set *set, unsigned int i)
{
	return ((struct layer_volume *)g_ptr_array_index(set->volumes, i))->volume;
}

static void check_how(const struct set *set, unsigned int i, const char *words)
{
	const char *how = set->members[i].layer.how;

	if (!how || !strstr(how, words))
		fail_msg("member %u: '%s', not '%s'", i, how ? how : "(not settled)", words);
	if (strstr(how, "whole"))
		assert_int_equal(used_map_count(set->members[i].used, 0, MEMBER_SIZE), MEMBER_SIZE);
}

/* Where an array lies, what is carried beside it, and that its bytes are in use on both members. */
static void test_clean(void **state)
{
	static const char *const names[] = { "md 7", "md web:0", "md web:0", "md web:0" };

	for (enum md_version v = MD_0_90; v <= MD_1_2; v++) {
		uint64_t start = data_offset(v);
		const Volume *volume;
		struct set set;
		char byte;

		setup(&set, v);
		assemble(&set, 1, false);
		assert_null(set.members[0].layer.how);
		assemble(&set, 2, false);
		assert_int_equal(set.volumes->len, 1);
		assert_int_equal(set.warnings->len, 0);
		volume = volume_of(&set, 0);
		assert_string_equal(volume->name, names[v]);
		assert_int_equal(volume->size, DATA_SIZE);
		disk_write(set.members[0].disk, start + 777, "x", 1);
		assert_true(volume_read(volume, 777, &byte, 1, NULL));
		assert_int_equal(byte, 'x');

		volume_use(volume, 5 * MIB, 3 * MIB);
		for (unsigned int i = 0; i < 2; i++) {
			UsedMap *used = set.members[i].used;

			check_how(&set, i, "md RAID1, clean");
			assert_int_equal(used_map_count(used, 0, start), start);
			assert_int_equal(used_map_count(used, start, DATA_SIZE), 3 * MIB);
			assert_int_equal(used_map_count(used, start + 5 * MIB, 3 * MIB), 3 * MIB);
			assert_int_equal(used_map_count(used, 0, MEMBER_SIZE),
					 MEMBER_SIZE - DATA_SIZE + 3 * MIB);
		}
		teardown(&set);
	}
}

/* On which members an array is looked at when they may differ; the union is carried on all. */
static const struct {
	const char *what;
	enum md_version version;
	unsigned int member, at, len; /* what is changed in the superblock */
	uint64_t value;
	unsigned int n, n_volumes;
	const char *how;
} unclean[] = {
	{ "1.2: a resync is under way", MD_1_2, 1, 208, 8, 5000, 2, 2, "not stopped in sync" },
	{ "1.2: not stopped", MD_1_2, 0, 208, 8, 0, 2, 2, "not stopped in sync" },
	{ "1.1: an older member", MD_1_1, 1, 200, 8, 19, 2, 2, "event counts differ" },
	{ "1.0: the same count, one ran alone", MD_1_0, 0, 258, 2, 0xfffe, 2, 2,
	  "a member was alone" },
	{ "1.2: one is here", MD_1_2, 0, 0, 0, 0, 1, 1, "a member is missing" },
	{ "1.2: one is being rebuilt", MD_1_2, 1, 8, 4, 2, 2, 1, "being rebuilt" },
	{ "1.2: one is rebuilt by the bitmap", MD_1_2, 1, 8, 4, 0x82, 2, 1, "being rebuilt" },
	{ "0.90: not stopped", MD_0_90, 1, 132, 4, 0, 2, 2, "not stopped in sync" },
	{ "0.90: an older member", MD_0_90, 0, 156, 8, 1, 2, 2, "event counts differ" },
	{ "0.90: one is here", MD_0_90, 0, 0, 0, 0, 1, 1, "a member is missing" },
	{ "0.90: one ran alone", MD_0_90, 0, 656, 4, 8, 2, 2, "a member was alone" },
};

static void test_unclean(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(unclean); i++) {
		uint64_t start = data_offset(unclean[i].version);
		struct member *m;
		struct set set;

		print_message("%s\n", unclean[i].what);
		setup(&set, unclean[i].version);
		m = &set.members[unclean[i].member];
		put(m->super + unclean[i].at, unclean[i].value, unclean[i].len);
		write_super(&set, m);
		assemble(&set, unclean[i].n, true);
		assert_int_equal(set.volumes->len, unclean[i].n_volumes);
		assert_int_equal(set.warnings->len, 1);
		for (unsigned int j = 0; j < set.volumes->len; j++) {
			const Volume *volume = volume_of(&set, j);
			char byte, want = (char)('a' + j);

			disk_write(set.members[j].disk, start + 777, &want, 1);
			assert_true(volume_read(volume, 777, &byte, 1, NULL));
			assert_int_equal(byte, want);
			volume_use(volume, (j + 1) * MIB, MIB);
			if (unclean[i].n_volumes > 1)
				assert_non_null(strstr(volume->name, ", as on /proc/self/fd/"));
		}
		for (unsigned int j = 0; j < unclean[i].n; j++) {
			check_how(&set, j, unclean[i].how);
			assert_int_equal(used_map_count(set.members[j].used, start, DATA_SIZE),
					 unclean[i].n_volumes * MIB);
		}
		teardown(&set);
	}
}

/* What cannot be followed. */
static const struct {
	const char *what;
	enum md_version version;
	unsigned int member, at, len;
	uint64_t value;
	const char *how;
} whole[] = {
	{ "RAID5", MD_1_2, 0, 72, 4, 5, "carried whole: RAID5" },
	{ "RAID0, 0.90", MD_0_90, 0, 28, 4, 0, "carried whole: RAID0" },
	{ "RAID10", MD_1_2, 0, 72, 4, 10, "carried whole: RAID10" },
	{ "linear", MD_1_2, 0, 72, 4, UINT64_MAX, "carried whole: linear md" },
	{ "level -7", MD_1_2, 0, 72, 4, -7, "carried whole: md of level -7" },
	{ "reshape", MD_1_2, 0, 8, 4, 4, "features 0x4 that are not known" },
	{ "unknown feature", MD_1_2, 0, 8, 4, 0x80000001, "features 0x80000000 that" },
	{ "journal", MD_1_2, 0, 8, 4, 0x200, "features 0x200 that" },
	{ "replacement", MD_1_2, 0, 8, 4, 0x12, "features 0x10 that" },
	{ "bad blocks", MD_1_2, 0, 8, 4, 8, "bad blocks noted" },
	{ "major version", MD_1_2, 0, 4, 4, 2, "an md superblock of version 2" },
	{ "elsewhere", MD_1_0, 0, 144, 8, 5, "for sector 5, in sector" },
	{ "very many roles", MD_1_2, 0, 220, 4, 1921, "with 1921 roles" },
	{ "faulty", MD_1_2, 0, 256, 2, 0xfffe, "not in use" },
	{ "its journal", MD_1_2, 0, 256, 2, 0xfffd, "not in use" },
	{ "role beyond the mirrors", MD_1_2, 0, 256, 2, 2, "RAID1 member 2 of 2" },
	{ "no mirrors", MD_1_2, 0, 92, 4, 0, "no mirrors" },
	{ "no data", MD_1_2, 0, 80, 8, 0, "0 bytes of data" },
	{ "more than there is", MD_1_2, 0, 80, 8, DATA_SIZE / 512 + 101, "sectors of the" },
	{ "beyond the end", MD_1_2, 0, 128, 8, 8193, "12582912 bytes of data at 4194816" },
	{ "far beyond the end", MD_1_2, 0, 128, 8, UINT64_MAX / 512 - 1, "bytes of data at" },
	{ "an offset of 2^64", MD_1_2, 0, 128, 8, UINT64_MAX, "sectors of the" },
	{ "data over the superblock", MD_1_2, 0, 128, 8, 8, "with the superblock of 4096" },
	{ "list over the data", MD_1_2, 0, 184, 8, UINT64_C(0x100000010000000), "list of bad" },
	{ "list before the start", MD_1_2, 0, 184, 8, UINT64_C(0xffffff0000080000), "list of bad" },
	{ "0.91", MD_0_90, 0, 8, 4, 91, "version 0.91" },
	{ "not persistent", MD_0_90, 0, 48, 4, 1, "version 0.90" },
	{ "0.90 over the superblock", MD_0_90, 0, 32, 4, 16 * 1024 - 32, "with the superblock" },
	{ "disk 27 of 27", MD_0_90, 0, 3968, 4, 27, "not in use" },
	{ "faulty disk", MD_0_90, 0, 528, 4, 7, "not in use" },
};

static void test_whole(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(whole); i++) {
		struct set set;
		struct member *m;

		print_message("%s\n", whole[i].what);
		setup(&set, whole[i].version);
		m = &set.members[whole[i].member];
		put(m->super + whole[i].at, whole[i].value, whole[i].len);
		write_super(&set, m);
		assemble(&set, 1, true);
		assert_int_equal(set.volumes->len, 0);
		check_how(&set, 0, whole[i].how);
		teardown(&set);
	}
}

/* What is wrong with the bytes, and with two members together. */
static void test_contradictions(void **state)
{
	struct set set;

	setup(&set, MD_1_2);
	set.members[0].super[100] ^= 1;
	disk_write(set.members[0].disk, 4096, set.members[0].super, 4096);
	assemble(&set, 1, true);
	check_how(&set, 0, "wrong checksum");
	teardown(&set);

	setup(&set, MD_0_90);
	disk_write(set.members[0].disk, set.members[0].offset + 3000, "x", 1);
	assemble(&set, 1, true);
	check_how(&set, 0, "wrong checksum");
	teardown(&set);

	setup(&set, MD_0_90);
	disk_write(set.members[0].disk, set.members[0].offset, "\xa9\x2b\x4e\xfc", 4);
	assemble(&set, 1, true);
	check_how(&set, 0, "big-endian machine");
	teardown(&set);

	setup(&set, MD_1_2);
	disk_write(set.members[0].disk, 0, "\xfc\x4e\x2b\xa9", 4);
	assemble(&set, 1, true);
	check_how(&set, 0, "2 md superblocks");
	teardown(&set);

	setup(&set, MD_1_2);
	put(set.members[1].super + 80, DATA_SIZE / 512 - 8, 8);
	write_super(&set, &set.members[1]);
	assemble(&set, 2, false);
	check_how(&set, 0, "do not agree");
	check_how(&set, 1, "do not agree");
	teardown(&set);

	setup(&set, MD_1_2);
	memcpy(set.members[1].super + 168, set.members[0].super + 168, 16);
	write_super(&set, &set.members[1]);
	assemble(&set, 2, false);
	check_how(&set, 1, "two copies of one member");
	teardown(&set);

	setup(&set, MD_1_2);
	put(set.members[1].super + 258, 0, 2);
	write_super(&set, &set.members[1]);
	assemble(&set, 2, false);
	check_how(&set, 0, "the same place");
	teardown(&set);

	setup(&set, MD_1_2);
	for (unsigned int i = 0; i < 2; i++) {
		put(set.members[i].super + 8, 2, 4);
		write_super(&set, &set.members[i]);
	}
	assemble(&set, 2, false);
	check_how(&set, 0, "no member in sync");
	teardown(&set);

	setup(&set, MD_1_2);
	put(set.members[0].super + 92, 17, 4);
	write_super(&set, &set.members[0]);
	assemble(&set, 1, true);
	check_how(&set, 0, "very many members");
	teardown(&set);
}

/* A third member is a spare; its own count may lag by one. */
static void test_spare(void **state)
{
	static const struct {
		uint64_t events;
		const char *how;
	} cases[] = { { 20, "its metadata only" },
		      { 19, "its metadata only" },
		      { 18, "carried whole: spare of RAID1" } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct set set;

		setup(&set, MD_1_2);
		put(set.members[2].super + 200, cases[i].events, 8);
		write_super(&set, &set.members[2]);
		assemble(&set, 3, false);
		assert_int_equal(set.volumes->len, 1);
		volume_use(volume_of(&set, 0), 0, DATA_SIZE);
		check_how(&set, 0, "md RAID1, clean");
		check_how(&set, 2, cases[i].how);
		if (cases[i].events > 18)
			assert_int_equal(used_map_count(set.members[2].used, 0, MEMBER_SIZE),
					 MEMBER_SIZE - DATA_SIZE);
		teardown(&set);
	}
}

/* A bitmap of @set's array on member @i, all clear: at 8 KiB, or at 4 KiB behind the superblock. */
static uint64_t add_bitmap(struct set *set, unsigned int i)
{
	bool old = set->version == MD_0_90;
	struct member *m = &set->members[i];
	uint64_t at = m->offset + 4096;
	uint8_t head[256] = { 0 };

	put(head, 0x6d746962, 4);
	put(head + 4, 4, 4);
	memset(head + 8, 0x5e, old ? 4 : 16);
	put(head + 24, 20, 8);
	put(head + 40, DATA_SIZE / 512, 8);
	put(head + 52, MIB, 4);
	disk_write(m->disk, at, head, sizeof(head));
	disk_write(m->disk, at + 257, "\xf0\xff", 2); /* bits of chunks that there are not */
	if (old)
		put(m->super + 132, 0x101, 4);
	else
		put(m->super + 8, 1, 4);
	if (!old)
		put(m->super + 96, 8, 4);
	write_super(set, m);
	return at;
}

static void test_bitmap(void **state)
{
	static const struct {
		unsigned int at;
		const char *bytes;
		size_t len;
		const char *how;
	} cases[] = {
		{ 0, "b", 1, "md RAID1, clean" },
		{ 256, "\1", 1, "bitmap is not clear" },
		{ 257, "\xf8", 1, "bitmap is not clear" },
		{ 0, "x", 1, "bitmap is not clear" },
		{ 4, "\3", 1, "bitmap is not clear" },   /* of a machine of any byte order */
		{ 8, "x", 1, "bitmap is not clear" },    /* of another array */
		{ 24, "\23", 1, "bitmap is not clear" }, /* it lags */
		{ 40, "\1", 1, "bitmap is not clear" },
		{ 48, "\2", 1, "bitmap is not clear" }, /* stale */
		{ 53, "\1", 1, "bitmap is not clear" }, /* chunks of no power of two */
		{ 52, "\0\0\0\0", 4, "bitmap is not clear" },
	};

	for (enum md_version v = MD_0_90; v <= MD_1_2; v += MD_1_2)
		for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
			struct set set;
			uint64_t at;

			setup(&set, v);
			add_bitmap(&set, 0);
			at = add_bitmap(&set, 1);
			disk_write(set.members[1].disk, at + cases[i].at, cases[i].bytes,
				   cases[i].len);
			assemble(&set, 2, false);
			check_how(&set, 1, cases[i].how);
			assert_int_equal(set.volumes->len, strstr(cases[i].how, ", clean") ? 1 : 2);
			teardown(&set);
		}
}

/* Bitmaps that lie where the data is, wholly or with their end. */
static void test_bitmap_places(void **state)
{
	static const struct {
		uint32_t sectors; /* from the superblock, at sector 8 */
		uint32_t chunk;
		const char *how;
	} cases[] = {
		{ 8192, 1 << 20, "with the bitmap of 256 bytes at 4198400" },
		{ (uint32_t)-9, 1 << 20, "with the bitmap of 256 bytes at" },
		{ 40000, 1 << 20, "with the bitmap of 256 bytes at" },
		{ 4096 - 10, 512, "with a bitmap from 2096128 to" },
		{ 32768 - 10, 512, "with a bitmap from 16776192 to" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint8_t head[256];
		struct set set;
		uint64_t at;

		setup(&set, MD_1_2);
		add_bitmap(&set, 0);
		at = add_bitmap(&set, 1);
		assert_int_equal(pread(set.members[1].disk->fd, head, 256, (off_t)at), 256);
		put(head + 52, cases[i].chunk, 4);
		at = 4096 + (uint64_t)cases[i].sectors * 512;
		if (at < MEMBER_SIZE)
			disk_write(set.members[1].disk, at, head, sizeof(head));
		put(set.members[1].super + 96, cases[i].sectors, 4);
		write_super(&set, &set.members[1]);
		assemble(&set, 2, true);
		check_how(&set, 1, cases[i].how);
		teardown(&set);
	}
}

/* Through the whole of it: an MBR in the array, and swap in its partition, at 1 of 12 MiB. */
static void write_table(struct set *set)
{
	uint8_t entry[16] = { [4] = 0x82 };

	put(entry + 8, MIB / 512, 4);
	put(entry + 12, 11 * MIB / 512, 4);
	for (unsigned int i = 0; i < 2; i++) {
		Blkdev *disk = set->members[i].disk;

		disk_write(disk, 2 * MIB + 446, entry, sizeof(entry));
		disk_write(disk, 2 * MIB + 510, "\x55\xaa", 2);
		disk_write(disk, 3 * MIB + 1024, "\1\0\0\0\377\12\0\0", 8);
		disk_write(disk, 3 * MIB + 4086, "SWAPSPACE2", 10);
	}
}

static void check_volume(const StorageMap *map, unsigned int i, const char *name, const char *how)
{
	const struct map_volume *info = g_ptr_array_index(map->volumes, i);

	assert_string_equal(info->layer, "md");
	assert_string_equal(info->name, name);
	assert_string_equal(info->how, how);
}

static void test_table_inside(void **state)
{
	g_autoptr(StorageMap) map = NULL;
	const Blkdev *disks[2];
	struct set set;

	setup(&set, MD_1_2);
	write_table(&set);
	for (unsigned int i = 0; i < 2; i++)
		disks[i] = set.members[i].disk;
	map = storage_map_read(disks, 2, NULL);
	assert_int_equal(map->volumes->len, 2);
	check_volume(map, 0, "md web:0", "partition table: mbr");
	check_volume(map, 1, "partition 1 of md web:0", "swap, header only");
	for (unsigned int i = 0; i < 2; i++) {
		DiskMap *disk = g_ptr_array_index(map->disks, i);
		const struct map_volume *info = g_ptr_array_index(disk->volumes, 0);

		assert_string_equal(info->how, "md RAID1, clean");
		/* What is beside the data, the gap, the header, and the end that swap has not. */
		assert_int_equal(used_map_count(disk->used, 0, MEMBER_SIZE),
				 4 * MIB + MIB + 4096 + MIB);
	}
	teardown(&set);
}

/* A member of an array "in:0" of 8 MiB that holds swap. */
static void write_inner(Blkdev *disk, uint64_t base, unsigned int number, uint64_t events)
{
	struct set set = { .version = MD_1_2 };
	struct member m = { .offset = 4096 };

	fill_1(&set, &m, number);
	memset(m.super + 16, 0x77, 16);
	memcpy(m.super + 32, "in:0", 5);
	put(m.super + 80, 8 * MIB / 512, 8);
	put(m.super + 200, events, 8);
	put(m.super + 216, md_checksum(m.super, 512, MD_SUPER_1_CHECKSUM), 4);
	disk_write(disk, base + 4096, m.super, sizeof(m.super));
	disk_write(disk, base + 2 * MIB + 1024, "\1\0\0\0\377\7\0\0", 8);
	disk_write(disk, base + 2 * MIB + 4086, "SWAPSPACE2", 10);
}

static bool has_volume(const StorageMap *map, const char *name, const char *how)
{
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *info = g_ptr_array_index(map->volumes, i);

		if (strcmp(info->name, name) == 0 && strcmp(info->how, how) == 0)
			return true;
	}
	return false;
}

/* What lies on an array that is not clean, and on a third disk: once with each copy. */
static void test_copies(void **state)
{
	g_autoptr(Blkdev) third = disk_new(DATA_SIZE, 512);
	const Blkdev *disks[3] = { third };
	g_autoptr(StorageMap) map = NULL, without = NULL, older = NULL;
	struct set set;

	setup(&set, MD_1_2);
	put(set.members[1].super + 208, 0, 8);
	write_super(&set, &set.members[1]);
	write_inner(third, 0, 1, 20);
	for (unsigned int i = 0; i < 2; i++) {
		write_inner(set.members[i].disk, 2 * MIB, 0, 20);
		disks[i + 1] = set.members[i].disk;
	}
	map = storage_map_read(disks, 3, NULL);
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *info = g_ptr_array_index(map->volumes, i);

		print_message("%s: %s\n", info->name, info->how);
	}
	assert_int_equal(map->volumes->len, 4);
	assert_true(has_volume(map, "md in:0, as on copy 1", "swap, header only"));
	assert_true(has_volume(map, "md in:0, as on copy 2", "swap, header only"));
	for (unsigned int i = 0; i < 3; i++) {
		DiskMap *disk = g_ptr_array_index(map->disks, i);
		uint64_t size = disks[i]->size;

		assert_int_equal(used_map_count(disk->used, 0, size), size - 8 * MIB + 4096);
	}

	without = storage_map_read(disks + 1, 2, NULL);
	assert_int_equal(without->volumes->len, 4);
	assert_true(has_volume(without, "md in:0, as on copy 2", "swap, header only"));

	write_inner(third, 0, 1, 19);
	older = storage_map_read(disks, 3, NULL);
	assert_int_equal(older->volumes->len, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct map_volume *info = g_ptr_array_index(older->volumes, i);

		assert_string_equal(info->how, "carried whole: RAID1 that is not clean, on another "
					       "that is not");
	}
	teardown(&set);
}

/* An array that is complete, and within another, that waits for its mirror, a copy of a member. */
static void test_late(void **state)
{
	g_autoptr(Blkdev) first = disk_new(DATA_SIZE, 512), second = disk_new(DATA_SIZE, 512);
	const Blkdev *disks[3] = { first, second };
	g_autoptr(StorageMap) map = NULL, without = NULL;
	struct set set;

	setup(&set, MD_1_2);
	disks[2] = set.members[0].disk;
	write_inner(first, 0, 0, 20);
	write_inner(second, 0, 1, 20);
	without = storage_map_read(disks, 3, NULL);
	assert_true(has_volume(without, "md in:0", "swap, header only"));
	for (unsigned int i = 0; i < 2; i++) {
		DiskMap *disk = g_ptr_array_index(without->disks, i);

		assert_int_equal(used_map_count(disk->used, 0, DATA_SIZE),
				 DATA_SIZE - 8 * MIB + 4096);
	}

	write_inner(set.members[0].disk, 2 * MIB, 0, 20);
	map = storage_map_read(disks, 3, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		DiskMap *disk = g_ptr_array_index(map->disks, i);
		const struct map_volume *info = g_ptr_array_index(disk->volumes, 0);

		assert_string_equal(info->how, "carried whole: a second copy of a part of it was "
					       "found later");
		assert_int_equal(used_map_count(disk->used, 0, DATA_SIZE), DATA_SIZE);
	}
	assert_true(has_volume(map, "md web:0",
			       "carried whole: a second copy of a part of it was "
			       "found later"));
	teardown(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),         cmocka_unit_test(test_unclean),
		cmocka_unit_test(test_whole),         cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_spare),         cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_bitmap_places), cmocka_unit_test(test_table_inside),
		cmocka_unit_test(test_copies),        cmocka_unit_test(test_late),
	};

	return cmocka_run_group_tests_name("layer-md", tests, NULL, NULL);
}
