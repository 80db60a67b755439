/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job in one process: attempts, errors that cannot get better, cancel, timeout, undo. */
#include "job-kind.h"

static void test_done(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 0, 0);
	g_autoptr(GError) error = NULL;
	g_autoptr(JobRecord) record = NULL;
	const struct task_record *task;
	const struct task_note *note;

	assert_int_equal(mkdir("d1", 0755), 0); /* somebody else's */
	assert_int_equal(job_has_owner(store, job_id(job), &error), 1);
	assert_ok(job_run(job, &quick, &error), error);
	assert_calls("run d0, run d1, run d2, run d3");
	assert_there("1111");
	assert_state(job_id(job), JOB_DONE);

	record = read_record(job_id(job));
	assert_int_equal(record->attempts, JOB_ATTEMPTS_DEFAULT);
	assert_string_equal(record->uuid, job_uuid(job));
	assert_null(record->failure);
	task = g_ptr_array_index(record->tasks, 0);
	assert_int_equal(task->attempts, 1);
	assert_true(record->created <= task->started && task->started <= task->ended);
	note = g_ptr_array_index(task->notes, 0);
	assert_string_equal(note->key, "made");
	assert_string_equal(note->value, "d0");
	task = g_ptr_array_index(record->tasks, 1);
	assert_int_equal(task->notes->len, 0);

	job_free(g_steal_pointer(&job));
	assert_int_equal(job_has_owner(store, 1, &error), 0);
}

static void test_attempts(void **state)
{
	g_autoptr(Store) store = open_store();
	const struct {
		int fail;
		unsigned int attempts;
		bool done;
	} cases[] = {
		{ 1, 3, true },   { 2, 3, true },  { 3, 3, false },
		{ -1, 3, false }, { 1, 1, false }, { 3, 4, true },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Job) job = create(store, cases[i].attempts, 0);
		g_autofree char *words = g_strdup_printf(
		    "is rolled back: task 'd2' failed %u times, at last: cannot make it, as told",
		    cases[i].attempts);
		g_autoptr(GError) error = NULL;

		orders[2].fail = cases[i].fail;
		if (cases[i].done) {
			assert_ok(job_run(job, &quick, &error), error);
			assert_task(job_id(job), 2, TASK_DONE, (unsigned int)cases[i].fail, 0);
			assert_there("1111");
			for (int j = 0; j < N_TASKS; j++)
				assert_int_equal(rmdir(task_names[j]), 0);
			continue;
		}
		assert_false(job_run(job, &quick, &error));
		assert_error(&error, WHERRY_ERROR_ROLLED_BACK, words);
		assert_task(job_id(job), 2, TASK_UNDONE, cases[i].attempts, 0);
		assert_task(job_id(job), 3, TASK_WAITING, 0, 0);
		assert_state(job_id(job), JOB_ROLLED_BACK);
		assert_there("0000");
	}
}

/* Each code: one attempt, or all of them. */
static void test_final_errors(void **state)
{
	g_autoptr(Store) store = open_store();
	const struct {
		enum wherry_error code;
		unsigned int attempts;
	} cases[] = {
		{ WHERRY_ERROR_IO, 3 },          { WHERRY_ERROR_NOT_FOUND, 3 },
		{ WHERRY_ERROR_NO_SPACE, 3 },    { WHERRY_ERROR_BUSY, 3 },
		{ WHERRY_ERROR_DENIED, 3 },      { WHERRY_ERROR_TIMED_OUT, 3 },
		{ WHERRY_ERROR_USAGE, 1 },       { WHERRY_ERROR_INVALID_INPUT, 1 },
		{ WHERRY_ERROR_UNSUPPORTED, 1 }, { WHERRY_ERROR_DAMAGED, 1 },
		{ WHERRY_ERROR_DIFFERENT, 1 },   { WHERRY_ERROR_EXISTS, 1 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Job) job = create(store, 3, 0);
		g_autoptr(JobRecord) record = NULL;
		g_autoptr(GError) error = NULL;

		orders[1].fail = -1;
		orders[1].code = cases[i].code;
		assert_false(job_run(job, &quick, &error));
		assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "cannot make it, as told");
		record = read_record(job_id(job));
		assert_int_equal(record->failure_code, cases[i].code);
		assert_task(job_id(job), 1, TASK_UNDONE, cases[i].attempts, 0);
	}
}

static void test_undo_order(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 2, 0);
	g_autoptr(GError) error = NULL;

	assert_int_equal(mkdir("d1", 0755), 0); /* somebody else's, so it stays */
	orders[3].fail = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "task 'd3' failed 2 times");
	assert_calls("run d0, run d1, run d2, run d3, run d3, undo d3, undo d2, undo d1, undo d0");
	assert_there("0100");
}

static void test_undo_fails(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	g_autoptr(GError) error = NULL;

	orders[2].fail = -1;
	orders[2].code = WHERRY_ERROR_EXISTS;
	orders[1].fail_undo = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(
	    &error, WHERRY_ERROR_LEFT_BEHIND,
	    "left: what task 'd0' made (needed by what task 'd1' made), what task 'd1' made "
	    "(cannot remove it, as told); 'wherry job recover 1'");
	assert_calls("run d0, run d1, run d2, undo d2, undo d1, undo d1, undo d1");
	assert_there("1100");
	assert_state(1, JOB_DEBT);
	assert_task(1, 0, TASK_DEBT, 0, 0);
	assert_task(1, 1, TASK_DEBT, 0, 3);
	assert_task(1, 2, TASK_UNDONE, 1, 0);

	/* What could not get better is not tried again. */
	{
		g_autoptr(Job) other = create(store, 3, 0);

		orders[1].code = WHERRY_ERROR_UNSUPPORTED;
		assert_false(job_run(other, &quick, &error));
		assert_error(&error, WHERRY_ERROR_LEFT_BEHIND, "what task 'd1' made (cannot");
		assert_task(2, 1, TASK_DEBT, 0, 1);
	}
}

/* What could not be undone holds what came before it, but not others of its group. */
static void test_group(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = NULL;
	g_autoptr(GError) error = NULL;

	groups[1] = groups[2] = "middle";
	job = create(store, 1, 0);
	orders[3].fail = -1;
	orders[2].fail_undo = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_LEFT_BEHIND,
		     "left: what task 'd0' made (needed by what task 'd2' made), what task 'd2'");
	assert_calls("run d0, run d1, run d2, run d3, undo d3, undo d2, undo d1");
	assert_there("1010");
}

/* An undo that fails twice of three times is none that failed. */
static void test_undo_attempts(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	g_autoptr(GError) error = NULL;

	orders[2].fail = -1;
	orders[1].fail_undo = 2;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "task 'd2' failed 3 times");
	assert_task(1, 1, TASK_UNDONE, 0, 2);
	assert_there("0000");
}

static void test_cancel(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;
	g_autoptr(Job) running = create(store, 3, 0), before = create(store, 3, 0);
	g_autoptr(Job) last = create(store, 3, 0);

	orders[1].cancel = true;
	orders[1].hang = true;
	assert_false(job_run(running, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "cancelled in task 'd1'");
	assert_calls("run d0, run d1, undo d1, undo d0");
	assert_task(1, 1, TASK_UNDONE, 0, 0); /* no failure of the task */
	assert_there("0000");

	assert_false(job_cancel(store, 1, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "it is rolled back");
	assert_false(job_cancel(store, 17, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "there is no job 17");

	assert_ok(job_cancel(store, 2, &error), error);
	assert_false(job_run(before, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "cancelled in task 'd0'");
	assert_calls("");

	/* It came when all was done. */
	memset(orders, 0, sizeof(orders));
	orders[3].cancel = true;
	assert_ok(job_run(last, &quick, &error), error);
	assert_there("1111");
}

/* A pause does not hold it up. */
static void test_cancel_in_pause(void **state)
{
	const struct job_runner slow = { .stop = stop_when_interrupted,
					 .pause_first_ms = 600000,
					 .pause_max_ms = 600000 };
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 1);
	g_autoptr(GError) error = NULL;

	orders[1].fail = 1;
	assert_false(job_run(job, &slow, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "its time was over after 1 s, in task 'd1'");
	assert_task(1, 1, TASK_UNDONE, 1, 0);
	assert_there("0000");
}

static void test_interrupt(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0), finished = create(store, 3, 0);
	g_autoptr(GError) error = NULL;

	orders[1].interrupt = true;
	orders[1].hang = true;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_CANCELLED, "is rolled back: interrupted in task 'd1'");
	assert_there("0000");

	/* The task comes to its end all the same; the next one does not begin. */
	g_string_truncate(calls, 0);
	interrupted = false;
	orders[1].finish = true;
	assert_false(job_run(finished, &quick, &error));
	assert_error(&error, WHERRY_ERROR_CANCELLED, "interrupted in task 'd2'");
	assert_calls("run d0, run d1, undo d1, undo d0");
}

static void test_timeout(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 1), later = create(store, 3, 0);
	g_autoptr(JobRecord) record = NULL;
	g_autoptr(GError) error = NULL;

	orders[2].hang = true;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "its time was over after 1 s, in task 'd2'");
	assert_there("0000");
	record = read_record(1);
	assert_int_equal(record->failure_code, WHERRY_ERROR_TIMED_OUT);

	orders[2].timeout = 1; /* set by the task itself */
	assert_false(job_run(later, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "its time was over");
}

static bool refuse(const struct progress *now, void *userdata)
{
	return false;
}

/* The display says so, and undo is not stopped by it. */
static void test_progress(void **state)
{
	const struct job_runner runner = { .progress = refuse };
	const struct progress now = { .phase = "copying" };
	g_autoptr(Watch) watch = watch_start("state/wherry.db", 1, 0, &runner);
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	g_autoptr(GCancellable) fresh = g_cancellable_new();
	JobContext context = { .job = job,
			       .runner = &runner,
			       .watch = watch,
			       .cancellable = watch_cancellable(watch) };
	g_autoptr(GError) error = NULL;

	assert_false(job_progress(&now, &context));
	assert_int_equal(watch_ask(watch, store), WATCH_USER);
	assert_true(g_cancellable_is_cancelled(context.cancellable));
	assert_false(job_context_check(&context, &error));
	assert_error(&error, WHERRY_ERROR_CANCELLED, "stopped on request");

	context.watch = NULL;
	context.cancellable = fresh;
	assert_true(job_progress(&now, &context));
	assert_true(job_context_check(&context, &error));
}

static void test_notes(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	JobContext context = { .job = job, .runner = &quick, .position = 1 };
	g_autoptr(JobRecord) record = NULL;
	const struct task_record *task;
	g_autoptr(GError) error = NULL;

	assert_null(job_noted(&context, NULL, "a"));
	assert_ok(job_note(&context, "a", "1", &error), error);
	assert_ok(job_note(&context, "b", "2", &error), error);
	assert_ok(job_note(&context, "a", "3", &error), error);
	assert_ok(job_note(&context, "b", NULL, &error), error);
	assert_ok(job_note(&context, "never", NULL, &error), error);
	assert_string_equal(job_noted(&context, NULL, "a"), "3");
	assert_null(job_noted(&context, NULL, "b"));
	context.position = 2;
	assert_string_equal(job_noted(&context, "d1", "a"), "3");
	assert_null(job_noted(&context, "d2", "a"));
	assert_null(job_noted(&context, "d9", "a"));
	job_set_result(&context, "{\"uuid\": 1}");
	assert_ok(journal_save(store, job->record, context.position, &error), error);

	record = read_record(1);
	task = g_ptr_array_index(record->tasks, 1);
	assert_int_equal(task->notes->len, 1);
	assert_string_equal(((struct task_note *)g_ptr_array_index(task->notes, 0))->value, "3");
	assert_string_equal(record->result, "{\"uuid\": 1}");
}

static void test_bad_parameters(void **state)
{
	const struct job_spec spec = { .title = "a test", .params = "[]" };
	g_autoptr(Store) store = open_store();
	g_autoptr(GPtrArray) all = NULL;
	g_autoptr(GError) error = NULL;

	assert_null(job_create(store, &place_kind, &spec, &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "bad parameters '[]'");
	all = job_record_list(store, &error);
	assert_int_equal(all->len, 0);
}

static void test_pauses(void **state)
{
	const struct job_runner usual = { 0 };

	assert_int_equal(job_pause_ms(&usual, 1), 1000);
	assert_int_equal(job_pause_ms(&usual, 2), 2000);
	assert_int_equal(job_pause_ms(&usual, 5), 16000);
	assert_int_equal(job_pause_ms(&usual, 6), 30000);
	assert_int_equal(job_pause_ms(&usual, 1000000), 30000);
	assert_int_equal(job_pause_ms(&quick, 3), 4);
}

/* From the point of no return on nothing turns a job back. */
static void test_committed(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 100);
	g_autoptr(GError) error = NULL;

	orders[1].commit = true;
	orders[2].interrupt = true;
	orders[2].fail = 2;
	orders[3].timeout = 1;
	assert_ok(job_run(job, &quick, &error), error);
	assert_calls("run d0, run d1, run d2, run d2, run d2, run d3");
	assert_there("1111");
	assert_state(job_id(job), JOB_DONE);
	assert_false(job_cancel(store, job_id(job), &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "it is done");
}

/* What fails after it is left for the next one, and is not undone. */
static void test_committed_fails(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 2, 0);
	g_autoptr(GError) error = NULL;

	orders[1].commit = true;
	orders[3].fail = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_LEFT_BEHIND,
		     "past the point of no return, but task 'd3'");
	assert_calls("run d0, run d1, run d2, run d3, run d3");
	assert_there("1110");
	assert_state(job_id(job), JOB_FINISHING);
	assert_false(job_cancel(store, job_id(job), &error));
	assert_error(&error, WHERRY_ERROR_INVALID_INPUT, "it is finishing");
}

/* An undo that finds that it came too late. */
static void test_committed_by_undo(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 2, 0);
	g_autoptr(JobRecord) record = NULL;
	g_autoptr(GError) error = NULL;

	orders[1].fail = 2;
	orders[1].commit_undo = true;
	assert_ok(job_run(job, &quick, &error), error);
	assert_calls("run d0, run d1, run d1, undo d1, run d2, run d3");
	assert_there("1011");
	assert_state(job_id(job), JOB_DONE);
	record = read_record(job_id(job));
	assert_null(record->failure);
	assert_task(job_id(job), 1, TASK_DONE, 2, 0);
}

static void test_given_up(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	g_autoptr(GError) error = NULL;

	orders[1].fail = -1;
	orders[1].give_up = true;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_ROLLED_BACK, "task 'd1': cannot make it");
	assert_calls("run d0, run d1, undo d1, undo d0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		job_test(test_done),
		job_test(test_attempts),
		job_test(test_final_errors),
		job_test(test_undo_order),
		job_test(test_undo_fails),
		job_test(test_group),
		job_test(test_undo_attempts),
		job_test(test_cancel),
		job_test(test_cancel_in_pause),
		job_test(test_interrupt),
		job_test(test_timeout),
		job_test(test_progress),
		job_test(test_notes),
		job_test(test_bad_parameters),
		job_test(test_pauses),
		job_test(test_committed),
		job_test(test_committed_fails),
		job_test(test_committed_by_undo),
		job_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
