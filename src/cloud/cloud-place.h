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

/* Who makes it: a task, whose notes are on the disk when set() returns true. */
struct cloud_place_owner {
	/* The value of a note, or NULL; @task "pool": of that task, NULL: of the task that calls.
	 */
	const char *(*get)(void *context, const char *task, const char *key);
	bool (*set)(void *context, const char *key, const char *value, GError **error);
	void (*warn)(void *context, const char *text);
	/* Borrowed; asked for only if there is something to do. */
	Cloud *(*connect)(void *context, GError **error);
	GCancellable *(*cancellable)(void *context);
	void *context;
};

/* All borrowed. */
struct cloud_place {
	const char *uuid; /* of the pool, if it is made: nobody else's */
	const char *name, *path;
	const struct cloud_place_owner *owner;
};

bool cloud_place_make_directory(const struct cloud_place *place, GError **error);
bool cloud_place_remove_directory(const struct cloud_place *place, GError **error);

/* A pool that is there at the path already, active or not, is used. */
bool cloud_place_make_pool(const struct cloud_place *place, GError **error);
bool cloud_place_remove_pool(const struct cloud_place *place, GError **error);

/* UUID of the pool that is used: ours, or the one that was there; borrowed until the next note. */
const char *cloud_place_pool(const struct cloud_place *place);

/*
 * The pool through which volumes made in it can be deleted: that one, or what others have put in
 * its place; ours is made again if somebody took it away.  1: its UUID in @ret (owned); 0: its
 * directory is gone, and they with it; -1: failed.
 */
int cloud_place_find_holder(const struct cloud_place *place, char **ret, GError **error);
