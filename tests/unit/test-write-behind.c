/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is put is in the file, and no more of it on its way than is allowed. */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "base/write-behind.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static int n_waits; /* calls that wait for the medium */

int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags)
{
	assert_true(len <= (off_t)MIB); /* nobody can end a process in a longer one */
	if (flags & SYNC_FILE_RANGE_WAIT_AFTER) {
		n_waits++;
		g_usleep(len > (off_t)(MIB / 2) ? 1000 : 300 * 1000); /* a slow medium */
	}
	return 0;
}

static void put(struct write_behind *behind, int fd, uint64_t offset, size_t len)
{
	g_autofree uint8_t *data = g_malloc(len);
	g_autoptr(GError) error = NULL;

	memset(data, (int)(offset / MIB) + 1, len);
	assert_ok(write_behind_put(behind, fd, "file", offset, data, len, &error), error);
	assert_int_equal(behind->sent, offset + len);
}

static void test_slow(void **state)
{
	autofd int fd = memfd_create("file", MFD_CLOEXEC);
	struct write_behind behind;
	uint8_t byte;

	write_behind_init(&behind, 0);
	for (uint64_t i = 0; i < 3; i++) {
		put(&behind, fd, i * MIB, MIB);
		assert_true(behind.sent - behind.waited <= MIB / 2);
	}
	write_behind_drain(&behind, fd);
	assert_int_equal(behind.waited, 3 * MIB);
	assert_int_equal(n_waits, 12);
	put(&behind, fd, 5 * MIB, 100); /* what lies between is another's */
	assert_int_equal(behind.waited, 5 * MIB);
	assert_int_equal(pread(fd, &byte, 1, 2 * MIB + 17), 1);
	assert_int_equal(byte, 3);
	assert_int_equal(lseek(fd, 0, SEEK_END), 5 * MIB + 100);
}

static void test_failure(void **state)
{
	autofd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;
	struct write_behind behind;

	write_behind_init(&behind, 0);
	assert_false(write_behind_put(&behind, fd, "file", 0, "x", 1, &error));
	assert_error(&error, WHERRY_ERROR_NO_SPACE, "cannot write 1 bytes at 0 of 'file'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_failure),
	};

	return cmocka_run_group_tests_name("write-behind", tests, NULL, NULL);
}
