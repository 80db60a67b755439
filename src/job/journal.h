/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a job's process writes to the store.  Each call is one transaction: on the disk when it
 * returns true, not there at all when it fails.
 */
#pragma once

#include "job/job.h"
#include "job/record.h"

extern const struct store_schema journal_schema; /* the tables of job/: docs/jobs.md */

#define JOURNAL_NO_TASK (-1)

/*
 * Insert @record, whose id it sets, with its tasks.  Before anybody can see the job its byte of
 * @lock_fd (lock.h) is locked.
 */
bool journal_create(Store *store, JobRecord *record, int lock_fd, GError **error);

/*
 * Write what can change of the job and of the task at @position (or JOURNAL_NO_TASK); all but
 * `cancel`, which is for others to set.
 */
bool journal_save(Store *store, const JobRecord *record, int position, GError **error);
/* The same of two tasks at once: one that has ended, and the next, which begins (or none). */
bool journal_save_step(Store *store, const JobRecord *record, int ended, int begun, GError **error);

/* Insert, replace or (value NULL) take away notes, in @record too. */
bool journal_note(Store *store, JobRecord *record, int position, const struct job_pair *pairs,
		  size_t count, GError **error);

/* Ask for the end of job @id.  INVALID_INPUT: it has ended, and how. */
bool journal_ask_cancel(Store *store, int64_t id, GError **error);
/* 1: somebody asked for it, 0: nobody, -1: failed. */
int journal_cancel_asked(Store *store, int64_t id, GError **error);
