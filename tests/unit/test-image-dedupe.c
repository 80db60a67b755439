/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Equal frames lie in the same bytes, and refcounts are right.  That QEMU finds them so, before and
 * after a guest has written, is shown by image-roundtrip.sh and dedupe.sh.
 */
#include "unit.h"

#include "base/autofd.h"
#include "image/image-reader.h"
#include "leaves.h"

#include <sys/mman.h>
#include <unistd.h>

#define CLUSTER IMAGE_CLUSTER_SIZE

/* Neither the writer nor the check looks into the data. */
static const uint8_t data[CLUSTER] = { 1, 2, 3 };

typedef struct {
	int fd; /* owned */
	LeafSums *leaves;
	ImageWriter *writer;
	uint64_t next, size;
} Image;

static void image_clear(Image *image)
{
	image_writer_free(image->writer);
	leaf_sums_free(image->leaves);
	autofd_clear(&image->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

static void dedupe(Image *image)
{
	g_autoptr(GError) error = NULL;

	assert_ok(image_writer_dedupe(image->writer, 1000, &error), error);
}

static void begin(Image *image, uint64_t n_clusters)
{
	g_autoptr(GError) error = NULL;

	image->fd = memfd_create("image", MFD_CLOEXEC);
	image->leaves = new_leaves();
	image->writer =
	    image_writer_new(image->fd, "image", image->leaves, n_clusters * CLUSTER, true, &error);
	assert_ok(image->writer, error);
}

/* The next cluster is the frame of this name. */
static void put(Image *image, uint64_t name, size_t len)
{
	struct fingerprint fingerprint = { { 0 } };
	g_autoptr(GError) error = NULL;

	memcpy(fingerprint.b, &name, sizeof(name));
	assert_ok(image_writer_put_frame(image->writer, image->next++, data, len, &fingerprint,
					 &error),
		  error);
}

/* Its check is content; @ret_ends: where each of the clusters ends in the file; owned. */
static uint64_t *finish(Image *image)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = NULL;
	uint64_t *ends = g_new(uint64_t, image->next);

	assert_ok(image_writer_finish(image->writer, &image->size, &error), error);
	reader = image_reader_new(image->fd, "image", &error);
	assert_ok(reader, error);
	assert_ok(image_reader_check(reader, &error), error);
	for (uint64_t i = 0; i < image->next; i++)
		assert_int_equal(image_reader_end(reader, i, &ends[i], &error), 1);
	return ends;
}

static void test_shared(void **state)
{
	g_auto(Image) image = { .fd = -1 };
	g_autofree uint64_t *ends = NULL;

	begin(&image, 100);
	dedupe(&image);
	for (uint64_t i = 0; i < 90; i++)
		put(&image, i % 3, 30000 + i % 3 * 15000); /* the second and third cross clusters */
	ends = finish(&image);
	for (uint64_t i = 3; i < 90; i++)
		assert_int_equal(ends[i], ends[i % 3]);
	assert_true(ends[0] < ends[1] && ends[1] < ends[2]);
	assert_true(image.size == 8 * CLUSTER); /* header, 3 of data, L2, L1, refcounts, table */
}

static void test_off(void **state)
{
	g_auto(Image) image = { .fd = -1 };
	g_autofree uint64_t *ends = NULL;

	begin(&image, 100);
	put(&image, 1, 30000);
	put(&image, 1, 30000);
	ends = finish(&image);
	assert_true(ends[0] < ends[1]);
}

/* A host cluster has at most 65,535 references: after so many another copy begins elsewhere. */
static void test_limit(void **state)
{
	const uint64_t n = 3 * 65535 + 10;
	g_auto(Image) image = { .fd = -1 };
	g_autofree uint64_t *ends = NULL;
	uint64_t copies = 1;

	begin(&image, n);
	dedupe(&image);
	while (image.next < n)
		put(&image, 1, 20);
	ends = finish(&image);
	for (uint64_t i = 1; i < n; i++) {
		if (ends[i] == ends[i - 1])
			continue;
		copies++;
		assert_int_equal(i % 65535, 0);
		assert_true(ends[i] / CLUSTER != ends[i - 1] / CLUSTER);
	}
	assert_int_equal(copies, 4);
}

/* What was shared until a checkpoint is, and counts, after it, too; new frames are then shared. */
static void test_resume(void **state)
{
	for (unsigned int again = 0; again < 2; again++) {
		g_autoptr(GByteArray) saved = g_byte_array_new();
		g_auto(Image) first = { .fd = -1 }, second = { .fd = -1 };
		g_autofree uint64_t *ends = NULL;
		g_autoptr(GError) error = NULL;

		begin(&first, 200);
		dedupe(&first);
		for (unsigned int i = 0; i < 100; i++)
			put(&first, i % 7, 20000);
		assert_ok(image_writer_checkpoint(first.writer, saved, &error), error);
		second.next = first.next;
		for (unsigned int i = 0; i < 50; i++) /* which is lost */
			put(&first, i % 9, 20000);

		second.fd = dup(first.fd);
		second.leaves = reopen_leaves(first.leaves);
		second.writer =
		    image_writer_resume(second.fd, "image", second.leaves, UINT64_C(200) * CLUSTER,
					true, saved->data, saved->len, &error);
		assert_ok(second.writer, error);
		if (again)
			dedupe(&second);
		for (unsigned int i = 0; i < 100; i++)
			put(&second, i % 7, 20000);
		ends = finish(&second);
		assert_int_equal(ends[99], ends[99 - 7]);
		assert_true(ends[100] > ends[99]);
		assert_int_equal(ends[199] == ends[199 - 7], again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_resume),
	};

	return cmocka_run_group_tests_name("image-dedupe", tests, NULL, NULL);
}
