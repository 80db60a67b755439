/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plan as the job remembers it, and its forecast. */
#include "unit.h"

#include "migrate/migrate-plan.h"

#include <math.h>

static MigratePlan *make_plan(void)
{
	MigratePlan *plan = migrate_plan_empty();

	plan->state = g_strdup("/s/wherry.db");
	plan->name = g_strdup("vm \"x\"");
	plan->uuid = g_strdup("u");
	plan->source = g_strdup("a");
	plan->source_uri = g_strdup("qemu+tls://a/system");
	plan->source_address = g_strdup("fe80::1");
	plan->memory = UINT64_C(1) << 40;
	plan->paused = true;
	plan->force = true;
	plan->min_free_cpus = INT64_MIN;
	plan->max_load = 0.75;
	plan->max_inbound = 1;
	plan->timeout = 900;
	plan->grace = 0;
	plan->parallel = 4;
	plan->commit = MIGRATE_COMMIT_FAST;
	plan->on_timeout = MIGRATE_POSTCOPY;
	migrate_plan_add_disk(plan, "vda", "/p/a.qcow2", "qcow2", 1 << 30, 1 << 20);
	migrate_plan_add_disk(plan, "vdb", "/p/b.raw", "raw", 2 << 20, 1 << 20);
	return plan;
}

static void test_json(void **state)
{
	g_autoptr(MigratePlan) plan = make_plan(), back = NULL;
	g_autofree char *text = migrate_plan_to_json(plan), *again = NULL;
	g_autoptr(GError) error = NULL;
	const struct migrate_disk *disk;

	back = migrate_plan_from_json(text, &error);
	assert_ok(back != NULL, error);
	again = migrate_plan_to_json(back);
	assert_string_equal(text, again);
	assert_null(back->to);
	assert_null(back->roots);
	assert_int_equal(back->min_free_cpus, INT64_MIN);
	assert_int_equal(back->on_timeout, MIGRATE_POSTCOPY);
	assert_int_equal(back->commit, MIGRATE_COMMIT_FAST);
	assert_true(back->paused);
	assert_true(back->force);
	assert_int_equal(back->disks->len, 2);
	disk = g_ptr_array_index(back->disks, 1);
	assert_string_equal(disk->source, "/p/b.raw");
	assert_int_equal(disk->capacity, 2 << 20);
	assert_int_equal(migrate_plan_bytes(back), 2 << 20);
}

static void test_damaged(void **state)
{
	static const char *const texts[] = { "", "{}", "[]", "{\"state\": 1}" };
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		assert_null(migrate_plan_from_json(texts[i], &error));
		assert_error(&error, WHERRY_ERROR_DAMAGED, "plan of a migration");
	}
}

static void test_forecast(void **state)
{
	static const struct {
		uint64_t disks, memory, bandwidth, dirty;
		bool known, converges;
		double seconds;
	} cases[] = {
		{ 1000 << 20, 0, 100 << 20, 0, true, true, 10 },
		{ 1000 << 20, 500 << 20, 100 << 20, 0, true, true, 15 },
		{ 0, 500 << 20, 100 << 20, 50 << 20, true, true, 10 },
		{ 0, 500 << 20, 100 << 20, 100 << 20, true, false, 0 },
		{ 0, 500 << 20, 100 << 20, 300 << 20, true, false, 0 },
		{ 0, 500 << 20, 100 << 20, 0, false, true, 5 },
		{ 220 << 20, 0, 0, 0, true, true, 2 }, /* no limit: 110 MiB/s are assumed */
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct migrate_forecast it =
		    migrate_forecast(cases[i].disks, cases[i].memory, cases[i].bandwidth,
				     cases[i].known, cases[i].dirty);

		assert_int_equal(it.converges, cases[i].converges);
		assert_int_equal(it.rate_assumed, cases[i].bandwidth == 0);
		assert_true(fabs(it.seconds - cases[i].seconds) < 1e-6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_forecast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
