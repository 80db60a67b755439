/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leaves get to the file also where the filesystem opens it past the page cache, but does not write
 * there.
 */
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

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("leaf-writer", tests, NULL, NULL);
}
