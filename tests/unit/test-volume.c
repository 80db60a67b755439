/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read from a volume, and where it says that bytes are in use. */
#include "disk.h"

#include "map/volume.h"

#define DISK_SIZE 4096u

struct two_disks {
	Blkdev *dev[2];
	UsedMap *used[2];
	Volume *disk[2];
};

/* Each byte is the number of its hundred, those of the second disk from 100 on. */
static void setup(struct two_disks *two)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t bytes[DISK_SIZE];

		for (unsigned int j = 0; j < DISK_SIZE; j++)
			bytes[j] = (uint8_t)(j / 100 + 100 * i);
		two->dev[i] = disk_new(DISK_SIZE, 512);
		disk_write(two->dev[i], 0, bytes, DISK_SIZE);
		two->used[i] = used_map_new(DISK_SIZE, 1000);
		two->disk[i] = volume_new_disk(two->dev[i], two->used[i]);
	}
}

static void teardown(struct two_disks *two)
{
	for (unsigned int i = 0; i < 2; i++) {
		volume_free(two->disk[i]);
		used_map_free(two->used[i]);
		blkdev_free(two->dev[i]);
	}
}

static void check_bytes(const Volume *volume, uint64_t offset, const uint8_t *want, size_t n)
{
	g_autoptr(GError) error = NULL;
	uint8_t got[8];

	/* One byte of each hundred. */
	for (size_t i = 0; i < n; i++)
		assert_ok(volume_read(volume, offset + 100 * i, got + i, 1, &error), error);
	assert_memory_equal(got, want, n);
}

static void test_linear(void **state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Volume) part = NULL;
	struct two_disks two;
	const Blkdev *disk;
	uint8_t buf[600];
	uint64_t offset;

	setup(&two);
	part = volume_new_part("a part", two.disk[1], 500, 700, &error);
	assert_ok(part, error);
	check_bytes(part, 0, (const uint8_t[]){ 105, 106, 107 }, 3);
	assert_true(volume_is_run(part, &disk, &offset));
	assert_ptr_equal(disk, two.dev[1]);
	assert_int_equal(offset, 500);
	assert_false(volume_read(part, 200, buf, 501, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "501 bytes at 200 lie beyond the 700 bytes");

	volume_use(part, 100, UINT64_MAX);
	assert_int_equal(used_map_count(two.used[1], 0, DISK_SIZE), 600);
	assert_int_equal(used_map_count(two.used[1], 600, 600), 600);
	assert_int_equal(volume_count_used(part, 0, 1000), 600);
	assert_null(volume_new_part("too long", two.disk[0], 4000, 97, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has 97 bytes at 4000 of");
	teardown(&two);
}

static void test_striped(void **state)
{
	struct volume_place places[2];
	g_autoptr(Volume) volume = volume_new("striped");
	g_autoptr(GError) error = NULL;
	uint8_t buf[400];
	struct two_disks two;
	const Blkdev *disk;
	uint64_t offset;

	setup(&two);
	places[0] = (struct volume_place){ two.disk[0], 1000 };
	places[1] = (struct volume_place){ two.disk[1], 2000 };
	assert_ok(volume_add_linear(volume, 100, (struct volume_place){ two.disk[0], 0 }, &error),
		  error);
	assert_ok(volume_add_striped(volume, 800, 100, places, 2, &error), error);
	check_bytes(volume, 0, (const uint8_t[]){ 0, 10, 120, 11, 121, 12, 122, 13 }, 8);
	assert_ok(volume_read(volume, 150, buf, 200, &error), error);
	assert_int_equal(buf[0], 10);
	assert_int_equal(buf[50], 120);
	assert_int_equal(buf[199], 11);
	assert_false(volume_is_run(volume, &disk, &offset));

	volume_use(volume, 50, 70); /* the linear part, and 20 of the first stripe */
	assert_int_equal(used_map_count(two.used[0], 50, 50), 50);
	assert_int_equal(used_map_count(two.used[0], 1000, 100), 20);
	volume_use(volume, 300, 500); /* two rows and half of one */
	assert_int_equal(used_map_count(two.used[0], 1100, 300), 300);
	assert_int_equal(used_map_count(two.used[1], 2100, 200), 200);
	assert_int_equal(used_map_count(two.used[1], 0, DISK_SIZE), 200);
	assert_int_equal(volume_count_used(volume, 0, 900), 50 + 20 + 500);
	assert_int_equal(volume_count_used(volume, 350, 425), 425);
	assert_int_equal(volume_count_used(volume, 100, 200), 20);

	assert_false(volume_add_striped(volume, 300, 100, places, 2, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "300 bytes in stripes of 100 on 2 volumes");
	teardown(&two);
}

static void test_mirrored(void **state)
{
	struct volume_place places[2];
	g_autoptr(Volume) volume = volume_new("mirrored"), part = NULL;
	g_autoptr(GError) error = NULL;
	struct two_disks two;

	setup(&two);
	places[0] = (struct volume_place){ two.disk[0], 1000 };
	places[1] = (struct volume_place){ two.disk[1], 2000 };
	assert_ok(volume_add_mirrored(volume, 500, places, 2, 1, &error), error);
	part = volume_new_part("a part", volume, 100, 400, &error);
	assert_ok(part, error);
	assert_int_equal(part->depth, 2);
	check_bytes(part, 0, (const uint8_t[]){ 121, 122 }, 2);

	volume_use(part, 100, 50);
	assert_int_equal(used_map_count(two.used[0], 1200, 50), 50);
	assert_int_equal(used_map_count(two.used[1], 2200, 50), 50);
	assert_int_equal(volume_count_used(part, 0, 400), 50);
	teardown(&two);
}

/* Between two parts that are known. */
static void test_hidden(void **state)
{
	g_autoptr(Volume) volume = volume_new("hidden"), part = NULL;
	g_autoptr(GError) error = NULL;
	struct two_disks two;
	const Blkdev *disk;
	uint8_t buf[200];
	uint64_t offset;

	setup(&two);
	for (unsigned int i = 0; i < 2; i++) {
		struct volume_place place = { two.disk[i], 0 };

		assert_ok(volume_add_linear(volume, 100, place, &error), error);
		if (i == 0)
			assert_ok(volume_add_hidden(volume, UINT64_C(1) << 40, &error), error);
	}
	assert_int_equal(volume->size, 200 + (UINT64_C(1) << 40));
	assert_ok(volume_read(volume, 0, buf, 100, &error), error);
	assert_false(volume_read(volume, 0, buf, 101, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED,
		     "nobody knows where byte 100 of hidden lies");

	volume_use(volume, 0, volume->size);
	assert_int_equal(volume_count_used(volume, 0, volume->size), 200);
	assert_int_equal(used_map_count(two.used[1], 0, DISK_SIZE), 100);
	assert_ok(part = volume_new_part("a part", volume, 100, 100, &error), error);
	assert_int_equal(volume_count_used(part, 0, 100), 0);
	assert_false(volume_is_run(part, &disk, &offset));
	teardown(&two);
}

static void check_piece(const GArray *pieces, unsigned int i, const Blkdev *disk, uint64_t offset,
			uint64_t length)
{
	const struct volume_piece *piece = &g_array_index(pieces, struct volume_piece, i);

	assert_ptr_equal(piece->disk, disk);
	assert_int_equal(piece->offset, offset);
	assert_int_equal(piece->length, length);
}

/* In the order of the volume; neighbours are one.  One copy of a mirror is enough, two are not. */
static void test_pieces(void **state)
{
	struct volume_place places[2];
	g_autoptr(Volume) volume = volume_new("in pieces"), above = NULL,
			  mirror = volume_new("both");
	g_autoptr(GArray) pieces = NULL;
	g_autoptr(GError) error = NULL;
	struct two_disks two;

	setup(&two);
	places[0] = (struct volume_place){ two.disk[0], 1000 };
	places[1] = (struct volume_place){ two.disk[1], 2000 };
	assert_ok(volume_add_linear(volume, 300, places[0], &error), error);
	assert_ok(volume_add_linear(volume, 200, (struct volume_place){ two.disk[0], 1300 },
				    &error),
		  error);
	assert_ok(volume_add_striped(volume, 400, 100, places, 2, &error), error);
	assert_ok(volume_add_mirrored(volume, 100, places + 1, 1, 0, &error), error);
	above = volume_new_part("a part of it", volume, 100, 900, &error);
	assert_ok(above, error);
	pieces = volume_list_pieces(above, 100, &error);
	assert_ok(pieces, error);
	assert_int_equal(pieces->len, 6);
	check_piece(pieces, 0, two.dev[0], 1100, 400);
	check_piece(pieces, 1, two.dev[0], 1000, 100);
	check_piece(pieces, 2, two.dev[1], 2000, 100);
	check_piece(pieces, 3, two.dev[0], 1100, 100);
	check_piece(pieces, 4, two.dev[1], 2100, 100);
	check_piece(pieces, 5, two.dev[1], 2000, 100);

	assert_null(volume_list_pieces(above, 3, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "lies in too many pieces");
	assert_ok(volume_add_mirrored(mirror, 100, places, 2, 1, &error), error);
	assert_null(volume_list_pieces(mirror, 100, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "both has more than one copy");
	assert_ok(volume_add_hidden(volume, 100, &error), error);
	assert_null(volume_list_pieces(volume, 100, &error));
	assert_error(&error, WHERRY_ERROR_UNSUPPORTED, "lies where nobody knows");
	teardown(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linear),   cmocka_unit_test(test_striped),
		cmocka_unit_test(test_mirrored), cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests_name("volume", tests, NULL, NULL);
}
