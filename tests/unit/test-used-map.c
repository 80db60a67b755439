/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A used map against an array with one flag for each byte, filled at random in any order. */
#include "unit.h"

#include "map/used-map.h"

#define DISK_SIZE 300000u /* four clusters and a half */
#define ROUNDS    200

/* What used_map_next() says, byte by byte. */
static void flatten(UsedMap *map, bool *bytes)
{
	struct extent e;

	memset(bytes, 0, DISK_SIZE);
	for (uint64_t at = 0; used_map_next(map, at, &e); at = e.offset + e.length) {
		assert_true(e.length > 0 && e.offset >= at && e.offset + e.length <= DISK_SIZE);
		memset(bytes + e.offset, 1, e.length);
	}
}

static void check(UsedMap *map, const bool *want, GRand *random)
{
	static bool got[DISK_SIZE];
	uint64_t clusters = 0;

	flatten(map, got);
	assert_memory_equal(got, want, DISK_SIZE);
	for (int i = 0; i < 20; i++) {
		uint32_t from = g_rand_int(random) % (DISK_SIZE + 10);
		uint32_t len = g_rand_int(random) % DISK_SIZE, n = 0;
		struct extent e;
		bool found = used_map_next(map, from, &e);

		for (uint32_t j = from; j < MIN(DISK_SIZE, from + len); j++)
			n += want[j];
		assert_int_equal(used_map_count(map, from, len), n);
		for (; from < DISK_SIZE && !want[from]; from++)
			;
		assert_int_equal(found, from < DISK_SIZE);
		if (found)
			assert_int_equal(e.offset, from);
	}
	for (uint32_t i = 0; i < DISK_SIZE; i += 4096)
		clusters += memchr(want + i, 1, MIN(4096, DISK_SIZE - i)) != NULL;
	assert_int_equal(used_map_count_clusters(map, 4096), clusters);
}

static void add_randomly(GRand *random, size_t max_extents, bool rounds_up)
{
	g_autoptr(UsedMap) map = used_map_new(DISK_SIZE, max_extents);
	static bool want[DISK_SIZE];

	memset(want, 0, sizeof(want));
	for (int i = g_rand_int_range(random, 0, 60); i > 0; i--) {
		uint32_t offset = g_rand_int(random) % DISK_SIZE;
		uint32_t len = g_rand_int(random) % 3000, end = MIN(DISK_SIZE, offset + len);

		used_map_add(map, offset, len);
		if (rounds_up && len > 0) {
			offset = offset / USED_MAP_CLUSTER * USED_MAP_CLUSTER;
			end = MIN(DISK_SIZE, (end + USED_MAP_CLUSTER - 1) / USED_MAP_CLUSTER *
						 USED_MAP_CLUSTER);
		}
		memset(want + offset, 1, end - offset);
	}
	check(map, want, random);
}

static void test_random(void **state)
{
	uint32_t seed = g_random_int();
	g_autoptr(GRand) random = g_rand_new_with_seed(seed);

	print_message("seed %u\n", seed);
	for (int i = 0; i < ROUNDS; i++) {
		add_randomly(random, 1000, false);
		add_randomly(random, 0, true); /* a bitmap from the first extent on */
	}
}

/* Neither loses a byte when it becomes a bitmap on the way. */
static void test_overflow(void **state)
{
	g_autoptr(UsedMap) map = used_map_new(DISK_SIZE, 4);
	static const uint64_t offsets[] = { 250000, 10, 70000, 20, 140000, 30, 299999 };

	for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++)
		used_map_add(map, offsets[i], 2);
	for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++)
		assert_int_equal(used_map_count(map, offsets[i], 1), 1);
	assert_int_equal(used_map_count(map, 0, DISK_SIZE),
			 4 * USED_MAP_CLUSTER + 37856 - 65536 + 65536);
	used_map_add(map, UINT64_MAX, 5); /* beyond the end: nothing */
	used_map_add(map, 299990, UINT64_MAX);
}

/* One bit in memory for each so many bytes, that all bits of a large disk take 32 MiB. */
static void test_large(void **state)
{
	static const struct {
		uint64_t size_tib, cluster_kib;
	} cases[] = {
		{ 1, 64 }, { 16, 64 }, { 17, 128 }, { 32, 128 }, { 100, 512 }, { 2048, 8192 }
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t size = (cases[i].size_tib << 40) + 512,
			 cluster = cases[i].cluster_kib << 10;
		g_autoptr(UsedMap) map = used_map_new(size, 0);
		struct extent e;

		used_map_add(map, 5 * cluster + 7, 1);
		used_map_add(map, size - 1, 1);
		assert_true(used_map_next(map, 0, &e));
		assert_int_equal(e.offset, 5 * cluster);
		assert_int_equal(e.length, cluster);
		assert_true(used_map_next(map, 6 * cluster, &e));
		assert_int_equal(e.offset, size - 512);
		assert_int_equal(e.length, 512);
		assert_false(used_map_next(map, size, &e));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests_name("used-map", tests, NULL, NULL);
}
