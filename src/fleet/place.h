/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory and a pool on it, made so that after a crash they can be told from what was there:
 * each level and the pool are noted before they are made, and only what is noted is removed.  What
 * others have put something into meanwhile is kept.
 *
 * Two tasks of a job: `directory`, with one note for each level, and `pool`.  Each function may be
 * called again and again until it has succeeded.
 */
#pragma once

#include "cloud/cloud.h"
#include "job/job.h"

/* Of the task that calls; all borrowed. */
struct fleet_place {
	const char *uuid; /* of the pool, if it is made: nobody else's */
	const char *name, *path;
	JobContext *context; /* its notes say what was made */
	/* The host; borrowed; asked for only if there is something to do. */
	Cloud *(*connect)(void *job, JobContext *context, GError **error);
	void *job;
};

bool fleet_place_make_directory(const struct fleet_place *place, GError **error);
bool fleet_place_remove_directory(const struct fleet_place *place, GError **error);

/* A pool that is there at the path already, active or not, is used. */
bool fleet_place_make_pool(const struct fleet_place *place, GError **error);
bool fleet_place_remove_pool(const struct fleet_place *place, GError **error);

/* UUID of the pool that is used: ours, or the one that was there; borrowed until the next note. */
const char *fleet_place_pool(const struct fleet_place *place);

/*
 * The pool through which volumes made in it can be deleted: that one, or what others have put in
 * its place; ours is made again if somebody took it away.  1: its UUID in @ret (owned); 0: its
 * directory is gone, and they with it; -1: failed.
 */
int fleet_place_find_holder(const struct fleet_place *place, char **ret, GError **error);
