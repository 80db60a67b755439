/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of jobs whose process is gone, and how one process asks another to end its job. */
#pragma once

#include "job/job.h"
#include "job/record.h"

/* What recovery made of one job. */
struct job_recovery {
	int64_t id;
	char *title;
	enum job_state state;
	GError
	    *failure; /* NULL: the job is done; else as job_run() says, or why it was left alone */
};

enum job_recover_flags {
	JOB_RECOVER_DEBTS = 1 << 0, /* also try again to undo what could not be undone before */
};

/*
 * Go on with every job (@id 0) or with job @id that is unfinished and that no process works on: it
 * is resumed or rolled back, as job_run() does.  @kinds ends with NULL; a job of a kind that is not
 * there, or whose kind->resume() has no answer now, is left as it is.
 *
 * Returns an array of struct job_recovery, owned: empty if there was nothing to do.  With an @id:
 * NOT_FOUND there is no such job, BUSY another process works on it.  When runner->stop() says so no
 * further job is begun.
 */
GPtrArray *job_recover(Store *store, const struct job_kind *const *kinds, int64_t id,
		       unsigned int flags, const struct job_runner *runner, GError **error);

/*
 * Ask for the end of a running job: its process rolls it back soon, or, if that is gone, the next
 * recovery does.  NOT_FOUND; INVALID_INPUT: it has ended or is being rolled back already.
 */
bool job_cancel(Store *store, int64_t id, GError **error);
