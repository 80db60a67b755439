/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bundle becomes its next generation, while each flush fails once: what is read then, and after
 * it was settled, is the old state or the new one, in all files.  The linker puts our fsync() in
 * place of the system's.
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "bundle/bundle-image.h"
#include "bundle/bundle-update.h"
#include "fake-fsync.h"
#include "manifest-sample.h"

#include <fcntl.h>
#include <unistd.h>

#define IMAGE "disk-0.qcow2"
#define SUMS  "disk-0.sums"

static const size_t image_sizes[] = { 0, 1000, 1500 }; /* by generation */

typedef struct {
	char *dir; /* owned, and removed with what is in it */
	Bundle *bundle;
} Place;

static void place_clear(Place *place)
{
	g_autoptr(GDir) dir = g_dir_open(place->dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(dir)))
		(void)unlinkat(place->bundle->fd, name, 0);
	bundle_free(place->bundle);
	assert_int_equal(rmdir(place->dir), 0);
	g_free(place->dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* Of generation @n: its number, over and over. */
static bool put_file(const Bundle *bundle, const char *name, unsigned int n, Manifest *manifest)
{
	g_autofree char *text = g_strnfill(100 + n, (char)('0' + n));

	return bundle_write_file(bundle, name, text, strlen(text), manifest, NULL);
}

static Manifest *make_manifest(unsigned int n)
{
	Manifest *manifest = sample_manifest();
	struct manifest_disk *disk = g_ptr_array_index(manifest->disks, 0);

	manifest->generation = n;
	disk->image_size = image_sizes[n];
	g_ptr_array_set_size(manifest->files, 0);
	return manifest;
}

static void fill_image(int fd, unsigned int n)
{
	g_autofree char *text = g_strnfill(image_sizes[n] - image_sizes[n - 1], (char)('0' + n));

	assert_int_equal(pwrite(fd, text, strlen(text), (off_t)image_sizes[n - 1]), strlen(text));
}

static Place make_place(void)
{
	Place place = { .dir = g_dir_make_tmp(NULL, NULL) };
	g_autoptr(Manifest) manifest = make_manifest(1);
	g_autoptr(GError) error = NULL;
	autofd int fd = -1;

	failing_fsync = n_fsync = 0;
	place.bundle = bundle_open(place.dir, &error);
	assert_ok(place.bundle, error);
	fd = bundle_create_file(place.bundle, IMAGE, &error);
	fill_image(fd, 1);
	assert_true(put_file(place.bundle, SUMS, 1, manifest));
	assert_true(put_file(place.bundle, "domain.xml", 1, manifest));
	assert_ok(bundle_write_manifest(place.bundle, manifest, &error), error);
	return place;
}

/* @ret_committed as bundle_update_commit() has it. */
static bool update(const Place *place, bool *ret_committed)
{
	g_autoptr(Manifest) manifest = make_manifest(2);
	uint8_t head[UPDATE_HEAD_SIZE];
	g_autoptr(GError) error = NULL;
	autofd int fd = -1;

	memset(head, '2', sizeof(head));
	*ret_committed = false;
	if (!bundle_update_begin(place->bundle, &error))
		return false;
	fd = bundle_open_to_write(place->bundle, IMAGE, &error);
	fill_image(fd, 2);
	return put_file(place->bundle, SUMS, 2, manifest) &&
	       put_file(place->bundle, "domain.xml", 2, manifest) &&
	       bundle_update_commit(place->bundle, manifest, head, ret_committed, &error);
}

static void assert_bytes(const BundleImage *image, size_t from, size_t to, char want)
{
	g_autofree char *buf = g_malloc(to - from);
	g_autoptr(GError) error = NULL;

	assert_ok(bundle_image_read((void *)(uintptr_t)image, from, buf, to - from, &error), error);
	for (size_t i = 0; i < to - from; i++)
		assert_int_equal(buf[i], want);
}

/* All files of the state that counts are of the same generation, which is returned. */
static unsigned int check_state(const Bundle *bundle)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Manifest) manifest = bundle_read_manifest(bundle, &error);
	g_autoptr(BundleImage) image = NULL;
	unsigned int n;

	assert_ok(manifest, error);
	n = manifest->generation;
	for (unsigned int i = 0; i < manifest->files->len; i++)
		assert_ok(bundle_check_file(bundle, g_ptr_array_index(manifest->files, i), &error),
			  error);
	image = bundle_image_open(bundle, IMAGE, image_sizes[n], &error);
	assert_ok(image, error);
	assert_bytes(image, 0, UPDATE_HEAD_SIZE, (char)('0' + n));
	assert_bytes(image, 5, UPDATE_HEAD_SIZE - 5, (char)('0' + n));
	assert_bytes(image, UPDATE_HEAD_SIZE, image_sizes[1], '1');
	if (n == 2)
		assert_bytes(image, image_sizes[1], image_sizes[2], '2');
	return n;
}

static void reopen(Place *place)
{
	g_autoptr(GError) error = NULL;

	bundle_free(place->bundle);
	place->bundle = bundle_open(place->dir, &error);
	assert_ok(place->bundle, error);
}

static void assert_clean(const Place *place, unsigned int n)
{
	g_autoptr(GDir) dir = g_dir_open(place->dir, 0, NULL);
	g_autofree char *path = g_build_filename(place->dir, IMAGE, NULL);
	g_autofree char *text = NULL;
	size_t size;
	const char *name;
	int found = 0;

	while ((name = g_dir_read_name(dir)))
		found++;
	assert_int_equal(found, 4);
	assert_true(g_file_get_contents(path, &text, &size, NULL));
	assert_int_equal(size, image_sizes[n]);
	assert_int_equal(text[0], '0' + (int)n);
}

static void test_each_flush(void **state)
{
	int n_flushes = 1;
	unsigned int seen = 0;

	for (int failing = 0; failing <= n_flushes; failing++) {
		g_auto(Place) place = make_place();
		g_autoptr(GError) error = NULL;
		bool done, committed;
		unsigned int n;

		n_fsync = 0;
		failing_fsync = failing;
		done = update(&place, &committed);
		failing_fsync = 0;
		if (failing == 0)
			n_flushes = n_fsync;
		assert_int_equal(done, failing == 0);
		reopen(&place);
		n = check_state(place.bundle);
		assert_int_equal(n, committed ? 2 : 1);
		seen |= 1u << n;
		assert_ok(bundle_settle(place.bundle, &error), error);
		assert_null(place.bundle->update);
		assert_int_equal(check_state(place.bundle), n);
		assert_clean(&place, n);
	}
	assert_int_equal(seen, 6);
	assert_true(n_flushes >= 10);
}

/* Settling is cut off at each flush, and done again. */
static void test_settle_again(void **state)
{
	for (int failing = 1; failing <= 7; failing++) {
		g_auto(Place) place = make_place();
		g_autoptr(GError) error = NULL;
		bool committed;

		failing_fsync = 8; /* the first one after the commit */
		n_fsync = 0;
		assert_false(update(&place, &committed));
		assert_true(committed);
		reopen(&place);
		n_fsync = 0;
		failing_fsync = failing;
		if (!bundle_settle(place.bundle, &error))
			assert_error(&error, WHERRY_ERROR_IO, "cannot flush");
		reopen(&place);
		assert_int_equal(check_state(place.bundle), 2);
		failing_fsync = 0;
		assert_ok(bundle_settle(place.bundle, &error), error);
		assert_clean(&place, 2);
	}
}

/* An image that is longer than recorded is fine only while an update was begun. */
static void test_longer_image(void **state)
{
	g_auto(Place) place = make_place();
	g_autoptr(GError) error = NULL;
	autofd int fd = bundle_open_to_write(place.bundle, IMAGE, &error);
	g_autoptr(BundleImage) image = NULL;

	fill_image(fd, 2);
	assert_null(bundle_image_open(place.bundle, IMAGE, image_sizes[1], &error));
	assert_error(&error, WHERRY_ERROR_DIFFERENT, "has 1500 bytes, but 1000 were recorded");
	assert_ok(bundle_update_begin(place.bundle, &error), error);
	image = bundle_image_open(place.bundle, IMAGE, image_sizes[1], &error);
	assert_ok(image, error);
	assert_null(bundle_image_open(place.bundle, IMAGE, image_sizes[2] + 1, &error));
	assert_error(&error, WHERRY_ERROR_DIFFERENT, "has 1500 bytes, but 1501 were recorded");
}

/* What cannot be a record, by its data. */
static void test_parse(void **state)
{
	g_autoptr(Manifest) manifest = make_manifest(2);
	const uint8_t heads[UPDATE_HEAD_SIZE] = { 1 };
	g_autoptr(GByteArray) good = NULL;
	g_autoptr(UpdateRecord) record = NULL;
	g_autoptr(GError) error = NULL;

	(void)manifest_set_file(manifest, SUMS);
	good = update_record_committed(manifest, heads, &error);
	assert_ok(good, error);
	record = update_record_parse(good->data, good->len, &error);
	assert_ok(record, error);
	assert_memory_equal(update_record_head(record, IMAGE), heads, sizeof(heads));
	assert_null(update_record_head(record, "disk-1.qcow2"));
	assert_null(update_record_parse(good->data, 7, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is too short");
	assert_null(update_record_parse(good->data, 100, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is too short for its disks");
	good->data[4] = 0;
	assert_null(update_record_parse(good->data, good->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "machine.json");
	good->data[4] = 2;
	g_byte_array_prepend(good, heads, sizeof(heads));
	memmove(good->data, good->data + sizeof(heads), 8);
	assert_null(update_record_parse(good->data, good->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "for another number of disks");
	good->data[4] = 1;
	good->data[0] = 3;
	assert_null(update_record_parse(good->data, good->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is neither");
	good->data[0] = 1;
	assert_null(update_record_parse(good->data, good->len, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "is neither");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_flush),
		cmocka_unit_test(test_settle_again),
		cmocka_unit_test(test_longer_image),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests_name("bundle-update", tests, NULL, NULL);
}
