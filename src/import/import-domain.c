/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VM.  libvirt's define changes a VM that is there already, so name, UUID and MACs are asked
 * for before; and a VM is ours only if its disks are the plan's volumes, which nobody else has.
 */
#include "base/error.h"
#include "import/import-job.h"

#include <string.h>

#define NOTE_MADE "made"

static bool is_ours(const ImportPlan *plan, const char *path)
{
	for (unsigned int i = 0; i < plan->disks->len; i++) {
		const struct import_disk *disk = g_ptr_array_index(plan->disks, i);

		if (strcmp(path, disk->path) == 0)
			return true;
	}
	return false;
}

/* Whether a volume has the name that another import of this machine gives: only the tag differs. */
static bool is_rivals(const ImportPlan *plan, const char *path)
{
	g_autofree char *base = g_path_get_basename(path);
	size_t len = strlen(plan->name), tag_len = strlen(plan->tag);
	const char *tag = base + len + 1;

	return g_str_has_prefix(base, plan->name) && base[len] == '-' &&
	       strspn(tag, "0123456789abcdef") == tag_len && tag[tag_len] == '-' &&
	       g_str_has_suffix(base, ".qcow2") && strncmp(tag, plan->tag, tag_len) != 0;
}

static bool has_disk(const ImportPlan *plan, const CloudDomain *domain,
		     bool (*is_such)(const ImportPlan *plan, const char *path))
{
	for (unsigned int i = 0; i < domain->paths->len; i++)
		if (is_such(plan, g_ptr_array_index(domain->paths, i)))
			return true;
	return false;
}

/* 1: our VM is there; 0: none, or one of others; -1: failed. */
static int find_ours(JobContext *context, ImportJob *job, GError **error)
{
	g_autoptr(CloudDomain) domain = NULL;
	int r = cloud_domain_find_uuid(job->cloud, job->plan->uuid, &domain,
				       job_context_cancellable(context), error);

	return r <= 0 ? r : has_disk(job->plan, domain, is_ours);
}

static bool check_free(JobContext *context, ImportJob *job, GError **error)
{
	g_autoptr(GPtrArray) domains =
	    cloud_domains(job->cloud, job_context_cancellable(context), error);

	return domains && import_plan_check_free(job->plan, domains, error);
}

bool import_job_check_rivals(ImportJob *job, JobContext *context, GError **error)
{
	const ImportPlan *plan = job->plan;
	g_autoptr(CloudDomain) domain = NULL;
	int r = cloud_domain_find_uuid(job->cloud, plan->uuid, &domain,
				       job_context_cancellable(context), error);

	if (r <= 0 || !has_disk(plan, domain, is_rivals))
		return r >= 0;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
		    "the VM '%s' was defined and has the disks of another import now: somebody "
		    "imports this machine at the same time, UUID %s",
		    plan->name, plan->uuid);
	return false;
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
	return r > 0 && import_job_check_rivals(job, context, error);
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

/* Undo what this task did to the VM by @end, as far as it did, and the VM is ours. */
static bool end_ours(JobContext *context, ImportJob *job,
		     bool (*end)(Cloud *cloud, const char *uuid, GCancellable *cancellable,
				 GError **error),
		     GError **error)
{
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	if (!import_job_cloud(job, context, error))
		return false;
	r = find_ours(context, job, error);
	if (r < 0)
		return false;
	return (r == 0 ||
		end(job->cloud, job->plan->uuid, job_context_cancellable(context), error)) &&
	       job_note(context, NOTE_MADE, NULL, error);
}

bool import_domain_undo(JobContext *context, void *data, const void *item, GError **error)
{
	return end_ours(context, data, cloud_domain_undefine, error);
}

bool import_start_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	Cloud *cloud = import_job_cloud(job, context, error);

	return cloud && import_job_check_rivals(job, context, error) &&
	       job_note(context, NOTE_MADE, job->plan->uuid, error) &&
	       cloud_domain_start(cloud, job->plan->uuid, job_context_cancellable(context), error);
}

bool import_start_undo(JobContext *context, void *data, const void *item, GError **error)
{
	return end_ours(context, data, cloud_domain_destroy, error);
}
