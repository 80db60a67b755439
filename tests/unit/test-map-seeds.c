/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fuzzers start from these: were the valid ones refused, they would only ever test refusals.
 * The others are wrong in the way that their name says, and are refused with these words.
 */
#include "disk.h"

#include "../fuzz/fuzz-md.h"
#include "map/map-driver.h"
#include "map/partition-table.h"

#define VOLUME_SIZE (UINT64_C(64) << 20) /* as in tests/fuzz/fuzz-volume.h */

static const struct {
	const char *name, *words;
} wrong[] = {
	{ "not-cleanly-unmounted", "not cleanly unmounted" },
	{ "wrong-free-count", "by its descriptor" },
	{ "unknown-ro-compat", "features 0x80000000 that are not known" },
	{ "dirty", "not cleanly unmounted or has errors" },
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

static bool read_volume(const struct map_driver *driver, const Volume *volume, GError **error)
{
	struct map_found found = { NULL };
	bool ok = driver->map(volume, driver->contents[0], &found, error);

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

/* @driver NULL: partition tables. */
static void check_corpus(const char *corpus, const struct map_driver *driver)
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
		    driver ? read_volume(driver, volume, &error) : read_table(volume, name, &error);
		check(name, ok, &error);
		n_valid += ok;
	}
	assert_true(n_valid > 0);
}

static void test_ext(void **state)
{
	check_corpus("map-ext", &map_ext);
}

static void test_fat(void **state)
{
	check_corpus("map-fat", &map_fat);
}

static void test_partitions(void **state)
{
	check_corpus("partitions", NULL);
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
		struct md_input input;
		size_t size;

		print_message("%s\n", seeds[i].name);
		assert_true(g_file_get_contents(path, &data, &size, NULL));
		md_input_open(&input, (const uint8_t *)data, size);
		md_input_assemble(&input, true);
		assert_string_equal(input.members[0].how, seeds[i].how);
		assert_int_equal(input.found->len, seeds[i].n_volumes);
		md_input_close(&input);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ext),
		cmocka_unit_test(test_fat),
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_md),
	};

	return cmocka_run_group_tests_name("map-seeds", tests, NULL, NULL);
}
