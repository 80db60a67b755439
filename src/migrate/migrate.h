/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM moves to another host: a job of the kind `migrate`, whose parameters are a plan.
 *
 *   migrate_prepare() -> MigratePlan -> migrate_plan_to_json() -> job_create(&migrate_job_kind) ->
 * job_run()
 */
#pragma once

#include "fleet/choose.h"
#include "job/job.h"
#include "job/record.h"
#include "migrate/migrate-plan.h"

/* All pointers are borrowed; NULL and 0: what is said behind. */
struct migrate_options {
	const char *vm;                    /* name or UUID; needed */
	const char *from;                  /* name or address of its host; wherever it is */
	const char *to;                    /* the best */
	const struct fleet_limits *limits; /* needed */
	const char *const *except;         /* hosts that were tried already */
	const char *const *disks;          /* targets ("vda"); every one that can be copied */
	uint64_t bandwidth;                /* bytes a second; no limit */
	uint64_t timeout;                  /* seconds; by the forecast */
	uint64_t stall;                    /* seconds; 120 */
	uint64_t grace;                    /* seconds; 0 is at once */
	unsigned int parallel;
	bool tls, force;
	enum migrate_commit commit;
	enum migrate_on_timeout on_timeout;
	CloudConnections *connections; /* that are used, and kept; NULL: none */
};

extern const struct job_kind migrate_job_kind;

/*
 * Read the fleet anew, find the VM, ask its host about it, and decide all but the target.  Nothing
 * is made but what the store knows of the hosts.  What cannot be is said: NOT_FOUND, BUSY (it is
 * being moved), UNSUPPORTED (a disk that cannot be copied, snapshots, a forecast without an end).
 */
MigratePlan *migrate_prepare(Store *store, const struct migrate_options *options,
			     GCancellable *cancellable, GError **error);

/*
 * Let @job, made of migrate_job_kind and not run yet, use these connections (borrowed; they outlive
 * it).  Without them it makes its own.
 */
void migrate_use_connections(Job *job, CloudConnections *connections);

/* The question that the job's first task asks the fleet, for a dry run: nothing is reserved. */
FleetChoice *migrate_choose(Store *store, const MigratePlan *plan, CloudConnections *connections,
			    GCancellable *cancellable, GError **error);

/* The name of the host that job @record chose, for who tries another; NULL: it chose none yet. */
const char *migrate_target_of(const JobRecord *record);
