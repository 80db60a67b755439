/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is put is in the file, and no more of it on its way than is allowed, past the page cache and
 * through it.
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "base/write-behind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static int n_waits;      /* calls that wait for the medium */
static bool lost_pieces; /* it does not take them, which is said once */

int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t offset, off_t len, unsigned int flags)
{
	assert_true(len <= (off_t)MIB); /* nobody can end a process in a longer one */
	if (lost_pieces) {
		errno = EIO;
		return flags & SYNC_FILE_RANGE_WAIT_AFTER ? -1 : 0;
	}
	if (flags & SYNC_FILE_RANGE_WAIT_AFTER) {
		n_waits++;
		g_usleep(len > (off_t)(MIB / 2) ? 1000 : 300 * 1000); /* a slow medium */
	}
	return 0;
}

static struct {
	int fd;         /* of the write_behind that is looked at; -1: none */
	bool refuses;   /* what is aligned, too, as some filesystems do */
	size_t at_most; /* in one call */
	int n;          /* calls */
} direct = { .fd = -1 };

ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
	if (fd != direct.fd)
		return __real_pwrite64(fd, buf, n, offset);
	direct.n++;
	assert_int_equal(((uintptr_t)buf | (uintptr_t)offset | n) % 4096, 0); /* largest sectors */
	errno = EINVAL;
	return direct.refuses ? -1 : __real_pwrite64(fd, buf, MIN(n, direct.at_most), offset);
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
	g_autoptr(GError) error = NULL;
	uint8_t byte;

	write_behind_init(&behind, fd, 0);
	write_behind_clear(&behind); /* it could not be opened so */
	for (uint64_t i = 0; i < 3; i++) {
		put(&behind, fd, i * MIB, MIB);
		assert_true(behind.sent - behind.waited <= MIB / 2);
	}
	assert_ok(write_behind_drain(&behind, fd, "file", &error), error);
	assert_int_equal(behind.waited, 3 * MIB);
	assert_int_equal(n_waits, 12);
	put(&behind, fd, 5 * MIB, 100); /* what lies between is another's */
	assert_int_equal(behind.waited, 5 * MIB);
	assert_int_equal(pread(fd, &byte, 1, 2 * MIB + 17), 1);
	assert_int_equal(byte, 3);
	assert_int_equal(lseek(fd, 0, SEEK_END), 5 * MIB + 100);
}

/* The end is shorter than a sector, and so is what a nearly full medium takes of the rest. */
static void test_direct(void **state)
{
	enum { LEN = 3 * (1 << 20) + 100 };
	g_autofree char *dir = g_dir_make_tmp("wherry-test-XXXXXX", NULL);
	uint8_t *data = aligned_alloc(WRITE_BEHIND_ALIGN, LEN + WRITE_BEHIND_ALIGN - 100);
	g_autofree uint8_t *got = g_malloc(LEN);

	for (size_t i = 0; i < LEN; i++)
		data[i] = (uint8_t)(i / 1000 + i);
	for (int i = 0; i < 3; i++) {
		g_autofree char *path = g_strdup_printf("%s/%d", dir, i);
		autofd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		g_autoptr(GError) error = NULL;
		struct write_behind behind;

		write_behind_init(&behind, fd, 0);
		direct.fd = behind.direct;
		direct.refuses = i == 1;
		direct.at_most = i == 2 ? 8192 + 512 : SIZE_MAX;
		direct.n = 0;
		assert_ok(write_behind_put(&behind, fd, "file", 0, data, LEN, &error), error);
		if (direct.fd >= 0) /* else there is no such filesystem here */
			assert_int_equal(direct.n, i == 0 ? 24 : 1);
		assert_int_equal(behind.direct, i == 1 ? -1 : direct.fd);
		write_behind_clear(&behind);
		direct.fd = -1;
		assert_ok(io_pread(fd, "file", 0, got, LEN, &error), error);
		assert_memory_equal(got, data, LEN);
		unlink(path);
	}
	rmdir(dir);
	free(data);
}

static void test_failure(void **state)
{
	autofd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	g_autoptr(GError) error = NULL;
	struct write_behind behind;

	write_behind_init(&behind, fd, 0);
	assert_false(write_behind_put(&behind, fd, "file", 0, "x", 1, &error));
	assert_error(&error, WHERRY_ERROR_NO_SPACE, "cannot write 1 bytes at 0 of 'file'");
}

/* The kernel says to who waits that pages are lost, and to nobody after that. */
static void test_lost(void **state)
{
	autofd int fd = memfd_create("file", MFD_CLOEXEC);
	g_autofree uint8_t *data = g_malloc0(MIB);
	g_autoptr(GError) error = NULL;
	struct write_behind behind;

	write_behind_init(&behind, fd, 0);
	write_behind_clear(&behind);
	lost_pieces = true;
	assert_ok(write_behind_put(&behind, fd, "file", 0, data, 1000, &error), error);
	assert_false(write_behind_drain(&behind, fd, "file", &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot write 1000 bytes at 0 of 'file'");
	assert_false(write_behind_put(&behind, fd, "file", 1000, data, MIB - 1000, &error));
	assert_error(&error, WHERRY_ERROR_IO, "cannot write 262144 bytes at 0 of 'file'");
	lost_pieces = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests_name("write-behind", tests, NULL, NULL);
}
