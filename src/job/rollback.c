/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job back: what its tasks made goes, last first; what cannot go is a debt. */
#include "job/job-inner.h"

static bool needs_undo(const Job *job, unsigned int position)
{
	if (!job_task_at(job, position)->undo)
		return false;
	switch (job_task_record(job, position)->state) {
	case TASK_WAITING:
	case TASK_UNDONE:
		return false;
	case TASK_RUNNING:
	case TASK_FAILED:
	case TASK_DONE:
	case TASK_UNDOING:
	case TASK_DEBT:
		break;
	}
	return true;
}

static bool save_state(Job *job, unsigned int position, enum task_state state, GError **error)
{
	struct task_record *task = job_task_record(job, position);

	task->state = state;
	if (state == TASK_UNDOING) {
		task->undo_attempts++;
		if (task->undo_started == 0)
			task->undo_started = g_get_real_time();
	} else {
		task->undo_ended = g_get_real_time();
	}
	return journal_save(job->store, job->record, (int)position, error);
}

static void set_undo_error(struct task_record *task, char *text)
{
	g_free(task->undo_error);
	task->undo_error = text;
}

/*
 * The undo found that its task has run for good: so have those before it, of which nothing was
 * undone.
 */
static bool save_forward(Job *job, unsigned int position, GError **error)
{
	g_clear_pointer(&job->record->failure, g_free);
	job->record->failure_code = 0;
	job->record->ended = 0;
	for (unsigned int i = 0; i <= position; i++)
		if (!save_state(job, i, TASK_DONE, error))
			return false;
	return true;
}

/*
 * One attempt.  1: undone, 0: a debt, 2: may be tried again, 3: the job goes forward, -1: the
 * journal cannot be written.
 */
static int try_undo(JobContext *context, GError **error)
{
	Job *job = context->job;
	unsigned int position = (unsigned int)context->position;
	const struct job_task *task = job_task_at(job, position);
	struct task_record *record = job_task_record(job, position);
	g_autoptr(GError) failure = NULL;
	bool again;

	if (!save_state(job, position, TASK_UNDOING, error))
		return -1;
	context->attempt = record->undo_attempts;
	job_tell(context->runner, "undoing task '%s': attempt %u", task->name,
		 record->undo_attempts);
	if (task->undo(context, job->data, task->item, &failure)) {
		if (job->record->state == JOB_FINISHING)
			return save_forward(job, position, error) ? 3 : -1;
		return save_state(job, position, TASK_UNDONE, error) ? 1 : -1;
	}
	g_assert(failure);

	record->undo_failures++;
	set_undo_error(record, g_strdup(failure->message));
	again = !job_error_is_final(failure) && record->undo_failures < job->record->attempts;
	if (!save_state(job, position, again ? TASK_UNDOING : TASK_DEBT, error))
		return -1;
	job_caution(context->runner, "undoing task '%s' failed %u times: %s", task->name,
		    record->undo_failures, failure->message);
	if (!again)
		return 0;
	g_usleep(job_pause_ms(context->runner, record->undo_failures) * 1000UL);
	return 2;
}

/* Until it is undone (1), a debt (0), or goes forward (3); -1: the journal cannot be written. */
static int undo_task(Job *job, const struct job_runner *runner, unsigned int position,
		     GError **error)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	JobContext context = {
		.job = job,
		.runner = runner,
		.position = (int)position,
		.cancellable = cancellable,
	};
	int r;

	do
		r = try_undo(&context, error);
	while (r == 2);
	return r;
}

/* A task that had no time to say how it ended, and needs no undo. */
static bool end_task(Job *job, unsigned int position, GError **error)
{
	struct task_record *task = job_task_record(job, position);

	if (task->state != TASK_RUNNING)
		return true;
	task->state = TASK_FAILED;
	g_free(task->error);
	task->error = g_strdup("its process died");
	return journal_save(job->store, job->record, (int)position, error);
}

/* Does what task @position made stay, since a later one, @debt (-1: none), could not be undone? */
static bool is_held(const Job *job, unsigned int position, int debt)
{
	const char *group = job_task_at(job, position)->group;

	return debt >= 0 &&
	       (!group || g_strcmp0(group, job_task_at(job, (unsigned int)debt)->group) != 0);
}

/* A debt without an attempt.  0, or -1: the journal cannot be written. */
static int hold_task(Job *job, unsigned int position, int debt, GError **error)
{
	set_undo_error(job_task_record(job, position),
		       g_strdup_printf("needed by what task '%s' made",
				       job_task_at(job, (unsigned int)debt)->name));
	return save_state(job, position, TASK_DEBT, error) ? 0 : -1;
}

/* Each task from the last to the first; *@ret_debts counts those that are left. */
static bool undo_all(Job *job, const struct job_runner *runner, unsigned int *ret_debts,
		     GError **error)
{
	int debt = -1; /* the first that could not be undone */

	*ret_debts = 0;
	for (unsigned int i = job->tasks->len; i-- > 0;) {
		int r = 1;

		if (!needs_undo(job, i))
			r = end_task(job, i, error) ? 1 : -1;
		else if (is_held(job, i, debt))
			r = hold_task(job, i, debt, error);
		else
			r = undo_task(job, runner, i, error);
		if (r < 0)
			return false;
		if (r == 3)
			return true;
		if (r == 0) {
			++*ret_debts;
			debt = debt < 0 ? (int)i : debt;
		}
	}
	return true;
}

bool job_roll_back(Job *job, const struct job_runner *runner, GError **error)
{
	unsigned int debts;

	job->record->state = JOB_ROLLING_BACK;
	if (!undo_all(job, runner, &debts, error))
		return false;
	if (job->record->state == JOB_FINISHING)
		return true;
	job->record->state = debts > 0 ? JOB_DEBT : JOB_ROLLED_BACK;
	job->record->ended = g_get_real_time();
	return journal_save(job->store, job->record, JOURNAL_NO_TASK, error);
}
