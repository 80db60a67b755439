/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of docs/migrate.md, and what must never be said, whatever hosts say. */
#include "unit.h"

#include "migrate/migrate-verdict.h"

#define NONE      \
	{         \
		0 \
	}
#define RUNS                                                   \
	{                                                      \
		.defined = true, .state = CLOUD_DOMAIN_RUNNING \
	}
#define RUNS_JOB                                                            \
	{                                                                   \
		.defined = true, .state = CLOUD_DOMAIN_RUNNING, .job = true \
	}
#define PAUSED                                                \
	{                                                     \
		.defined = true, .state = CLOUD_DOMAIN_PAUSED \
	}
#define MOVING                                                                \
	{                                                                     \
		.defined = true, .state = CLOUD_DOMAIN_PAUSED, .moving = true \
	}
#define MOVING_JOB                                                                         \
	{                                                                                  \
		.defined = true, .state = CLOUD_DOMAIN_PAUSED, .moving = true, .job = true \
	}
#define OFF                                                \
	{                                                  \
		.defined = true, .state = CLOUD_DOMAIN_OFF \
	}
#define LEFT                                                                   \
	{                                                                      \
		.defined = true, .state = CLOUD_DOMAIN_OFF, .moved_away = true \
	}
#define ENDED                                                               \
	{                                                                   \
		.defined = true, .state = CLOUD_DOMAIN_OFF, .own_end = true \
	}
#define TORN_PAUSED                                                         \
	{                                                                   \
		.defined = true, .state = CLOUD_DOMAIN_PAUSED, .torn = true \
	}
#define TORN_RUNS                                                            \
	{                                                                    \
		.defined = true, .state = CLOUD_DOMAIN_RUNNING, .torn = true \
	}
#define FOLLOWED                                                                 \
	{                                                                        \
		.defined = true, .state = CLOUD_DOMAIN_RUNNING, .postcopy = true \
	}

static const struct {
	struct cloud_standing source, target;
	enum migrate_verdict verdict;
} cases[] = {
	{ RUNS, NONE, MIGRATE_AT_SOURCE },
	{ RUNS, OFF, MIGRATE_AT_SOURCE },
	{ PAUSED, NONE, MIGRATE_AT_SOURCE }, /* by its user */
	{ RUNS_JOB, NONE, MIGRATE_GOING },
	{ RUNS_JOB, MOVING, MIGRATE_GOING },
	{ MOVING_JOB, PAUSED, MIGRATE_GOING },
	{ MOVING_JOB, RUNS, MIGRATE_GOING },
	{ RUNS, MOVING, MIGRATE_REMAINS },
	{ RUNS, PAUSED, MIGRATE_REMAINS },
	{ PAUSED, PAUSED, MIGRATE_REMAINS },
	{ MOVING, NONE, MIGRATE_STUCK },
	{ MOVING, PAUSED, MIGRATE_STUCK },
	{ MOVING, MOVING, MIGRATE_STUCK },
	{ MOVING, RUNS, MIGRATE_LINGERING },
	{ NONE, RUNS, MIGRATE_ARRIVED },
	{ LEFT, RUNS, MIGRATE_ARRIVED },
	{ LEFT, PAUSED, MIGRATE_ARRIVED },
	{ OFF, PAUSED, MIGRATE_ARRIVED }, /* its daemon began anew, and forgot why it is off */
	{ LEFT, OFF, MIGRATE_ARRIVED },   /* and was switched off there */
	{ NONE, OFF, MIGRATE_ARRIVED },
	{ LEFT, MOVING, MIGRATE_GOING },
	{ OFF, MOVING, MIGRATE_REMAINS },
	{ OFF, NONE, MIGRATE_OFF },
	{ OFF, OFF, MIGRATE_ARRIVED }, /* the same, both ways */
	{ LEFT, NONE, MIGRATE_LOST },
	{ NONE, NONE, MIGRATE_LOST },
	/* It was shut down at the source, or crashed there: the target's is not the VM. */
	{ ENDED, NONE, MIGRATE_OFF },
	{ ENDED, MOVING, MIGRATE_REMAINS },
	{ ENDED, PAUSED, MIGRATE_DOUBT },
	{ ENDED, OFF, MIGRATE_DOUBT },
	{ ENDED, ENDED, MIGRATE_DOUBT },
	{ ENDED, RUNS, MIGRATE_ARRIVED },
	/* Post-copy: the memory is in two parts until it is over, for ever if it broke. */
	{ MOVING, FOLLOWED, MIGRATE_GOING },
	{ NONE, FOLLOWED, MIGRATE_GOING },
	{ TORN_PAUSED, TORN_RUNS, MIGRATE_TORN },
	{ TORN_PAUSED, TORN_PAUSED, MIGRATE_TORN },
	{ TORN_PAUSED, NONE, MIGRATE_TORN },
	{ MOVING_JOB, TORN_RUNS, MIGRATE_TORN },
	{ LEFT, TORN_RUNS, MIGRATE_TORN },
	{ RUNS, RUNS, MIGRATE_SPLIT },
	{ RUNS_JOB, RUNS, MIGRATE_SPLIT },
};

static void test_table(void **state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const struct migrate_look look = {
			.source_known = true,
			.target_known = true,
			.source = cases[i].source,
			.target = cases[i].target,
		};

		if (migrate_judge(&look) != cases[i].verdict)
			fail_msg("case %zu: %s, not %s", i,
				 migrate_verdict_text(migrate_judge(&look)),
				 migrate_verdict_text(cases[i].verdict));
	}
}

static struct cloud_standing standing_of(unsigned int bits)
{
	static const enum cloud_domain_state states[] = {
		CLOUD_DOMAIN_OFF,     CLOUD_DOMAIN_RUNNING,   CLOUD_DOMAIN_PAUSED,
		CLOUD_DOMAIN_CRASHED, CLOUD_DOMAIN_SUSPENDED,
	};

	return (struct cloud_standing){
		.defined = bits & 1,
		.moved_away = bits & 2,
		.moving = bits & 4,
		.job = bits & 8,
		.own_end = bits & 16,
		.postcopy = bits & 32,
		.torn = bits & 64,
		.state = states[(bits >> 7) % G_N_ELEMENTS(states)],
	};
}

enum { ALL = 5 << 7 };

/* Whatever they say: nothing is deleted unless the source has it and the target none active. */
static void test_never_deletes(void **state)
{
	for (unsigned int s = 0; s < ALL; s++) {
		for (unsigned int t = 0; t < ALL * 4; t++) {
			const struct migrate_look look = {
				.source_known = !(t / ALL & 1),
				.target_known = !(t / ALL & 2),
				.source = standing_of(s),
				.target = standing_of(t % ALL),
			};
			bool target_active =
			    look.target.defined && look.target.state != CLOUD_DOMAIN_OFF;

			if (!migrate_verdict_lets_delete(migrate_judge(&look)))
				continue;
			assert_true(look.source_known && look.target_known);
			assert_true(look.source.defined);
			assert_false(target_active);
			assert_false(look.source.torn || look.target.torn);
			if (look.source.state == CLOUD_DOMAIN_OFF) {
				assert_false(look.source.moved_away);
				assert_false(look.target.defined);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_never_deletes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
