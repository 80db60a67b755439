/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a capture that goes on keeps, and which other disks it refuses. */
#include "disk.h"

#include "bundle/journal.h"
#include "capture/chunk.h"
#include "capture/copy-journal.h"
#include "capture/identity.h"
#include "capture/traces.h"

#define DISK_SIZE (UINT64_C(8) << 20)

/* A bundle's directory, and one disk with what is known of it. */
typedef struct {
	char *dir; /* owned, and removed */
	Bundle *bundle;
	GPtrArray *disks;
	struct plan_disk plan;
	DiskMap map;
	StorageMap storage;
	Volume *disk, *volume; /* 64 KiB at 2 MiB of the disk, then 512 KiB at 3 MiB */
	Manifest *manifest;
	struct manifest_disk *known; /* of the manifest */
} Scene;

/* A logical volume in two pieces, as its map has found it. */
static void find_volume(Scene *scene)
{
	g_autoptr(GError) error = NULL;
	struct volume_place place = { scene->disk, 2 << 20 };
	struct map_place *found = g_new0(struct map_place, 1);

	scene->volume = volume_new("vg0/root");
	assert_ok(volume_add_linear(scene->volume, 64 << 10, place, &error), error);
	place.offset = 3 << 20;
	assert_ok(volume_add_linear(scene->volume, 512 << 10, place, &error), error);
	found->volume = scene->volume;
	scene->storage.places = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(scene->storage.places, found);
	scene->plan.storage = &scene->storage;
}

static void scene_init(Scene *scene)
{
	*scene = (Scene){ .dir = g_dir_make_tmp(NULL, NULL) };
	scene->bundle = bundle_open(scene->dir, NULL);
	scene->disks = g_ptr_array_new();
	scene->plan.dev = disk_new(DISK_SIZE, 512);
	scene->plan.map = &scene->map;
	scene->disk = volume_new_disk(scene->plan.dev, NULL);
	scene->map.sector_size = 512;
	scene->map.used = used_map_new(DISK_SIZE, 100);
	used_map_add(scene->map.used, 0, 1 << 20);
	g_ptr_array_add(scene->disks, &scene->plan);
	find_volume(scene);
	scene->manifest = manifest_new();
	scene->manifest->id = g_strdup("first-id");
	scene->manifest->created = g_strdup("first-time");
	scene->known = manifest_add_disk(scene->manifest);
	scene->known->serial = g_strdup("S1");
}

static void scene_clear(Scene *scene)
{
	journal_remove(scene->bundle, IDENTITY_FILE);
	journal_remove(scene->bundle, "disk-0.journal");
	bundle_free(scene->bundle);
	g_ptr_array_unref(scene->disks);
	g_ptr_array_unref(scene->storage.places);
	volume_free(scene->volume);
	volume_free(scene->disk);
	blkdev_free(scene->plan.dev);
	blkdev_free(scene->plan.origin);
	used_map_free(scene->map.used);
	manifest_free(scene->manifest);
	assert_int_equal(rmdir(scene->dir), 0);
	g_free(scene->dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static bool take_over(const Scene *scene, struct identity_storage *ret, GError **error)
{
	json_auto_t *traces = traces_read(scene->disks);

	return identity_take_over(scene->bundle, scene->disks, traces, scene->manifest, ret, error);
}

static void write_identity(Scene *scene)
{
	const struct identity_storage storage = { .level = 7, .dedupe = true };
	json_auto_t *traces = traces_read(scene->disks);
	g_autoptr(GError) error = NULL;

	assert_ok(identity_write(scene->bundle, scene->manifest, &storage, scene->disks, traces,
				 &error),
		  error);
	g_free(scene->manifest->id);
	scene->manifest->id = g_strdup("second-id");
	g_free(scene->manifest->created);
	scene->manifest->created = g_strdup("second-time");
}

static void test_same(void **state)
{
	g_autoptr(GError) error = NULL;
	g_auto(Scene) scene;
	struct identity_storage storage = { .level = 1 };

	scene_init(&scene);
	assert_false(take_over(&scene, &storage, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "nothing was copied yet");
	write_identity(&scene);
	assert_ok(take_over(&scene, &storage, &error), error);
	assert_int_equal(storage.level, 7);
	assert_true(storage.dedupe);
	assert_string_equal(scene.manifest->id, "first-id");
	assert_string_equal(scene.manifest->created, "first-time");
}

static void other_size(Scene *scene)
{
	scene->plan.dev->size -= 512;
}

static void other_sectors(Scene *scene)
{
	scene->map.sector_size = 4096;
}

static void other_wwn(Scene *scene)
{
	scene->known->wwn = g_strdup("0x5000c50015ea71ac");
}

static void other_serial(Scene *scene)
{
	g_free(scene->known->serial);
	scene->known->serial = g_strdup("S2");
}

static void other_start(Scene *scene)
{
	disk_write(scene->plan.dev, 511, "x", 1);
}

static void other_end(Scene *scene)
{
	disk_write(scene->plan.dev, DISK_SIZE - 1, "x", 1);
}

static void other_map(Scene *scene)
{
	used_map_add(scene->map.used, 4 << 20, 512);
}

static void other_volume(Scene *scene)
{
	disk_write(scene->plan.dev, (2 << 20) + 1024, "x", 1);
}

static void other_volume_end(Scene *scene)
{
	disk_write(scene->plan.dev, (3 << 20) + (512 << 10) - 1, "x", 1);
}

static void one_more(Scene *scene)
{
	g_ptr_array_add(scene->disks, &scene->plan);
	manifest_add_disk(scene->manifest);
}

static void test_other_disks(void **state)
{
	static const struct {
		void (*change)(Scene *scene);
		const char *words;
	} cases[] = {
		{ other_size, "its size" },
		{ other_sectors, "its sector size" },
		{ other_wwn, "its WWN" },
		{ other_serial, "its serial number" },
		{ other_start, "the partition table of" },
		{ other_end, "the partition table of" },
		{ other_map, "its map of the bytes in use" },
		{ other_volume, "the ends of 'vg0/root' has changed" },
		{ other_volume_end, "the ends of 'vg0/root' has changed" },
		{ one_more, "was of 1 disks, this one is of 2" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(Scene) scene;
		struct identity_storage storage;

		scene_init(&scene);
		write_identity(&scene);
		cases[i].change(&scene);
		assert_false(take_over(&scene, &storage, &error));
		assert_error(&error, WHERRY_ERROR_DIFFERENT, cases[i].words);
	}
}

/* A journal that is whole, but none of ours. */
static void assert_taken_over(Scene *scene)
{
	g_autoptr(GError) error = NULL;
	struct identity_storage storage;

	assert_ok(take_over(scene, &storage, &error), error);
}

/* What cannot be read, then or now, proves nothing; the rest does. */
static void test_unreadable(void **state)
{
	g_auto(Scene) scene;
	g_autoptr(GError) error = NULL;
	struct identity_storage storage;
	int fd;

	scene_init(&scene);
	fd = scene.plan.dev->fd;
	write_identity(&scene);
	assert_int_equal(ftruncate(fd, DISK_SIZE - 100000), 0);
	assert_taken_over(&scene);
	write_identity(&scene);
	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	assert_taken_over(&scene);
	disk_write(scene.plan.dev, DISK_SIZE - 1, "x", 1); /* could not be read then */
	assert_taken_over(&scene);
	disk_write(scene.plan.dev, DISK_SIZE - 200000, "x", 1);
	assert_false(take_over(&scene, &storage, &error));
	assert_error(&error, WHERRY_ERROR_DIFFERENT, "what else lies at its ends");
}

/* A view shows what it did before; what was written to the disk below it counts all the same. */
static void test_below_view(void **state)
{
	static const struct {
		uint64_t offset;
		const char *words; /* NULL: nobody looks there */
	} cases[] = {
		{ 511, "what else lies at its ends" },
		{ DISK_SIZE - 1, "what else lies at its ends" },
		{ (2 << 20) + 1024, "the ends of 'vg0/root' has changed" },
		{ (3 << 20) + 1024, "the ends of 'vg0/root' has changed" },
		{ (2 << 20) - 1, NULL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(Scene) scene;
		struct identity_storage storage;

		scene_init(&scene);
		scene.plan.origin = disk_new(DISK_SIZE, 512);
		write_identity(&scene);
		assert_taken_over(&scene);
		disk_write(scene.plan.origin, cases[i].offset, "x", 1);
		if (!cases[i].words) {
			assert_taken_over(&scene);
			continue;
		}
		assert_false(take_over(&scene, &storage, &error));
		assert_error(&error, WHERRY_ERROR_DIFFERENT, cases[i].words);
	}
}

static void test_other_words(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{",
		"{\"schema\": 2}",
		"{\"schema\": 1, \"id\": 1, \"created\": \"\", \"level\": 1, \"disks\": []}",
		"{\"schema\": 1, \"id\": \"\", \"created\": \"\", \"level\": \"\", \"disks\": []}",
		"{\"schema\": 1, \"id\": \"\", \"created\": \"\", \"level\": 1, \"disks\": 1}",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(Scene) scene;
		struct identity_storage storage;

		scene_init(&scene);
		assert_ok(journal_write(scene.bundle, IDENTITY_FILE, texts[i], strlen(texts[i]),
					&error),
			  error);
		assert_false(take_over(&scene, &storage, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "is none of this version");
	}
}

static void test_copy_journal(void **state)
{
	g_autoptr(GByteArray) image = g_byte_array_new();
	g_autoptr(GArray) gaps = g_array_new(false, false, sizeof(struct extent));
	CopyJournal out = { .shared = 4, .done = 5, .next = 3 * SUMS_CHUNK_SIZE, .chunks = 2 };
	const struct extent gap = { 4096, 512 };
	g_auto(CopyJournal) in = { 0 };
	g_autoptr(GError) error = NULL;
	g_auto(Scene) scene;

	scene_init(&scene);
	out.gaps = gaps;
	out.image = image;
	g_array_append_val(gaps, gap);
	g_byte_array_append(image, (const uint8_t *)"state", 5);
	assert_int_equal(copy_journal_read(scene.bundle, "disk-0.journal", &in, &error), 0);
	assert_ok(copy_journal_write(scene.bundle, "disk-0.journal", &out, &error), error);
	assert_int_equal(copy_journal_read(scene.bundle, "disk-0.journal", &in, &error), 1);
	assert_false(in.finished);
	assert_int_equal(in.shared, 4);
	assert_int_equal(in.done, 5);
	assert_int_equal(in.next, 3 * SUMS_CHUNK_SIZE);
	assert_int_equal(in.chunks, 2);
	assert_int_equal(in.gaps->len, 1);
	assert_memory_equal(in.gaps->data, &gap, sizeof(gap));
	assert_int_equal(in.image->len, 5);
	assert_memory_equal(in.image->data, "state", 5);

	out.next++;
	assert_ok(copy_journal_write(scene.bundle, "disk-0.journal", &out, &error), error);
	assert_int_equal(copy_journal_read(scene.bundle, "disk-0.journal", &in, &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "ends inside of a chunk");
	assert_ok(journal_write(scene.bundle, "disk-0.journal", "short", 5, &error), error);
	assert_int_equal(copy_journal_read(scene.bundle, "disk-0.journal", &in, &error), -1);
	assert_error(&error, WHERRY_ERROR_DAMAGED, "says nothing of a disk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),        cmocka_unit_test(test_other_disks),
		cmocka_unit_test(test_unreadable),  cmocka_unit_test(test_below_view),
		cmocka_unit_test(test_other_words), cmocka_unit_test(test_copy_journal),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
