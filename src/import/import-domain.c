/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM.  libvirt's define changes a VM that is there already, so name, UUID and MACs are asked
 * for before; and a VM is ours only if its disks are the plan's volumes, which nobody else has.
 */
#include "base/error.h"
#include "import/import-job.h"

#include <string.h>

#define NOTE_MADE "made"

static bool is_ours(const ImportPlan *plan, const CloudDomain *domain)
{
	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct import_disk *disk = g_ptr_array_index(plan->disks, i);

		for (unsigned int j = 0; j < domain->paths->len; j++)
			if (strcmp(g_ptr_array_index(domain->paths, j), disk->path) == 0)
				return true;
	}
	return false;
}

/* 1: our VM is there; 0: none, or one of others; -1: failed. */
static int find_ours(JobContext *context, ImportJob *job, GError **error)
{
	g_autoptr(CloudDomain) domain = NULL;
	int r = cloud_domain_find_uuid(job->cloud, job->plan->uuid, &domain,
				       job_context_cancellable(context), error);

	return r <= 0 ? r : is_ours(job->plan, domain);
}

static bool check_free(JobContext *context, ImportJob *job, GError **error)
{
	g_autoptr(GPtrArray) domains =
	    cloud_domains(job->cloud, job_context_cancellable(context), error);

	return domains && import_plan_check_free(job->plan, domains, error);
}

/* Whoever defined one of the same UUID at the same moment has changed ours. */
static bool check_defined(JobContext *context, ImportJob *job, GError **error)
{
	int r = find_ours(context, job, error);

	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
			    "the VM '%s' was defined and is another one now: somebody makes one "
			    "with the same UUID %s",
			    job->plan->name, job->plan->uuid);
	return r > 0;
}

/* libvirt defines a VM whose disks are not there. */
static bool check_volumes(JobContext *context, ImportJob *job, GError **error)
{
	const GPtrArray *disks = job->plan->disks;

	for (unsigned int i = 0; i < disks->len; i++)
		if (!import_job_check_volume(job, context, g_ptr_array_index(disks, i), error))
			return false;
	return true;
}

bool import_domain_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const ImportPlan *plan = job->plan;
	Cloud *cloud = import_job_cloud(job, context, error);
	int r;

	if (!cloud || !check_volumes(context, job, error))
		return false;
	r = find_ours(context, job, error);
	if (r != 0)
		return r > 0; /* an earlier attempt got this far */
	return check_free(context, job, error) && job_note(context, NOTE_MADE, plan->uuid, error) &&
	       cloud_domain_define(cloud, plan->xml, job_context_cancellable(context), error) &&
	       check_defined(context, job, error);
}

bool import_domain_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	if (!import_job_cloud(job, context, error))
		return false;
	r = find_ours(context, job, error);
	if (r < 0)
		return false;
	return (r == 0 || cloud_domain_undefine(job->cloud, job->plan->uuid,
						job_context_cancellable(context), error)) &&
	       job_note(context, NOTE_MADE, NULL, error);
}

bool import_start_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	Cloud *cloud = import_job_cloud(job, context, error);

	return cloud && job_note(context, NOTE_MADE, job->plan->uuid, error) &&
	       cloud_domain_start(cloud, job->plan->uuid, job_context_cancellable(context), error);
}

bool import_start_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	if (!import_job_cloud(job, context, error))
		return false;
	r = find_ours(context, job, error);
	if (r < 0)
		return false;
	return (r == 0 || cloud_domain_destroy(job->cloud, job->plan->uuid,
					       job_context_cancellable(context), error)) &&
	       job_note(context, NOTE_MADE, NULL, error);
}
