/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that libzstd takes back, of the form that we want, and none that does not pay. */
#include "unit.h"

#include "image/compress.h"

#include <zstd.h>

/* The first @n_noise bytes do not compress, the rest does. */
static uint8_t *make_data(size_t n_noise)
{
	uint8_t *data = g_malloc0(IMAGE_CLUSTER_SIZE);
	g_autoptr(GRand) rand = g_rand_new_with_seed(1);

	for (size_t i = 0; i < n_noise; i++)
		data[i] = (uint8_t)g_rand_int(rand);
	return data;
}

static void test_there_and_back(void **state)
{
	static const int levels[] = { COMPRESS_LEVEL_MIN, 3, COMPRESS_LEVEL_MAX };
	g_autofree uint8_t *data = make_data(1000), *frame = g_malloc(IMAGE_CLUSTER_SIZE);
	g_autofree uint8_t *back = g_malloc(IMAGE_CLUSTER_SIZE);

	for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
		g_autoptr(Compressor) compressor = compressor_new(levels[i]);

		for (int round = 0; round < 2; round++) { /* the context is used again */
			size_t n = compressor_run(compressor, data, frame);

			assert_in_range(n, 1000, 1200);
			assert_int_equal(ZSTD_findFrameCompressedSize(frame, n), n);
			assert_int_equal(ZSTD_getFrameContentSize(frame, n), IMAGE_CLUSTER_SIZE);
			assert_int_equal(frame[4] & 4, 0); /* RFC 8878, 3.1.1.1.1: no checksum */
			assert_int_equal(ZSTD_decompress(back, IMAGE_CLUSTER_SIZE, frame, n),
					 IMAGE_CLUSTER_SIZE);
			assert_memory_equal(back, data, IMAGE_CLUSTER_SIZE);
		}
	}
}

static void test_does_it_pay(void **state)
{
	/* libzstd itself wants to win about 1 KiB at level 1, and 256 bytes at level 19. */
	static const struct {
		int level;
		size_t largest_min;
	} cases[] = { { 1, 64000 }, { 19, IMAGE_CLUSTER_SIZE - 512 - 64 } };
	g_autofree uint8_t *frame = g_malloc(IMAGE_CLUSTER_SIZE);

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Compressor) compressor = compressor_new(cases[i].level);
		size_t largest = 0, refused = 0;

		for (size_t n_noise = 64000; n_noise <= IMAGE_CLUSTER_SIZE; n_noise += 32) {
			g_autofree uint8_t *data = make_data(n_noise);
			size_t n = compressor_run(compressor, data, frame);

			if (n == 0)
				refused++;
			largest = MAX(largest, n);
		}
		assert_in_range(largest, cases[i].largest_min, IMAGE_CLUSTER_SIZE - 512);
		assert_in_range(refused, 15, 40);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_does_it_pay),
	};

	return cmocka_run_group_tests_name("compress", tests, NULL, NULL);
}
