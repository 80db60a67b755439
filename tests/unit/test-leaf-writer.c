/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaves get to the file also where the filesystem opens it past the page cache, but does not write
 * there; and no more of them wait than may.
 */
#include "leaves.h"
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "image/image-writer.h"
#include "image/leaf-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static int n_refused;
static bool slow;        /* the medium takes its time, and nothing is written */
static size_t n_written; /* bytes */

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
	if (slow) {
		g_usleep(n / 140); /* 140 MB/s */
		g_atomic_pointer_add(&n_written, n);
		return (ssize_t)n;
	}
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return __real_pwrite64(fd, buf, n, offset);
	n_refused++;
	errno = EINVAL;
	return -1;
}

/* The first to find that out is a checkpoint; the next file that is opened gets that number. */
static void test_refused(void **state)
{
	g_autofree char *path = g_strdup("/tmp/wherry-test-XXXXXX");
	autofd int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
	LeafWriter *writer = leaf_writer_new(fd, "file");
	autofd int other = -1;
	g_autoptr(GError) error = NULL;
	uint8_t *leaf = leaf_alloc(&error), byte;

	unlink(path);
	memset(leaf, 'x', IMAGE_LEAF_SIZE);
	assert_ok(leaf_writer_wait(writer, &error), error);
	assert_ok(leaf_writer_write(writer, 0, leaf, 65536, &error), error);
	other = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	assert_ok(leaf_writer_put(writer, 0, 0, IMAGE_LEAF_SIZE, &leaf, &error), error);
	assert_ok(leaf_writer_wait(writer, &error), error);
	assert_true(n_refused <= 1); /* none: there is no such filesystem here */
	assert_ok(io_pread(fd, "file", IMAGE_LEAF_SIZE - 1, &byte, 1, &error), error);
	assert_int_equal(byte, 'x');
	leaf_writer_free(writer);
	assert_int_equal(lseek(other, 0, SEEK_END), 0); /* open, and nothing of ours is in it */
	free(leaf);
}

/* The most bytes that waited while 30 leaves were put. */
static size_t most_waiting(uint64_t queue)
{
	autofd int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	LeafWriter *writer = leaf_writer_new(fd, "file");
	g_autoptr(GError) error = NULL;
	uint8_t *leaf = leaf_alloc(&error);
	size_t most = 0;

	slow = true;
	n_written = 0;
	if (queue > 0)
		leaf_writer_set_queue(writer, queue);
	for (size_t n = 0; n < 30 * IMAGE_LEAF_SIZE; n += IMAGE_LEAF_SIZE) {
		assert_ok(leaf_writer_put(writer, n, 0, IMAGE_LEAF_SIZE, &leaf, &error), error);
		most = MAX(most, n + IMAGE_LEAF_SIZE - (size_t)g_atomic_pointer_get(&n_written));
	}
	assert_ok(leaf_writer_wait(writer, &error), error);
	leaf_writer_free(writer);
	free(leaf);
	slow = false;
	return most;
}

static void test_queue(void **state)
{
	assert_in_range(most_waiting(0), IMAGE_LEAF_SIZE, 5 * IMAGE_LEAF_SIZE);
	assert_in_range(most_waiting(10 * IMAGE_LEAF_SIZE), 8 * IMAGE_LEAF_SIZE,
			11 * IMAGE_LEAF_SIZE);
}

/* What waits, or was not written, is not in the file: a full medium lacks room for it. */
static void test_unwritten(void **state)
{
	autofd int fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	g_autoptr(LeafSums) sums = new_leaves();
	g_autofree uint8_t *cluster = g_malloc(IMAGE_CLUSTER_SIZE);
	g_autoptr(GError) error = NULL;
	ImageWriter *writer = image_writer_new(fd, "file", sums, UINT64_C(1) << 30, false, &error);

	assert_ok(writer, error);
	slow = true;
	memset(cluster, 'x', IMAGE_CLUSTER_SIZE);
	for (uint64_t i = 0; i < 2 * IMAGE_LEAF_SIZE / IMAGE_CLUSTER_SIZE; i++)
		assert_ok(image_writer_put(writer, i, cluster, IMAGE_CLUSTER_SIZE, false, &error),
			  error);
	assert_in_range(image_writer_size(writer), 2 * IMAGE_LEAF_SIZE, 3 * IMAGE_LEAF_SIZE);
	assert_int_equal(image_writer_unwritten(writer), image_writer_size(writer));
	assert_return_code(ftruncate(fd, IMAGE_LEAF_SIZE), errno);
	assert_int_equal(image_writer_unwritten(writer),
			 image_writer_size(writer) - IMAGE_LEAF_SIZE);
	image_writer_free(writer);
	slow = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_unwritten),
	};

	return cmocka_run_group_tests_name("leaf-writer", tests, NULL, NULL);
}
