/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is ambiguous is carried whole; gaps are carried by their size; swap by its signature. */
#include "disk.h"

#include "map/map-driver.h"
#include "map/storage-map.h"

#include <endian.h>

#define MIB (UINT64_C(1) << 20)

static void put_mbr_entry(Blkdev *disk, unsigned int slot, uint8_t type, uint64_t start,
			  uint64_t size)
{
	uint8_t bytes[16] = { [4] = type };
	uint32_t start_sector = htole32((uint32_t)(start / 512)),
		 n = htole32((uint32_t)(size / 512));

	memcpy(bytes + 8, &start_sector, 4);
	memcpy(bytes + 12, &n, 4);
	disk_write(disk, 446 + slot * 16, bytes, 16);
	disk_write(disk, 510, "\x55\xaa", 2);
}

static const struct map_volume *volume_at(const DiskMap *map, unsigned int i)
{
	return g_ptr_array_index(map->volumes, i);
}

/* The map of the one disk that there is, part of *@ret. */
static const DiskMap *read_map(const Blkdev *disk, StorageMap **ret)
{
	*ret = storage_map_read(&disk, 1, NULL);
	return g_ptr_array_index((*ret)->disks, 0);
}

/* Two swaps, a gap of 4 MiB between them, and 50 MiB behind. */
static void test_gaps(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(100 * MIB, 512);
	g_autoptr(StorageMap) map_all = NULL;
	const DiskMap *map;

	put_mbr_entry(disk, 0, 0x82, 20 * MIB, 10 * MIB);
	put_mbr_entry(disk, 1, 0x82, 34 * MIB, 10 * MIB);
	disk_write(disk, 20 * MIB + 4086, "SWAPSPACE2", 10);
	disk_write(disk, 34 * MIB + 4086, "SWAPSPACE2", 10);
	/* libblkid wants a version and a page count before it believes the signature. */
	disk_write(disk, 20 * MIB + 1024, "\1\0\0\0\377\11\0\0", 8);
	disk_write(disk, 34 * MIB + 1024, "\1\0\0\0\377\11\0\0", 8);

	map = read_map(disk, &map_all);
	assert_string_equal(map->table, "mbr");
	assert_int_equal(map->volumes->len, 2);
	assert_string_equal(volume_at(map, 0)->how, "swap, header only");
	assert_int_equal(volume_at(map, 0)->used, 4096);
	assert_int_equal(used_map_count(map->used, 0, 20 * MIB), 20 * MIB);
	assert_int_equal(used_map_count(map->used, 30 * MIB, 4 * MIB), 4 * MIB);
	assert_int_equal(used_map_count(map->used, 44 * MIB, 56 * MIB), 2 * MIB);
	assert_int_equal(used_map_count(map->used, 44 * MIB, MIB), MIB);
	assert_int_equal(used_map_count(map->used, 99 * MIB, MIB), MIB);
}

static void test_hibernated(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(10 * MIB, 512);
	g_autoptr(StorageMap) map_all = NULL;
	const DiskMap *map;

	disk_write(disk, 4086, "S1SUSPEND", 10);
	map = read_map(disk, &map_all);
	assert_string_equal(map->table, "none");
	assert_non_null(strstr(volume_at(map, 0)->how, "hibernated"));
	assert_int_equal(map->warnings->len, 1);
	assert_int_equal(used_map_count(map->used, 0, 10 * MIB), 10 * MIB);
}

/* One system is hibernated in the second of two swaps, and has swapped out to the first, too. */
static void test_hibernated_elsewhere(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(100 * MIB, 512);
	g_autoptr(StorageMap) map_all = NULL;
	const DiskMap *map;

	put_mbr_entry(disk, 0, 0x82, 20 * MIB, 10 * MIB);
	put_mbr_entry(disk, 1, 0x82, 34 * MIB, 10 * MIB);
	disk_write(disk, 20 * MIB + 1024, "\1\0\0\0\377\11\0\0", 8);
	disk_write(disk, 20 * MIB + 4086, "SWAPSPACE2", 10);
	disk_write(disk, 34 * MIB + 4086, "S1SUSPEND", 10);

	map = read_map(disk, &map_all);
	assert_true(map_all->resumes);
	assert_string_equal(volume_at(map, 0)->how,
			    "carried whole: swap from which a hibernated system may read");
	assert_int_equal(used_map_count(map->used, 20 * MIB, 10 * MIB), 10 * MIB);
	assert_non_null(strstr(volume_at(map, 1)->how, "swap that holds a hibernated system"));
	assert_int_equal(map->warnings->len, 1);
}

/*
 * Swap with pages of 4 KiB, and hibernated with pages of 8 KiB: libblkid does not choose, and
 * whoever takes it for swap sees the other.
 */
static void test_hibernated_beside(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(10 * MIB, 512);
	g_autoptr(UsedMap) used = used_map_new(10 * MIB, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	const struct map_options options = { false };
	struct map_found found = { NULL };
	g_autoptr(StorageMap) map_all = NULL;
	g_autoptr(GError) error = NULL;
	const DiskMap *map;

	disk_write(disk, 1024, "\1\0\0\0\377\11\0\0", 8);
	disk_write(disk, 4086, "SWAPSPACE2", 10);
	disk_write(disk, 8182, "ULSUSPEND", 10);
	map = read_map(disk, &map_all);
	assert_non_null(strstr(volume_at(map, 0)->how, "more than one kind"));
	assert_int_equal(used_map_count(map->used, 0, 10 * MIB), 10 * MIB);

	assert_ok(map_swap.map(volume, "swap", &options, &found, &error), error);
	assert_non_null(strstr(found.warning, "hibernated"));
	assert_int_equal(used_map_count(used, 0, 10 * MIB), 10 * MIB);
	g_free(found.how);
	g_free(found.warning);
}

/* mkswap takes a size: what lies behind its last page is carried. */
static void test_short_swap(void **state)
{
	static const struct {
		const char *info; /* version and last page */
		uint64_t used, at;
	} cases[] = {
		{ "\1\0\0\0\377\1\0\0", 4096 + 8 * MIB, 2 * MIB }, /* 2 of 10 MiB */
		{ "\1\0\0\0\377\11\0\0", 4096, 0 },                /* all of it */
		{ "\1\0\0\0\0\12\0\0", 10 * MIB, 0 },              /* more than there is */
		{ "\0\0\0\1\0\0\1\377", 10 * MIB, 0 },             /* big-endian */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Blkdev) disk = disk_new(10 * MIB, 512);
		g_autoptr(StorageMap) map_all = NULL;
		const DiskMap *map;

		disk_write(disk, 1024, cases[i].info, 8);
		disk_write(disk, 4086, "SWAPSPACE2", 10);
		map = read_map(disk, &map_all);
		assert_string_equal(volume_at(map, 0)->content, "swap");
		print_message("%s\n", volume_at(map, 0)->how);
		assert_int_equal(used_map_count(map->used, 0, 10 * MIB), cases[i].used);
		assert_int_equal(used_map_count(map->used, cases[i].at, 4096), 4096);
	}
}

static void test_carried_whole(void **state)
{
	static const struct {
		const char *what;
		uint8_t type; /* of a partition at 1 MiB; 0: no table */
		uint64_t at;
		const char *bytes;
		size_t len;
		const char *how;
	} cases[] = {
		{ "nothing", 0, 0, "", 0, "carried whole: no known content" },
		{ "protective MBR alone", 0xee, 0, "", 0, "a protective MBR without a GPT" },
		{ "a partition of nothing", 0x83, 0, "", 0, "carried whole: no known content" },
		{ "a dynamic disk", 0x42, 0, "", 0, "a Windows dynamic disk" },
		{ "LUKS", 0, 0, "LUKS\xba\xbe\0\1", 8, "carried whole: LUKS" },
		{ "a table, and swap all over", 0x83, 4086, "S1SUSPEND", 10,
		  "both a partition table and swap that holds a hibernated system" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Blkdev) disk = disk_new(10 * MIB, 512);
		g_autoptr(StorageMap) map_all = NULL;
		const DiskMap *map;

		print_message("%s\n", cases[i].what);
		disk_write(disk, cases[i].at, cases[i].bytes, cases[i].len);
		if (cases[i].type)
			put_mbr_entry(disk, 0, cases[i].type, MIB, 9 * MIB);
		map = read_map(disk, &map_all);
		assert_int_equal(map->volumes->len, 1);
		if (!strstr(volume_at(map, 0)->how, cases[i].how))
			fail_msg("how: '%s'", volume_at(map, 0)->how);
		assert_int_equal(used_map_count(map->used, 0, 10 * MIB), 10 * MIB);
	}
}

static void test_bitlocker(void **state)
{
	static const uint8_t guid[] = { 0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a,
					0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01 };
	g_autoptr(Blkdev) disk = disk_new(10 * MIB, 512);
	g_autoptr(StorageMap) map_all = NULL;
	const DiskMap *map;

	disk_write(disk, 0, "\xeb\x58\x90-FVE-FS-", 11);
	disk_write(disk, 160, guid, sizeof(guid));
	disk_write(disk, 176, "\0\0\1", 3); /* its metadata at 64 KiB */
	disk_write(disk, 65536, "-FVE-FS-\0\0\2\0", 12);
	map = read_map(disk, &map_all);
	assert_string_equal(volume_at(map, 0)->how, "carried whole: BitLocker");
	assert_int_equal(used_map_count(map->used, 0, 10 * MIB), 10 * MIB);
}

/* The disk of a VM in a partition: a table, and what was there before it. */
static void test_nested_table(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(20 * MIB, 512);
	g_autoptr(StorageMap) map_all = NULL;
	const DiskMap *map;
	uint8_t table[512];

	put_mbr_entry(disk, 0, 0x83, 2 * MIB, 6 * MIB);
	assert_int_equal(pread(disk->fd, table, 512, 0), 512);
	put_mbr_entry(disk, 0, 0x83, MIB, 19 * MIB);
	disk_write(disk, MIB, table, 512);
	disk_write(disk, MIB + 1024, "\1\0\0\0\377\11\0\0", 8);
	disk_write(disk, MIB + 4086, "SWAPSPACE2", 10);

	map = read_map(disk, &map_all);
	assert_string_equal(map->table, "mbr");
	assert_string_equal(volume_at(map, 0)->how,
			    "carried whole: both a partition table and swap");
	assert_int_equal(used_map_count(map->used, 0, 20 * MIB), 20 * MIB);
}

/* The GPT ends its partitions at 7 MiB; that of the MBR lies in what would be a gap. */
static void test_hybrid(void **state)
{
	g_autofree char *path = g_build_filename(g_getenv("SOURCE_ROOT"),
						 "tests/fuzz/corpus/partitions/valid-gpt", NULL);
	g_autoptr(Blkdev) disk = disk_new(64 * MIB, 512);
	g_autoptr(StorageMap) before_all = NULL, after_all = NULL;
	const DiskMap *before, *after;
	g_autofree char *data = NULL;
	size_t size;

	assert_true(g_file_get_contents(path, &data, &size, NULL));
	disk_write(disk, 0, data, size);
	before = read_map(disk, &before_all);
	assert_string_equal(before->table, "gpt");
	assert_int_equal(used_map_count(before->used, 20 * MIB, 30 * MIB), 0);

	put_mbr_entry(disk, 1, 0x83, 20 * MIB, 30 * MIB);
	after = read_map(disk, &after_all);
	assert_string_equal(after->table, "gpt");
	assert_int_equal(used_map_count(after->used, 20 * MIB, 30 * MIB), 30 * MIB);
}

/* A file does not say how large its sectors are; with nothing known in it, nothing is left out. */
static void test_unknown_sector_size(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(800 * MIB, 0);
	g_autoptr(StorageMap) map_all = NULL, other_all = NULL, third_all = NULL;
	const DiskMap *map, *other, *third;

	put_mbr_entry(disk, 0, 0x82, 8 * MIB, 8 * MIB);
	map = read_map(disk, &map_all);
	assert_non_null(strstr(volume_at(map, 0)->how, "512 or 4096"));
	assert_int_equal(used_map_count(map->used, 0, 800 * MIB), 800 * MIB);

	disk_write(disk, 64 * MIB + 1024, "\1\0\0\0\377\11\0\0", 8);
	disk_write(disk, 64 * MIB + 4086, "SWAPSPACE2", 10);
	other = read_map(disk, &other_all);
	assert_int_equal(other->sector_size, 4096);
	assert_int_equal(volume_at(other, 0)->offset, 64 * MIB);

	disk_write(disk, 64 * MIB + 4086, "          ", 10);
	disk_write(disk, 8 * MIB + 1024, "\1\0\0\0\377\7\0\0", 8);
	disk_write(disk, 8 * MIB + 4086, "SWAPSPACE2", 10);
	third = read_map(disk, &third_all);
	assert_int_equal(third->sector_size, 512);
	assert_int_equal(volume_at(third, 0)->offset, 8 * MIB);
}

/* A table that was made behind an adapter with other sectors: of 800 MiB, read as 100. */
static void test_other_sector_size(void **state)
{
	static const uint32_t sizes[] = { 512, 4096 };

	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
		g_autoptr(Blkdev) disk = disk_new(900 * MIB, sizes[i]);
		uint64_t start = sizes[i] == 512 ? 64 * MIB : 8 * MIB;
		g_autoptr(StorageMap) map_all = NULL;
		const DiskMap *map;

		put_mbr_entry(disk, 0, 0x82, 8 * MIB, 10 * MIB);
		disk_write(disk, start + 1024, "\1\0\0\0\377\11\0\0", 8);
		disk_write(disk, start + 4086, "SWAPSPACE2", 10);
		map = read_map(disk, &map_all);
		print_message("%s\n", volume_at(map, 0)->how);
		assert_non_null(strstr(volume_at(map, 0)->how, "but those of the disk have"));
		assert_int_equal(used_map_count(map->used, 0, 900 * MIB), 900 * MIB);
	}
}

static void test_unreadable(void **state)
{
	g_autoptr(Blkdev) disk = disk_new(MIB, 512);
	g_autoptr(StorageMap) all = NULL;

	assert_int_equal(ftruncate(disk->fd, 100), 0);
	assert_non_null(strstr(read_map(disk, &all)->failure, "ended at 100 of 1048576 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_short_swap),
		cmocka_unit_test(test_nested_table),
		cmocka_unit_test(test_other_sector_size),
		cmocka_unit_test(test_hybrid),
		cmocka_unit_test(test_hibernated),
		cmocka_unit_test(test_hibernated_elsewhere),
		cmocka_unit_test(test_carried_whole),
		cmocka_unit_test(test_unknown_sector_size),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_bitlocker),
		cmocka_unit_test(test_hibernated_beside),
	};

	return cmocka_run_group_tests_name("storage-map", tests, NULL, NULL);
}
