/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzzers start from these: were the valid ones refused, they would only ever test refusals.
 * The others are wrong in the way that their name says, and are refused with these words.
 */
#include "disk.h"

#include "map/ext-journal.h"
#include "../fuzz/fuzz-members.h"
#include "map/map-driver.h"
#include "map/partition-table.h"
#include "map/storage-map.h"

#define VOLUME_SIZE (UINT64_C(64) << 20) /* as in tests/fuzz/fuzz-volume.h */

static const struct {
	const char *name, *words;
} wrong[] = {
	{ "not-cleanly-unmounted", "not cleanly unmounted" },
	{ "wrong-free-count", "by its descriptor" },
	{ "unknown-ro-compat", "features 0x80000000 that are not known" },
	{ "unknown-compat", "compatible features 0x40000000 that are not known" },
	{ "error-flag", "it has errors (state 0x3)" },
	{ "error-flag-in-the-log", "it has errors (state 0x3)" },
	{ "external-journal", "an external journal (on device 0x801, inode 8)" },
	{ "flag-but-no-journal", "its journal must be replayed, but it has none" },
	{ "journal-is-a-directory", "journal, inode 8, has mode 040755 and 1 links" },
	{ "journal-too-short", "ext journal of 512000 bytes with 1024 blocks" },
	{ "journal-with-a-hole", "in 0 parts, has block 1 at 40 where 0 should follow" },
	{ "log-but-no-flag", "its journal is empty, but there are 9 blocks in it" },
	{ "log-writes-over-journal", "is free by the block bitmap, or written over by itself" },
	{ "orphans-but-no-journal", "it has orphans, but no journal" },
	{ "other-groups-in-the-log", "1 groups of 8192 blocks, in whose journal it has 1 of 4096" },
	{ "wrong-free-count-in-the-log", "1443 clusters free in group 0 by its bitmap" },
	{ "log-writes-behind-the-end", "writes block 70000 of 65536" },
	{ "writes-behind-the-end", "writes block 60000 of 50000" },
	{ "fast-commit", "with fast commits" },
	{ "unknown-incompat", "features 0x0, 0x400, 0x0" },
	{ "aborted", "aborted with error -5" },
	{ "log-without-end", "log of 63 blocks has no end" },
	{ "dirty", "not cleanly unmounted or has errors" },
	{ "dirty-exfat", "not cleanly unmounted" },
	{ "bitmap-lacks-itself", "own structures are free in its bitmap" },
	{ "medium-failed", "reports failures of its medium" },
	{ "two-signatures", "swap with 2 signatures" },
	{ "other-byte-order", "of the other byte order" },
	{ "first-version", "swap version 4294967295" },
	{ "beyond-the-end", "of 17592186044416 bytes on a volume of 67108864" },
	{ "logical-chain-loops", "go from sector 3 back to 3" },
};

static Blkdev *open_seed(const char *dir, const char *name)
{
	Blkdev *disk = disk_new(VOLUME_SIZE, 0);
	g_autofree char *path = g_build_filename(dir, name, NULL), *data = NULL;
	size_t size;

	assert_true(g_file_get_contents(path, &data, &size, NULL));
	disk_write(disk, 0, data, size);
	return disk;
}

static void check(const char *name, bool ok, GError **error)
{
	print_message("%s: %s\n", name, ok ? "accepted" : (*error)->message);
	if (g_str_has_prefix(name, "valid-")) {
		assert_ok(ok, *error);
		return;
	}
	assert_false(ok);
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		if (strcmp(wrong[i].name, name) == 0 && strstr((*error)->message, wrong[i].words)) {
			g_clear_error(error);
			return;
		}
	fail_msg("%s: not the words expected", name);
}

static bool read_volume(const struct map_driver *driver, const Volume *volume, const char *name,
			GError **error)
{
	const struct map_options options = { false };
	struct map_found found = { NULL };
	bool ok = driver->map(volume, driver->contents[0], &options, &found, error);

	if (ok && g_str_has_prefix(name, "valid-dirty-"))
		assert_string_equal(found.how, "ext2, journal replayed");
	g_free(found.how);
	g_free(found.warning);
	return ok;
}

static bool read_table(const Volume *volume, const char *name, GError **error)
{
	uint32_t sector = strstr(name, "4096") ? 4096 : 512;
	g_autoptr(PartitionTable) table = NULL;

	if (strstr(name, "gpt"))
		return gpt_read(volume, sector, &table, error) == 1;
	table = mbr_read(volume, sector, error);
	return table != NULL;
}

static bool read_ext_journal(const Volume *volume, const char *name, GError **error)
{
	g_autoptr(ExtReplay) replay = ext_replay_new(volume, 1024, 50000, error);

	if (replay)
		assert_int_not_equal(replay->blocks->entries->len, 0);
	return replay != NULL;
}

/* @driver NULL: what @read reads. */
static void check_corpus(const char *corpus, const struct map_driver *driver,
			 bool (*read)(const Volume *volume, const char *name, GError **error))
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus", corpus, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;
	int n_valid = 0;

	assert_non_null(dir);
	while ((name = g_dir_read_name(dir))) {
		g_autoptr(Blkdev) disk = open_seed(path, name);
		g_autoptr(UsedMap) used = used_map_new(VOLUME_SIZE, 1000);
		g_autoptr(Volume) volume = volume_new_disk(disk, used);
		g_autoptr(GError) error = NULL;
		bool ok;

		if (g_str_has_prefix(name, "crash-"))
			continue; /* found by a fuzzer: whatever comes out, it must not crash */
		ok =
		    driver ? read_volume(driver, volume, name, &error) : read(volume, name, &error);
		check(name, ok, &error);
		n_valid += ok;
	}
	assert_true(n_valid > 0);
}

static void test_exfat(void **state)
{
	check_corpus("map-exfat", &map_exfat, NULL);
}

static void test_ext(void **state)
{
	check_corpus("map-ext", &map_ext, NULL);
}

static void test_ext_journal(void **state)
{
	check_corpus("map-ext-journal", NULL, read_ext_journal);
}

static void test_fat(void **state)
{
	check_corpus("map-fat", &map_fat, NULL);
}

static void test_swap(void **state)
{
	check_corpus("map-swap", &map_swap, NULL);
}

static void test_partitions(void **state)
{
	check_corpus("partitions", NULL, read_table);
}

/* As tests/fuzz/fuzz-storage-map.c cuts a seed: the head, and the start of one disk or of two. */
static Blkdev *open_disk(const char *data, size_t size, unsigned int i)
{
	static const uint32_t sector_sizes[] = { 0, 512, 4096, 0 };
	size_t n = 1 + data[0] % 2, part = (size - 1) / n;
	Blkdev *disk;

	if (i >= n)
		return NULL;
	disk = disk_new(VOLUME_SIZE, sector_sizes[data[0] / 2 % 4]);
	disk_write(disk, 0, data + 1 + i * part, part);
	return disk;
}

/* Every volume of a valid-* is understood. */
static void test_storage(void **state)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/storage-map", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	assert_non_null(dir);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL), *data = NULL;
		size_t size;

		assert_true(g_file_get_contents(file, &data, &size, NULL));
		for (unsigned int i = 0; i < 2 && g_str_has_prefix(name, "valid-"); i++) {
			g_autoptr(Blkdev) disk = open_disk(data, size, i);
			g_autoptr(StorageMap) map = NULL;
			const struct map_volume *volume;
			const DiskMap *found;

			if (!disk)
				continue;
			map = storage_map_read((const Blkdev *const *)&disk, 1, NULL);
			found = g_ptr_array_index(map->disks, 0);
			assert_int_equal(found->volumes->len, 1);
			volume = g_ptr_array_index(found->volumes, 0);
			print_message("%s: %s, %s\n", name, found->table, volume->how);
			assert_null(strstr(volume->how, "carried whole"));
		}
	}
}

/* As mdadm and the kernel made them: what the name says is what is said of the first member. */
static void test_md(void **state)
{
	static const struct {
		const char *name, *how;
		unsigned int n_volumes;
	} seeds[] = {
		{ "valid-0.90", "md RAID1, clean", 1 },
		{ "valid-1.0-bitmap", "md RAID1, clean", 1 },
		{ "valid-1.1", "md RAID1, clean", 1 },
		{ "valid-1.2-bitmap", "md RAID1, clean", 1 },
		{ "valid-1.2-spare", "md RAID1, not clean: a member is missing", 1 },
		{ "valid-0.90-in-use", "md RAID1, not clean: it was not stopped in sync", 2 },
		{ "valid-1.1-resync", "md RAID1, not clean: it was not stopped in sync", 2 },
		{ "valid-1.2-stale", "md RAID1, not clean: its event counts differ", 2 },
		{ "valid-1.2-rebuild", "md RAID1, not clean: a member is being rebuilt", 1 },
		{ "raid5", "carried whole: RAID5", 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(seeds); i++) {
		g_autofree char *path =
		    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/map-md",
				     seeds[i].name, NULL);
		g_autofree char *data = NULL;
		struct members_input input = { .layer = &map_layer_md, .size = 40 << 20 };
		size_t size;

		print_message("%s\n", seeds[i].name);
		assert_true(g_file_get_contents(path, &data, &size, NULL));
		members_input_open(&input, (const uint8_t *)data, size);
		members_input_assemble(&input, true);
		assert_string_equal(input.members[0].how, seeds[i].how);
		assert_int_equal(input.found->len, seeds[i].n_volumes);
		members_input_close(&input);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exfat),       cmocka_unit_test(test_ext),
		cmocka_unit_test(test_ext_journal), cmocka_unit_test(test_fat),
		cmocka_unit_test(test_swap),        cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_storage),     cmocka_unit_test(test_md),
	};

	return cmocka_run_group_tests_name("map-seeds", tests, NULL, NULL);
}
