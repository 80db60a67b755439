/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of job/, and every change of them. */
#include "job/journal.h"

#include "base/error.h"
#include "job/lock.h"

static const char *const steps[] = {
	"CREATE TABLE job ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT," /* never used again */
	" uuid TEXT NOT NULL UNIQUE,"
	" kind TEXT NOT NULL,"
	" title TEXT NOT NULL,"
	" params TEXT NOT NULL,"
	" attempts INTEGER NOT NULL,"
	" state TEXT NOT NULL,"
	" cancel INTEGER NOT NULL DEFAULT 0,"
	" created INTEGER NOT NULL,"
	" ended INTEGER NOT NULL DEFAULT 0,"
	" deadline INTEGER NOT NULL DEFAULT 0,"
	" owner INTEGER NOT NULL,"
	" failure TEXT,"
	" failure_code INTEGER NOT NULL DEFAULT 0,"
	" result TEXT);"
	"CREATE TABLE job_task ("
	" job INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" state TEXT NOT NULL,"
	" attempts INTEGER NOT NULL DEFAULT 0,"
	" failures INTEGER NOT NULL DEFAULT 0,"
	" undo_attempts INTEGER NOT NULL DEFAULT 0,"
	" undo_failures INTEGER NOT NULL DEFAULT 0,"
	" started INTEGER NOT NULL DEFAULT 0,"
	" ended INTEGER NOT NULL DEFAULT 0,"
	" undo_started INTEGER NOT NULL DEFAULT 0,"
	" undo_ended INTEGER NOT NULL DEFAULT 0,"
	" error TEXT,"
	" undo_error TEXT,"
	" PRIMARY KEY (job, position),"
	" UNIQUE (job, name)) WITHOUT ROWID;"
	"CREATE TABLE job_note ("
	" id INTEGER PRIMARY KEY,"
	" job INTEGER NOT NULL,"
	" position INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" value TEXT NOT NULL,"
	" time INTEGER NOT NULL,"
	" UNIQUE (job, position, key),"
	" FOREIGN KEY (job, position) REFERENCES job_task (job, position) ON DELETE CASCADE);",
	NULL,
};

const struct store_schema journal_schema = { .room = "job", .steps = steps };

static bool insert_job(Store *store, JobRecord *record, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "INSERT INTO job (uuid, kind, title, params, attempts, state, created, deadline, owner)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
	    error);

	if (!change)
		return false;
	statement_bind_text(change, 1, record->uuid);
	statement_bind_text(change, 2, record->kind);
	statement_bind_text(change, 3, record->title);
	statement_bind_text(change, 4, record->params);
	statement_bind_int(change, 5, record->attempts);
	statement_bind_text(change, 6, job_state_name(record->state));
	statement_bind_int(change, 7, record->created);
	statement_bind_int(change, 8, record->deadline);
	statement_bind_int(change, 9, record->owner);
	if (!statement_run(change, error))
		return false;
	record->id = store_last_id(store);
	return true;
}

static bool insert_tasks(Store *store, const JobRecord *record, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store, "INSERT INTO job_task (job, position, name, state) VALUES (?1, ?2, ?3, ?4)",
	    error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < record->tasks->len; i++) {
		const struct task_record *task = g_ptr_array_index(record->tasks, i);

		statement_bind_int(change, 1, record->id);
		statement_bind_int(change, 2, i);
		statement_bind_text(change, 3, task->name);
		statement_bind_text(change, 4, task_state_name(task->state));
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

bool journal_create(Store *store, JobRecord *record, int lock_fd, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) && insert_job(store, record, error) &&
	       insert_tasks(store, record, error) && lock_wait(lock_fd, record->id, 1, error) &&
	       transaction_commit(&transaction, error);
}

static bool update_job(Store *store, const JobRecord *record, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "UPDATE job SET state = ?2, ended = ?3, deadline = ?4, owner = ?5, failure = ?6,"
	    " failure_code = ?7, result = ?8 WHERE id = ?1",
	    error);

	if (!change)
		return false;
	statement_bind_int(change, 1, record->id);
	statement_bind_text(change, 2, job_state_name(record->state));
	statement_bind_int(change, 3, record->ended);
	statement_bind_int(change, 4, record->deadline);
	statement_bind_int(change, 5, record->owner);
	statement_bind_text(change, 6, record->failure);
	statement_bind_int(change, 7, record->failure_code);
	statement_bind_text(change, 8, record->result);
	return statement_run(change, error);
}

static bool update_task(Store *store, const JobRecord *record, int position, GError **error)
{
	const struct task_record *task = g_ptr_array_index(record->tasks, position);
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "UPDATE job_task SET state = ?3, attempts = ?4, failures = ?5, undo_attempts = ?6,"
	    " undo_failures = ?7, started = ?8, ended = ?9, undo_started = ?10, undo_ended = ?11,"
	    " error = ?12, undo_error = ?13 WHERE job = ?1 AND position = ?2",
	    error);

	if (!change)
		return false;
	statement_bind_int(change, 1, record->id);
	statement_bind_int(change, 2, position);
	statement_bind_text(change, 3, task_state_name(task->state));
	statement_bind_int(change, 4, task->attempts);
	statement_bind_int(change, 5, task->failures);
	statement_bind_int(change, 6, task->undo_attempts);
	statement_bind_int(change, 7, task->undo_failures);
	statement_bind_int(change, 8, task->started);
	statement_bind_int(change, 9, task->ended);
	statement_bind_int(change, 10, task->undo_started);
	statement_bind_int(change, 11, task->undo_ended);
	statement_bind_text(change, 12, task->error);
	statement_bind_text(change, 13, task->undo_error);
	return statement_run(change, error);
}

/* The job's row must be there: a store that was exchanged below us has others. */
static bool check_changed(Store *store, const JobRecord *record, GError **error)
{
	if (store_changes(store) == 1)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "job %" G_GINT64_FORMAT " is gone from the store '%s'", record->id,
		    store_path(store));
	return false;
}

/* @position: JOURNAL_NO_TASK is nothing. */
static bool update_if_task(Store *store, const JobRecord *record, int position, GError **error)
{
	return position == JOURNAL_NO_TASK || update_task(store, record, position, error);
}

bool journal_save_step(Store *store, const JobRecord *record, int ended, int begun, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) && update_job(store, record, error) &&
	       check_changed(store, record, error) && update_if_task(store, record, ended, error) &&
	       update_if_task(store, record, begun, error) &&
	       transaction_commit(&transaction, error);
}

bool journal_save(Store *store, const JobRecord *record, int position, GError **error)
{
	return journal_save_step(store, record, position, JOURNAL_NO_TASK, error);
}

static Statement *prepare_note(Store *store, const char *value, GError **error)
{
	if (!value)
		return store_prepare(
		    store, "DELETE FROM job_note WHERE job = ?1 AND position = ?2 AND key = ?3",
		    error);
	return store_prepare(store,
			     "INSERT INTO job_note (job, position, key, value, time)"
			     " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (job, position, key)"
			     " DO UPDATE SET value = ?4, time = ?5",
			     error);
}

static bool write_note(Store *store, const JobRecord *record, int position,
		       const struct job_pair *pair, int64_t now, GError **error)
{
	g_autoptr(Statement) change = prepare_note(store, pair->value, error);

	if (!change)
		return false;
	statement_bind_int(change, 1, record->id);
	statement_bind_int(change, 2, position);
	statement_bind_text(change, 3, pair->key);
	if (pair->value) {
		statement_bind_text(change, 4, pair->value);
		statement_bind_int(change, 5, now);
	}
	return statement_run(change, error);
}

bool journal_note(Store *store, JobRecord *record, int position, const struct job_pair *pairs,
		  size_t count, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	int64_t now = g_get_real_time();

	if (!transaction_begin(&transaction, store, error))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!write_note(store, record, position, &pairs[i], now, error))
			return false;
	if (!transaction_commit(&transaction, error))
		return false;
	for (size_t i = 0; i < count; i++)
		task_record_note(g_ptr_array_index(record->tasks, position), pairs[i].key,
				 pairs[i].value, now);
	return true;
}

bool journal_ask_cancel(Store *store, int64_t id, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(JobRecord) record = NULL;
	g_autoptr(Statement) change =
	    store_prepare(store, "UPDATE job SET cancel = 1 WHERE id = ?1 AND state = ?2", error);

	if (!change)
		return false;
	statement_bind_int(change, 1, id);
	statement_bind_text(change, 2, job_state_name(JOB_RUNNING));
	if (!transaction_begin(&transaction, store, error) || !statement_run(change, error))
		return false;
	if (store_changes(store) == 1)
		return transaction_commit(&transaction, error);
	transaction_clear(&transaction);
	record = job_record_read(store, id, error);
	if (record)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "job %" G_GINT64_FORMAT " cannot be cancelled: it is %s", id,
			    job_state_name(record->state));
	return false;
}

int journal_cancel_asked(Store *store, int64_t id, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store, "SELECT cancel FROM job WHERE id = ?1", error);
	int r;

	if (!query)
		return -1;
	statement_bind_int(query, 1, id);
	r = statement_step(query, error);
	return r > 0 ? statement_int(query, 0) != 0 : r;
}
