/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs whose process is gone.  Here it is only its Job that is freed, or a child that ends itself;
 * tests/scripts/job-kill.sh does it with SIGKILL at every instant.
 */
#include "job-kind.h"

#include <sys/wait.h>

/* Recover job @id (0: all), which must be exactly one job, ending in @state. */
static void recover_one_to(Store *store, int64_t id, unsigned int flags, enum job_state state)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) done = job_recover(store, kinds, id, flags, &quick, &error);
	const struct job_recovery *recovery;

	assert_ok(done, error);
	assert_int_equal(done->len, 1);
	recovery = g_ptr_array_index(done, 0);
	assert_string_equal(job_state_name(recovery->state), job_state_name(state));
	assert_int_equal(recovery->failure == NULL, state == JOB_DONE);
	assert_state(recovery->id, state);
}

static void assert_nothing_to_do(Store *store, unsigned int flags)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) done = job_recover(store, kinds, 0, flags, &quick, &error);

	assert_ok(done, error);
	assert_int_equal(done->len, 0);
	assert_calls("");
}

/* A child creates a job and runs it, and dies by SIGKILL in attempt number @attempt of d1. */
static void die_in_attempt(int attempt)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		const struct job_spec spec = { .title = "a test", .params = "{}" };
		g_autoptr(Store) store = store_open("state/wherry.db", NULL);
		g_autoptr(Job) job = job_create(store, &place_kind, &spec, NULL);

		orders[1].die = attempt;
		(void)job_run(job, &quick, NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_resumed(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(JobRecord) record = NULL;
	const struct task_record *task;
	const struct task_note *note;
	g_autoptr(GError) error = NULL;

	die_in_attempt(1);
	record = read_record(1);
	assert_int_equal(record->state, JOB_RUNNING);
	task = g_ptr_array_index(record->tasks, 1);
	assert_int_equal(task->state, TASK_RUNNING);
	note = g_ptr_array_index(task->notes, 0);
	assert_string_equal(note->value, "d1");

	store = open_store();
	assert_int_equal(job_has_owner(store, 1, &error), 0);
	recover_one_to(store, 0, 0, JOB_DONE);
	assert_calls("resume? yes, run d1, run d2, run d3");
	assert_there("1111");
	assert_nothing_to_do(store, JOB_RECOVER_DEBTS);
}

static void test_needs_are_gone(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(JobRecord) record = NULL;

	die_in_attempt(1);
	store = open_store();
	resume_answer = 0;
	recover_one_to(store, 1, 0, JOB_ROLLED_BACK);
	assert_calls("resume? no, undo d1, undo d0");
	assert_there("0000");
	record = read_record(1);
	assert_string_equal(record->failure, "it cannot be resumed: the medium is gone");
}

/* No answer now is no reason to tear anything down. */
static void test_no_answer(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(GPtrArray) done = NULL;
	const struct job_recovery *recovery;
	g_autoptr(GError) error = NULL;

	die_in_attempt(1);
	store = open_store();
	resume_answer = -1;
	done = job_recover(store, kinds, 0, 0, &quick, &error);
	assert_ok(done, error);
	recovery = g_ptr_array_index(done, 0);
	assert_non_null(strstr(recovery->failure->message, "the host does not answer"));
	assert_non_null(strstr(recovery->failure->message, "job 1 is unfinished"));
	assert_state(1, JOB_RUNNING);
	assert_there("1000");

	resume_answer = 1;
	recover_one_to(store, 1, 0, JOB_DONE);
}

/* Failures are counted over a restart: two before, one after. */
static void test_attempts_survive(void **state)
{
	g_autoptr(Store) store = NULL;

	for (int fail = 1; fail <= 2; fail++) {
		int64_t id = fail;

		memset(orders, 0, sizeof(orders));
		orders[1].fail = 2;
		die_in_attempt(3); /* after two failures of its three */
		g_string_truncate(calls, 0);
		store_free(store);
		store = open_store();
		assert_task(id, 1, TASK_RUNNING, 2, 0);
		orders[1].fail = fail - 1;
		recover_one_to(store, id, 0, fail == 1 ? JOB_DONE : JOB_ROLLED_BACK);
		assert_task(id, 1, fail == 1 ? TASK_DONE : TASK_UNDONE, fail == 1 ? 2 : 3, 0);
		for (int i = 0; fail == 1 && i < N_TASKS; i++)
			assert_int_equal(rmdir(task_names[i]), 0);
	}
	assert_there("0000");
}

/* A rollback that died goes on as a rollback, with its own attempts; nobody asks to resume. */
static void test_rollback_goes_on(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 3, 0);
	g_autoptr(GError) error = NULL;
	struct task_record *task;

	orders[3].fail = -1;
	orders[3].code = WHERRY_ERROR_EXISTS;
	orders[1].fail_undo = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_LEFT_BEHIND, "what task 'd1' made (cannot");
	g_string_truncate(calls, 0);

	/* As it was while d1 was being undone the second time. */
	job->record->state = JOB_ROLLING_BACK;
	job->record->ended = 0;
	task = job_task_record(job, 1);
	task->state = TASK_UNDOING;
	task->undo_failures = 1;
	assert_ok(journal_save(store, job->record, 1, &error), error);
	job_free(g_steal_pointer(&job));

	orders[1].fail_undo = 1;
	recover_one_to(store, 0, 0, JOB_ROLLED_BACK);
	assert_calls("undo d1, undo d1, undo d0");
	assert_task(1, 1, TASK_UNDONE, 0, 2);
	assert_there("0000");
}

static void test_debts(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 2, 0);
	g_autoptr(GError) error = NULL;

	orders[3].fail = -1;
	orders[1].fail_undo = -1;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_LEFT_BEHIND, "what task 'd1' made (cannot");
	job_free(g_steal_pointer(&job));
	g_string_truncate(calls, 0);

	assert_nothing_to_do(store, 0);
	recover_one_to(store, 0, JOB_RECOVER_DEBTS, JOB_DEBT);
	assert_calls("undo d1"); /* once each time */
	assert_there("1100");
	orders[1].fail_undo = 0;
	recover_one_to(store, 1, JOB_RECOVER_DEBTS, JOB_ROLLED_BACK);
	assert_calls("undo d1, undo d0");
	assert_there("0000");
	assert_nothing_to_do(store, JOB_RECOVER_DEBTS);
}

static void test_cancelled_while_dead(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(GError) error = NULL;

	die_in_attempt(1);
	store = open_store();
	assert_ok(job_cancel(store, 1, &error), error);
	recover_one_to(store, 1, 0, JOB_ROLLED_BACK);
	assert_calls("undo d1, undo d0");
	assert_there("0000");
}

static void test_deadline_while_dead(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(Job) job = create(store, 2, 1);

	job_free(g_steal_pointer(&job));
	g_usleep(G_USEC_PER_SEC);
	recover_one_to(store, 1, 0, JOB_ROLLED_BACK);
	assert_calls("");
}

static void test_owner_lives(void **state)
{
	g_autoptr(Store) store = open_store(), other = open_store();
	g_autoptr(Job) job = create(store, 2, 0);
	g_autoptr(GError) error = NULL;

	assert_nothing_to_do(other, JOB_RECOVER_DEBTS);
	assert_null(job_recover(other, kinds, 1, 0, &quick, &error));
	assert_error(&error, WHERRY_ERROR_BUSY, "works on job 1 (a test); 'wherry job cancel 1'");
	assert_null(job_recover(other, kinds, 2, 0, &quick, &error));
	assert_error(&error, WHERRY_ERROR_NOT_FOUND, "there is no job 2");
	assert_ok(job_run(job, &quick, &error), error);
}

/* Left as it is: by a version that does not know it, or makes other tasks of it. */
static void test_not_ours(void **state)
{
	const struct job_kind *const none[] = { NULL };
	g_autoptr(Store) store = open_store();
	g_autoptr(GPtrArray) unknown = NULL, changed = NULL;
	const struct job_recovery *recovery;
	g_autoptr(GError) error = NULL;

	job_free(create(store, 2, 0));
	unknown = job_recover(store, none, 0, 0, &quick, &error);
	assert_ok(unknown, error);
	recovery = g_ptr_array_index(unknown, 0);
	assert_non_null(
	    strstr(recovery->failure->message, "is of kind 'place', which this wherry"));

	task_names[0] = "renamed";
	changed = job_recover(store, kinds, 0, 0, &quick, &error);
	assert_ok(changed, error);
	recovery = g_ptr_array_index(changed, 0);
	assert_non_null(strstr(recovery->failure->message, "had other tasks"));
	assert_calls("");
	assert_state(1, JOB_RUNNING);
}

static void test_damaged_rows(void **state)
{
	g_autoptr(Store) store = open_store();
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Statement) change = NULL;
	g_autoptr(GError) error = NULL;

	job_free(create(store, 2, 0));
	assert_ok(transaction_begin(&transaction, store, &error), error);
	change = store_prepare(store, "UPDATE job_task SET state = 'lost'", &error);
	assert_ok(statement_run(change, &error), error);
	assert_ok(transaction_commit(&transaction, &error), error);
	assert_null(job_record_read(store, 1, &error));
	assert_error(&error, WHERRY_ERROR_DAMAGED, "job 1 in the store");
}

/* Past the point of no return every recovery goes on, whatever was asked meanwhile. */
static void test_finishing(void **state)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) done = NULL;
	Job *job = create(store, 1, 0);

	orders[1].commit = true;
	orders[3].fail = 2;
	assert_false(job_run(job, &quick, &error));
	assert_error(&error, WHERRY_ERROR_LEFT_BEHIND, "'d3'");
	job_free(job);
	done = job_recover(store, kinds, 0, 0, &quick, &error);
	assert_ok(done, error);
	assert_state(1, JOB_FINISHING);
	recover_one_to(store, 0, 0, JOB_DONE);
	assert_there("1111");
	assert_calls("run d0, run d1, run d2, run d3, run d3, run d3");
}

/* Before it goes back it must know whether it may: that question is not cut off by the cancel. */
static void test_cancelled_question(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(GError) error = NULL;

	die_in_attempt(1);
	store = open_store();
	assert_ok(job_cancel(store, 1, &error), error);
	slow_questions = true;
	recover_one_to(store, 1, 0, JOB_ROLLED_BACK);
	assert_there("0000");
}

/* It was past its point of no return when its process died: the cancel came too late. */
static void test_settled(void **state)
{
	g_autoptr(Store) store = NULL;
	g_autoptr(GError) error = NULL;

	die_in_attempt(1);
	store = open_store();
	assert_ok(job_cancel(store, 1, &error), error);
	slow_questions = settle_commits = true;
	recover_one_to(store, 1, 0, JOB_DONE);
	assert_calls("run d1, run d2, run d3");
	assert_there("1111");
}

/* While it is asked whether it can go on: then it need not. */
static void test_cancelled_in_resume(void **state)
{
	g_autoptr(Store) store = NULL;

	die_in_attempt(1);
	store = open_store();
	cancel_in_resume = true;
	recover_one_to(store, 1, 0, JOB_ROLLED_BACK);
	assert_calls("resume? yes, undo d1, undo d0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		job_test(test_resumed),
		job_test(test_needs_are_gone),
		job_test(test_no_answer),
		job_test(test_attempts_survive),
		job_test(test_rollback_goes_on),
		job_test(test_debts),
		job_test(test_cancelled_while_dead),
		job_test(test_deadline_while_dead),
		job_test(test_owner_lives),
		job_test(test_not_ours),
		job_test(test_damaged_rows),
		job_test(test_finishing),
		job_test(test_cancelled_question),
		job_test(test_settled),
		job_test(test_cancelled_in_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
