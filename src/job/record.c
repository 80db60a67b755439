/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of the store become records.  A row that cannot be right is DAMAGED, not a crash. */
#include "job/record.h"

#include "base/autofd.h"
#include "base/error.h"
#include "job/lock.h"

#define JOB_COLUMNS                                                                          \
	"id, uuid, kind, title, params, attempts, state, cancel, created, ended, deadline, " \
	"owner, failure, failure_code, result"
#define TASK_COLUMNS                                                                         \
	"position, name, state, attempts, failures, undo_attempts, undo_failures, started, " \
	"ended, undo_started, undo_ended, error, undo_error"

static const char *const job_states[] = {
	[JOB_RUNNING] = "running",           [JOB_FINISHING] = "finishing",
	[JOB_ROLLING_BACK] = "rolling back", [JOB_DONE] = "done",
	[JOB_ROLLED_BACK] = "rolled back",   [JOB_DEBT] = "not rolled back completely",
};

static const char *const task_states[] = {
	[TASK_WAITING] = "waiting", [TASK_RUNNING] = "running",      [TASK_FAILED] = "failed",
	[TASK_DONE] = "done",       [TASK_UNDOING] = "being undone", [TASK_UNDONE] = "undone",
	[TASK_DEBT] = "not undone",
};

const char *job_state_name(enum job_state state)
{
	return job_states[state];
}

const char *task_state_name(enum task_state state)
{
	return task_states[state];
}

bool job_record_is_open(const JobRecord *record)
{
	return record->state != JOB_DONE && record->state != JOB_ROLLED_BACK;
}

/* The index of @name, or -1. */
static int find_state(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (g_strcmp0(names[i], name) == 0)
			return (int)i;
	return -1;
}

static void note_free(void *p)
{
	struct task_note *note = p;

	g_free(note->key);
	g_free(note->value);
	g_free(note);
}

static void task_free(void *p)
{
	struct task_record *task = p;

	g_free(task->name);
	g_free(task->error);
	g_free(task->undo_error);
	g_ptr_array_unref(task->notes);
	g_free(task);
}

void job_record_free(JobRecord *record)
{
	if (!record)
		return;
	g_free(record->uuid);
	g_free(record->kind);
	g_free(record->title);
	g_free(record->params);
	g_free(record->failure);
	g_free(record->result);
	g_ptr_array_unref(record->tasks);
	g_free(record);
}

JobRecord *job_record_new(void)
{
	JobRecord *record = g_new0(JobRecord, 1);

	record->tasks = g_ptr_array_new_with_free_func(task_free);
	return record;
}

struct task_record *job_record_add_task(JobRecord *record, const char *name)
{
	struct task_record *task = g_new0(struct task_record, 1);

	task->name = g_strdup(name);
	task->notes = g_ptr_array_new_with_free_func(note_free);
	g_ptr_array_add(record->tasks, task);
	return task;
}

void task_record_note(struct task_record *task, const char *key, const char *value, int64_t time)
{
	struct task_note *note = NULL;
	unsigned int i;

	for (i = 0; i < task->notes->len; i++) {
		note = g_ptr_array_index(task->notes, i);
		if (g_str_equal(note->key, key))
			break;
	}
	if (i < task->notes->len && !value) {
		g_ptr_array_remove_index(task->notes, i);
		return;
	}
	if (!value)
		return;
	if (i == task->notes->len) {
		note = g_new0(struct task_note, 1);
		note->key = g_strdup(key);
		g_ptr_array_add(task->notes, note);
	}
	g_free(note->value);
	note->value = g_strdup(value);
	note->time = time;
}

static void set_damaged(Store *store, int64_t id, GError **error)
{
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "job %" G_GINT64_FORMAT
		    " in the store '%s' has a state or a task that no wherry "
		    "writes",
		    id, store_path(store));
}

/* A row of JOB_COLUMNS. */
static JobRecord *job_from_row(Store *store, const Statement *row, GError **error)
{
	g_autoptr(JobRecord) record = job_record_new();
	int state = find_state(job_states, G_N_ELEMENTS(job_states), statement_text(row, 6));

	record->id = statement_int(row, 0);
	record->uuid = statement_dup_text(row, 1);
	record->kind = statement_dup_text(row, 2);
	record->title = statement_dup_text(row, 3);
	record->params = statement_dup_text(row, 4);
	record->attempts = (unsigned int)statement_int(row, 5);
	record->cancel = statement_int(row, 7) != 0;
	record->created = statement_int(row, 8);
	record->ended = statement_int(row, 9);
	record->deadline = statement_int(row, 10);
	record->owner = statement_int(row, 11);
	record->failure = statement_dup_text(row, 12);
	record->failure_code = (int)statement_int(row, 13);
	record->result = statement_dup_text(row, 14);
	if (state < 0) {
		set_damaged(store, record->id, error);
		return NULL;
	}
	record->state = (enum job_state)state;
	return g_steal_pointer(&record);
}

/* A row of TASK_COLUMNS, whose position must be the next one. */
static bool task_from_row(Store *store, JobRecord *record, const Statement *row, GError **error)
{
	int state = find_state(task_states, G_N_ELEMENTS(task_states), statement_text(row, 2));
	struct task_record *task;

	if (state < 0 || statement_int(row, 0) != record->tasks->len) {
		set_damaged(store, record->id, error);
		return false;
	}
	task = job_record_add_task(record, statement_text(row, 1));
	task->state = (enum task_state)state;
	task->attempts = (unsigned int)statement_int(row, 3);
	task->failures = (unsigned int)statement_int(row, 4);
	task->undo_attempts = (unsigned int)statement_int(row, 5);
	task->undo_failures = (unsigned int)statement_int(row, 6);
	task->started = statement_int(row, 7);
	task->ended = statement_int(row, 8);
	task->undo_started = statement_int(row, 9);
	task->undo_ended = statement_int(row, 10);
	task->error = statement_dup_text(row, 11);
	task->undo_error = statement_dup_text(row, 12);
	return true;
}

static bool read_tasks(Store *store, JobRecord *record, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store,
			  "SELECT " TASK_COLUMNS " FROM job_task WHERE job = ?1 ORDER BY position",
			  error);
	int r;

	if (!query)
		return false;
	statement_bind_int(query, 1, record->id);
	while ((r = statement_step(query, error)) > 0)
		if (!task_from_row(store, record, query, error))
			return false;
	return r == 0;
}

static bool read_notes(Store *store, JobRecord *record, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store,
			  "SELECT position, key, value, time FROM job_note WHERE job = ?1"
			  " ORDER BY position, id",
			  error);
	int r;

	if (!query)
		return false;
	statement_bind_int(query, 1, record->id);
	while ((r = statement_step(query, error)) > 0) {
		int64_t position = statement_int(query, 0);

		if (position < 0 || position >= record->tasks->len) {
			set_damaged(store, record->id, error);
			return false;
		}
		task_record_note(g_ptr_array_index(record->tasks, (guint)position),
				 statement_text(query, 1), statement_text(query, 2),
				 statement_int(query, 3));
	}
	return r == 0;
}

static JobRecord *read_job(Store *store, int64_t id, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store, "SELECT " JOB_COLUMNS " FROM job WHERE id = ?1", error);
	int r;

	if (!query)
		return NULL;
	statement_bind_int(query, 1, id);
	r = statement_step(query, error);
	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "there is no job %" G_GINT64_FORMAT
			    " in the store '%s'; 'wherry job list' shows all",
			    id, store_path(store));
	return r > 0 ? job_from_row(store, query, error) : NULL;
}

JobRecord *job_record_read(Store *store, int64_t id, GError **error)
{
	g_auto(Snapshot) snapshot = { 0 }; /* job, tasks and notes of one moment */
	g_autoptr(JobRecord) record = NULL;

	if (!snapshot_begin(&snapshot, store, error))
		return NULL;
	record = read_job(store, id, error);
	if (!record || !read_tasks(store, record, error) || !read_notes(store, record, error))
		return NULL;
	return g_steal_pointer(&record);
}

GPtrArray *job_record_list(Store *store, GError **error)
{
	g_autoptr(GPtrArray) records =
	    g_ptr_array_new_with_free_func((GDestroyNotify)job_record_free);
	g_autoptr(Statement) query =
	    store_prepare(store, "SELECT " JOB_COLUMNS " FROM job ORDER BY id", error);
	int r;

	if (!query)
		return NULL;
	while ((r = statement_step(query, error)) > 0) {
		JobRecord *record = job_from_row(store, query, error);

		if (!record)
			return NULL;
		g_ptr_array_add(records, record);
	}
	return r == 0 ? g_steal_pointer(&records) : NULL;
}

int job_has_owner(Store *store, int64_t id, GError **error)
{
	autofd int fd = lock_file_open(store_path(store), error);

	return fd < 0 ? -1 : lock_is_held(fd, id, error);
}
