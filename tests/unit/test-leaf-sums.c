/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Digests of leaves go into their file whatever their number is, and memory does not grow.  What
 * becomes of an image with them is in test-image-resume.c and test-image-update.c.
 */
#include "unit.h"

#include "leaves.h"

#include <malloc.h>

/* Of an image of 1 TiB: 9 MiB of digests. */
#define N_LEAVES 300001u

static struct digest digest_of_number(uint64_t number)
{
	struct digest digest = { { 0 } };

	memcpy(digest.b, &number, sizeof(number));
	return digest;
}

static void put(LeafSums *sums, uint64_t from, uint64_t to)
{
	g_autoptr(GError) error = NULL;

	for (uint64_t i = from; i < to; i++) {
		struct digest digest = digest_of_number(i);

		assert_ok(leaf_sums_put(sums, &digest, &error), error);
	}
}

/* As finish() leaves them. */
static void assert_whole(const LeafSums *sums, uint64_t n)
{
	g_autoptr(GError) error = NULL;

	assert_int_equal(lseek(leaf_sums_fd(sums), 0, SEEK_END), n * DIGEST_SIZE);
	for (uint64_t i = 0; i<n; i += n> 10000 ? 997 : 1) {
		struct digest want = digest_of_number(i), got;

		assert_ok(leaf_sums_get(sums, i, &got, &error), error);
		assert_memory_equal(&got, &want, sizeof(got));
	}
}

static size_t allocated(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void test_memory(void **state)
{
	g_autoptr(LeafSums) sums = new_leaves();
	struct digest first = digest_of_number(0), chain;
	g_autoptr(GError) error = NULL;
	size_t before;

	put(sums, 1, 2000);
	before = allocated();
	put(sums, 2000, N_LEAVES);
	assert_ok(leaf_sums_checkpoint(sums, &chain, &error), error);
	assert_ok(leaf_sums_finish(sums, &first, &error), error);
	assert_in_range(allocated(), 0, before + 65536);
	assert_whole(sums, N_LEAVES);
}

/* Around the border of a batch: who goes on has a checkpoint's, and nothing that came later. */
static void test_resume(void **state)
{
	static const uint64_t counts[] = { 1, 2, 1024, 1025, 1026, 2049, 3000 };
	struct digest first = digest_of_number(0);

	for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
		g_autoptr(LeafSums) sums = new_leaves(), second = reopen_leaves(sums);
		g_autoptr(LeafSums) third = reopen_leaves(sums);
		struct digest chain, lost;
		g_autoptr(GError) error = NULL;

		put(sums, 1, counts[i]);
		assert_ok(leaf_sums_checkpoint(sums, &chain, &error), error);
		put(sums, 7, 5000);
		assert_ok(leaf_sums_checkpoint(sums, &lost, &error), error);
		assert_ok(leaf_sums_resume(second, counts[i], &chain, &error), error);
		put(second, counts[i], 4000);
		assert_ok(leaf_sums_finish(second, &first, &error), error);
		assert_whole(second, 4000);
		assert_false(leaf_sums_resume(third, 4000, &lost, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' does not hold what was");
	}
}

/* The medium loses or alters some while the image still grows: they get into no sums file. */
static void test_altered(void **state)
{
	static const off_t places[] = { 1, 1024, 1500 };
	struct digest first = digest_of_number(0);

	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		g_autoptr(LeafSums) sums = new_leaves();
		g_autoptr(GError) error = NULL;

		put(sums, 1, 3000);
		assert_int_equal(pwrite(leaf_sums_fd(sums), "lost", 4, places[i] * DIGEST_SIZE), 4);
		assert_false(leaf_sums_finish(sums, &first, &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "'leaves' does not hold what was");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_altered),
	};

	return cmocka_run_group_tests_name("leaf-sums", tests, NULL, NULL);
}
