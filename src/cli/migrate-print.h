/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What 'wherry migrate' says on stdout, for people and as docs/json.md says. */
#pragma once

#include "base/progress.h"
#include "fleet/choose.h"
#include "job/record.h"
#include "migrate/migrate.h"

/* What a dry run found. */
void migrate_print_plan(const MigratePlan *plan, const FleetChoice *choice, bool json);

/* What came of the job; @seconds from the verb's begin. */
void migrate_print_done(const MigratePlan *plan, const JobRecord *record, double seconds,
			bool json);

/* A job that goes on by itself. */
void migrate_print_detached(const MigratePlan *plan, int64_t job, bool json);

/* One event of a running job, on a line of its own. */
void migrate_print_event(const struct progress *now);
