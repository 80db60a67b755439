/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a copy has not got further: looks one after the other, as hosts give them. */
#include "unit.h"

#include "migrate/migrate-stall.h"

/* Limit in all of them: 10 s. */
struct look {
	int64_t at; /* seconds */
	enum cloud_phase phase;
	uint64_t done, left, iteration;
	bool stalled;
};

static void play_as(bool postcopy, const struct look *looks, size_t count)
{
	struct migrate_stall stall;

	migrate_stall_init(&stall, 10000, 0);
	stall.postcopy = postcopy;
	for (size_t i = 0; i < count; i++) {
		const struct look *it = &looks[i];
		const struct cloud_progress progress = {
			.phase = it->phase,
			.disk_done = it->done,
			.memory_done = it->done,
			.memory_left = it->left,
			.iteration = it->iteration,
		};

		if (migrate_stall_look(&stall, &progress, it->at * 1000) != it->stalled)
			fail_msg("look %zu at %d s: %sstalled", i, (int)it->at,
				 it->stalled ? "not " : "");
	}
}

static void play(const struct look *looks, size_t count)
{
	play_as(false, looks, count);
}

static void test_disks(void **state)
{
	static const struct look looks[] = {
		{ 0, CLOUD_PHASE_BEGIN, 0, 0, 0, false },
		{ 9, CLOUD_PHASE_BEGIN, 0, 0, 0, false },
		{ 11, CLOUD_PHASE_DISKS, 0, 0, 0, false },
		{ 20, CLOUD_PHASE_DISKS, 5, 0, 0, false },
		{ 29, CLOUD_PHASE_DISKS, 5, 0, 0, false },
		{ 30, CLOUD_PHASE_DISKS, 5, 0, 0, true },
		{ 31, CLOUD_PHASE_DISKS, 6, 0, 0, false },
		{ 41, CLOUD_PHASE_DISKS, 4, 0, 0, true }, /* less is not further */
	};

	play(looks, G_N_ELEMENTS(looks));
}

static void test_begin(void **state)
{
	static const struct look looks[] = {
		{ 0, CLOUD_PHASE_NONE, 0, 0, 0, false },
		{ 1, CLOUD_PHASE_BEGIN, 0, 0, 0, false },
		{ 11, CLOUD_PHASE_BEGIN, 0, 0, 0, true },
	};

	play(looks, G_N_ELEMENTS(looks));
}

static void test_memory(void **state)
{
	static const struct look looks[] = {
		{ 0, CLOUD_PHASE_DISKS, 5, 0, 0, false },
		/* The first pass: bytes count.  The counter is one of an earlier move. */
		{ 9, CLOUD_PHASE_MEMORY, 10, 90, 3, false },
		{ 18, CLOUD_PHASE_MEMORY, 20, 80, 3, false },
		{ 27, CLOUD_PHASE_MEMORY, 100, 0, 3, false },
		/* The second begins with what was changed meanwhile. */
		{ 30, CLOUD_PHASE_MEMORY, 101, 50, 4, false },
		{ 35, CLOUD_PHASE_MEMORY, 140, 10, 4, false },
		{ 38, CLOUD_PHASE_MEMORY, 151, 40, 5, false },
		/* Within a pass less is left all the time, and that says nothing. */
		{ 47, CLOUD_PHASE_MEMORY, 160, 5, 5, false },
		{ 48, CLOUD_PHASE_MEMORY, 161, 45, 6, true },
		{ 49, CLOUD_PHASE_MEMORY, 170, 39, 7, false },
	};

	play(looks, G_N_ELEMENTS(looks));
}

/* No pass ends any more: bytes count, as in the first. */
static void test_postcopy(void **state)
{
	static const struct look looks[] = {
		{ 0, CLOUD_PHASE_MEMORY, 100, 10, 3, false },
		{ 9, CLOUD_PHASE_MEMORY, 110, 9, 7, false },
		{ 18, CLOUD_PHASE_MEMORY, 120, 8, 7, false },
		{ 27, CLOUD_PHASE_MEMORY, 130, 9, 7, false },
		{ 36, CLOUD_PHASE_MEMORY, 130, 9, 7, false },
		{ 37, CLOUD_PHASE_MEMORY, 130, 9, 7, true },
	};

	play_as(true, looks, G_N_ELEMENTS(looks));
}

static void test_never(void **state)
{
	const struct cloud_progress progress = { .phase = CLOUD_PHASE_DISKS };
	struct migrate_stall stall;

	migrate_stall_init(&stall, 0, 0);
	assert_false(migrate_stall_look(&stall, &progress, 0));
	assert_false(migrate_stall_look(&stall, &progress, INT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disks),  cmocka_unit_test(test_begin),
		cmocka_unit_test(test_memory), cmocka_unit_test(test_postcopy),
		cmocka_unit_test(test_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
