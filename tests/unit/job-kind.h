/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kind of job for tests: each task makes a real directory, in the place where the test stands,
 * and can be told to fail.  What ran is written into a log.
 */
#pragma once

#include "job-place.h"

#include "job/job-inner.h"
#include "job/recover.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

#define N_TASKS 4

/* What a task shall do, in this process. */
struct orders {
	int fail, fail_undo; /* so many times; -1: for ever */
	enum wherry_error code;
	bool hang;   /* until it is cancelled */
	bool finish; /* ... and then make it all the same */
	bool cancel; /* ask for the end of the job, as another process would */
	bool interrupt;
	bool give_up;
	bool commit, commit_undo; /* after it was made; in place of its undo */
	uint64_t timeout;         /* seconds; set while it runs */
	int die;                  /* by SIGKILL, in attempt number so many */
};

static struct orders orders[N_TASKS];
static GString *calls;        /* "run 0, run 1, undo 0" */
static int resume_answer = 1; /* or 0, or -1 */
static bool slow_questions;   /* whether it has settled takes until it is cut off, or so long: */
enum { SLOW_MS = 500 };
static bool settle_commits;
static bool cancel_in_resume; /* by another process, as it were; and wait until it has got here */
static const char *groups[N_TASKS];
static bool interrupted;
static const char *task_names[N_TASKS] = { "d0", "d1", "d2", "d3" };

static inline void *place_load(const char *params, GError **error)
{
	if (strcmp(params, "{}") == 0)
		return g_strdup(params);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT, "bad parameters '%s'", params);
	return NULL;
}

static inline void log_call(const char *what, const char *name)
{
	g_string_append_printf(calls, "%s%s %s", calls->len ? ", " : "", what, name);
}

static inline bool obey(int *fail, const struct orders *order, const char *doing, GError **error)
{
	if (*fail == 0)
		return true;
	if (*fail > 0)
		--*fail;
	g_set_error(error, WHERRY_ERROR, (int)order->code, "cannot %s, as told", doing);
	return false;
}

static inline bool obey_in_job(JobContext *context, const struct orders *order, GError **error)
{
	Job *job = context->job;

	if (order->timeout > 0 && !job_context_set_timeout(context, order->timeout, error))
		return false;
	if (order->cancel && !job_cancel(job->store, job_id(job), error))
		return false;
	if (order->interrupt)
		interrupted = true;
	while (order->hang && !g_cancellable_is_cancelled(job_context_cancellable(context)))
		g_usleep(1000);
	if (order->hang && !order->finish)
		return job_context_check(context, error);
	return !order->commit || job_commit(context, error);
}

static inline bool place_run(JobContext *context, void *data, const void *item, GError **error)
{
	int i = *(const int *)item;

	log_call("run", task_names[i]);
	if (!job_noted(context, NULL, "made")) {
		if (g_file_test(task_names[i], G_FILE_TEST_IS_DIR))
			return true; /* found, not made */
		if (!job_note(context, "made", task_names[i], error))
			return false;
	}
	if (orders[i].die > 0 && --orders[i].die == 0)
		raise(SIGKILL);
	if (orders[i].give_up)
		job_give_up(context);
	if (!obey(&orders[i].fail, &orders[i], "make it", error))
		return false;
	if (mkdir(task_names[i], 0755) < 0 && errno != EEXIST) {
		wherry_error_sys(error, errno, "cannot make '%s'", task_names[i]);
		return false;
	}
	return obey_in_job(context, &orders[i], error);
}

static inline bool place_undo(JobContext *context, void *data, const void *item, GError **error)
{
	int i = *(const int *)item;

	log_call("undo", task_names[i]);
	assert_false(g_cancellable_is_cancelled(job_context_cancellable(context)));
	if (!job_context_check(context, error) ||
	    !obey(&orders[i].fail_undo, &orders[i], "remove it", error))
		return false;
	if (orders[i].commit_undo)
		return job_commit(context, error);
	if (!job_noted(context, NULL, "made") || rmdir(task_names[i]) == 0 || errno == ENOENT)
		return true;
	wherry_error_sys(error, errno, "cannot remove '%s'", task_names[i]);
	return false;
}

static inline void place_plan(void *data, JobPlan *plan)
{
	static const int items[N_TASKS] = { 0, 1, 2, 3 };

	for (int i = 0; i < N_TASKS; i++)
		job_plan_add(plan, &(struct job_task){
				       .name = task_names[i],
				       .item = &items[i],
				       .run = place_run,
				       .undo = place_undo,
				       .group = groups[i],
				   });
}

/* A host that takes its time. */
static inline bool ask_slowly(JobContext *context, GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);

	for (int ms = 0; slow_questions && ms < SLOW_MS; ms++) {
		if (g_cancellable_is_cancelled(cancellable)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "cut off");
			return false;
		}
		g_usleep(1000);
	}
	return true;
}

static inline bool place_settle(JobContext *context, void *data, GError **error)
{
	return ask_slowly(context, error) && (!settle_commits || job_commit(context, error));
}

static inline bool be_cancelled(JobContext *context, GError **error)
{
	if (!job_cancel(context->job->store, job_id(context->job), error))
		return false;
	while (!g_cancellable_is_cancelled(job_context_cancellable(context)))
		g_usleep(1000);
	return job_context_check(context, error);
}

static inline int place_resume(JobContext *context, void *data, char **ret_reason, GError **error)
{
	log_call("resume?", resume_answer == 0 ? "no" : "yes");
	if (cancel_in_resume && !be_cancelled(context, error))
		return -1;
	if (resume_answer == 0)
		*ret_reason = g_strdup("the medium is gone");
	if (resume_answer < 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "the host does not answer");
	return resume_answer;
}

static const struct job_kind place_kind = {
	.name = "place",
	.load = place_load,
	.plan = place_plan,
	.resume = place_resume,
	.settle = place_settle,
	.free = g_free,
};
static const struct job_kind *const kinds[] = { &place_kind, NULL };

static inline bool stop_when_interrupted(void *userdata)
{
	return interrupted;
}

static const struct job_runner quick = {
	.stop = stop_when_interrupted,
	.pause_first_ms = 1,
	.pause_max_ms = 4,
};

static inline int enter_job(void **state)
{
	memset(orders, 0, sizeof(orders));
	memset(groups, 0, sizeof(groups));
	resume_answer = 1;
	slow_questions = settle_commits = cancel_in_resume = false;
	interrupted = false;
	task_names[0] = "d0";
	calls = g_string_new(NULL);
	return enter_place(state);
}

static inline int leave_job(void **state)
{
	g_string_free(calls, true);
	return leave_place(state);
}

#define job_test(f) cmocka_unit_test_setup_teardown(f, enter_job, leave_job)

static inline Store *open_store(void)
{
	g_autoptr(GError) error = NULL;
	Store *store = store_open("state/wherry.db", &error);

	assert_ok(store, error);
	return store;
}

static inline Job *create(Store *store, unsigned int attempts, uint64_t timeout)
{
	const struct job_spec spec = {
		.title = "a test", .params = "{}", .attempts = attempts, .timeout = timeout
	};
	g_autoptr(GError) error = NULL;
	Job *job = job_create(store, &place_kind, &spec, &error);

	assert_ok(job, error);
	return job;
}

/* What ran since the last time. */
static inline void assert_calls(const char *want)
{
	assert_string_equal(calls->str, want);
	g_string_truncate(calls, 0);
}

/* "1100": which of d0 to d3 exist. */
static inline void assert_there(const char *want)
{
	char got[N_TASKS + 1] = { 0 };

	for (int i = 0; i < N_TASKS; i++)
		got[i] = g_file_test(task_names[i], G_FILE_TEST_IS_DIR) ? '1' : '0';
	assert_string_equal(got, want);
}

/* What a second connection reads of job @id. */
static inline JobRecord *read_record(int64_t id)
{
	g_autoptr(Store) store = open_store();
	g_autoptr(GError) error = NULL;
	JobRecord *record = job_record_read(store, id, &error);

	assert_ok(record, error);
	return record;
}

static inline void assert_state(int64_t id, enum job_state want)
{
	g_autoptr(JobRecord) record = read_record(id);

	assert_string_equal(job_state_name(record->state), job_state_name(want));
	assert_int_equal(record->ended > 0,
			 want != JOB_RUNNING && want != JOB_FINISHING && want != JOB_ROLLING_BACK);
}

static inline void assert_task(int64_t id, int position, enum task_state state,
			       unsigned int failures, unsigned int undo_failures)
{
	g_autoptr(JobRecord) record = read_record(id);
	const struct task_record *task = g_ptr_array_index(record->tasks, position);

	assert_string_equal(task_state_name(task->state), task_state_name(state));
	assert_int_equal(task->failures, failures);
	assert_int_equal(task->undo_failures, undo_failures);
}
