/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tasks of an import, as of job.h.  They run in the order in which they stand here; @item is
 * a struct import_disk where a task is about one disk.
 */
#pragma once

#include "import/import-plan.h"
#include "job/job.h"

typedef struct {
	ImportPlan *plan; /* owned */
	Cloud *cloud;     /* owned; NULL until it is asked for */
} ImportJob;

/* The job's connection, made at the first call; borrowed. */
Cloud *import_job_cloud(ImportJob *job, JobContext *context, GError **error);

/* Of the pool that is used: the plan's, or one that another made meanwhile.  Borrowed. */
const char *import_job_pool(ImportJob *job, JobContext *context);

/*
 * That the volume with the copy is there, and that the host, too, sees in it a qcow2 of the disk's
 * size that stands by itself.  NOT_FOUND, DIFFERENT.
 */
bool import_job_check_volume(ImportJob *job, JobContext *context, const struct import_disk *disk,
			     GError **error);

/*
 * That the VM has no disk of another import of the same machine: libvirt's define changes a VM of
 * the same name and UUID, and claims hold in one store only.  EXISTS.  What else became of the VM,
 * or that it is gone, is its user's affair.
 */
bool import_job_check_rivals(ImportJob *job, JobContext *context, GError **error);

bool import_claim_run(JobContext *context, void *data, const void *item, GError **error);
bool import_claim_undo(JobContext *context, void *data, const void *item, GError **error);

bool import_directory_run(JobContext *context, void *data, const void *item, GError **error);
bool import_directory_undo(JobContext *context, void *data, const void *item, GError **error);
bool import_pool_run(JobContext *context, void *data, const void *item, GError **error);
bool import_pool_undo(JobContext *context, void *data, const void *item, GError **error);
bool import_volume_run(JobContext *context, void *data, const void *item, GError **error);
bool import_volume_undo(JobContext *context, void *data, const void *item, GError **error);

bool import_copy_run(JobContext *context, void *data, const void *item, GError **error);
/* After it the task has the note "checked". */
bool import_check_run(JobContext *context, void *data, const void *item, GError **error);

bool import_domain_run(JobContext *context, void *data, const void *item, GError **error);
bool import_domain_undo(JobContext *context, void *data, const void *item, GError **error);
bool import_start_run(JobContext *context, void *data, const void *item, GError **error);
bool import_start_undo(JobContext *context, void *data, const void *item, GError **error);

/* Gives back what was claimed: the VM is there now, and stands for itself. */
bool import_finish_run(JobContext *context, void *data, const void *item, GError **error);
