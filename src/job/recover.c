/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First the lock, then the record: what was read before the lock was ours may have been changed by
 * the process that held it.
 */
#include "job/recover.h"

#include "base/autofd.h"
#include "job/job-inner.h"
#include "job/lock.h"

static void recovery_free(void *p)
{
	struct job_recovery *recovery = p;

	g_free(recovery->title);
	g_clear_error(&recovery->failure);
	g_free(recovery);
}

static const struct job_kind *find_kind(const struct job_kind *const *kinds, const char *name)
{
	for (size_t i = 0; kinds[i]; i++)
		if (g_str_equal(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

static bool is_wanted(const JobRecord *record, unsigned int flags)
{
	if (record->state == JOB_DEBT)
		return flags & JOB_RECOVER_DEBTS;
	return job_record_is_open(record);
}

/* Takes @record and @lock_fd. */
static Job *take_over(Store *store, const struct job_kind *const *kinds, JobRecord *record,
		      int lock_fd, GError **error)
{
	const struct job_kind *kind = find_kind(kinds, record->kind);

	if (kind)
		return job_adopt(store, kind, record, lock_fd, error);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "job %" G_GINT64_FORMAT
		    " (%s) is of kind '%s', which this wherry does not know; "
		    "use the version that began it",
		    record->id, record->title, record->kind);
	autofd_clear(&lock_fd);
	job_record_free(record);
	return NULL;
}

/* Run the job of @record (taken, as is @lock_fd) to its end, and add what came of it to @done. */
static void recover_locked(Store *store, const struct job_kind *const *kinds, JobRecord *record,
			   int lock_fd, const struct job_runner *runner, GPtrArray *done)
{
	struct job_recovery *recovery = g_new0(struct job_recovery, 1);
	int64_t owner = record->owner;
	g_autoptr(Job) job = NULL;

	g_ptr_array_add(done, recovery);
	recovery->id = record->id;
	recovery->title = g_strdup(record->title);
	recovery->state = record->state;
	job = take_over(store, kinds, record, lock_fd, &recovery->failure);
	if (!job)
		return;
	job_caution(runner,
		    "job %" G_GINT64_FORMAT " (%s) was left %s by process %" G_GINT64_FORMAT
		    ": recovering it",
		    recovery->id, recovery->title, job_state_name(recovery->state), owner);
	(void)job_run(job, runner, &recovery->failure); /* how it ended is what we report */
	recovery->state = job->record->state;
}

/* 1: done with it, 0: another process works on it, -1: failed. */
static int recover_one(Store *store, const struct job_kind *const *kinds, int64_t id,
		       unsigned int flags, const struct job_runner *runner, GPtrArray *done,
		       GError **error)
{
	autofd int lock_fd = lock_file_open(store_path(store), error);
	g_autoptr(JobRecord) record = NULL;
	int r = lock_fd < 0 ? -1 : lock_try(lock_fd, id, error);

	if (r <= 0)
		return r;
	record = job_record_read(store, id, error);
	if (!record)
		return -1;
	if (is_wanted(record, flags))
		recover_locked(store, kinds, g_steal_pointer(&record), g_steal_fd(&lock_fd), runner,
			       done);
	return 1;
}

static bool recover_named(Store *store, const struct job_kind *const *kinds, int64_t id,
			  unsigned int flags, const struct job_runner *runner, GPtrArray *done,
			  GError **error)
{
	g_autoptr(JobRecord) record = job_record_read(store, id, error);
	int r = record ? recover_one(store, kinds, id, flags, runner, done, error) : -1;

	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "process %" G_GINT64_FORMAT " works on job %" G_GINT64_FORMAT
			    " (%s); 'wherry job cancel %" G_GINT64_FORMAT "' ends it",
			    record->owner, id, record->title, id);
	return r > 0;
}

GPtrArray *job_recover(Store *store, const struct job_kind *const *kinds, int64_t id,
		       unsigned int flags, const struct job_runner *runner, GError **error)
{
	g_autoptr(GPtrArray) done = g_ptr_array_new_with_free_func(recovery_free);
	static const struct job_runner nobody = { 0 };
	g_autoptr(GPtrArray) records = NULL;

	if (!runner)
		runner = &nobody;
	if (id != 0)
		return recover_named(store, kinds, id, flags, runner, done, error)
			   ? g_steal_pointer(&done)
			   : NULL;
	records = job_record_list(store, error);
	for (unsigned int i = 0; records && i < records->len; i++) {
		const JobRecord *record = g_ptr_array_index(records, i);

		if (!is_wanted(record, flags))
			continue;
		if (runner->stop && runner->stop(runner->userdata))
			break;
		if (recover_one(store, kinds, record->id, flags, runner, done, error) < 0)
			return NULL;
	}
	return records ? g_steal_pointer(&done) : NULL;
}

bool job_cancel(Store *store, int64_t id, GError **error)
{
	return journal_ask_cancel(store, id, error);
}
