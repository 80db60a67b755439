/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An image is brought from state to state, some of them in a row.  Until the header is replaced
 * the old one is what is read, whole, with the leaves that it had.  Others read it in update.sh.
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "image/compress.h"
#include "image/image-reader.h"
#include "image/image-update.h"
#include "leaves.h"

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define CLUSTER IMAGE_CLUSTER_SIZE

/* More than one L2 table, of which the last is cut short by the disk's end. */
#define N_CLUSTERS (2 * 8192u + 100)
#define DISK_SIZE  ((uint64_t)N_CLUSTERS * CLUSTER - 512)

/* Of each guest cluster: 0 is zero, else what it is filled with. */
typedef struct {
	int fd; /* owned */
	Compressor *compressor;
	uint64_t size; /* bytes of the image's state */
	uint64_t unused;
	LeafSums *leaves;
	LeafSums *next; /* of the update */
	uint8_t disk[N_CLUSTERS];
} Place;

static void place_clear(Place *place)
{
	compressor_free(place->compressor);
	leaf_sums_free(place->leaves);
	leaf_sums_free(place->next);
	autofd_clear(&place->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* Even ones are noise, and go into the image as they are; odd ones are compressed. */
static void fill(uint64_t index, uint8_t value, uint8_t *ret)
{
	uint32_t seed = (uint32_t)index * 2654435761u + value;

	memset(ret, value, CLUSTER);
	for (size_t i = 0; value != 0 && value % 2 == 0 && i < CLUSTER; i++) {
		seed = seed * 1664525u + 1013904223u;
		ret[i] = (uint8_t)(seed >> 24);
	}
	if (index == N_CLUSTERS - 1)
		memset(ret + CLUSTER - 512, 0, 512);
}

static size_t pack(const Place *place, uint64_t index, uint8_t value, uint8_t *buf)
{
	uint8_t plain[CLUSTER];
	size_t len;

	fill(index, value, plain);
	len = place->compressor ? compressor_run(place->compressor, plain, buf) : 0;
	if (len == 0)
		memcpy(buf, plain, CLUSTER);
	return len ?: CLUSTER;
}

static void begin(Place *place, bool compressed)
{
	uint8_t buf[CLUSTER];
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageWriter) writer = NULL;

	place->fd = memfd_create("image", MFD_CLOEXEC);
	place->leaves = new_leaves();
	place->compressor = compressed ? compressor_new(1) : NULL;
	writer = image_writer_new(place->fd, "image", place->leaves, DISK_SIZE, compressed, &error);
	assert_ok(writer, error);
	for (uint64_t i = 0; i < N_CLUSTERS; i++) {
		size_t len;

		if (place->disk[i] == 0)
			continue;
		len = pack(place, i, place->disk[i], buf);
		assert_ok(image_writer_put(writer, i, buf, len, len < CLUSTER, &error), error);
	}
	assert_ok(image_writer_finish(writer, &place->size, &error), error);
}

/* Its sums begin with those of the old state, which stay as they are. */
static ImageUpdate *open_update(Place *place)
{
	g_autoptr(GError) error = NULL;
	ImageUpdate *update;
	off_t from = 0;

	leaf_sums_free(place->next);
	place->next = new_leaves();
	assert_true(
	    sendfile(leaf_sums_fd(place->next), leaf_sums_fd(place->leaves), &from, 1 << 20) > 0);
	update = image_update_new(place->fd, "image", place->size, place->next, &error);
	assert_ok(update, error);
	return update;
}

static void change(Place *place, ImageUpdate *update, uint64_t index, uint8_t value)
{
	uint8_t buf[CLUSTER];
	g_autoptr(GError) error = NULL;
	size_t len;

	place->disk[index] = value;
	if (value == 0) {
		assert_ok(image_update_clear(update, index, &error), error);
		return;
	}
	len = pack(place, index, value, buf);
	assert_ok(image_update_put(update, index, buf, len, len < CLUSTER, &error), error);
}

/* The file holds @disk, its metadata is sound, and its leaves are those of @place. */
static void assert_state(const Place *place, const uint8_t *disk)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = NULL;
	g_autofree uint8_t *leaf = g_malloc(IMAGE_LEAF_SIZE);
	uint8_t got[CLUSTER], want[CLUSTER];

	for (uint64_t at = 0; at < place->size; at += IMAGE_LEAF_SIZE) {
		size_t len = (size_t)MIN(IMAGE_LEAF_SIZE, place->size - at);
		struct digest digest, recorded;

		assert_ok(io_pread(place->fd, "image", at, leaf, len, &error), error);
		digest = digest_of(leaf, len);
		assert_ok(leaf_sums_get(place->leaves, at / IMAGE_LEAF_SIZE, &recorded, &error),
			  error);
		assert_true(digest_equal(&digest, &recorded));
	}
	reader = image_reader_new(place->fd, "image", &error);
	assert_ok(reader, error);
	assert_ok(image_reader_check(reader, &error), error);
	for (uint64_t i = 0; i < N_CLUSTERS; i++) {
		assert_int_equal(image_reader_cluster(reader, i, got, &error), disk[i] != 0);
		if (disk[i] == 0)
			continue;
		fill(i, disk[i], want);
		assert_memory_equal(got, want, CLUSTER);
	}
}

static void take_over(Place *place, const struct image_state *state)
{
	leaf_sums_free(place->leaves);
	place->leaves = g_steal_pointer(&place->next);
	place->size = state->size;
	place->unused = state->unused;
	assert_int_equal(lseek(leaf_sums_fd(place->leaves), 0, SEEK_END),
			 (place->size + IMAGE_LEAF_SIZE - 1) / IMAGE_LEAF_SIZE * DIGEST_SIZE);
}

/* The old state stays until the header is there, then the new one is. */
static void finish(Place *place, ImageUpdate *update, const uint8_t *old)
{
	struct image_state state;
	g_autoptr(GError) error = NULL;

	assert_ok(image_update_finish(update, &state, &error), error);
	assert_int_equal(lseek(place->fd, 0, SEEK_END), state.size);
	assert_state(place, old);
	assert_ok(io_pwrite(place->fd, "image", 0, state.header, sizeof(state.header), &error),
		  error);
	take_over(place, &state);
	assert_state(place, place->disk);
}

/* Some clusters of each L2 table, in @n of which there is data. */
static void make_disk(Place *place, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		place->disk[(uint64_t)i * (N_CLUSTERS - 1) / MAX(n - 1, 1)] = (uint8_t)(1 + i % 7);
}

/* From sizes below one leaf to some, by random changes; with and without compression. */
static void test_generations(void **state)
{
	static const unsigned int sizes[] = { 0, 1, 60, 150 };
	g_autoptr(GRand) rand = g_rand_new_with_seed(6);

	for (size_t i = 0; i < 2 * G_N_ELEMENTS(sizes); i++) {
		g_auto(Place) place = { .fd = -1 };

		make_disk(&place, sizes[i / 2]);
		begin(&place, i % 2);
		for (int generation = 0; generation < 2; generation++) {
			g_autoptr(ImageUpdate) update = open_update(&place);
			uint8_t old[N_CLUSTERS];
			uint64_t at = g_rand_int_range(rand, 0, 3000);

			memcpy(old, place.disk, sizeof(old));
			for (; at < N_CLUSTERS; at += g_rand_int_range(rand, 1, 300))
				change(&place, update, at, (uint8_t)g_rand_int_range(rand, 0, 6));
			finish(&place, update, old);
		}
	}
}

/* The end of the old state lies just before, at and behind the border of a leaf. */
static void test_borders(void **state)
{
	for (unsigned int n = 55; n < 65; n++) {
		g_auto(Place) place = { .fd = -1 };
		uint8_t old[N_CLUSTERS];
		ImageUpdate *update;

		for (unsigned int i = 0; i < n; i++)
			place.disk[i] = 2;
		begin(&place, false);
		memcpy(old, place.disk, sizeof(old));
		update = open_update(&place);
		change(&place, update, 0, 4);
		finish(&place, update, old);
		image_update_free(update);
	}
}

/* All goes: no table and no data is left, and what they took is not used any more. */
static void test_clear_all(void **state)
{
	g_auto(Place) place = { .fd = -1 };
	g_autoptr(ImageUpdate) update = NULL;
	uint8_t old[N_CLUSTERS];
	uint64_t before;

	make_disk(&place, 300);
	begin(&place, true);
	before = place.size;
	memcpy(old, place.disk, sizeof(old));
	update = open_update(&place);
	for (uint64_t i = 0; i < N_CLUSTERS; i++)
		change(&place, update, i, 0);
	finish(&place, update, old);
	assert_int_equal(place.unused, before - CLUSTER); /* but the header */
	assert_int_equal(place.size, before + 3 * (uint64_t)CLUSTER);
}

/* Nothing differs: not one byte is appended. */
static void test_no_change(void **state)
{
	g_auto(Place) place = { .fd = -1 };
	g_autoptr(ImageUpdate) update = NULL;
	uint64_t before;

	make_disk(&place, 70);
	begin(&place, true);
	before = place.size;
	update = open_update(&place);
	change(&place, update, 1, 0); /* which it is */
	finish(&place, update, place.disk);
	assert_int_equal(place.size, before);
	assert_int_equal(place.unused, 0);
}

/* What an update that died left behind is cut off. */
static void test_leftover(void **state)
{
	g_auto(Place) place = { .fd = -1 };
	uint8_t old[N_CLUSTERS], kept[N_CLUSTERS];
	ImageUpdate *update;

	make_disk(&place, 70);
	begin(&place, true);
	memcpy(kept, place.disk, sizeof(kept));
	update = open_update(&place);
	for (uint64_t i = 0; i < N_CLUSTERS; i += 50)
		change(&place, update, i, 2);
	image_update_free(update);
	assert_true((uint64_t)lseek(place.fd, 0, SEEK_END) > place.size);
	assert_state(&place, kept);

	memcpy(place.disk, kept, sizeof(kept));
	memcpy(old, kept, sizeof(kept));
	update = open_update(&place);
	assert_int_equal(lseek(place.fd, 0, SEEK_END), place.size);
	change(&place, update, 7, 3);
	finish(&place, update, old);
	image_update_free(update);
}

/* A byte that has changed where the new state begins would be summed as if it were right. */
static void test_altered(void **state)
{
	static const uint8_t other = 0xa5;
	g_auto(Place) place = { .fd = -1 };
	g_autoptr(GError) error = NULL;

	for (unsigned int i = 0; i < 100; i++)
		place.disk[i] = 2; /* all plain, over two leaves */
	begin(&place, true);
	assert_int_equal(pwrite(place.fd, &other, 1, (off_t)CLUSTER + 5), 1);
	assert_null(image_update_new(place.fd, "image", place.size, place.leaves, &error));
	assert_error(&error, WHERRY_ERROR_DIFFERENT, "altered between bytes 0 and 4194304");
	assert_int_equal(ftruncate(leaf_sums_fd(place.leaves), DIGEST_SIZE), 0);
	assert_null(image_update_new(place.fd, "image", place.size, place.leaves, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' ends at 32, ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generations), cmocka_unit_test(test_borders),
		cmocka_unit_test(test_clear_all),   cmocka_unit_test(test_no_change),
		cmocka_unit_test(test_leftover),    cmocka_unit_test(test_altered),
	};

	return cmocka_run_group_tests_name("image-update", tests, NULL, NULL);
}
