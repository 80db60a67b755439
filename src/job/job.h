/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A job: a list of tasks, each with `run` and `undo`, which ends in the finished thing or in
 * nothing of ours, whatever happens in between: errors, a cancel, a timeout, kill -9.  docs/jobs.md
 * tells the whole.
 *
 *   job_create() -> job_run() -+-> every task has run               JOB_DONE
 *                              +-> one failed for good, cancel,     JOB_ROLLED_BACK: nothing of
 *                                  timeout: undo in reverse order     ours is left, or
 *                                                                   JOB_DEBT: something is
 *   a process died:  job_recover() -> goes on from what the journal says
 *
 * What a task owes, for the runner calls both functions again after a failure or a crash:
 *
 * 1. Before it makes something it says so with job_note(), in words by which run() and undo() later
 *    know what is theirs: the thing's UUID or path, made with job_context_uuid() in it where
 *    possible.  What was there before is used, not noted, and never removed.
 * 2. run() looks at what is really there: what is noted and exists is adopted or made anew, what is
 *    half done is finished.  An attempt that fails may leave its half; the next one, or undo(),
 *    meets it.
 * 3. undo() removes what its task noted, as far as it exists; nothing there is success.  It is
 *    called for each task that ran or began to, also when run() never came to its first note.
 * 4. Both return soon (a second) after their cancellable is cancelled: WHERRY_ERROR_CANCELLED.
 *    What they wrote elsewhere is on the disk before they return true.
 *
 * All of it is called in the thread that called job_run().
 */
#pragma once

#include "base/error.h"
#include "base/progress.h"
#include "job/store.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <stdint.h>

#define JOB_ATTEMPTS_DEFAULT 3

typedef struct job Job;
typedef struct job_context JobContext;
typedef struct job_plan JobPlan;

/* What a task gets to know and may do, from inside run(), undo() and resume(). */

int64_t job_context_id(const JobContext *context);       /* of the job, for people */
const char *job_context_uuid(const JobContext *context); /* its random one, for tags; borrowed */
unsigned int job_context_attempt(const JobContext *context); /* from 1; survives a restart */

/*
 * Cancelled by `job cancel`, a signal or the deadline.  In undo() it is another one, which nothing
 * cancels: who asks a second time ends the process, and recovery goes on with the undo.
 */
GCancellable *job_context_cancellable(const JobContext *context); /* borrowed */

/* Fails with CANCELLED once it is time to stop; for loops that have no GCancellable to give. */
bool job_context_check(const JobContext *context, GError **error);

/* Microseconds of g_get_real_time(); 0: none.  The runner itself keeps it. */
int64_t job_context_deadline(const JobContext *context);
/* From now on in @seconds, durably; 0: none. */
bool job_context_set_timeout(JobContext *context, uint64_t seconds, GError **error);

/*
 * The point of no return: what the job was for has happened, or cannot be taken back any more.
 * From when this returns true on nothing is rolled back: no cancel, no deadline; a task that fails
 * is tried again, here and by every recovery, until it has run.  Success if it was called before.
 * Also from undo(), which finds that it came too late: its task has run then, and if nothing of the
 * tasks before it was undone, the job goes forward again.  Else it fails with BUSY.
 */
bool job_commit(JobContext *context, GError **error);

/* Another attempt at this task makes no sense, whatever code this one fails with. */
void job_give_up(JobContext *context);

/*
 * A durable note of this task: on the disk when it returns true.  Written anew it replaces the old
 * value; NULL takes it away.  `job show` prints notes: no secrets.
 */
bool job_note(JobContext *context, const char *key, const char *value, GError **error);
/* Several at once: all of them, or none. */
struct job_pair {
	const char *key, *value;
};
bool job_note_all(JobContext *context, const struct job_pair *pairs, size_t count, GError **error);
/* The value of a note, NULL if there is none; @task NULL: of this one.  Until the next job_note().
 */
const char *job_noted(const JobContext *context, const char *task, const char *key);

/* What came of the job, for `job show` and scripts (a UUID, JSON); durable with the task's end. */
void job_set_result(JobContext *context, const char *text);

/* A progress_fn, with the context as userdata: false once it is time to stop. */
bool job_progress(const struct progress *now, void *context);
/* A line for who wants to know more, and one that everybody should see. */
void job_say(JobContext *context, const char *format, ...) G_GNUC_PRINTF(2, 3);
void job_warn(JobContext *context, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* One step.  All pointers are borrowed from the kind's data; the name is copied. */
struct job_task {
	const char *name; /* "volume 0": the same for the same parameters, unique in the job */
	const void *item; /* what this task is about; handed to both functions */
	bool (*run)(JobContext *context, void *data, const void *item, GError **error);
	/* NULL: makes nothing. */
	bool (*undo)(JobContext *context, void *data, const void *item, GError **error);
	/*
	 * Undo is strictly last first, for what a task made may use what those before it made: once
	 * one cannot be undone, the earlier ones are not tried and become debts with it.  But tasks
	 * in a row with the same group (the volumes of a pool) do not use each other's: the rest of
	 * its group is still undone.  NULL: alone.
	 */
	const char *group;
};

/* Add @task at the end of the list. */
void job_plan_add(JobPlan *plan, const struct job_task *task);

/* An import, a migration: one const table each. */
struct job_kind {
	const char *name; /* in the store: never changed */

	/*
	 * Turn the parameters (JSON, as job_create() got them) into the kind's own data: owned,
	 * ended with free().  Called at the start and again at recovery, by another process,
	 * perhaps much later: touches nothing, needs nothing but @params.
	 */
	void *(*load)(const char *params, GError **error);
	/* The tasks, in order: the same names for the same parameters, for ever. */
	void (*plan)(void *data, JobPlan *plan);
	/*
	 * Asked once at recovery before an unfinished job goes on: is all that the rest needs still
	 * there?  1: yes, 0: no, roll back, and *@ret_reason says why (owned by the caller; one
	 * sentence), -1: it could not be found out now, the job is left as it is for the next
	 * recovery.  Notes can be read, with the task named.  Cancelled in between: as 1, and the
	 * first task sees it.
	 */
	int (*resume)(JobContext *context, void *data, char **ret_reason, GError **error);
	/*
	 * NULL, or asked at recovery before all else of a job that was running: has it, or what it
	 * began elsewhere, gone past its point of no return?  Then it calls job_commit().  False:
	 * it could not be found out now, the job is left as it is for the next recovery.  Its
	 * cancellable is never cancelled: also a job that has to stop must know.
	 */
	bool (*settle)(JobContext *context, void *data, GError **error);
	void (*free)(void *data);
};

/* Who runs a job: words go to it, and it says when to stop.  Every function may be NULL. */
struct job_runner {
	progress_fn progress; /* false: as a cancel */
	void (*say)(const char *text, void *userdata);
	void (*warn)(const char *text, void *userdata);
	/* Asked some times a second, in another thread: true once the user wants an end. */
	bool (*stop)(void *userdata);
	void *userdata;
	unsigned int pause_first_ms; /* before the second attempt, then doubled; 0: 1000 */
	unsigned int pause_max_ms;   /* 0: 30000 */
};

struct job_spec {
	const char *title;     /* for people: "import of server1" */
	const char *params;    /* JSON for load() */
	unsigned int attempts; /* how often a task may fail; 0: JOB_ATTEMPTS_DEFAULT */
	uint64_t timeout;      /* seconds for all tasks together; 0: none.  Undo has no limit */
};

/*
 * Write a new job and its tasks into the store; this process owns it then.  Nothing has run yet.
 * @store (borrowed) outlives the job.
 */
Job *job_create(Store *store, const struct job_kind *kind, const struct job_spec *spec,
		GError **error);

/*
 * Run the tasks that have not run, or roll back.  A task that fails is tried again after a growing
 * pause until it has failed spec.attempts times; errors that cannot get better (INVALID_INPUT,
 * USAGE, UNSUPPORTED, DAMAGED, DIFFERENT, EXISTS) are not tried again.  It fails with
 *   WHERRY_ERROR_ROLLED_BACK  nothing of ours is left; the message is why
 *   WHERRY_ERROR_LEFT_BEHIND  something is left, or still to be done after job_commit(): the
 *                             message names it, job_recover() tries again
 *   WHERRY_ERROR_CANCELLED    as ROLLED_BACK, because runner->stop() or progress() said so
 *   anything else             the store failed; the journal says how far it is, job_recover() goes
 * on
 */
bool job_run(Job *job, const struct job_runner *runner, GError **error);

int64_t job_id(const Job *job);
void *job_data(const Job *job);       /* the kind's own, for its room; borrowed */
const char *job_uuid(const Job *job); /* borrowed */

/* Gives up ownership.  A job that was not run to its end is as one whose process died. */
void job_free(Job *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Job, job_free)
