/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes into a sums file comes out of it; then a file that is right with one number wrong at a
 * time.  The linker puts __wrap_fsync() in place of fsync(): see `wrap` in meson.build.
 */
#include "unit.h"

#include "base/autofd.h"
#include "bundle/sums.h"
#include "corpus.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_SIZE  (UINT64_C(3000) * SUMS_CHUNK_SIZE + 512)
#define IMAGE_SIZE (SUMS_LEAF_SIZE + 1)

static int n_fsync, failing_fsync; /* counted from 1; 0: none fails */
static uint8_t magic_at_fsync[2];  /* the first byte of the file at each flush */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	assert_int_equal(pread(fd, &magic_at_fsync[n_fsync % 2], 1, 0), 1);
	if (++n_fsync != failing_fsync)
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

static struct digest digest_of_number(uint64_t number)
{
	return digest_of(&number, sizeof(number));
}

/* @n leaves, numbered beyond any chunk. */
static int make_leaves(unsigned int n)
{
	int fd = memfd_create("leaves", MFD_CLOEXEC);

	for (unsigned int i = 0; i < n; i++) {
		struct digest digest = digest_of_number(1000000 + i);

		assert_int_equal(write(fd, &digest, sizeof(digest)), sizeof(digest));
	}
	return fd;
}

/* Writes every @step-th chunk; true if all of it worked. */
static bool write_sums(int fd, uint64_t step, GError **error)
{
	g_autoptr(SumsWriter) writer = sums_writer_new(fd, "disk-0.sums", DISK_SIZE, error);
	autofd int leaves = make_leaves(2);

	n_fsync = 0;
	for (uint64_t i = 0; i <= 3000; i += step) {
		struct digest digest = digest_of_number(i);

		if (!sums_writer_put(writer, i, &digest, error))
			return false;
	}
	return sums_writer_finish(writer, IMAGE_SIZE, leaves, "leaves", error);
}

/* Steps that make no chunk but the first, whole batches and parts of them. */
static void test_round_trip(void **state)
{
	const uint64_t steps[] = { 1, 2, 3, 4000 };

	for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
		autofd int fd = memfd_create("sums", MFD_CLOEXEC);
		g_autoptr(SumsReader) reader = NULL;
		g_autoptr(GError) error = NULL;
		struct digest got, want;
		uint64_t index;
		struct stat st;

		assert_ok(write_sums(fd, steps[i], &error), error);
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(st.st_size, 64 + 40 * (3000 / steps[i] + 1) + 2 * 32);

		reader = sums_reader_new(fd, "disk-0.sums", &error);
		assert_ok(reader, error);
		assert_int_equal(sums_reader_disk_size(reader), DISK_SIZE);
		assert_int_equal(sums_reader_image_size(reader), IMAGE_SIZE);
		for (uint64_t j = 0; j <= 3000; j += steps[i]) {
			assert_ok(sums_reader_next(reader, &index, &got, &error) == 1, error);
			assert_int_equal(index, j);
			want = digest_of_number(j);
			assert_memory_equal(&got, &want, sizeof(got));
		}
		assert_int_equal(sums_reader_next(reader, &index, &got, &error), 0);
		assert_int_equal(sums_reader_next(reader, &index, &got, &error), 0);

		for (uint64_t j = 0; j < 2; j++) {
			assert_ok(sums_reader_leaf(reader, j, &got, &error), error);
			want = digest_of_number(1000000 + j);
			assert_memory_equal(&got, &want, sizeof(got));
		}
		assert_false(sums_reader_leaf(reader, 2, &got, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "'disk-0.sums' has no leaf 2, only 2");
	}
}

/* The header comes when the rest is on the medium, and both flushes count. */
static void test_order_of_flushes(void **state)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;

	assert_ok(write_sums(fd, 1, &error), error);
	assert_int_equal(n_fsync, 2);
	assert_int_equal(magic_at_fsync[0], 0);
	assert_int_equal(magic_at_fsync[1], 'W');

	for (failing_fsync = 1; failing_fsync <= 2; failing_fsync++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_false(write_sums(fd, 1, &error));
		assert_error(&error, WHERRY_ERROR_IO, "cannot flush 'disk-0.sums'");
	}
	failing_fsync = 0;

	assert_int_equal(ftruncate(fd, 0), 0);
	{
		g_autoptr(SumsWriter) writer = sums_writer_new(fd, "disk-0.sums", 1, &error);

		assert_ok(writer, error);
	}
	assert_null(sums_reader_new(fd, "disk-0.sums", &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "was never finished: its header is empty");
}

/* More leaves than are copied at a time, and fewer than there should be. */
static void test_many_leaves(void **state)
{
	const unsigned int n = 2500;
	autofd int fd = memfd_create("sums", MFD_CLOEXEC), leaves = make_leaves(n);
	autofd int copy = memfd_create("copy", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autoptr(SumsWriter) writer = sums_writer_new(fd, "sums", DISK_SIZE, &error);
	g_autoptr(SumsReader) reader = NULL;
	uint8_t want[2500 * DIGEST_SIZE], got[sizeof(want)];

	assert_ok(sums_writer_finish(writer, n * SUMS_LEAF_SIZE, leaves, "leaves", &error), error);
	reader = sums_reader_new(fd, "sums", &error);
	assert_ok(reader, error);
	assert_ok(sums_reader_copy_leaves(reader, copy, "copy", &error), error);
	assert_int_equal(lseek(copy, 0, SEEK_END), sizeof(want));
	assert_int_equal(pread(leaves, want, sizeof(want), 0), sizeof(want));
	assert_int_equal(pread(copy, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, want, sizeof(want));

	assert_int_equal(ftruncate(leaves, sizeof(want) - 1), 0);
	assert_false(sums_writer_finish(writer, n * SUMS_LEAF_SIZE, leaves, "leaves", &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' ends at 79999, ");
}

static const struct {
	off_t at;
	uint64_t value;
	enum wherry_error code;
	const char *words;
} refused[] = {
	{ 0, 0, WHERRY_ERROR_DAMAGED, "was never finished" },
	{ 0, 7, WHERRY_ERROR_DAMAGED, "does not begin with WHRYSUMS" },
	{ 8, 2, WHERRY_ERROR_UNSUPPORTED, "has version 2, this program knows up to 1" },
	{ 8, 0, WHERRY_ERROR_DAMAGED, "has version 0 and 0 behind it" },
	{ 8, (UINT64_C(1) << 32) + 1, WHERRY_ERROR_DAMAGED, "has version 1 and 1 behind it" },
	{ 16, 4096, WHERRY_ERROR_DAMAGED, "has chunks of 4096 and leaves of 4194304 bytes, not" },
	{ 24, 0, WHERRY_ERROR_DAMAGED, "and leaves of 0 bytes" },
	{ 32, 0, WHERRY_ERROR_DAMAGED, "is for a disk of 0" },
	{ 32, (UINT64_C(1) << 51) + 1, WHERRY_ERROR_DAMAGED, "is for a disk of 2251799813685249" },
	{ 32, 3000 * SUMS_CHUNK_SIZE, WHERRY_ERROR_DAMAGED, "has 3001 chunks of a disk of" },
	{ 40, 0, WHERRY_ERROR_DAMAGED, "an image of 0 bytes" },
	{ 40, UINT64_MAX, WHERRY_ERROR_DAMAGED, "and an image of 18446744073709551615" },
	{ 40, SUMS_LEAF_SIZE, WHERRY_ERROR_DAMAGED, "has 2 leaves of an image of 4194304 bytes" },
	{ 48, 3000, WHERRY_ERROR_DAMAGED, "has 120168 bytes, but 3000 chunks and 2 leaves make" },
	{ 48, UINT64_MAX, WHERRY_ERROR_DAMAGED, "has 18446744073709551615 chunks" },
	{ 56, 3, WHERRY_ERROR_DAMAGED, "has 3 leaves of an image" },
	/* The order, seen as they come: the first twice, and one behind the end. */
	{ 64 + 40, 0, WHERRY_ERROR_DAMAGED, "has chunk 0 where 1 to 3000 can follow" },
	{ 64 + 40, 3001, WHERRY_ERROR_DAMAGED, "has chunk 3001 where 1 to 3000 can follow" },
};

/* Read all chunks; false if that failed. */
static bool read_sums(int fd, GError **error)
{
	g_autoptr(SumsReader) reader = sums_reader_new(fd, "disk-0.sums", error);
	struct digest digest;
	uint64_t index;
	int r = reader ? 1 : -1;

	while (r == 1)
		r = sums_reader_next(reader, &index, &digest, error);
	return r == 0;
}

static void test_refused(void **state)
{
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		autofd int fd = memfd_create("sums", MFD_CLOEXEC);
		uint64_t value = htole64(refused[i].value);

		assert_ok(write_sums(fd, 1, &error), error);
		assert_ok(read_sums(fd, &error), error);
		assert_int_equal(pwrite(fd, &value, sizeof(value), refused[i].at), 8);
		print_message("%" PRIu64 " at %jd\n", refused[i].value, (intmax_t)refused[i].at);
		assert_false(read_sums(fd, &error));
		assert_error(&error, refused[i].code, refused[i].words);
	}
}

static void test_length(void **state)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;

	assert_ok(write_sums(fd, 1, &error), error);
	assert_int_equal(ftruncate(fd, 64 + 40 * 3001 + 2 * 32 + 1), 0);
	assert_false(read_sums(fd, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "has 120169 bytes, but");
	assert_int_equal(ftruncate(fd, 63), 0);
	assert_false(read_sums(fd, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "'disk-0.sums' ends at 63");
}

/* Leaves that are kept, whatever the file says later. */
static void test_keep_leaves(void **state)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC), kept = -1;
	g_autoptr(GError) error = NULL;
	g_autoptr(SumsReader) reader = NULL;
	g_autofree uint8_t *bytes = NULL;
	struct digest want, got;
	uint64_t size;

	assert_ok(write_sums(fd, 1, &error), error);
	size = (uint64_t)lseek(fd, 0, SEEK_END);
	bytes = g_malloc(size);
	assert_int_equal(pread(fd, bytes, size, 0), size);
	want = digest_of(bytes, size);
	kept = sums_keep_leaves(fd, "sums", size, &want, &error);
	assert_ok(kept >= 0, error);
	assert_int_equal(ftruncate(fd, 0), 0);
	reader = sums_reader_new(kept, "kept", &error);
	assert_ok(reader, error);
	assert_int_equal(sums_reader_image_size(reader), IMAGE_SIZE);
	for (uint64_t i = 0; i < 2; i++) {
		assert_ok(sums_reader_leaf(reader, i, &got, &error), error);
		want = digest_of_number(1000000 + i);
		assert_true(digest_equal(&got, &want));
	}
}

/* A byte of it changed, anywhere: none of it is kept. */
static void test_keep_leaves_altered(void **state)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autofree uint8_t *bytes = NULL;
	struct digest want;
	uint64_t size;

	assert_ok(write_sums(fd, 1, &error), error);
	size = (uint64_t)lseek(fd, 0, SEEK_END);
	bytes = g_malloc(size);
	assert_int_equal(pread(fd, bytes, size, 0), size);
	want = digest_of(bytes, size);
	for (uint64_t at = 64; at < size; at += 997) {
		g_autoptr(GError) why = NULL;
		uint8_t other = bytes[at] ^ 1;

		assert_int_equal(pwrite(fd, &other, 1, (off_t)at), 1);
		assert_int_equal(sums_keep_leaves(fd, "sums", size, &want, &why), -1);
		assert_true(g_error_matches(why, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT));
		assert_int_equal(pwrite(fd, bytes + at, 1, (off_t)at), 1);
	}
	assert_int_equal(sums_keep_leaves(fd, "sums", size - 1, &want, &error), -1);
	assert_true(g_error_matches(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT));
}

static bool accept_sums(const uint8_t *bytes, size_t len, GError **error)
{
	autofd int fd = memfd_create("sums", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, len), len);
	return read_sums(fd, error);
}

static void test_corpus(void **state)
{
	check_corpus("sums", accept_sums);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_order_of_flushes),
		cmocka_unit_test(test_refused),     cmocka_unit_test(test_length),
		cmocka_unit_test(test_keep_leaves), cmocka_unit_test(test_keep_leaves_altered),
		cmocka_unit_test(test_corpus),      cmocka_unit_test(test_many_leaves),
	};

	return cmocka_run_group_tests_name("sums", tests, NULL, NULL);
}
