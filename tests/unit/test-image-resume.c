/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer dies after any number of puts, and another one goes on from its last checkpoint: the
 * image is, byte by byte, the one of a writer that lived.
 */
#include "unit.h"

#include "base/autofd.h"
#include "base/be.h"
#include "base/io.h"
#include "image/image-reader.h"
#include "leaves.h"

#include <sys/mman.h>
#include <unistd.h>

#define CLUSTER      IMAGE_CLUSTER_SIZE
#define VIRTUAL_SIZE (UINT64_C(1) << 40)
#define N_PUTS       240u /* four leaves */

struct put {
	uint64_t index;
	size_t len;
};

typedef struct {
	int fd; /* owned */
	LeafSums *leaves;
	ImageWriter *writer;
	uint64_t size;
} Image;

static void image_clear(Image *image)
{
	image_writer_free(image->writer);
	leaf_sums_free(image->leaves);
	autofd_clear(&image->fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Image, image_clear)

static void begin(Image *image)
{
	g_autoptr(GError) error = NULL;

	image->fd = memfd_create("image", MFD_CLOEXEC);
	image->leaves = new_leaves();
	image->writer =
	    image_writer_new(image->fd, "image", image->leaves, VIRTUAL_SIZE, true, &error);
	assert_ok(image->writer, error);
}

static void make_puts(struct put *puts)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(5);
	uint64_t index = 0;

	for (unsigned int i = 0; i < N_PUTS; i++) {
		size_t len = (size_t)g_rand_int_range(rand, 4, 2 * CLUSTER);

		index += (uint64_t)g_rand_int_range(rand, 1, i % 20 == 0 ? 20000 : 3);
		puts[i] = (struct put){ index, MIN(len, CLUSTER) };
	}
}

static void put(Image *image, const struct put *puts, unsigned int from, unsigned int to)
{
	g_autoptr(GError) error = NULL;
	uint8_t data[CLUSTER];

	for (unsigned int i = from; i < to; i++) {
		memset(data, (int)(i % 255 + 1), sizeof(data));
		assert_ok(image_writer_put(image->writer, puts[i].index, data, puts[i].len,
					   puts[i].len < CLUSTER, &error),
			  error);
	}
}

static void finish(Image *image)
{
	g_autoptr(GError) error = NULL;

	assert_ok(image_writer_finish(image->writer, &image->size, &error), error);
}

static void checkpoint(Image *image, GByteArray *state)
{
	g_autoptr(GError) error = NULL;

	assert_ok(image_writer_checkpoint(image->writer, state, &error), error);
}

/* Another process opens the files, as they are. */
static bool resume(Image *image, const Image *dead, const GByteArray *state, GError **error)
{
	image->fd = dup(dead->fd);
	image->leaves = reopen_leaves(dead->leaves);
	image->writer = image_writer_resume(image->fd, "image", image->leaves, VIRTUAL_SIZE, true,
					    state->data, state->len, error);
	return image->writer != NULL;
}

static void assert_same_file(int want, int got)
{
	uint64_t size = (uint64_t)lseek(want, 0, SEEK_END);
	g_autofree uint8_t *a = g_malloc(size), *b = g_malloc(size);
	g_autoptr(GError) error = NULL;

	assert_int_equal(lseek(got, 0, SEEK_END), size);
	assert_ok(io_pread(want, "want", 0, a, size, &error), error);
	assert_ok(io_pread(got, "got", 0, b, size, &error), error);
	assert_memory_equal(a, b, size);
}

static void assert_same(const Image *want, const Image *got)
{
	assert_int_equal(got->size, want->size);
	assert_same_file(want->fd, got->fd);
	assert_same_file(leaf_sums_fd(want->leaves), leaf_sums_fd(got->leaves));
}

static void assert_check_ok(const Image *image)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(ImageReader) reader = image_reader_new(image->fd, "image", &error);

	assert_ok(reader, error);
	assert_ok(image_reader_check(reader, &error), error);
}

static void test_after_puts(void **state)
{
	g_auto(Image) whole = { .fd = -1 };
	struct put puts[N_PUTS];

	make_puts(puts);
	begin(&whole);
	put(&whole, puts, 0, N_PUTS);
	finish(&whole);
	assert_check_ok(&whole);
	for (unsigned int at = 0; at <= N_PUTS; at += 3) {
		g_autoptr(GByteArray) saved = g_byte_array_new(), lost = g_byte_array_new();
		g_auto(Image) first = { .fd = -1 }, second = { .fd = -1 };
		unsigned int died = MIN(at + at % 7 * 13, N_PUTS);
		g_autoptr(GError) error = NULL;

		begin(&first);
		put(&first, puts, 0, at / 2);
		checkpoint(&first, lost); /* an older one */
		put(&first, puts, at / 2, at);
		checkpoint(&first, saved);
		assert_int_equal(saved->len, lost->len); /* whatever the image is */
		put(&first, puts, at, died);
		if (died == N_PUTS)
			finish(&first);
		else if (at % 2 == 0)
			checkpoint(&first, lost); /* whose journal never came to the medium */

		assert_ok(resume(&second, &first, saved, &error), error);
		assert_int_equal(image_writer_next(second.writer),
				 at > 0 ? puts[at - 1].index + 1 : 0);
		put(&second, puts, at, N_PUTS);
		finish(&second);
		assert_same(&whole, &second);
		assert_check_ok(&second);
	}
}

/* What the medium lost or altered since the checkpoint is found. */
static void test_other_bytes(void **state)
{
	static const struct {
		unsigned int n_puts;
		uint64_t offset;
	} cases[] = { { 20, 4 * CLUSTER }, { 150, CLUSTER }, { 150, IMAGE_LEAF_SIZE } };
	struct put puts[N_PUTS];

	make_puts(puts);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) saved = g_byte_array_new();
		g_auto(Image) first = { .fd = -1 }, second = { .fd = -1 }, third = { .fd = -1 };
		g_autoptr(GError) error = NULL;

		begin(&first);
		put(&first, puts, 0, cases[i].n_puts);
		checkpoint(&first, saved);
		assert_ok(io_pwrite(first.fd, "image", cases[i].offset, "\xff\xfe", 2, &error),
			  error);
		assert_false(resume(&second, &first, saved, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "until the last checkpoint");
		assert_int_equal(ftruncate(first.fd, 2 * CLUSTER), 0);
		assert_false(resume(&third, &first, saved, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "too early");
	}
}

/* So it is of the sums, but for that of the first leaf, which comes last. */
static void test_other_sums(void **state)
{
	g_autoptr(GByteArray) saved = g_byte_array_new();
	g_auto(Image) first = { .fd = -1 };
	struct put puts[N_PUTS];
	struct digest digest;
	int fd;

	make_puts(puts);
	begin(&first);
	put(&first, puts, 0, N_PUTS);
	checkpoint(&first, saved);
	fd = leaf_sums_fd(first.leaves);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * DIGEST_SIZE);
	assert_int_equal(pread(fd, &digest, sizeof(digest), DIGEST_SIZE), DIGEST_SIZE);
	for (unsigned int i = 0; i < 3; i++) {
		g_auto(Image) second = { .fd = -1 };
		g_autoptr(GError) error = NULL;

		assert_int_equal(pwrite(fd, "x", 1, 0), 1);
		if (i == 1)
			digest.b[7] ^= 1;
		assert_int_equal(pwrite(fd, &digest, sizeof(digest), DIGEST_SIZE), DIGEST_SIZE);
		if (i == 2)
			assert_int_equal(ftruncate(fd, DIGEST_SIZE + 1), 0);
		assert_int_equal(resume(&second, &first, saved, &error), i == 0);
		if (i == 1)
			assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' does not hold what");
		if (i == 2)
			assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' ends at 33, ");
	}
}

/* Numbers of a state are be64, from its start: @at is which of them. */
static void test_other_state(void **state)
{
	static const struct {
		const char *what;
		unsigned int at;
		uint64_t value;
	} cases[] = {
		{ "virtual size", 0, VIRTUAL_SIZE / 2 },
		{ "no compression", 1, 0 },
		{ "next cluster", 2, VIRTUAL_SIZE / CLUSTER + 1 },
		{ "end not of a cluster", 3, 5 * CLUSTER + 1 },
		{ "end behind the window", 3, 2 * IMAGE_LEAF_SIZE },
		{ "end is 0", 3, 0 },
		{ "end is huge", 3, UINT64_MAX - CLUSTER + 1 },
		{ "open cluster begins behind its end", 4, IMAGE_LEAF_SIZE },
		{ "open cluster lies before the file", 4, UINT64_MAX },
		{ "open cluster ends behind the file", 5, IMAGE_LEAF_SIZE },
		{ "window behind the end", 6, IMAGE_LEAF_SIZE },
		{ "window not of a leaf", 6, CLUSTER },
		{ "L2 table", 7, VIRTUAL_SIZE },
	};
	g_autoptr(GByteArray) saved = g_byte_array_new();
	g_auto(Image) first = { .fd = -1 };
	struct put puts[N_PUTS];

	make_puts(puts);
	begin(&first);
	put(&first, puts, 0, 20);
	checkpoint(&first, saved);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GByteArray) other = g_byte_array_new();
		be64 value = be64_make(cases[i].value);
		g_auto(Image) second = { .fd = -1 };
		g_autoptr(GError) error = NULL;

		print_message("%s\n", cases[i].what);
		g_byte_array_append(other, saved->data, saved->len);
		memcpy(other->data + cases[i].at * sizeof(value), &value, sizeof(value));
		assert_false(resume(&second, &first, other, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "the journal of 'image' is not one of");
	}
	for (unsigned int len = 0; len < saved->len; len += len < 200 ? 1 : 1001) {
		g_autoptr(GByteArray) other = g_byte_array_new();
		g_auto(Image) second = { .fd = -1 };
		g_autoptr(GError) error = NULL;

		g_byte_array_append(other, saved->data, len);
		assert_false(resume(&second, &first, other, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "the journal of 'image' is not one of");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_puts),
		cmocka_unit_test(test_other_bytes),
		cmocka_unit_test(test_other_sums),
		cmocka_unit_test(test_other_state),
	};

	return cmocka_run_group_tests_name("image-resume", tests, NULL, NULL);
}
