/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was put is found, until there is no room for it any more. */
#include "unit.h"

#include "image/frame-table.h"

#define N 4096u

static struct fingerprint make(uint64_t n)
{
	struct fingerprint r = { { 0 } };

	n *= UINT64_C(0x9e3779b97f4a7c15); /* spread, as fingerprints are: splitmix64 */
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	n ^= n >> 31;
	memcpy(r.b, &n, sizeof(n));
	memcpy(r.b + sizeof(n), &n, sizeof(n));
	return r;
}

static unsigned int count_known(const FrameTable *table, uint64_t from, uint64_t to)
{
	unsigned int known = 0;

	for (uint64_t i = from; i < to; i++) {
		struct fingerprint fingerprint = make(i);
		uint64_t offset;

		if (!frame_table_find(table, &fingerprint, &offset))
			continue;
		assert_int_equal(offset, i);
		known++;
	}
	return known;
}

static void test_find(void **state)
{
	g_autoptr(FrameTable) table = frame_table_new(N);
	struct fingerprint one = make(1), near = one;
	uint64_t offset = 7;

	assert_false(frame_table_find(table, &one, &offset));
	assert_int_equal(offset, 7);
	frame_table_put(table, &one, 1);
	near.b[FINGERPRINT_SIZE - 1] ^= 1; /* the same bucket */
	assert_false(frame_table_find(table, &near, &offset));
	frame_table_put(table, &near, 2);
	assert_true(frame_table_find(table, &one, &offset));
	assert_int_equal(offset, 1);
	frame_table_put(table, &one, 3);
	assert_true(frame_table_find(table, &one, &offset));
	assert_int_equal(offset, 3);
	assert_true(frame_table_find(table, &near, &offset));
	assert_int_equal(offset, 2);
}

/* Half full it has nearly all; overfull it has nearly the last ones. */
static void test_full(void **state)
{
	g_autoptr(FrameTable) table = frame_table_new(N);

	for (uint64_t i = 1; i <= 10 * N; i++) {
		struct fingerprint fingerprint = make(i);

		frame_table_put(table, &fingerprint, i);
		if (i == N / 2)
			assert_in_range(count_known(table, 1, i + 1), N / 2 * 95 / 100, N / 2);
	}
	assert_in_range(count_known(table, 1, 10 * N + 1), N * 95 / 100, N);
	assert_in_range(count_known(table, 9 * N, 10 * N + 1), N / 2, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("frame-table", tests, NULL, NULL);
}
