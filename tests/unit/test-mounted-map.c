/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of a kernel that real filesystems hardly ever give, by a fake of its ioctl.  What real
 * ones say is shown by tests/scripts/mounted-map.sh.
 */
#include "disk.h"

#include "map/mounted-ioctl.h"
#include "map/mounted-map.h"

#include <linux/magic.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#define SIZE    (UINT64_C(1) << 20)
#define DEVICE  makedev(7, 300)
#define ENCODED 0x10072cu /* of it, as the kernel writes it */

#define FREE 1

/* In units of 4 KiB. */
struct record {
	uint64_t start, count;
	int is_free;
	uint32_t device; /* 0: ours */
};

static const struct record *records; /* count 0 ends an answer, and two of them all */
static uint32_t oflags;
static bool again; /* the first answer is given again and again */

int __wrap_fstatfs64(int fd, struct statfs *ret); /* fstatfs(), with large files */
bool __wrap_mounted_ioctl_fsmap(int fd, struct fsmap_head *head, GError **error);

int __wrap_fstatfs64(int fd, struct statfs *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->f_type = XFS_SUPER_MAGIC;
	return 0;
}

bool __wrap_mounted_ioctl_fsmap(int fd, struct fsmap_head *head, GError **error)
{
	const struct record *from = records;

	head->fmh_oflags = oflags;
	head->fmh_entries = 0;
	for (; records->count > 0; records++) {
		struct fsmap *to = &head->fmh_recs[head->fmh_entries++];

		*to = (struct fsmap){
			.fmr_device = records->device ? records->device : ENCODED,
			.fmr_physical = records->start * 4096,
			.fmr_length = records->count * 4096,
			.fmr_flags = FMR_OF_SPECIAL_OWNER,
			.fmr_owner = records->is_free ? FMR_OWN_FREE : FMR_OWN_UNKNOWN,
		};
	}
	if (records[1].count == 0 && head->fmh_entries > 0)
		head->fmh_recs[head->fmh_entries - 1].fmr_flags |= FMR_OF_LAST;
	records++;
	if (again) {
		records = from;
		head->fmh_recs[head->fmh_entries - 1].fmr_flags &= ~(uint32_t)FMR_OF_LAST;
	}
	return true;
}

/* How many bytes are in use, or -1 with @error. */
static int64_t ask(const struct record *answers, UsedMap **ret_used, GError **error)
{
	g_autoptr(Blkdev) disk = disk_new(SIZE, 512);
	g_autoptr(UsedMap) used = used_map_new(SIZE, 1000);
	g_autoptr(Volume) volume = volume_new_disk(disk, used);
	const struct mounted_device device = { DEVICE, volume };
	g_autofree char *how = NULL;
	int64_t n;

	records = answers;
	how = mounted_map_use(0, &device, 1, error);
	if (!how)
		return -1;
	assert_string_equal(how, "XFS, mounted");
	n = (int64_t)used_map_count(used, 0, SIZE);
	*ret_used = g_steal_pointer(&used);
	return n;
}

static void check_refused(const struct record *answers, const char *words)
{
	g_autoptr(UsedMap) used = NULL;
	g_autoptr(GError) error = NULL;

	assert_int_equal(ask(answers, &used, &error), -1);
	if (!strstr(error->message, words))
		fail_msg("not '%s' but '%s'", words, error->message);
}

static int setup(void **state)
{
	oflags = FMH_OF_DEV_T;
	again = false;
	return 0;
}

/* What nobody speaks of is in use, and so is what only some record calls free. */
static void test_doubt(void **state)
{
	static const struct record answers[] = {
		{ 10, 10, FREE }, /* 0 to 9 are not spoken of */
		{ 15, 1, 0 },     /* taken meanwhile */
		{ 30, 20, 0 },
		{ 0 },
		{ 40, 20, FREE }, /* of which half was taken before */
		{ 100, 5, FREE },
		{ 102, 1, FREE },
		{ 0 },
		{ 0 },
	};
	g_autoptr(UsedMap) used = NULL;
	g_autoptr(GError) error = NULL;
	int64_t n = ask(answers, &used, &error);

	assert_ok(n >= 0, error);
	assert_int_equal(n / 4096, 256 - 9 - 10 - 5);
	assert_int_equal(used_map_count(used, 0, 10 * 4096), 10 * 4096);
	assert_int_equal(used_map_count(used, 15 * 4096, 4096), 4096);
	assert_int_equal(used_map_count(used, 40 * 4096, 10 * 4096), 10 * 4096);
	assert_int_equal(used_map_count(used, 50 * 4096, 10 * 4096), 0);
	assert_int_equal(used_map_count(used, 105 * 4096, 151 * 4096), 151 * 4096);
}

static void test_nothing(void **state)
{
	static const struct record answers[] = { { 0 }, { 0 } };
	g_autoptr(UsedMap) used = NULL;
	g_autoptr(GError) error = NULL;

	assert_int_equal(ask(answers, &used, &error), SIZE);
}

static void test_refused(void **state)
{
	static const struct record backwards[] = { { 20, 1, FREE }, { 10, 1, FREE }, { 0 }, { 0 } };
	static const struct record behind[] = { { 250, 7, FREE }, { 0 }, { 0 } };
	static const struct record other[] = { { 1, 1, FREE, 0x801 }, { 0 }, { 0 } };
	static const struct record some[] = { { 1, 1, FREE }, { 0 }, { 0 } };

	check_refused(backwards, "behind 81920 of the 1048576 bytes");
	check_refused(behind, "28672 bytes at 1024000");
	check_refused(other, "a filesystem that is on device 0x801 as well");
	oflags = 0;
	check_refused(some, "with 1 records and flags 0x0");
	oflags = FMH_OF_DEV_T;
	again = true;
	check_refused(some, "comes no farther than byte 4096");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_doubt, setup),
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_refused, setup),
	};

	return cmocka_run_group_tests_name("mounted-map", tests, NULL, NULL);
}
