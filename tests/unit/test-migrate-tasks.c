/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tasks of a migration between two hosts that say what no real ones do on order. */
#include "fake-cloud.h"
#include "job-place.h"

#include "job/job-inner.h"
#include "migrate/migrate-job.h"
#include "migrate/migrate.h"

#define POOL "5a1d1c3e-0000-4000-8000-000000000001"

static const struct job_runner nobody = { 0 };

/* A job whose VM has begun to move, and its hosts. */
struct move {
	Store *store;
	Job *job;
	GCancellable *cancellable;
	struct fake_host source, target;
};

static const struct cloud_standing runs = {
	.defined = true,
	.persistent = true,
	.state = CLOUD_DOMAIN_RUNNING,
};

static JobContext context_of(const struct move *move, const char *task)
{
	JobContext context = {
		.job = move->job,
		.runner = &nobody,
		.position = -1,
		.cancellable = move->cancellable,
	};

	for (unsigned int i = 0; i < move->job->tasks->len; i++)
		if (strcmp(job_task_at(move->job, i)->name, task) == 0)
			context.position = (int)i;
	assert_true(context.position >= 0);
	return context;
}

static void note(const struct move *move, const char *task, const char *key, const char *value)
{
	JobContext context = context_of(move, task);
	g_autoptr(GError) error = NULL;

	assert_ok(job_note(&context, key, value, &error), error);
}

static char *make_params(void)
{
	g_autoptr(MigratePlan) plan = migrate_plan_empty();

	plan->state = g_strdup("state/wherry.db");
	plan->name = g_strdup("web");
	plan->uuid = g_strdup(POOL);
	plan->source = g_strdup("left");
	plan->source_uri = g_strdup("fake:///l");
	plan->source_address = g_strdup("l");
	migrate_plan_add_disk(plan, "vda", "/p/web.raw", "raw", 1 << 20, 0);
	return migrate_plan_to_json(plan);
}

static void begin(struct move *move)
{
	g_autofree char *params = make_params();
	const struct job_spec spec = { .title = "a move", .params = params };
	g_autoptr(GError) error = NULL;
	MigrateJob *data;

	move->store = store_open("state/wherry.db", &error);
	assert_ok(move->store, error);
	move->job = job_create(move->store, &migrate_job_kind, &spec, &error);
	assert_ok(move->job, error);
	move->cancellable = g_cancellable_new();
	fake_init(&move->source);
	fake_init(&move->target);
	data = move->job->data;
	data->source = &move->source.base;
	data->target = &move->target.base;
	note(move, "reserve", "uri", "fake:///r");
	note(move, "reserve", "host", "right");
	note(move, "reserve", "path", "/p");
	note(move, "migrate", "begun", "right");
}

static void end(struct move *move)
{
	job_free(move->job);
	g_object_unref(move->cancellable);
	fake_clear(&move->source);
	fake_clear(&move->target);
	store_free(move->store);
}

/* Nothing that they were told changed anything. */
static void assert_untouched(const struct move *move)
{
	assert_string_equal(move->source.log->str, "");
	assert_string_equal(move->target.log->str, "");
}

/* ---- Only somebody who looks can go on ---- */

static void test_hopeless(void **state)
{
	static const struct {
		struct cloud_standing source, target;
		const char *words;
	} cases[] = {
		{ { .defined = true, .state = CLOUD_DOMAIN_PAUSED, .torn = true },
		  { .defined = true, .state = CLOUD_DOMAIN_RUNNING, .torn = true },
		  "IS ON BOTH HOSTS IN PARTS" },
		{ { .defined = true, .state = CLOUD_DOMAIN_OFF, .own_end = true },
		  { .defined = true, .state = CLOUD_DOMAIN_PAUSED },
		  "came to an end of its own on 'left'" },
		{ { .defined = true, .state = CLOUD_DOMAIN_OFF, .own_end = true },
		  { .defined = true, .state = CLOUD_DOMAIN_OFF },
		  "undefine the one that is not wanted" },
		{ { 0 }, { 0 }, "neither on 'left' nor on 'right'" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct move move;
		JobContext context;
		int code = i < 3 ? WHERRY_ERROR_IO : WHERRY_ERROR_NOT_FOUND;

		begin(&move);
		move.source.standing = cases[i].source;
		move.target.standing = cases[i].target;
		context = context_of(&move, "migrate");
		assert_false(migrate_move_run(&context, move.job->data, NULL, &error));
		assert_error(&error, code, cases[i].words);
		assert_true(context.given_up);
		assert_false(migrate_move_undo(&context, move.job->data, NULL, &error));
		assert_error(&error, code, cases[i].words);
		assert_ok(migrate_move_settle(&context, move.job->data, &error), error);
		assert_int_equal(move.job->record->state, JOB_RUNNING); /* not committed */
		assert_untouched(&move);
		end(&move);
		assert_int_equal(g_remove("state/wherry.db"), 0);
	}
}

/* ---- The source forgets only what the target has ---- */

static void test_undefine(void **state)
{
	static const struct {
		struct cloud_standing target;
		const char *words; /* NULL: it forgets */
	} cases[] = {
		{ { .defined = true, .persistent = true, .state = CLOUD_DOMAIN_RUNNING }, NULL },
		{ { .defined = true, .state = CLOUD_DOMAIN_RUNNING },
		  "is not defined for its next start on 'right', so 'left' still keeps" },
		{ { 0 }, "is not there on 'right'" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct move move;
		JobContext context;
		bool ok;

		begin(&move);
		move.source.standing =
		    (struct cloud_standing){ .defined = true, .moved_away = true };
		move.target.standing = cases[i].target;
		context = context_of(&move, "undefine source");
		ok = migrate_undefine_run(&context, move.job->data, NULL, &error);
		assert_int_equal(ok, cases[i].words == NULL);
		if (!ok)
			assert_error(&error, WHERRY_ERROR_BUSY, cases[i].words);
		assert_string_equal(move.source.log->str, ok ? "undefine" : "");
		end(&move);
		assert_int_equal(g_remove("state/wherry.db"), 0);
	}
}

/* ---- A disk that was made goes, unless somebody needs it ---- */

static bool undo_disk(struct move *move, GError **error)
{
	JobContext context;

	note(move, "disk vda", "made", "web.raw");
	note(move, "disk vda", "volume", "web.raw");
	note(move, "disk vda", "path", "/p/web.raw");
	move->source.standing = runs;
	fake_add_pool(&move->target, POOL, "/p");
	fake_add_file(&move->target, "/p/web.raw", "1", NULL);
	context = context_of(move, "disk vda");
	return migrate_disk_undo(&context, move->job->data,
				 job_task_at(move->job, (unsigned int)context.position)->item,
				 error);
}

static void test_disk(void **state)
{
	static const struct {
		const char *domain; /* names it; NULL: none */
		bool silent;        /* the source does not say where the VM is */
		const char *log;    /* of the target */
	} cases[] = {
		{ NULL, false, "delete" },
		{ "/p/web.raw", false, "" },
		{ "web.raw", false, "" },
		{ NULL, true, "" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;
		struct move move;

		begin(&move);
		if (cases[i].domain)
			fake_add_domain(&move.target, "other", cases[i].domain);
		move.source.no_answer = cases[i].silent;
		assert_int_equal(undo_disk(&move, &error), !cases[i].silent);
		if (cases[i].silent)
			assert_error(&error, WHERRY_ERROR_BUSY, "is not deleted while");
		assert_string_equal(move.target.log->str, cases[i].log);
		end(&move);
		assert_int_equal(g_remove("state/wherry.db"), 0);
	}
}

#define place_test(f) cmocka_unit_test_setup_teardown(f, enter_place, leave_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(test_hopeless),
		place_test(test_undefine),
		place_test(test_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
