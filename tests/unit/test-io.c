/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All the bytes, or an error that says where it ended.  A memfd stands in for the file. */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"

#include <fcntl.h>
#include <sys/mman.h>

static void test_there_and_back(void **state)
{
	autofd int fd = memfd_create("file", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	char buf[4];

	assert_ok(io_write(fd, "file", "abcdef", 6, &error), error);
	assert_ok(io_pwrite(fd, "file", 2, "XY", 2, &error), error);
	assert_ok(io_pread(fd, "file", 1, buf, 4, &error), error);
	assert_memory_equal(buf, "bXYe", 4);

	assert_false(io_pread(fd, "file", 4, buf, 4, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "'file' ends at 6, 2 bytes too early");
}

static void test_failures(void **state)
{
	autofd int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	autofd int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;
	char buf[1];

	assert_false(io_write(full, "stick", "abc", 3, &error));
	assert_error(&error, WHERRY_ERROR_NO_SPACE, "cannot write the last 3 bytes of 'stick'");
	assert_false(io_pwrite(full, "stick", 7, "abc", 3, &error));
	assert_error(&error, WHERRY_ERROR_NO_SPACE, "cannot write 3 bytes at 7 of 'stick'");
	assert_false(io_pread(full, "stick", 0, buf, 1, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot read 1 bytes at 0 of 'stick'");
	assert_false(io_flush(null, "null", &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot flush 'null'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests_name("io", tests, NULL, NULL);
}
