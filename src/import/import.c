/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the tasks, and whether a job that was cut off can still reach its end. */
#include "import/import.h"

#include "base/error.h"
#include "bundle/bundle.h"
#include "import/import-job.h"
#include "import/import-medium.h"

/* ---- Before the job ---- */

/*
 * The host knows a pool's free space as it was when it was last asked for its volumes: so ask for
 * those of the pool that will be used, if it is there.
 */
static bool refresh_pool(Cloud *cloud, const char *name, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) volumes = NULL;
	g_autoptr(CloudPool) pool = NULL;
	int r = *name == '/' ? cloud_pool_find_path(cloud, name, &pool, cancellable, error)
			     : cloud_pool_find(cloud, name, &pool, cancellable, error);

	if (r <= 0)
		return r == 0;
	if (!pool->active)
		return true; /* which is refused in time */
	volumes = cloud_volumes(cloud, pool->uuid, cancellable, error);
	return volumes != NULL;
}

static bool read_site(Cloud *cloud, const struct import_options *options, ImportSite *site,
		      GCancellable *cancellable, GError **error)
{
	if (!refresh_pool(cloud, options->pool ?: IMPORT_POOL_NAME, cancellable, error))
		return false;
	site->capacity = cloud_capacity(cloud, cancellable, error);
	if (!site->capacity)
		return false;
	site->networks = cloud_networks(cloud, cancellable, error);
	if (!site->networks)
		return false;
	site->pools = cloud_pools(cloud, cancellable, error);
	if (!site->pools)
		return false;
	site->domains = cloud_domains(cloud, cancellable, error);
	return site->domains != NULL;
}

/* The job's parameters are JSON, which knows no other bytes than UTF-8. */
static bool check_utf8(const char *what, const char *path, GError **error)
{
	g_autofree char *shown = g_utf8_make_valid(path, -1);

	if (g_utf8_validate(path, -1, NULL))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "%s '%s' is no UTF-8, which a job cannot remember", what, shown);
	return false;
}

ImportPlan *import_prepare(const char *bundle_path, const char *uri, const char *state,
			   const struct import_options *options, GCancellable *cancellable,
			   GError **error)
{
	g_autofree char *bundle_absolute = g_canonicalize_filename(bundle_path, NULL);
	g_autofree char *state_absolute = g_canonicalize_filename(state, NULL);
	g_autoptr(Bundle) bundle = NULL;
	g_autoptr(Manifest) manifest = NULL;
	g_autoptr(Cloud) cloud = NULL;
	g_autoptr(ImportPlan) plan = NULL;
	g_auto(ImportSite) site = { 0 };
	g_autoptr(GError) cause = NULL;

	if (!check_utf8("the bundle's path", bundle_absolute, error) ||
	    !check_utf8("the state's path", state_absolute, error))
		return NULL;
	bundle = bundle_open(bundle_path, error);
	if (!bundle)
		return NULL;
	manifest = bundle_read_manifest(bundle, &cause);
	if (!manifest) {
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DAMAGED))
			cause->code = WHERRY_ERROR_DIFFERENT; /* as verify calls it */
		g_propagate_error(error, g_steal_pointer(&cause));
		return NULL;
	}
	cloud = cloud_connect(uri, NULL, cancellable, error);
	if (!cloud || !read_site(cloud, options, &site, cancellable, error))
		return NULL;
	plan = import_plan_new(options, manifest, &site, error);
	if (!plan)
		return NULL;
	plan->bundle = g_steal_pointer(&bundle_absolute);
	plan->state = g_steal_pointer(&state_absolute);
	plan->cloud = g_strdup(uri);
	return g_steal_pointer(&plan);
}

/* ---- The job ---- */

Cloud *import_job_cloud(ImportJob *job, JobContext *context, GError **error)
{
	if (!job->cloud)
		job->cloud =
		    cloud_connect(job->plan->cloud, NULL, job_context_cancellable(context), error);
	return job->cloud;
}

static void free_job(void *data)
{
	ImportJob *job = data;

	if (!job)
		return;
	cloud_free(job->cloud);
	import_plan_free(job->plan);
	g_free(job);
}

static void *load(const char *params, GError **error)
{
	ImportPlan *plan = import_plan_from_json(params, error);
	ImportJob *job;

	if (!plan)
		return NULL;
	job = g_new0(ImportJob, 1);
	job->plan = plan;
	return job;
}

static bool check_bundle(JobContext *context, void *data, const void *item, GError **error)
{
	const ImportJob *job = data;

	return job_context_check(context, error) && import_medium_check(job->plan, error);
}

static void add(JobPlan *plan, const char *name, const struct job_task *task, const void *item)
{
	struct job_task one = *task;

	one.name = name;
	one.item = item;
	job_plan_add(plan, &one);
}

/* @task once for each disk: "copy 0", "copy 1" ... */
static void add_each(JobPlan *plan, const char *name, const struct job_task *task,
		     const ImportJob *job)
{
	for (unsigned int i = 0; i < job->plan->disks->len; i++) {
		g_autofree char *numbered = g_strdup_printf("%s %u", name, i);

		add(plan, numbered, task, g_ptr_array_index(job->plan->disks, i));
	}
}

static void plan_tasks(void *data, JobPlan *plan)
{
	static const struct job_task check = { .run = check_bundle };
	static const struct job_task claim = { .run = import_claim_run, .undo = import_claim_undo };
	static const struct job_task directory = { .run = import_directory_run,
						   .undo = import_directory_undo };
	static const struct job_task pool = { .run = import_pool_run, .undo = import_pool_undo };
	static const struct job_task volume = { .run = import_volume_run,
						.undo = import_volume_undo,
						.group = "volumes" };
	static const struct job_task copy = { .run = import_copy_run };
	static const struct job_task check_copy = { .run = import_check_run };
	static const struct job_task domain = { .run = import_domain_run,
						.undo = import_domain_undo };
	static const struct job_task start = { .run = import_start_run, .undo = import_start_undo };
	static const struct job_task finish = { .run = import_finish_run };
	const ImportJob *job = data;

	add(plan, "check bundle", &check, NULL);
	add(plan, "claim", &claim, NULL);
	if (job->plan->pool_is_new) {
		add(plan, "directory", &directory, NULL);
		add(plan, "pool", &pool, NULL);
	}
	add_each(plan, "volume", &volume, job);
	add_each(plan, "copy", &copy, job);
	add_each(plan, "check copy", &check_copy, job);
	add(plan, "define", &domain, NULL);
	if (job->plan->start)
		add(plan, "start", &start, NULL);
	add(plan, "finish", &finish, NULL);
}

/* Once all copies are checked the bundle is not needed any more. */
static bool needs_bundle(const JobContext *context, const ImportJob *job)
{
	for (unsigned int i = 0; i < job->plan->disks->len; i++) {
		g_autofree char *task = g_strdup_printf("check copy %u", i);

		if (!job_noted(context, task, "checked"))
			return true;
	}
	return false;
}

static int resume(JobContext *context, void *data, char **ret_reason, GError **error)
{
	ImportJob *job = data;

	if (!import_job_cloud(job, context, error))
		return -1;
	return needs_bundle(context, job) ? import_medium_present(job->plan, ret_reason) : 1;
}

const struct job_kind import_job_kind = {
	.name = "import",
	.load = load,
	.plan = plan_tasks,
	.resume = resume,
	.free = free_job,
};
