/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is left of a disk whose reads fail or give no answer.  The linker puts our pread() in place
 * of the real one: see `wrap` in meson.build.
 */
#include "disk.h"

#include "capture/gaps.h"
#include "capture/salvage.h"

#include <errno.h>
#include <unistd.h>

#define DISK_SIZE (UINT64_C(1) << 20)
#define SECTOR    512u

/* Nothing that answers takes so long here, and of what does not one test has many. */
#define STALL_MS       400u
#define STALL_SHORT_MS 150u

/* What is wrong with the disk: reads of [from, to) that reach into it fail, ... */
static struct {
	uint64_t from, to;
	int errnum;          /* ... with this, ... */
	bool hangs;          /* ... or not before the test ends, ... */
	int times;           /* ... so often; -1: always, ... */
	bool all_until_open; /* ... or all do, until it is opened anew */
	unsigned int align;  /* bytes: what is not aligned so is refused; 0: nothing is */
	int n, n_opens;      /* reads and openings in all */
	int n_opens_at_first;
	GMutex hung; /* held by the test meanwhile */
} fault;

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
	fault.n_opens++;
	return __real_open64(path, flags); /* nothing is created here */
}

ssize_t __real_pread64(int fd, void *buf, size_t len, off_t offset);
ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t offset);

static bool is_hit(uint64_t offset, size_t len)
{
	if (fault.all_until_open) {
		if (fault.n_opens_at_first == 0)
			fault.n_opens_at_first = fault.n_opens;
		return fault.n_opens == fault.n_opens_at_first;
	}
	if (offset >= fault.to || offset + len <= fault.from || fault.times == 0)
		return false;
	if (fault.times > 0)
		fault.times--;
	return true;
}

ssize_t __wrap_pread64(int fd, void *buf, size_t len, off_t offset)
{
	fault.n++;
	if (fault.align && ((uint64_t)offset | len) % fault.align != 0) {
		errno = EINVAL;
		return -1;
	}
	if (!is_hit((uint64_t)offset, len))
		return __real_pread64(fd, buf, len, offset);
	if (fault.hangs) {
		g_mutex_lock(&fault.hung);
		g_mutex_unlock(&fault.hung);
	}
	errno = fault.errnum ? fault.errnum : EIO;
	return -1;
}

typedef struct {
	Blkdev *disk;       /* owned */
	DiskSource *source; /* owned */
	GArray *gaps;       /* owned */
	uint8_t *got;       /* owned */
	int errnum;
	bool go_on;
} Scene;

static void scene_clear(Scene *scene)
{
	if (fault.hangs)
		g_mutex_unlock(&fault.hung);
	memset(&fault, 0, sizeof(fault));
	disk_source_free(scene->source);
	blkdev_free(scene->disk);
	g_array_unref(scene->gaps);
	g_free(scene->got);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static void scene_make(Scene *scene, unsigned int stall_ms)
{
	g_autofree uint8_t *bytes = g_malloc(DISK_SIZE);

	for (uint64_t i = 0; i < DISK_SIZE; i++)
		bytes[i] = (uint8_t)(i / SECTOR * 7 % 255 + 1);
	scene->disk = disk_new(DISK_SIZE, 0);
	disk_write(scene->disk, 0, bytes, DISK_SIZE);
	g_free(scene->disk->name); /* as of a snapshot, which is opened by another path */
	scene->disk->name = g_strdup("what it is called");
	scene->source = disk_source_new(scene->disk, stall_ms);
	scene->gaps = g_array_new(false, false, sizeof(struct extent));
	scene->got = g_malloc0(DISK_SIZE);
	scene->go_on = true;
	if (fault.hangs)
		g_mutex_lock(&fault.hung);
	fault.n = 0;
}

static bool go_on(void *userdata)
{
	return ((const Scene *)userdata)->go_on;
}

static bool run(Scene *scene, uint64_t offset, uint64_t length, bool all, GError **error)
{
	const struct salvage job = {
		.source = scene->source,
		.sector_size = SECTOR,
		.all = all,
		.way = DISK_READER_THREADS,
		.go_on = go_on,
		.userdata = scene,
	};
	const struct extent extent = { offset, length };

	return salvage_read(&job, &extent, scene->got, scene->gaps, &scene->errnum, error);
}

static void assert_bytes(const Scene *scene, uint64_t offset, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++) {
		uint64_t at = offset + i;
		uint8_t want =
		    gaps_touch(scene->gaps, at, 1) ? 0 : (uint8_t)(at / SECTOR * 7 % 255 + 1);

		if (scene->got[i] != want)
			fail_msg("byte %" G_GUINT64_FORMAT " is %u, not %u", at, scene->got[i],
				 want);
	}
}

static void assert_gap(const Scene *scene, uint64_t offset, uint64_t length)
{
	const struct extent *gap;

	assert_int_equal(scene->gaps->len, 1);
	gap = &g_array_index(scene->gaps, struct extent, 0);
	assert_int_equal(gap->offset, offset);
	assert_int_equal(gap->length, length);
}

/* Each reads 256 KiB from 256 KiB on, but for 100 bytes at both ends. */
#define FROM   ((256u << 10) + 100u)
#define LENGTH ((256u << 10) - 200u)
#define BAD    (300u << 10)

static void test_bad_sector(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = BAD + 700;
	fault.times = -1;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_gap(&scene, BAD, 2 * SECTOR);
	assert_int_equal(scene.errnum, EIO);
	assert_bytes(&scene, FROM, LENGTH);
}

/* An image on a filesystem that lies on larger sectors: none of their bytes can be read. */
static void test_bad_larger_sector(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD + SECTOR;
	fault.to = fault.from + 1;
	fault.times = -1;
	fault.align = 4096;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_gap(&scene, BAD, 4096);
	assert_bytes(&scene, FROM, LENGTH);
}

static void test_fails_once(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = BAD + 1;
	fault.times = 1;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_int_equal(scene.gaps->len, 0);
	assert_bytes(&scene, FROM, LENGTH);
	assert_int_equal(disk_source_renewals(scene.source), 1);
}

static void test_hangs_once(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = BAD + 1;
	fault.times = 1;
	fault.hangs = true;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_int_equal(scene.gaps->len, 0);
	assert_bytes(&scene, FROM, LENGTH);
}

static void test_sector_hangs(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = BAD + SECTOR;
	fault.times = -1;
	fault.hangs = true;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_gap(&scene, BAD, SECTOR);
	assert_int_equal(scene.errnum, ETIMEDOUT);
	assert_bytes(&scene, FROM, LENGTH);
}

/* Not each of its sectors is waited for. */
static void test_many_hang(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = DISK_SIZE;
	fault.times = -1;
	fault.hangs = true;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_gap(&scene, BAD, FROM + LENGTH - BAD);
	assert_bytes(&scene, FROM, LENGTH);
	assert_in_range(fault.n, 5, 20);
}

static void test_dead(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;
	unsigned int i;

	fault.to = DISK_SIZE;
	fault.times = -1;
	scene_make(&scene, STALL_SHORT_MS); /* its head can still be read */
	fault.hangs = true;
	g_mutex_lock(&fault.hung);
	for (i = 0; i < 20 && run(&scene, FROM, LENGTH, true, &error); i++)
		;
	assert_in_range(i, 5, 8);
	assert_error(&error, WHERRY_ERROR_TIMED_OUT, "gave no answer 32 times in a row");
}

static void test_errors_until_opened_anew(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	scene_make(&scene, STALL_MS);
	fault.all_until_open = true;
	assert_ok(run(&scene, FROM, LENGTH, true, &error), error);
	assert_int_equal(scene.gaps->len, 0);
	assert_bytes(&scene, FROM, LENGTH);
}

static void test_first_is_enough(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = DISK_SIZE;
	fault.times = -1;
	scene_make(&scene, STALL_MS);
	assert_ok(run(&scene, FROM, LENGTH, false, &error), error);
	assert_gap(&scene, BAD, SECTOR);
}

static void test_stopped(void **state)
{
	g_auto(Scene) scene = { NULL };
	g_autoptr(GError) error = NULL;

	fault.from = BAD;
	fault.to = BAD + 1;
	fault.times = -1;
	scene_make(&scene, STALL_MS);
	scene.go_on = false;
	assert_false(run(&scene, FROM, LENGTH, true, &error));
	assert_null(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_sector),
		cmocka_unit_test(test_bad_larger_sector),
		cmocka_unit_test(test_fails_once),
		cmocka_unit_test(test_hangs_once),
		cmocka_unit_test(test_sector_hangs),
		cmocka_unit_test(test_many_hang),
		cmocka_unit_test(test_dead),
		cmocka_unit_test(test_errors_until_opened_anew),
		cmocka_unit_test(test_first_is_enough),
		cmocka_unit_test(test_stopped),
	};

	return cmocka_run_group_tests_name("salvage", tests, NULL, NULL);
}
