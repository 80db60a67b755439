/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tasks of a migration, as of job.h, and what they share.  They run in the order as here. */
#pragma once

#include "cloud/cloud-connections.h"
#include "job/job.h"
#include "migrate/migrate-plan.h"
#include "migrate/migrate-verdict.h"

typedef struct {
	MigratePlan *plan; /* owned */
	/* Owned; NULL until they are asked for.  @mover is for the move itself alone. */
	Cloud *source, *target, *mover;
	CloudConnections *connections; /* borrowed; NULL: none are kept */
	char *silence; /* owned: who did not answer the last look, and why; NULL: all did */
} MigrateJob;

/* A note of the task `migrate`: when the hosts began, by g_get_real_time(). */
#define MIGRATE_NOTE_BEGAN "hosts began"

/* The job's connections, made at the first call; borrowed. */
Cloud *migrate_job_source(MigrateJob *job, JobContext *context, GError **error);
Cloud *migrate_job_target(MigrateJob *job, JobContext *context, GError **error);
Cloud *migrate_job_mover(MigrateJob *job, JobContext *context, GError **error);

/* A store of our own, with the fleet's tables, beside the runner's; owned by the caller. */
Store *migrate_job_store(const MigrateJob *job, GError **error);

/* What the task `reserve` chose; NULL: nothing yet. */
const char *migrate_job_host(const JobContext *context); /* its name */
const char *migrate_job_uri(const JobContext *context);  /* as seen from here */
const char *migrate_job_address(const JobContext *context);

/* Path of @disk on the target, which its task has chosen; NULL: not yet. */
char *migrate_job_path(const JobContext *context, const struct migrate_disk *disk);

/* Targets of the disks that are copied, NULL at the end; owned by the caller. */
const char **migrate_job_targets(const MigrateJob *job);

/*
 * Ask both hosts where the VM is; one that does not answer gives MIGRATE_UNKNOWN, and is in
 * job->silence.
 */
enum migrate_verdict migrate_job_look(MigrateJob *job, JobContext *context,
				      struct migrate_look *ret);

bool migrate_reserve_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_reserve_undo(JobContext *context, void *data, const void *item, GError **error);

bool migrate_check_run(JobContext *context, void *data, const void *item, GError **error);

bool migrate_directory_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_directory_undo(JobContext *context, void *data, const void *item, GError **error);
bool migrate_pool_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_pool_undo(JobContext *context, void *data, const void *item, GError **error);
/* @item: a struct migrate_disk. */
bool migrate_disk_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_disk_undo(JobContext *context, void *data, const void *item, GError **error);

bool migrate_timer_run(JobContext *context, void *data, const void *item, GError **error);

/* The move; when it has run the VM has left the source for good, and the job is committed. */
bool migrate_move_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_move_undo(JobContext *context, void *data, const void *item, GError **error);
/* For job_kind.settle: commits if the VM has arrived. */
bool migrate_move_settle(JobContext *context, void *data, GError **error);

bool migrate_start_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_undefine_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_record_run(JobContext *context, void *data, const void *item, GError **error);
bool migrate_clean_run(JobContext *context, void *data, const void *item, GError **error);
