/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of disks whose filesystems only a mount of a snapshot brings in order, when the
 * snapshots, the mount, or what is read through them fails.  The snapshots are fakes, for the
 * faults that a real one cannot be made to have (vm-xfs.sh has the real ones): one shows its disk
 * as it is, and after a mount with a clean log.
 */
#include "xfs-seed.h"

#include "base/error.h"
#include "base/io.h"
#include "capture/views.h"
#include "source/mapped-device.h"
#include "source/snapshot.h"

#include <fcntl.h>
#include <glib/gstdio.h>

#define SEED     "valid-v4-512"
#define REPLAYED "XFS, log replayed in a snapshot"
#define MARK     "replayed" /* in a store */

struct snapshot {
	const Blkdev *disk;
	int store;
};

/* Counted over all of a test. */
static struct {
	bool no_mapper, no_snapshot, no_device, unreadable, full;
	const Blkdev *damaged; /* cannot be mounted */
	unsigned int n_made, n_mounts, n_alive, n_sweeps;
} fake;

bool __wrap_mapped_device_available(GError **error);
void __wrap_mapped_device_sweep(void);
Snapshot *__wrap_snapshot_new(const Blkdev *disk, uint32_t sector_size, int store, GError **error);
Blkdev *__wrap_snapshot_open(const Snapshot *snapshot, GError **error);
int64_t __wrap_snapshot_used(const Snapshot *snapshot, GError **error);
bool __wrap_snapshot_mount(const char *type, const struct snapshot_piece *pieces,
			   unsigned int n_pieces, GError **error);
void __wrap_snapshot_free(Snapshot *snapshot);

static bool is_replayed(const Snapshot *snapshot)
{
	char mark[sizeof(MARK)];

	assert_true(io_pread(snapshot->store, "store", 0, mark, sizeof(mark), NULL));
	return memcmp(mark, MARK, sizeof(MARK)) == 0;
}

/* True; or false, with @error, if it @failed. */
static bool unless(bool failed, const char *words, GError **error)
{
	if (failed)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "%s", words);
	return !failed;
}

bool __wrap_mapped_device_available(GError **error)
{
	return unless(fake.no_mapper, "no mapper here", error);
}

void __wrap_mapped_device_sweep(void)
{
	fake.n_sweeps++;
}

Snapshot *__wrap_snapshot_new(const Blkdev *disk, uint32_t sector_size, int store, GError **error)
{
	Snapshot *snapshot;

	(void)sector_size;
	if (!unless(fake.no_snapshot, "no snapshot today", error))
		return NULL;
	fake.n_made++;
	fake.n_alive++;
	snapshot = g_new0(Snapshot, 1);
	snapshot->disk = disk;
	snapshot->store = dup(store);
	return snapshot;
}

Blkdev *__wrap_snapshot_open(const Snapshot *snapshot, GError **error)
{
	Blkdev *dev;

	if (!unless(fake.no_device, "no node for it", error))
		return NULL;
	dev = xfs_seed_open(SEED, &xfs_not_unmounted, is_replayed(snapshot) ? 0 : 1, false);
	g_free(dev->name);
	dev->name = g_strdup(snapshot->disk->name);
	if (fake.unreadable) {
		close(dev->fd);
		dev->fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	}
	return dev;
}

int64_t __wrap_snapshot_used(const Snapshot *snapshot, GError **error)
{
	(void)snapshot;
	return unless(fake.full, "the store was full", error) ? (int64_t)sizeof(MARK) : -1;
}

bool __wrap_snapshot_mount(const char *type, const struct snapshot_piece *pieces,
			   unsigned int n_pieces, GError **error)
{
	const Snapshot *snapshot = pieces[0].snapshot;

	assert_string_equal(type, "xfs");
	assert_int_equal(n_pieces, 1);
	assert_int_equal(pieces[0].length, FUZZ_VOLUME_SIZE);
	fake.n_mounts++;
	if (!unless(snapshot->disk == fake.damaged, "structure needs cleaning", error))
		return false;
	return io_pwrite(snapshot->store, "store", 0, MARK, sizeof(MARK), error);
}

void __wrap_snapshot_free(Snapshot *snapshot)
{
	if (!snapshot)
		return;
	fake.n_alive--;
	close(snapshot->store);
	g_free(snapshot);
}

/* Disks that were cut off, and the map of them. */
typedef struct {
	GPtrArray *disks;
	Blkdev *origins[2]; /* borrowed */
	struct map_options options;
	StorageMap *map;
} Scene;

static void scene_init(Scene *scene, bool is_dirty)
{
	memset(&fake, 0, sizeof(fake));
	*scene = (Scene){ .disks = plan_new() };
	for (unsigned int i = 0; i < 2; i++) {
		struct plan_disk *disk = g_new0(struct plan_disk, 1);

		disk->dev = scene->origins[i] =
		    xfs_seed_open(SEED, &xfs_not_unmounted, is_dirty, false);
		g_ptr_array_add(scene->disks, disk);
	}
	scene->map = plan_map(scene->disks, &scene->options);
}

static Views *make_views(Scene *scene)
{
	return views_new(scene->disks, &scene->options, g_get_tmp_dir(), &scene->map);
}

static const struct plan_disk *disk_of(const Scene *scene, unsigned int i)
{
	return g_ptr_array_index(scene->disks, i);
}

static const char *how(const Scene *scene, unsigned int i)
{
	return ((struct map_volume *)g_ptr_array_index(disk_of(scene, i)->map->volumes, 0))->how;
}

/* How many warnings of @list have all of @words. */
static unsigned int count_words(const GPtrArray *list, const char *words)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < list->len; i++)
		n += strstr(g_ptr_array_index(list, i), words) != NULL;
	return n;
}

/* All is as if there had never been a snapshot: the disks themselves are carried whole. */
static void check_whole(const Scene *scene, const char *why)
{
	for (unsigned int i = 0; i < 2; i++) {
		const struct plan_disk *disk = disk_of(scene, i);

		assert_ptr_equal(disk->dev, scene->origins[i]);
		assert_null(disk->origin);
		assert_int_equal(disk->used, FUZZ_VOLUME_SIZE);
		assert_non_null(strstr(how(scene, i), "carried whole: XFS with a dirty log"));
	}
	assert_int_equal(count_words(scene->map->warnings, why), 2);
	assert_int_equal(count_words(scene->map->warnings, "it is carried whole"), 2);
	assert_int_equal(fake.n_alive, 0);
}

static void scene_clear(Scene *scene)
{
	assert_int_equal(fake.n_alive, 0);
	storage_map_free(scene->map);
	g_ptr_array_unref(scene->disks);
}

static void test_clean(void **state)
{
	Scene scene;

	(void)state;
	scene_init(&scene, false);
	assert_null(make_views(&scene));
	assert_int_equal(fake.n_made, 0);
	assert_int_equal(scene.map->warnings->len, 0);
	assert_int_equal(fake.n_sweeps, 1); /* of what others have left */
	scene_clear(&scene);
}

static void test_replayed(void **state)
{
	g_autoptr(GError) error = NULL;
	Views *views;
	Scene scene;

	(void)state;
	scene_init(&scene, true);
	views = make_views(&scene);
	assert_non_null(views);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(disk_of(&scene, i)->origin, scene.origins[i]);
		assert_string_equal(how(&scene, i), REPLAYED);
		assert_true(disk_of(&scene, i)->used < FUZZ_VOLUME_SIZE);
	}
	assert_int_equal(scene.map->warnings->len, 0);
	assert_int_equal(fake.n_mounts, 2);
	assert_ok(views_check(views, &error), error);
	fake.full = true;
	assert_false(views_check(views, &error));
	assert_error(&error, WHERRY_ERROR_IO, "the store was full");
	views_free(views);
	for (unsigned int i = 0; i < 2; i++) {
		assert_ptr_equal(disk_of(&scene, i)->dev, scene.origins[i]);
		assert_null(disk_of(&scene, i)->origin);
	}
	scene_clear(&scene);
}

/* The disks could be read, but cannot be once more: all of the view is in use. */
static void test_unreadable(void **state)
{
	Views *views;
	Scene scene;

	(void)state;
	scene_init(&scene, true);
	fake.unreadable = true;
	views = make_views(&scene);
	assert_non_null(views);
	for (unsigned int i = 0; i < 2; i++) {
		const struct plan_disk *disk = disk_of(&scene, i);

		assert_non_null(disk->map->failure);
		assert_int_equal(disk->used, FUZZ_VOLUME_SIZE);
		assert_int_equal(count_words(disk->map->warnings, "is carried whole: "), 1);
	}
	views_free(views);
	scene_clear(&scene);
}

static void test_failures(void **state)
{
	static const struct {
		bool *fails;
		const char *why;
		unsigned int n_made;
	} cases[] = {
		{ &fake.no_mapper, "no mapper here", 0 },
		{ &fake.no_snapshot, "no snapshot today", 0 },
		{ &fake.no_device, "no node for it", 2 },
		{ &fake.full, "the store was full", 3 }, /* two, and once more without the first */
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Scene scene;

		print_message("%s\n", cases[i].why);
		scene_init(&scene, true);
		*cases[i].fails = true;
		assert_null(make_views(&scene));
		assert_int_equal(fake.n_made, cases[i].n_made);
		check_whole(&scene, cases[i].why);
		scene_clear(&scene);
	}
}

/* What a hibernated system has mounted may not be changed behind its back. */
static void test_resumes(void **state)
{
	Scene scene;

	(void)state;
	scene_init(&scene, true);
	scene.map->resumes = true;
	assert_null(make_views(&scene));
	assert_int_equal(fake.n_made, 0);
	check_whole(&scene, "a hibernated system, which the VM will resume");
	scene_clear(&scene);
}

/* One of two cannot be mounted: the other's snapshot is a new one, which that did not touch. */
static void test_one_of_two(void **state)
{
	for (unsigned int bad = 0; bad < 2; bad++) {
		unsigned int good = 1 - bad;
		Views *views;
		Scene scene;

		scene_init(&scene, true);
		fake.damaged = scene.origins[bad];
		views = make_views(&scene);
		assert_non_null(views);
		assert_string_equal(how(&scene, good), REPLAYED);
		assert_ptr_equal(disk_of(&scene, bad)->dev, scene.origins[bad]);
		assert_int_equal(disk_of(&scene, bad)->used, FUZZ_VOLUME_SIZE);
		assert_int_equal(scene.map->warnings->len, 1);
		assert_int_equal(count_words(scene.map->warnings, "structure needs cleaning"), 1);
		assert_int_equal(fake.n_made, 3);
		assert_int_equal(fake.n_alive, 1);
		views_free(views);
		scene_clear(&scene);
	}
	(void)state;
}

/* What was saved is the same view for a capture that goes on, without a mount. */
static void test_kept(void **state)
{
	g_autofree char *dir = g_dir_make_tmp(NULL, NULL), *view = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(Bundle) bundle = bundle_open(dir, &error);
	Views *views, *again = NULL;
	Scene scene;

	(void)state;
	assert_ok(bundle, error);
	scene_init(&scene, true);
	assert_int_equal(views_load(bundle, scene.disks, &scene.options, dir, &scene.map, &again,
				    &error),
			 0);
	views = make_views(&scene);
	assert_ok(views_save(views, bundle, &error), error);
	view = g_strdup(disk_of(&scene, 0)->view);
	assert_non_null(view);
	views_free(views);
	assert_null(disk_of(&scene, 0)->view);
	storage_map_free(scene.map);
	scene.map = plan_map(scene.disks, &scene.options); /* as the next one does */

	assert_int_equal(views_load(bundle, scene.disks, &scene.options, dir, &scene.map, &again,
				    &error),
			 1);
	assert_string_equal(disk_of(&scene, 0)->view, view);
	assert_string_equal(how(&scene, 1), REPLAYED);
	assert_int_equal(fake.n_mounts, 2);
	views_free(again);
	views_remove(bundle, 2);
	assert_int_equal(g_rmdir(dir), 0); /* nothing is left */
	scene_clear(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),      cmocka_unit_test(test_replayed),
		cmocka_unit_test(test_unreadable), cmocka_unit_test(test_resumes),
		cmocka_unit_test(test_failures),   cmocka_unit_test(test_one_of_two),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests_name("views", tests, NULL, NULL);
}
