/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job forward: its tasks in order, each until it has run or failed for good. */
#include "job/job-inner.h"

#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS   30000

bool job_error_is_final(const GError *failure)
{
	static const enum wherry_error final[] = {
		WHERRY_ERROR_USAGE,   WHERRY_ERROR_INVALID_INPUT, WHERRY_ERROR_UNSUPPORTED,
		WHERRY_ERROR_DAMAGED, WHERRY_ERROR_DIFFERENT,     WHERRY_ERROR_EXISTS,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(final); i++)
		if (g_error_matches(failure, WHERRY_ERROR, (int) final[i]))
			return true;
	return false;
}

unsigned int job_pause_ms(const struct job_runner *runner, unsigned int failures)
{
	unsigned int ms = runner->pause_first_ms > 0 ? runner->pause_first_ms : PAUSE_FIRST_MS;
	unsigned int max = runner->pause_max_ms > 0 ? runner->pause_max_ms : PAUSE_MAX_MS;

	for (unsigned int i = 1; i < failures && ms < max; i++)
		ms *= 2;
	return MIN(ms, max);
}

/* From here on the job goes back, because of @failure (taken).  0, or -1: not in the journal. */
static int turn_back(Job *job, int position, char *failure, enum wherry_error code, GError **error)
{
	g_free(job->record->failure);
	job->record->failure = failure;
	job->record->failure_code = (int)code;
	job->record->state = JOB_ROLLING_BACK;
	return journal_save(job->store, job->record, position, error) ? 0 : -1;
}

static int turn_back_stopped(Job *job, int position, enum watch_reason reason, GError **error)
{
	const char *name = job_task_record(job, (unsigned int)MAX(position, 0))->name;
	const char *when = position == JOURNAL_NO_TASK ? "before" : "in";

	if (reason == WATCH_TIME)
		return turn_back(job, position,
				 g_strdup_printf("its time was over after %" G_GINT64_FORMAT
						 " s, %s task '%s'",
						 (g_get_real_time() - job->record->created) /
						     G_USEC_PER_SEC,
						 when, name),
				 WHERRY_ERROR_TIMED_OUT, error);
	return turn_back(job, position,
			 g_strdup_printf("%s %s task '%s'",
					 reason == WATCH_USER ? "interrupted" : "cancelled", when,
					 name),
			 WHERRY_ERROR_CANCELLED, error);
}

static void begin_task(const Job *job, int position)
{
	struct task_record *task = job_task_record(job, (unsigned int)position);

	task->state = TASK_RUNNING;
	task->attempts++;
	if (task->started == 0)
		task->started = g_get_real_time();
}

static bool save_begin(JobContext *context, GError **error)
{
	if (context->begun == context->position) {
		context->begun = JOURNAL_NO_TASK;
		return true;
	}
	begin_task(context->job, context->position);
	return journal_save(context->job->store, context->job->record, context->position, error);
}

/* The next that has not run, after the one at @position; JOURNAL_NO_TASK: none. */
static int find_next(const Job *job, int position)
{
	for (unsigned int i = (unsigned int)position + 1; i < job->tasks->len; i++)
		if (job_task_record(job, i)->state != TASK_DONE)
			return (int)i;
	return JOURNAL_NO_TASK;
}

/* With the begin of the next, unless the job has to stop; the last task's end is the job's. */
static bool save_done(JobContext *context, GError **error)
{
	Job *job = context->job;
	struct task_record *task = job_task_record(job, (unsigned int)context->position);
	int next = find_next(job, context->position);

	task->state = TASK_DONE;
	task->ended = g_get_real_time();
	if (next == JOURNAL_NO_TASK) {
		job->record->state = JOB_DONE;
		job->record->ended = task->ended;
	} else if (job_asked_to_stop(context) == WATCH_NONE) {
		begin_task(job, next);
		context->begun = next;
	}
	return journal_save_step(job->store, job->record, context->position, context->begun, error);
}

/* After job_commit() there is no way back: 1: may be tried again, -1: not now. */
static int save_unfinished(Job *job, int position, const GError *failure, GError **error)
{
	const struct task_record *task = job_task_record(job, (unsigned int)position);

	if (!journal_save(job->store, job->record, position, error))
		return -1;
	if (!job_error_is_final(failure) && task->failures < job->record->attempts)
		return 1;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND,
		    "%s is past the point of no return, but task '%s' failed %u times, at last: %s",
		    job->record->title, task->name, task->failures, failure->message);
	return -1;
}

/* 1: may be tried again, 0: the job goes back, -1: neither, and @error says why. */
static int save_failed(const JobContext *context, const GError *failure, GError **error)
{
	Job *job = context->job;
	int position = context->position;
	struct task_record *task = job_task_record(job, (unsigned int)position);

	task->state = TASK_FAILED;
	task->ended = g_get_real_time();
	task->failures++;
	g_free(task->error);
	task->error = g_strdup(failure->message);
	if (job->record->state == JOB_FINISHING)
		return save_unfinished(job, position, failure, error);
	if (job_error_is_final(failure) || context->given_up)
		return turn_back(job, position,
				 g_strdup_printf("task '%s': %s", task->name, failure->message),
				 (enum wherry_error)failure->code, error);
	if (task->failures >= job->record->attempts)
		return turn_back(job, position,
				 g_strdup_printf("task '%s' failed %u times, at last: %s",
						 task->name, task->failures, failure->message),
				 failure->domain == WHERRY_ERROR ? (enum wherry_error)failure->code
								 : WHERRY_ERROR_IO,
				 error);
	return journal_save(job->store, job->record, position, error) ? 1 : -1;
}

/* One attempt.  1: it has run, 0: the job goes back, 2: it may be tried again, -1: as above. */
static int try_task(JobContext *context, enum watch_reason *ret_stopped, GError **error)
{
	Job *job = context->job;
	const struct job_task *task = job_task_at(job, (unsigned int)context->position);
	struct task_record *record = job_task_record(job, (unsigned int)context->position);
	g_autoptr(GError) failure = NULL;
	int r;

	if (!save_begin(context, error))
		return -1;
	context->attempt = record->attempts;
	context->given_up = false;
	job_tell(context->runner, "task '%s': attempt %u", task->name, record->attempts);
	if (task->run(context, job->data, task->item, &failure))
		return save_done(context, error) ? 1 : -1;
	g_assert(failure);

	*ret_stopped = job_asked_to_stop(context);
	if (*ret_stopped != WATCH_NONE) {
		record->state = TASK_FAILED;
		record->ended = g_get_real_time();
		g_free(record->error);
		record->error = g_strdup(failure->message);
		return turn_back_stopped(job, context->position, *ret_stopped, error);
	}
	r = save_failed(context, failure, error);
	if (r <= 0)
		return r;
	job_caution(context->runner, "task '%s' failed %u of %u times: %s", task->name,
		    record->failures, job->record->attempts, failure->message);
	watch_pause(context->watch, job_pause_ms(context->runner, record->failures));
	return 2;
}

/* 1: it has run, 0: the job goes back, -1: the journal cannot be written. */
static int run_task(JobContext *context, enum watch_reason *ret_stopped, GError **error)
{
	int r;

	do {
		/* Of one that is begun it was asked before that was written. */
		*ret_stopped =
		    context->begun == context->position ? WATCH_NONE : job_asked_to_stop(context);
		if (*ret_stopped != WATCH_NONE)
			return turn_back_stopped(context->job, context->position, *ret_stopped,
						 error);
		r = try_task(context, ret_stopped, error);
	} while (r == 2);
	return r;
}

/* Which way is right depends on the answer, so no wish to end cuts the question off. */
static bool ask_settle(const JobContext *context, GError **error)
{
	const struct job_kind *kind = context->job->kind;
	g_autoptr(GCancellable) never = g_cancellable_new();
	JobContext asking = {
		.job = context->job,
		.runner = context->runner,
		.position = JOURNAL_NO_TASK,
		.cancellable = never,
	};

	return !kind->settle || kind->settle(&asking, context->job->data, error);
}

/* May a job that another process began go on?  1, 0: it goes back, -1: not now. */
static int ask_resume(JobContext *context, GError **error)
{
	Job *job = context->job;
	g_autofree char *reason = NULL;
	g_autoptr(GError) cause = NULL;
	int r;

	if (job->adopted && job->record->state != JOB_FINISHING && !ask_settle(context, error))
		return -1;
	if (job->record->state == JOB_FINISHING)
		return job_commit(context, error) ? 1 : -1; /* as it was */
	if (!job->adopted || job_asked_to_stop(context) != WATCH_NONE)
		return 1; /* the first task sees why it has to stop */
	r = job->kind->resume(context, job->data, &reason, &cause);
	g_assert(r != 0 || reason);
	if (r == 0)
		return turn_back(job, JOURNAL_NO_TASK,
				 g_strdup_printf("it cannot be resumed: %s", reason),
				 WHERRY_ERROR_NOT_FOUND, error);
	if (r < 0 && job_asked_to_stop(context) != WATCH_NONE)
		return 1; /* what going on needs is not asked any more */
	if (r < 0)
		g_propagate_error(error, g_steal_pointer(&cause));
	return r;
}

/* 1: done, 0: the job goes back, -1: neither, and the journal says how far it is. */
static int run_forward(Job *job, const struct job_runner *runner, enum watch_reason *ret_stopped,
		       GError **error)
{
	g_autoptr(Watch) watch =
	    watch_start(store_path(job->store), job->record->id, job->record->deadline, runner);
	JobContext context = {
		.job = job,
		.runner = runner,
		.position = JOURNAL_NO_TASK,
		.begun = JOURNAL_NO_TASK,
		.watch = watch,
		.cancellable = watch_cancellable(watch),
	};
	int r = ask_resume(&context, error);

	for (unsigned int i = 0; r == 1 && i < job->tasks->len; i++) {
		if (job_task_record(job, i)->state == TASK_DONE)
			continue;
		context.position = (int)i;
		r = run_task(&context, ret_stopped, error);
	}
	return r;
}

/* "task 'a' (reason), task 'b' (reason)"; owned by the caller. */
static char *describe_debts(const Job *job)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (unsigned int i = 0; i < job->tasks->len; i++) {
		const struct task_record *task = job_task_record(job, i);

		if (task->state == TASK_DEBT)
			g_string_append_printf(text, "%swhat task '%s' made (%s)",
					       text->len ? ", " : "", task->name, task->undo_error);
	}
	return g_string_free(g_steal_pointer(&text), false);
}

static void set_failure(const Job *job, bool by_user, GError **error)
{
	const JobRecord *record = job->record;
	g_autofree char *debts = NULL;

	if (record->state == JOB_DEBT) {
		debts = describe_debts(job);
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND,
			    "job %" G_GINT64_FORMAT
			    " (%s) is not rolled back completely: %s; left: "
			    "%s; 'wherry job recover %" G_GINT64_FORMAT "' tries again",
			    record->id, record->title, record->failure, debts, record->id);
		return;
	}
	g_set_error(error, WHERRY_ERROR,
		    by_user ? WHERRY_ERROR_CANCELLED : WHERRY_ERROR_ROLLED_BACK,
		    "job %" G_GINT64_FORMAT " (%s) is rolled back: %s", record->id, record->title,
		    record->failure);
}

bool job_run(Job *job, const struct job_runner *runner, GError **error)
{
	static const struct job_runner nobody = { 0 };
	enum watch_reason stopped = WATCH_NONE;
	int r = 0;

	if (!runner)
		runner = &nobody;
	g_assert(job_record_is_open(job->record));
	if (job->record->state == JOB_RUNNING || job->record->state == JOB_FINISHING)
		r = run_forward(job, runner, &stopped, error);
	if (r == 0 && job_roll_back(job, runner, error)) {
		if (job->record->state != JOB_FINISHING) {
			set_failure(job, stopped == WATCH_USER, error);
			return false;
		}
		r = run_forward(job, runner, &stopped, error);
	}
	if (r <= 0)
		g_prefix_error(error,
			       "job %" G_GINT64_FORMAT
			       " is unfinished ('wherry job recover' goes on with it): ",
			       job->record->id);
	return r > 0;
}
