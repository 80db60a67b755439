/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where things go in the file, what it is summed to, and in which order it gets to the medium.
 * That others can read it is shown by image-roundtrip.sh.  The linker puts our fsync() and
 * pwrite() in place of the system's: see `wrap` in meson.build.
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/io.h"
#include "image/image-reader.h"
#include "leaves.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLUSTER IMAGE_CLUSTER_SIZE

static GString *events;              /* "w4194304 f w65536 w0 f ": writes and flushes; or NULL */
static off_t written_to;             /* the end of the last write */
static int n_flushes, failing_flush; /* from 1; 0: none fails */
static off_t failing_offset = -1;    /* a write there fails; -1: none */

static bool tables_only; /* leave plain data out of the file */

/* Neither the writer nor the check looks into the data. */
static const uint8_t data[CLUSTER] = { 1, 2, 3 };

int __real_fsync(int fd);
int __wrap_fsync(int fd);
ssize_t __real_pwrite64(int fd, const void *buf, size_t n, off_t offset);
ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset);

int __wrap_fsync(int fd)
{
	if (events)
		g_string_append(events, "f ");
	errno = ENOSPC;
	return ++n_flushes == failing_flush ? -1 : __real_fsync(fd);
}

/* Write the clusters of @buf but those of plain data. */
static void write_tables(int fd, const uint8_t *buf, size_t n, off_t offset)
{
	for (size_t at = 0; at < n; at += CLUSTER)
		if (memcmp(buf + at, data, CLUSTER) != 0)
			assert_int_equal(__real_pwrite64(fd, buf + at, CLUSTER, offset + (off_t)at),
					 CLUSTER);
}

ssize_t __wrap_pwrite64(int fd, const void *buf, size_t n, off_t offset)
{
	if (n < CLUSTER) /* the sums of leaves */
		return __real_pwrite64(fd, buf, n, offset);
	if (events && offset != written_to) /* else it goes on where the last one ended */
		g_string_append_printf(events, "w%jd ", (intmax_t)offset);
	written_to = offset + (off_t)n;
	errno = ENOSPC;
	if (offset == failing_offset)
		return -1;
	if (!tables_only)
		return __real_pwrite64(fd, buf, n, offset);
	write_tables(fd, buf, n, offset);
	return (ssize_t)n;
}

static int reset(void **state)
{
	if (events)
		g_string_free(g_steal_pointer(&events), true);
	n_flushes = failing_flush = 0;
	failing_offset = written_to = -1;
	tables_only = false;
	return 0;
}

static bool put(ImageWriter *writer, uint64_t index, size_t len, GError **error)
{
	return image_writer_put(writer, index, data, len, len < CLUSTER, error);
}

/* What is put, one after the other, and the clusters of the file after each. */
static const struct {
	const char *what;
	struct {
		size_t len; /* 0 ends */
		unsigned int n_clusters;
	} steps[9];
} layouts[] = {
	{ "packed ones run on",
	  { { 100, 2 },
	    { 65000, 2 },
	    { 436, 2 },
	    { 4, 3 },
	    { 65535, 4 },
	    { 65535, 5 },
	    { 65535, 6 },
	    { 65535, 6 } } },
	{ "plain ones take their own", { { CLUSTER, 2 }, { CLUSTER, 3 }, { CLUSTER, 4 } } },
	{ "behind a plain one it stays open",
	  { { 40000, 2 },
	    { CLUSTER, 3 },
	    { 20000, 3 },
	    { CLUSTER, 4 },
	    { 5536, 4 },
	    { 100, 5 },
	    { 65535, 6 } } },
	{ "what does not fit gets a new one",
	  { { 40000, 2 }, { CLUSTER, 3 }, { 25537, 4 }, { 25536, 4 }, { 65000, 5 } } },
	{ "all that is bad", { { 65535, 2 }, { CLUSTER, 3 }, { 65535, 4 }, { CLUSTER, 5 } } },
};

static void assert_check_ok(int fd)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = image_reader_new(fd, "image", &error);

	assert_ok(reader, error);
	assert_ok(image_reader_check(reader, &error), error);
}

static void assert_rest_is_zero(int fd, uint64_t from, uint64_t to)
{
	g_autoptr(GError) error = NULL;
	g_autofree uint8_t *got = g_malloc(to - from);

	assert_ok(io_pread(fd, "image", from, got, to - from, &error), error);
	for (size_t i = 0; i < to - from; i++)
		assert_int_equal(got[i], 0);
}

static void test_layout(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(layouts); i++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, 64 * CLUSTER, true, &error);
		uint64_t size, n = 0;

		print_message("%s\n", layouts[i].what);
		assert_ok(writer, error);
		for (; n < 9 && layouts[i].steps[n].len > 0; n++) {
			assert_ok(put(writer, 2 * n, layouts[i].steps[n].len, &error), error);
			assert_int_equal(image_writer_size(writer) / CLUSTER,
					 layouts[i].steps[n].n_clusters);
		}
		assert_ok(image_writer_finish(writer, &size, &error), error);
		assert_int_equal(size, image_writer_size(writer));
		assert_in_range(size, 1, image_size_bound(64 * CLUSTER, n));
		assert_check_ok(fd);
		if (i == G_N_ELEMENTS(layouts) - 1) { /* left behind, and open to the end */
			assert_rest_is_zero(fd, 2 * CLUSTER - 1, 2 * CLUSTER);
			assert_rest_is_zero(fd, 4 * CLUSTER - 1, 4 * CLUSTER);
		}
	}
}

static void test_leaves(void **state)
{
	/* Data clusters; with header, L2, L1 and refcounts the file has 5 more. */
	static const struct {
		uint64_t n;
		unsigned int n_leaves;
	} cases[] = { { 0, 1 }, { 1, 1 }, { 59, 1 }, { 60, 2 }, { 123, 2 }, { 124, 3 } };

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, 200 * CLUSTER, false, &error);
		g_autofree uint8_t *leaf = g_malloc(IMAGE_LEAF_SIZE);
		uint64_t size, at = 0;

		for (uint64_t j = 0; j < cases[i].n; j++)
			assert_ok(put(writer, j, CLUSTER, &error), error);
		assert_ok(image_writer_finish(writer, &size, &error), error);
		assert_int_equal(size, lseek(fd, 0, SEEK_END));
		assert_int_equal(size, image_size_bound(200 * CLUSTER, cases[i].n));
		assert_int_equal(lseek(leaf_sums_fd(leaves), 0, SEEK_END),
				 cases[i].n_leaves * sizeof(struct digest));
		for (unsigned int j = 0; j < cases[i].n_leaves; j++, at += IMAGE_LEAF_SIZE) {
			size_t len = MIN(size - at, IMAGE_LEAF_SIZE);
			struct digest want, got;

			assert_ok(io_pread(fd, "image", at, leaf, len, &error), error);
			want = digest_of(leaf, len);
			assert_ok(leaf_sums_get(leaves, j, &got, &error), error);
			assert_true(digest_equal(&want, &got));
		}
		assert_check_ok(fd);
	}
}

/* An open cluster is left behind with its window, and what is left of it is zero. */
static void test_window_closes(void **state)
{
	autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autoptr(LeafSums) leaves = new_leaves();
	g_autoptr(ImageWriter) writer =
	    image_writer_new(fd, "image", leaves, 256 * CLUSTER, true, &error);
	g_autofree uint8_t *got = g_malloc(CLUSTER);
	uint64_t size, i = 0;

	assert_ok(put(writer, i++, 100, &error), error); /* cluster 1 of the file */
	for (; i < 63; i++)
		assert_ok(put(writer, i, CLUSTER, &error), error);
	assert_int_equal(image_writer_size(writer), IMAGE_LEAF_SIZE);
	assert_ok(put(writer, i++, 100, &error), error); /* the window is full, but still there */
	assert_int_equal(image_writer_size(writer), IMAGE_LEAF_SIZE);
	assert_ok(put(writer, i++, CLUSTER, &error), error);
	assert_ok(put(writer, i++, 100, &error), error);
	assert_int_equal(image_writer_size(writer), IMAGE_LEAF_SIZE + 2 * CLUSTER);
	for (; i < 127; i++)
		assert_ok(put(writer, i, CLUSTER, &error), error);
	/* This one lies in two windows. */
	assert_ok(put(writer, i++, 65500, &error), error);
	assert_ok(put(writer, i++, 65500, &error), error);
	assert_ok(image_writer_finish(writer, &size, &error), error);
	assert_check_ok(fd);

	assert_ok(io_pread(fd, "image", CLUSTER, got, CLUSTER, &error), error);
	assert_memory_equal(got, data, 100);
	assert_memory_equal(got + 100, data, 100);
	assert_rest_is_zero(fd, CLUSTER + 200, 2 * CLUSTER);
}

static void test_bound(void **state)
{
	static const struct {
		uint64_t virtual_size, n, want_clusters;
	} cases[] = {
		{ 512, 0, 4 }, /* header, L1 table, refcount block and table */
		{ 512, 1, 6 },
		{ 512, 1000, 6 }, /* there is no more to a disk than its size */
		{ UINT64_C(1) << 40, 2, 8 },
		{ UINT64_C(1) << 51, 0, 3 + 512 },
		{ UINT64_C(1) << 32, 32756, 32768 }, /* one refcount block is just enough */
		{ UINT64_C(1) << 32, 32757, 32770 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		assert_int_equal(image_size_bound(cases[i].virtual_size, cases[i].n),
				 cases[i].want_clusters * CLUSTER);
}

/* All puts of a random size: never above the bound, and the check finds nothing. */
static void test_random_sizes(void **state)
{
	for (uint32_t seed = 0; seed < 10; seed++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, UINT64_C(1) << 40, true, &error);
		uint64_t size, index = 0, n = 0;

		for (; n < 150; n++) {
			size_t len = (size_t)g_rand_int_range(rand, 4, 2 * CLUSTER);

			index += (uint64_t)g_rand_int_range(rand, 1, seed % 2 ? 3 : 20000);
			assert_ok(put(writer, index, MIN(len, CLUSTER), &error), error);
		}
		assert_ok(image_writer_finish(writer, &size, &error), error);
		if (size > image_size_bound(UINT64_C(1) << 40, n))
			fail_msg("seed %u: %ju bytes", seed, (uintmax_t)size);
		assert_check_ok(fd);
	}
}

/* The header is the last to be written, between two flushes. */
static void test_order(void **state)
{
	autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	g_autoptr(LeafSums) leaves = new_leaves();
	g_autoptr(ImageWriter) writer =
	    image_writer_new(fd, "image", leaves, 256 * CLUSTER, true, &error);
	uint64_t size;

	events = g_string_new(NULL);
	for (uint64_t i = 0; i < 150; i++)
		assert_ok(put(writer, i, CLUSTER, &error), error);
	assert_ok(image_writer_finish(writer, &size, &error), error);
	assert_string_equal(events->str, "w4194304 f w65536 w0 f ");
}

static void test_failures(void **state)
{
	static const struct {
		off_t offset; /* a write there fails; -1: a flush */
		int flush;    /* by its number */
		const char *words;
	} cases[] = {
		{ 4194304, 0, "bytes at 4194304 of 'image': No space left" },
		{ 8388608, 0, "bytes at 8388608 of 'image'" },
		{ -1, 1, "cannot flush 'image'" },
		{ 0, 0, "bytes at 0 of 'image'" },
		{ -1, 2, "cannot flush 'image'" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, 256 * CLUSTER, true, &error);
		uint8_t magic[4];
		uint64_t size;
		bool good = true;

		n_flushes = 0;
		failing_flush = cases[i].flush;
		failing_offset = cases[i].offset;
		for (uint64_t j = 0; good && j < 150; j++)
			good = put(writer, j, CLUSTER, &error);
		assert_true(good || i == 0); /* the others are met at the end */
		if (good)
			assert_false(image_writer_finish(writer, &size, &error));
		assert_error(&error, WHERRY_ERROR_NO_SPACE, cases[i].words);
		if (i > 0 && cases[i].flush < 2) { /* it is no image */
			assert_ok(io_pread(fd, "image", 0, magic, sizeof(magic), &error), error);
			assert_memory_equal(magic, "\0\0\0", sizeof(magic));
		}
	}
}

/*
 * Where the first refcount block's range of 2 GiB ends: inside the data, in an open cluster, or in
 * any of the last tables.  It sums 2 GiB each time.
 */
static void test_ranges(void **state)
{
	if (g_strcmp0(g_getenv("WHERRY_TEST_ALL"), "1") != 0)
		skip();
	tables_only = true;
	for (uint64_t n_plain = 32740; n_plain < 32764; n_plain++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GRand) rand = g_rand_new_with_seed((uint32_t)n_plain);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, 40960 * CLUSTER, true, &error);
		uint64_t size, n = 0;

		for (; n < n_plain; n++)
			assert_ok(put(writer, n, CLUSTER, &error), error);
		for (; n_plain % 2 == 0 && n < n_plain + 40; n++) {
			size_t len = (size_t)g_rand_int_range(rand, 4, CLUSTER + CLUSTER / 2);

			assert_ok(put(writer, n, MIN(len, CLUSTER), &error), error);
		}
		assert_ok(image_writer_finish(writer, &size, &error), error);
		print_message("%ju clusters\n", (uintmax_t)size / CLUSTER);
		if (n == n_plain) /* four of the five L2 tables are there */
			assert_int_equal(size, image_size_bound(32768 * CLUSTER, n));
		assert_in_range(size, 1, image_size_bound(40960 * CLUSTER, n));
		assert_check_ok(fd);
	}
}

/* A range is not sealed while its last cluster is open: as the file's end, and behind it. */
static void test_open_at_range_end(void **state)
{
	if (g_strcmp0(g_getenv("WHERRY_TEST_ALL"), "1") != 0)
		skip();
	tables_only = true;
	for (uint64_t before = 1; before <= 2; before++) {
		autofd int fd = memfd_create("image", MFD_CLOEXEC);
		g_autoptr(GError) error = NULL;
		g_autoptr(LeafSums) leaves = new_leaves();
		g_autoptr(ImageWriter) writer =
		    image_writer_new(fd, "image", leaves, 40960 * CLUSTER, true, &error);
		uint64_t size, n = 0;

		while (image_writer_size(writer) < (UINT64_C(2) << 30) - before * CLUSTER)
			assert_ok(put(writer, n++, CLUSTER, &error), error);
		assert_ok(put(writer, n++, 100, &error), error);
		if (before == 2)
			assert_ok(put(writer, n++, CLUSTER, &error), error);
		assert_int_equal(image_writer_size(writer), UINT64_C(2) << 30);
		assert_ok(put(writer, n++, 100, &error), error);
		assert_int_equal(image_writer_size(writer), UINT64_C(2) << 30);
		assert_ok(put(writer, n++, 65500, &error), error);
		assert_ok(put(writer, n++, 65500, &error), error);
		assert_ok(image_writer_finish(writer, &size, &error), error);
		assert_check_ok(fd);
	}
}

static void test_not_empty(void **state)
{
	autofd int fd = memfd_create("image", MFD_CLOEXEC);
	g_autoptr(GError) error = NULL;
	int ends[2];

	assert_ok(io_write(fd, "image", "x", 1, &error), error);
	assert_null(image_writer_new(fd, "image", NULL, 512, true, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'image', which is no empty file");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_null(image_writer_new(ends[1], "pipe", NULL, 512, true, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "'pipe', which is no empty file");
	(void)close(ends[0]); /* nothing was written */
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_layout, reset),
		cmocka_unit_test_teardown(test_leaves, reset),
		cmocka_unit_test_teardown(test_window_closes, reset),
		cmocka_unit_test_teardown(test_bound, reset),
		cmocka_unit_test_teardown(test_random_sizes, reset),
		cmocka_unit_test_teardown(test_order, reset),
		cmocka_unit_test_teardown(test_failures, reset),
		cmocka_unit_test_teardown(test_ranges, reset),
		cmocka_unit_test_teardown(test_open_at_range_end, reset),
		cmocka_unit_test_teardown(test_not_empty, reset),
	};

	return cmocka_run_group_tests_name("image-writer", tests, NULL, NULL);
}
