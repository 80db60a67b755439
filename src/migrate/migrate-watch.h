/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A migration that goes on is watched until it has ended: its numbers are told, it is helped to
 * converge, and it is brought to an end when it has to.  How it ended is for both hosts to say.
 */
#pragma once

#include "migrate/migrate-job.h"

/*
 * Until it has ended; @migration (borrowed) is the call that does it, or NULL for one that a
 * process began which is dead now.  1: it ended by itself; 0: it was brought to an end, and why is
 * in @ret_why (owned).  Notes of the task `migrate` that are set: "paused" if the guest was,
 * "postcopy" if it was let run at the target.
 */
int migrate_watch(MigrateJob *job, JobContext *context, CloudMigration *migration, char **ret_why);

/* Ask for its end until both hosts say that it has one, at most a minute.  NULL @migration, too. */
void migrate_watch_abort(MigrateJob *job, JobContext *context, CloudMigration *migration);
