/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a Job and a JobContext are made of, for the files of this room only. */
#pragma once

#include "job/job.h"
#include "job/journal.h"
#include "job/watch.h"

struct job {
	Store *store; /* borrowed */
	const struct job_kind *kind;
	void *data;    /* of kind->load() */
	GArray *tasks; /* of struct job_task, as many as record->tasks */
	JobRecord *record;
	int lock_fd;             /* holds the byte of this job */
	GCancellable *committed; /* after job_commit(): what nothing cancels; NULL before */
	bool adopted;            /* begun by another process: kind->resume() has to be asked */
};

struct job_context {
	Job *job;
	const struct job_runner *runner;
	int position; /* of the task; JOURNAL_NO_TASK in kind->resume() */
	int begun;    /* the task whose begin the end of the one before has written; or none */
	unsigned int attempt;
	bool given_up; /* by job_give_up() */
	Watch *watch;  /* NULL in undo, which nothing stops */
	GCancellable *cancellable;
};

/*
 * Take over job @id, whose process is gone, as record @record (which it takes, on failure too) says
 * after @lock_fd was locked (taken, too).
 */
Job *job_adopt(Store *store, const struct job_kind *kind, JobRecord *record, int lock_fd,
	       GError **error);

/* Why the job has to stop now; nothing stops it after job_commit(). */
enum watch_reason job_asked_to_stop(const JobContext *context);

const struct job_task *job_task_at(const Job *job, unsigned int position);
struct task_record *job_task_record(const Job *job, unsigned int position);

/* Whether another attempt could end better than with @failure. */
bool job_error_is_final(const GError *failure);
/* Before the next attempt after @failures of them. */
unsigned int job_pause_ms(const struct job_runner *runner, unsigned int failures);
/* To runner->say, and what everybody should see to runner->warn. */
void job_tell(const struct job_runner *runner, const char *format, ...) G_GNUC_PRINTF(2, 3);
void job_caution(const struct job_runner *runner, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * Undo every task that began, last first, and set the job's last state.  True when the journal
 * holds it: JOB_ROLLED_BACK, JOB_DEBT, or JOB_FINISHING if an undo came too late.
 */
bool job_roll_back(Job *job, const struct job_runner *runner, GError **error);
