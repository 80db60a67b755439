/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that watches for the end of a running job: the user's wish (runner->stop), the cancel
 * that another process wrote into the store, the deadline.  The first of them cancels; the user's
 * wish is written into the store, too, like a cancel.
 */
#pragma once

#include "job/job.h"

enum watch_reason {
	WATCH_NONE,
	WATCH_USER,   /* runner->stop() or ->progress() */
	WATCH_CANCEL, /* the flag in the store */
	WATCH_TIME,   /* the deadline */
};

typedef struct watch Watch;

/* @path of the store and @runner outlive it.  @deadline: g_get_real_time(), 0: none. */
Watch *watch_start(const char *path, int64_t id, int64_t deadline, const struct job_runner *runner);

void watch_set_deadline(Watch *watch, int64_t deadline);
/* The user wants an end, as runner->progress() said. */
void watch_stop(Watch *watch);

/*
 * Asks all of them anew, so that what was there before the call is not missed; @store is the
 * caller's own.
 */
enum watch_reason watch_ask(Watch *watch, Store *store);
GCancellable *watch_cancellable(Watch *watch); /* borrowed */
/* Wait so long, or until one of them says stop. */
void watch_pause(Watch *watch, unsigned int ms);

void watch_free(Watch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Watch, watch_free)
