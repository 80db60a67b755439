/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs share that run jobs or look after them: the store, the words, the recovery. */
#pragma once

#include "cli/command.h"
#include "cli/display.h"
#include "job/job.h"

/* The store at @state, or, if that is NULL, where it is by default. */
Store *jobs_open(const char *state, GError **error);

/* Progress and words on @display (borrowed), what is said only if asked for; SIGINT asks to stop.
 */
struct job_runner jobs_runner(const struct common_options *common, Display *display);

/* A GSpawnChildSetupFunc: the child outlives the terminal and its signals. */
void jobs_own_session(void *nothing);

/*
 * Recover every job that a dead process left, and say what came of it.  How such a job ended is no
 * failure of the verb that found it; only CANCELLED and a store that cannot be used are.
 */
bool jobs_recover_left(Store *store, const struct job_runner *runner, GError **error);

/* Give up what jobs that have ended left reserved of the fleet; jobs_recover_left() does it, too.
 */
bool jobs_release_ended(Store *store, GError **error);
