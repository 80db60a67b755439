/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far the work on one disk is: told to who asked, added to what is done of all disks. */
#pragma once

#include "capture/copy.h"
#include "capture/pipeline.h"

struct copy_progress {
	const struct plan_disk *disk; /* borrowed */
	struct copy_shared *shared;   /* borrowed */
	const char *phase;            /* "copying"; borrowed */
	uint64_t done;                /* bytes in use that were worked on */
	uint64_t reported;            /* of these */
	int64_t next;                 /* of g_get_monotonic_time(): tell nothing before */
};

/* Tell how far we are, at most some times a second.  WHERRY_ERROR_CANCELLED: all are to end. */
bool copy_progress_report(struct copy_progress *progress, bool always, GError **error);

/* As pipeline_next(), but a disk that does not answer is waited for, until the user has enough. */
int copy_progress_next_chunk(struct copy_progress *progress, Pipeline *pipeline,
			     const struct pipeline_chunk **ret, GError **error);

/*
 * Add to @cause what a full medium lacks, going by the @placed bytes of the image so far, of which
 * @unwritten are not in its file, and @then, what to do: "make room and go on".
 */
void copy_progress_say_missing(const struct copy_progress *progress, uint64_t placed,
			       uint64_t unwritten, const char *then, GError *cause);
