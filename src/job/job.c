/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A job as an object: made, taken over, ended; and what its tasks may ask of it. */
#include "job/job-inner.h"

#include "base/autofd.h"
#include "job/lock.h"

#include <unistd.h>

struct job_plan {
	GArray *tasks;
};

static void task_clear(void *p)
{
	struct job_task *task = p;

	g_free((char *)(uintptr_t)task->name);
}

void job_plan_add(JobPlan *plan, const struct job_task *task)
{
	struct job_task copy = *task;

	copy.name = g_strdup(task->name);
	g_array_append_val(plan->tasks, copy);
}

/* The kind's data and tasks; takes @record and @lock_fd. */
static Job *job_new(Store *store, const struct job_kind *kind, JobRecord *record, int lock_fd,
		    GError **error)
{
	g_autoptr(Job) job = g_new0(Job, 1);
	JobPlan plan;

	job->store = store;
	job->kind = kind;
	job->record = record;
	job->lock_fd = lock_fd;
	job->tasks = g_array_new(false, false, sizeof(struct job_task));
	g_array_set_clear_func(job->tasks, task_clear);
	job->data = kind->load(record->params, error);
	if (!job->data)
		return NULL;
	plan.tasks = job->tasks;
	kind->plan(job->data, &plan);
	g_assert(job->tasks->len > 0);
	return g_steal_pointer(&job);
}

static JobRecord *new_record(const struct job_kind *kind, const struct job_spec *spec)
{
	JobRecord *record = job_record_new();

	record->uuid = g_uuid_string_random();
	record->kind = g_strdup(kind->name);
	record->title = g_strdup(spec->title);
	record->params = g_strdup(spec->params);
	record->attempts = spec->attempts > 0 ? spec->attempts : JOB_ATTEMPTS_DEFAULT;
	record->state = JOB_RUNNING;
	record->created = g_get_real_time();
	record->owner = getpid();
	if (spec->timeout > 0)
		record->deadline = record->created + (int64_t)spec->timeout * G_USEC_PER_SEC;
	return record;
}

Job *job_create(Store *store, const struct job_kind *kind, const struct job_spec *spec,
		GError **error)
{
	autofd int lock_fd = lock_file_open(store_path(store), error);
	g_autoptr(Job) job = NULL;

	if (lock_fd < 0)
		return NULL;
	job = job_new(store, kind, new_record(kind, spec), g_steal_fd(&lock_fd), error);
	if (!job)
		return NULL;
	for (unsigned int i = 0; i < job->tasks->len; i++)
		job_record_add_task(job->record, job_task_at(job, i)->name);
	if (!journal_create(store, job->record, job->lock_fd, error))
		return NULL;
	return g_steal_pointer(&job);
}

/* The journal's tasks are those that the kind makes of the same parameters today. */
static bool check_names(const Job *job, GError **error)
{
	bool same = job->tasks->len == job->record->tasks->len;

	for (unsigned int i = 0; same && i < job->tasks->len; i++)
		same = g_str_equal(job_task_at(job, i)->name, job_task_record(job, i)->name);
	if (!same)
		g_set_error(
		    error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "job %" G_GINT64_FORMAT
		    " was begun by a wherry whose jobs of kind '%s' had other tasks; use that "
		    "version to end it",
		    job->record->id, job->kind->name);
	return same;
}

Job *job_adopt(Store *store, const struct job_kind *kind, JobRecord *record, int lock_fd,
	       GError **error)
{
	g_autoptr(Job) job = job_new(store, kind, record, lock_fd, error);

	if (!job || !check_names(job, error))
		return NULL;
	job->adopted = true;
	record->owner = getpid();
	return g_steal_pointer(&job);
}

void job_free(Job *job)
{
	if (!job)
		return;
	if (job->data)
		job->kind->free(job->data);
	g_array_unref(job->tasks);
	job_record_free(job->record);
	g_clear_object(&job->committed);
	autofd_clear(&job->lock_fd); /* the last of all: from here on others may take it over */
	g_free(job);
}

int64_t job_id(const Job *job)
{
	return job->record->id;
}

void *job_data(const Job *job)
{
	return job->data;
}

const char *job_uuid(const Job *job)
{
	return job->record->uuid;
}

const struct job_task *job_task_at(const Job *job, unsigned int position)
{
	return &g_array_index(job->tasks, struct job_task, position);
}

struct task_record *job_task_record(const Job *job, unsigned int position)
{
	return g_ptr_array_index(job->record->tasks, position);
}

int64_t job_context_id(const JobContext *context)
{
	return context->job->record->id;
}

const char *job_context_uuid(const JobContext *context)
{
	return context->job->record->uuid;
}

unsigned int job_context_attempt(const JobContext *context)
{
	return context->attempt;
}

GCancellable *job_context_cancellable(const JobContext *context)
{
	return context->cancellable;
}

enum watch_reason job_asked_to_stop(const JobContext *context)
{
	if (!context->watch || context->job->record->state == JOB_FINISHING)
		return WATCH_NONE;
	return watch_ask(context->watch, context->job->store);
}

bool job_context_check(const JobContext *context, GError **error)
{
	if (job_asked_to_stop(context) == WATCH_NONE)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "stopped on request");
	return false;
}

/* Whether all that the tasks before this one made is still there: debts that were never tried. */
static bool is_whole_before(const JobContext *context)
{
	for (int i = 0; i < context->position; i++) {
		const struct task_record *task = job_task_record(context->job, (unsigned int)i);

		if (task->state != TASK_DONE && task->undo_attempts > 0)
			return false;
	}
	return true;
}

/* In the journal first, and only then here. */
static bool save_committed(JobContext *context, GError **error)
{
	JobRecord *record = context->job->record;
	enum job_state state = record->state;
	int64_t deadline = record->deadline;

	record->state = JOB_FINISHING;
	record->deadline = 0;
	if (journal_save(context->job->store, record, JOURNAL_NO_TASK, error))
		return true;
	record->state = state;
	record->deadline = deadline;
	return false;
}

bool job_commit(JobContext *context, GError **error)
{
	if (context->job->record->state == JOB_ROLLING_BACK && !is_whole_before(context)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "job %" G_GINT64_FORMAT
			    " cannot go forward again: it is rolled back in part",
			    context->job->record->id);
		return false;
	}
	if (context->job->record->state != JOB_FINISHING && !save_committed(context, error))
		return false;
	if (!context->job->committed)
		context->job->committed = g_cancellable_new();
	context->cancellable = context->job->committed;
	return true;
}

void job_give_up(JobContext *context)
{
	context->given_up = true;
}

int64_t job_context_deadline(const JobContext *context)
{
	return context->job->record->deadline;
}

bool job_context_set_timeout(JobContext *context, uint64_t seconds, GError **error)
{
	JobRecord *record = context->job->record;
	int64_t before = record->deadline;

	record->deadline = seconds == 0 ? 0 : g_get_real_time() + (int64_t)seconds * G_USEC_PER_SEC;
	if (!journal_save(context->job->store, record, JOURNAL_NO_TASK, error)) {
		record->deadline = before;
		return false;
	}
	if (context->watch)
		watch_set_deadline(context->watch, record->deadline);
	return true;
}

bool job_note(JobContext *context, const char *key, const char *value, GError **error)
{
	return job_note_all(context, &(struct job_pair){ key, value }, 1, error);
}

bool job_note_all(JobContext *context, const struct job_pair *pairs, size_t count, GError **error)
{
	g_assert(context->position != JOURNAL_NO_TASK);
	return journal_note(context->job->store, context->job->record, context->position, pairs,
			    count, error);
}

/* NULL if the job has no task of that name. */
static const struct task_record *find_task(const JobContext *context, const char *name)
{
	if (!name)
		return job_task_record(context->job, (unsigned int)context->position);
	for (unsigned int i = 0; i < context->job->tasks->len; i++)
		if (g_str_equal(job_task_record(context->job, i)->name, name))
			return job_task_record(context->job, i);
	return NULL;
}

const char *job_noted(const JobContext *context, const char *task, const char *key)
{
	const struct task_record *record = find_task(context, task);

	for (unsigned int i = 0; record && i < record->notes->len; i++) {
		const struct task_note *note = g_ptr_array_index(record->notes, i);

		if (g_str_equal(note->key, key))
			return note->value;
	}
	return NULL;
}

void job_set_result(JobContext *context, const char *text)
{
	JobRecord *record = context->job->record;

	g_free(record->result);
	record->result = g_strdup(text);
}

bool job_progress(const struct progress *now, void *p)
{
	const JobContext *context = p;
	const struct job_runner *runner = context->runner;
	bool on = !runner->progress || runner->progress(now, runner->userdata);

	if (!context->watch || context->job->record->state == JOB_FINISHING)
		return true;
	if (!on)
		watch_stop(context->watch);
	return on && !g_cancellable_is_cancelled(context->cancellable);
}

static void G_GNUC_PRINTF(3, 0) tell(void (*where)(const char *text, void *userdata),
				     void *userdata, const char *format, va_list ap)
{
	g_autofree char *text = g_strdup_vprintf(format, ap);

	if (where)
		where(text, userdata);
}

void job_tell(const struct job_runner *runner, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell(runner->say, runner->userdata, format, ap);
	va_end(ap);
}

void job_caution(const struct job_runner *runner, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell(runner->warn, runner->userdata, format, ap);
	va_end(ap);
}

void job_say(JobContext *context, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell(context->runner->say, context->runner->userdata, format, ap);
	va_end(ap);
}

void job_warn(JobContext *context, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	tell(context->runner->warn, context->runner->userdata, format, ap);
	va_end(ap);
}
