/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAT and exFAT volumes that are right but for one thing.  They start from the seeds of the
 * fuzzers; that real ones are mapped as their own tools count them is shown by the round trips.
 */
#include "disk.h"

#include "map/map-driver.h"

#include <endian.h>

#define MIB  (UINT64_C(1) << 20)
#define SIZE (8 * MIB)

/* A change, and the words with which it is refused; NULL: it is mapped all the same. */
struct change {
	uint64_t at;
	const char *bytes;
	size_t len;
	const char *words;
};

static Blkdev *open_seed(const char *folder, const char *name, uint64_t size)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus", folder, name, NULL);
	Blkdev *disk = disk_new(size, 0);
	g_autofree char *data = NULL;
	size_t len;

	assert_true(g_file_get_contents(path, &data, &len, NULL));
	disk_write(disk, 0, data, len);
	return disk;
}

/* How many bytes are in use, or -1 with @error. */
static int64_t map(const struct map_driver *driver, const Blkdev *disk, GError **error)
{
	g_autoptr(UsedMap) used = used_map_new(disk->size, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	struct map_found found = { NULL };

	if (!driver->map(volume, driver->contents[0], &(const struct map_options){ false }, &found,
			 error))
		return -1;
	g_free(found.how);
	return (int64_t)used_map_count(used, 0, disk->size);
}

static void check_map(const struct map_driver *driver, const Blkdev *disk, const char *words)
{
	g_autoptr(GError) error = NULL;
	int64_t used = map(driver, disk, &error);

	if (!words) {
		assert_ok(used > 0, error);
		return;
	}
	if (used >= 0 || !strstr(error->message, words))
		fail_msg("not '%s': %s", words, error ? error->message : "mapped");
}

/* --- FAT: table 1 of 12 and 16 bits at 512, of 32 bits at 16384 --- */

static void check_fat(const char *seed, const struct change *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		g_autoptr(Blkdev) disk = open_seed("map-fat", seed, SIZE);

		disk_write(disk, changes[i].at, changes[i].bytes, changes[i].len);
		check_map(&map_fat, disk, changes[i].words);
	}
}

static void test_fat12(void **state)
{
	static const struct change changes[] = {
		{ 37, "\1", 1, "not cleanly unmounted" },
		{ 37, "\2", 1, "or has errors" },
		{ 37, "\4", 1, NULL },
		{ 11, "\0\1", 2, "sectors of 256 bytes" },
		{ 11, "\0\x20", 2, "sectors of 8192 bytes" },
		{ 11, "\1\2", 2, "sectors of 513 bytes" },
		{ 13, "\0", 1, "clusters of 0 sectors" },
		{ 13, "\3", 1, "clusters of 3 sectors" },
		{ 14, "\0\0", 2, "0 reserved sectors" },
		{ 16, "\0", 1, "0 tables" },
		{ 16, "\5", 1, "5 tables" },
		{ 19, "\1\x40", 2, "on a volume of 8388608 bytes" }, /* a sector too many */
		{ 19, "\3\0", 2, "data from sector" },
		{ 22, "\1\0", 2, "tables of 512 bytes" },
		{ 21, "\xf0", 1, "media 0xf0 in the boot sector and 0xf8" },
		{ 512 + 2, "\7", 1, "whose table 2 differs" },
	};

	check_fat("valid-fat12", changes, G_N_ELEMENTS(changes));
}

static void test_fat16(void **state)
{
	static const struct change changes[] = {
		{ 37, "\1", 1, "not cleanly unmounted" },
		{ 16, "\1", 1, NULL }, /* one table: there is nothing to compare */
	};

	check_fat("valid-fat16", changes, G_N_ELEMENTS(changes));
}

static void test_fat32(void **state)
{
	static const struct change changes[] = {
		{ 65, "\1", 1, "not cleanly unmounted" },
		{ 40, "\x80", 1, "flags 0x80" },
		{ 42, "\1", 1, "FAT32 version 1" },
		{ 17, "\20", 1, "16 root entries" },
		{ 44, "\1", 1, "in cluster 1 of" },
		{ 44, "\3", 1, "in cluster 3 of" },
		{ 44, "\0\0\0\1", 4, "in cluster 16777216 of" },
		{ 71, "another", 7, NULL }, /* the label */
		{ 28, "\0\x10", 2, NULL },  /* hidden sectors: it was moved */
		{ 90, "code", 4, NULL },
		{ 6 * 512 + 13, "\2", 1, "differs from its backup in sector 6" },
		{ 6 * 512 + 65, "\1", 1, NULL }, /* the state of the backup */
		{ 50, "\0", 1, NULL },           /* no backup */
		{ 512 + 488, "\0\0", 2, "FAT32 with 0 free clusters, but 3999 by its table" },
		{ 512 + 488, "\0\x10", 2, NULL },
		{ 512 + 488, "\xff\xff\xff\xff", 4, NULL },
		{ 512, "none", 4, NULL },
	};

	check_fat("valid-fat32", changes, G_N_ELEMENTS(changes));
}

/* A sector that is none has no count. */
static void test_no_info(void **state)
{
	g_autoptr(Blkdev) disk = open_seed("map-fat", "valid-fat32", SIZE);

	disk_write(disk, 512 + 488, "\0\0", 2);
	disk_write(disk, 512, "none", 4);
	check_map(&map_fat, disk, NULL);
}

/* Entry @i in both tables of @bits, of which the first is at @first and the second @size behind. */
static void put_entry(Blkdev *disk, unsigned int bits, uint64_t first, uint64_t size, uint32_t i,
		      uint32_t value)
{
	for (int copy = 0; copy < 2; copy++) {
		uint64_t at = first + copy * size + i * bits / 8;
		uint32_t old;

		assert_int_equal(pread(disk->fd, &old, 4, (off_t)at), 4);
		old = le32toh(old);
		if (bits == 12)
			old = i % 2 ? (old & ~0xfff0u) | value << 4 : (old & ~0xfffu) | value;
		else
			old = bits == 16 ? (old & ~0xffffu) | value : value;
		old = htole32(old);
		disk_write(disk, at, &old, 4);
	}
}

/* What an entry may say; @more: how many clusters are then in use. */
static void test_entries(void **state)
{
	static const struct {
		const char *seed;
		unsigned int bits;
		uint64_t table, table_size;
		uint32_t media, clean, bad, reserved, not_clean[3];
	} seeds[] = {
		{ "valid-fat12", 12, 512, 1024, 0xff8, 0xfff, 0xff7, 0xff6, { 0xfff } },
		{ "valid-fat16",
		  16,
		  512,
		  24 * 512,
		  0xfff8,
		  0xffff,
		  0xfff7,
		  0xfff6,
		  { 0x7fff, 0xbfff } },
		{ "valid-fat32",
		  32,
		  16384,
		  32 * 512,
		  0x0ffffff8,
		  0x0fffffff,
		  0x0ffffff7,
		  0x0ffffff6,
		  { 0x07ffffff, 0x0bffffff } },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		const struct {
			uint32_t at, value;
			int more;
			const char *words;
		} cases[] = {
			{ 100, seeds[i].clean, 1, NULL },
			{ 100, seeds[i].bad + 1, 1, NULL },
			{ 100, seeds[i].bad, 0, NULL },
			{ 100, seeds[i].reserved, 0, "goes on to" },
			{ 100, 1, 0, "goes on to 1 of" },
			{ 100, 100, 1, NULL }, /* a loop: it is in use */
			{ 100, 101, 0, "goes on to cluster 101, which is free or bad" },
			{ 1, seeds[i].not_clean[0], 0, i ? "not cleanly unmounted" : NULL },
			{ 1, seeds[i].not_clean[1], 0, i ? "or has errors" : NULL },
		};

		for (size_t j = 0; j < G_N_ELEMENTS(cases); j++) {
			g_autoptr(Blkdev) disk = open_seed("map-fat", seeds[i].seed, SIZE);
			g_autoptr(GError) error = NULL;
			int64_t before = map(&map_fat, disk, &error);
			uint8_t cluster;

			assert_ok(before > 0, error);
			assert_int_equal(pread(disk->fd, &cluster, 1, 13), 1);
			/* the count of free ones stays below what it was */
			disk_write(disk, 512 + 488, "\xff\xff\xff\xff",
				   seeds[i].bits == 32 ? 4 : 0);
			put_entry(disk, seeds[i].bits, seeds[i].table, seeds[i].table_size,
				  cases[j].at, cases[j].value);
			print_message("%s: entry %u is 0x%x\n", seeds[i].seed, cases[j].at,
				      cases[j].value);
			check_map(&map_fat, disk, cases[j].words);
			if (!cases[j].words)
				assert_int_equal(map(&map_fat, disk, NULL),
						 before + cases[j].more * cluster * 512);
		}
	}
}

/* --- exFAT: table at sector 32, clusters of a sector from sector 64 on, 2 MiB in all --- */

#define EXFAT_FAT  UINT64_C(0x4000)
#define EXFAT_HEAP UINT64_C(0x8000)
#define EXFAT_ROOT (EXFAT_HEAP + 13 * 512)

static void put_sum(Blkdev *disk, uint64_t region, uint32_t sector)
{
	g_autofree uint8_t *bytes = g_malloc((size_t)11 * sector);
	uint32_t sum = 0, le;

	assert_int_equal(pread(disk->fd, bytes, (size_t)11 * sector, (off_t)region), 11 * sector);
	for (uint32_t i = 0; i < 11 * sector; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum & 1 ? 0x80000000 : 0) + (sum >> 1) + bytes[i];
	le = htole32(sum);
	for (uint32_t i = 0; i < sector; i += 4)
		disk_write(disk, region + 11 * sector + i, &le, 4);
}

static void check_exfat(const struct change *changes, size_t n, bool in_backup, bool sums)
{
	for (size_t i = 0; i < n; i++) {
		g_autoptr(Blkdev) disk = open_seed("map-exfat", "valid-files", SIZE);

		disk_write(disk, changes[i].at, changes[i].bytes, changes[i].len);
		if (in_backup)
			disk_write(disk, 12 * 512 + changes[i].at, changes[i].bytes,
				   changes[i].len);
		if (sums) {
			put_sum(disk, 0, 512);
			put_sum(disk, 12 * 512, 512);
		}
		check_map(&map_exfat, disk, changes[i].words);
	}
}

/* In the boot sector and its backup, with right checksums. */
static void test_exfat_boot(void **state)
{
	static const struct change changes[] = {
		{ 0, "\xeb", 1, NULL },
		{ 0, "\xe9", 1, "whose boot sector is none" },
		{ 3, "NTFS", 4, "whose boot sector is none" },
		{ 20, "\1", 1, "whose boot sector is none" },
		{ 510, "\0", 1, "whose boot sector is none" },
		{ 64, "\1\0\0\1", 4, NULL },                            /* where the partition is */
		{ 72, "\1\x40", 2, "of more sectors than its volume" }, /* 8 MiB and a sector */
		{ 72, "\0\x40", 2, NULL },
		{ 72, "\xff\7", 2, "fewer than an MiB" },
		{ 72, "\0\0\0\0\0\0\0\x80", 8, "of more sectors" },
		{ 80, "\x17", 1, "not between boot region and clusters" },
		{ 80, "\x21", 1, "not between boot region and clusters" },
		{ 84, "\x1f", 1, "whose table is too small" },
		{ 84, "\x21", 1, "not between boot region and clusters" },
		{ 84, "\xff\xff\xff\xff", 4, "not between boot region and clusters" },
		{ 88, "\0\0\0\1", 4, "clusters end beyond" },
		{ 92, "\0\0\0\0", 4, "clusters end beyond" },
		{ 92, "\xc1\xf", 2, "clusters end beyond" },
		{ 92, "\xff\xff\xff\xff", 4, "clusters end beyond" },
		{ 96, "\1", 1, "in none of its clusters" },
		{ 96, "\xc2\xf", 2, "in none of its clusters" },
		{ 104, "\1", 1, "revision 1.01" },
		{ 105, "\2", 1, "revision 2.00" },
		{ 106, "\1", 1, "TexFAT" },
		{ 106, "\2", 1, "not cleanly unmounted" },
		{ 106, "\4", 1, "failures of its medium" },
		{ 106, "\10", 1, NULL }, /* without a meaning */
		{ 106, "\20", 1, "flags 0x10" },
		{ 108, "\10", 1, "impossible sizes" },
		{ 108, "\15", 1, "impossible sizes" },
		{ 109, "\21", 1, "impossible sizes" },
		{ 110, "\2", 1, "2 tables" },
		{ 110, "\0", 1, "0 tables" },
		{ 112, "\0", 1, NULL },
		{ 112, "\xff", 1, NULL },
		{ 112, "\3", 1, "3% of its clusters in use, but 31 of 4032" },
		{ 112, "\x65", 1, "more than all clusters" },
	};

	check_exfat(changes, G_N_ELEMENTS(changes), true, true);
}

/* Without the checksum put right, or on one side only. */
static void test_exfat_regions(void **state)
{
	static const struct change broken[] = {
		{ 120, "x", 1, "whose boot region has checksum" },
		{ 8 * 512, "x", 1, "whose boot region has checksum" },
		{ 11 * 512 + 508, "x", 1, "whose boot region has checksum" },
		{ 12 * 512 + 300, "x", 1, "whose backup boot region has checksum" },
		{ 23 * 512, "x", 1, "whose backup boot region has checksum" },
		{ 12 * 512 + 106, "\2", 1, NULL }, /* stale by definition */
		{ 12 * 512 + 112, "\x63", 1, NULL },
	};
	static const struct change differ[] = {
		{ 12 * 512 + 92, "\x80", 1, "differs from its backup" },
		{ 12 * 512 + 109, "\1", 1, "differs from its backup" },
		{ 12 * 512 + 64, "\1", 1, NULL },
	};

	check_exfat(broken, G_N_ELEMENTS(broken), false, false);
	check_exfat(differ, G_N_ELEMENTS(differ), false, true);
}

/* The bitmap is cluster 2, the up-case table 3 to 14, the root directory 15 and 34. */
static void test_exfat_structures(void **state)
{
	static const struct change changes[] = {
		{ EXFAT_FAT + 15 * 4, "\xf", 1,
		  "root directory goes on to cluster 15 after 524288" },
		{ EXFAT_FAT + 15 * 4, "\0", 1, "root directory goes on to cluster 0" },
		{ EXFAT_FAT + 15 * 4, "\xf7\xff\xff\xff", 4, "on to cluster 4294967287" },
		{ EXFAT_FAT + 15 * 4, "\x28", 1, "root directory goes on to cluster 0 after 2" },
		{ EXFAT_FAT + 34 * 4, "\3\0\0\0", 4, "uses a cluster twice" },
		{ EXFAT_FAT + 2 * 4, "\3\0\0\0", 4, "bitmap goes on to cluster 3 after 1" },
		{ EXFAT_FAT + 14 * 4, "\x64\0\0\0", 4, "up-case table goes on to cluster 100" },
		{ EXFAT_FAT + 13 * 4, "\xff\xff\xff\xff", 4, "up-case table of 5836 bytes has 11" },
		{ EXFAT_HEAP, "\xfe", 1, "whose own structures are free" },
		{ EXFAT_HEAP, "\xfd", 1, "whose own structures are free" },
		{ EXFAT_HEAP + 1, "\xdf", 1, "whose own structures are free" },
		{ EXFAT_HEAP + 4, "\xe", 1, "whose own structures are free" },
		{ EXFAT_HEAP + 503, "\xff", 1, NULL },
		{ EXFAT_ROOT, "\0", 1, "other than one bitmap and one up-case table (0, 0)" },
		{ EXFAT_ROOT + 32, "\1", 1, "other than one bitmap and one up-case table (0, 1)" },
		{ EXFAT_ROOT + 64, "\2", 1, "other than one bitmap and one up-case table (1, 0)" },
		{ EXFAT_ROOT, "\x81", 1, "other than one bitmap and one up-case table (2, 1)" },
		{ EXFAT_ROOT, "\x84", 1, "an entry of type 0x84" },
		{ EXFAT_ROOT, "\x80", 1, "an entry of type 0x80" },
		{ EXFAT_ROOT, "\xa1", 1, "an entry of type 0xa1" },
		{ EXFAT_ROOT, "\xa0", 1, NULL },
		{ EXFAT_ROOT, "\3", 1, NULL },
		{ EXFAT_ROOT + 33, "\1", 1, "more or fewer bytes" },
		{ EXFAT_ROOT + 56, "\xf7", 1, "more or fewer bytes than its clusters need (503" },
		{ EXFAT_ROOT + 56, "\xf9", 1, "more or fewer bytes than its clusters need (505" },
		{ EXFAT_ROOT + 63, "\x80", 1, "more or fewer bytes" },
		{ EXFAT_ROOT + 52, "\xff\xff\xff\xff", 4, "bitmap of 504 bytes has 0 clusters" },
		{ EXFAT_ROOT + 52, "\0", 1, "bitmap goes on to cluster 0" },
		{ EXFAT_ROOT + 64 + 24, "\0\0", 2, "up-case table of no or too many bytes" },
		{ EXFAT_ROOT + 64 + 31, "\1", 1, "up-case table of no or too many bytes" },
		{ EXFAT_ROOT + 64 + 20, "\xff\xff\xff\xff", 4, "of 5836 bytes has 0 clusters" },
	};

	check_exfat(changes, G_N_ELEMENTS(changes), false, false);
}

#define WIDE_HEAP     (UINT64_C(160) * 512)
#define WIDE_CLUSTERS 8000

/* The seed with more clusters, which begin later, so that the bitmap needs two; these are free. */
static Blkdev *open_wide(void)
{
	Blkdev *disk = open_seed("map-exfat", "valid-files", SIZE);
	uint8_t clusters[40 * 512];
	const uint8_t zero[sizeof(clusters)] = { 0 };

	for (uint64_t at = 0; at <= 12 * 512; at += 12 * 512) {
		disk_write(disk, at + 72, "\0\x40", 2);   /* 8 MiB */
		disk_write(disk, at + 84, "\x80", 1);     /* 128 sectors for the table */
		disk_write(disk, at + 88, "\xa0", 1);     /* WIDE_HEAP */
		disk_write(disk, at + 92, "\x40\x1f", 2); /* WIDE_CLUSTERS */
		put_sum(disk, at, 512);
	}
	assert_int_equal(pread(disk->fd, clusters, sizeof(clusters), (off_t)EXFAT_HEAP),
			 sizeof(clusters));
	disk_write(disk, EXFAT_HEAP, zero, sizeof(zero));
	disk_write(disk, WIDE_HEAP, clusters, sizeof(clusters));
	return disk;
}

/* It goes from cluster 100 to the next one, or to another. */
static void test_exfat_bitmap_pieces(void **state)
{
	for (uint8_t second = 101; second <= 102; second++) {
		/* of the seed, and 98 to 105 */
		const uint8_t bitmap[WIDE_CLUSTERS / 8] = { 0xff, 0xff, 0x83,
							    0xff, 0x0f, [12] = 0xff };
		const uint8_t chain[4] = { second };
		g_autoptr(Blkdev) disk = open_wide();

		disk_write(disk, WIDE_HEAP + 98 * 512, bitmap, sizeof(bitmap));
		disk_write(disk, EXFAT_FAT + 100 * 4, chain, 4);
		disk_write(disk, EXFAT_FAT + second * 4, "\xff\xff\xff\xff", 4);
		disk_write(disk, WIDE_HEAP + 13 * 512 + 32 + 20, "\x64", 1);   /* cluster 100 */
		disk_write(disk, WIDE_HEAP + 13 * 512 + 32 + 24, "\xe8\3", 2); /* bytes */
		check_map(&map_exfat, disk, second == 101 ? NULL : "in more than one piece");
	}
}

/* Behind the last cluster, and behind the volume, all is carried. */
static void test_exfat_tail(void **state)
{
	g_autoptr(Blkdev) disk = open_seed("map-exfat", "valid-files", SIZE);

	assert_int_equal(map(&map_exfat, disk, NULL), EXFAT_HEAP + 31 * 512 + SIZE - 2 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fat12),
		cmocka_unit_test(test_fat16),
		cmocka_unit_test(test_fat32),
		cmocka_unit_test(test_no_info),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_exfat_boot),
		cmocka_unit_test(test_exfat_regions),
		cmocka_unit_test(test_exfat_structures),
		cmocka_unit_test(test_exfat_bitmap_pieces),
		cmocka_unit_test(test_exfat_tail),
	};

	return cmocka_run_group_tests_name("map-fat", tests, NULL, NULL);
}
