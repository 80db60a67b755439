/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directory, pool and volumes.  Each is noted before it is made; only what is noted is removed, and
 * a pool or directory in which others have put something meanwhile is kept.
 */
#include "base/error.h"
#include "base/units.h"
#include "import/import-job.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_MADE   "made"
#define NOTE_FOUND  "found"
#define NOTE_KEPT   "kept"           /* by the undo: others have put something into it */
#define NOTE_ASKED  "asked"          /* which takes a pool for a moment, with the plan's UUID */
#define NOTE_BEFORE "volumes before" /* their names, each followed by a slash */

const char *import_job_pool(const ImportJob *job, const JobContext *context)
{
	const char *found = job_noted(context, "pool", NOTE_FOUND);

	return found ?: job->plan->pool_uuid;
}

/* ---- The directory: each level by itself, noted by its path ---- */

static bool make_level(JobContext *context, Cloud *cloud, const char *pool_uuid, const char *path,
		       GError **error)
{
	bool noted = job_noted(context, NULL, path) != NULL;
	g_autoptr(GError) cause = NULL;

	if (!noted && !job_note(context, path, NOTE_MADE, error))
		return false;
	if (cloud_directory_create(cloud, pool_uuid, path, job_context_cancellable(context),
				   &cause))
		return true;
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS))
		/* Somebody was faster; unless an earlier attempt of ours got this far. */
		return noted || job_note(context, path, NULL, error);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

bool import_directory_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const ImportPlan *plan = job->plan;
	Cloud *cloud = import_job_cloud(job, context, error);
	g_autoptr(GPtrArray) missing = NULL;

	if (!cloud || !job_note(context, NOTE_ASKED, plan->pool_uuid, error))
		return false;
	missing = cloud_directory_missing(cloud, plan->pool_uuid, plan->pool_path,
					  job_context_cancellable(context), error);
	if (!missing)
		return false;
	for (unsigned int i = 0; i < missing->len; i++)
		if (!make_level(context, cloud, plan->pool_uuid, g_ptr_array_index(missing, i),
				error))
			return false;
	return true;
}

/* 1: it is gone, or was; 0: it is kept, with @ret_reason; -1: failed. */
static int remove_level(JobContext *context, Cloud *cloud, const char *pool_uuid, const char *path,
			char **ret_reason, GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);
	int r = cloud_directory_exists(cloud, pool_uuid, path, cancellable, error);

	/* On a read-only filesystem the removal fails even when there is nothing. */
	if (r <= 0)
		return r < 0 ? -1 : 1;
	return cloud_directory_delete(cloud, pool_uuid, path, ret_reason, cancellable, error);
}

/* The pool that a question took for its moment, if the process died in that moment. */
static bool end_question(JobContext *context, ImportJob *job, GError **error)
{
	Cloud *cloud;

	if (!job_noted(context, NULL, NOTE_ASKED))
		return true;
	cloud = import_job_cloud(job, context, error);
	return cloud &&
	       cloud_pool_remove(cloud, job->plan->pool_uuid, job_context_cancellable(context),
				 error) &&
	       job_note(context, NOTE_ASKED, NULL, error);
}

bool import_directory_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const ImportPlan *plan = job->plan;
	g_autofree char *path = g_strdup(plan->pool_path);

	if (job_noted(context, "pool", NOTE_KEPT))
		return true; /* others need it */
	if (!end_question(context, job, error))
		return false;
	/* From the deepest level up; ends, as the path gets shorter. */
	for (char *slash; path[0] && path[1]; *slash = '\0') {
		g_autofree char *reason = NULL;
		Cloud *cloud;
		int r;

		slash = strrchr(path, '/');
		if (!job_noted(context, NULL, path))
			continue;
		cloud = import_job_cloud(job, context, error);
		if (!cloud)
			return false;
		r = remove_level(context, cloud, plan->pool_uuid, path, &reason, error);
		if (r < 0)
			return false;
		if (r == 0)
			job_warn(context, "'%s' is kept: %s", path, reason);
		if (!job_note(context, path, NULL, error))
			return false;
	}
	return true;
}

/* ---- The pool ---- */

/* Another import made a pool at the same path meanwhile, or somebody else: it is used. */
static bool use_found(JobContext *context, Cloud *cloud, const ImportPlan *plan, GError *cause,
		      GError **error)
{
	g_autoptr(CloudPool) pool = NULL;
	int r = cloud_pool_find_path(cloud, plan->pool_path, &pool,
				     job_context_cancellable(context), error);

	if (r < 0)
		return false;
	if (r == 0 || strcmp(pool->type, "dir") != 0) {
		g_propagate_error(error, g_error_copy(cause));
		return false;
	}
	return job_note(context, NOTE_FOUND, pool->uuid, error) &&
	       job_note(context, NOTE_MADE, NULL, error);
}

static bool define_pool(JobContext *context, Cloud *cloud, const ImportPlan *plan, GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (!job_note(context, NOTE_MADE, plan->pool_uuid, error))
		return false;
	if (cloud_pool_define(cloud, plan->pool_uuid, plan->pool_name, plan->pool_path,
			      job_context_cancellable(context), &cause))
		return true;
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS))
		return use_found(context, cloud, plan, cause, error);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool check_space(Cloud *cloud, JobContext *context, const ImportJob *job, GError **error)
{
	uint64_t bytes = import_plan_bytes(job->plan);
	g_autofree char *needed = units_bytes(bytes), *available = NULL;
	/* The host counts anew when it is asked for the volumes, and only then. */
	g_autoptr(GPtrArray) volumes = cloud_volumes(cloud, import_job_pool(job, context),
						     job_context_cancellable(context), error);
	g_autoptr(CloudPool) pool = NULL;
	int r = !volumes ? -1
			 : cloud_pool_find_uuid(cloud, import_job_pool(job, context), &pool,
						job_context_cancellable(context), error);

	if (r < 0)
		return false;
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the pool '%s' went away again", job->plan->pool_name);
		return false;
	}
	if (pool->available >= bytes)
		return true;
	available = units_bytes(pool->available);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE,
		    "'%s' has %s free (%" PRIu64 " bytes), but the images take %s (%" PRIu64
		    " bytes)",
		    job->plan->pool_path, available, pool->available, needed, bytes);
	return false;
}

/* What lay in the directory before the pool was there: no reason to keep the pool. */
static bool note_volumes(JobContext *context, Cloud *cloud, const char *uuid, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	g_autoptr(GPtrArray) volumes = NULL;

	if (job_noted(context, NULL, NOTE_BEFORE))
		return true;
	volumes = cloud_volumes(cloud, uuid, job_context_cancellable(context), error);
	if (!volumes)
		return false;
	for (unsigned int i = 0; i < volumes->len; i++) {
		const CloudVolume *volume = g_ptr_array_index(volumes, i);

		g_string_append_printf(names, "%s/", volume->name);
	}
	return job_note(context, NOTE_BEFORE, names->str, error);
}

bool import_pool_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const char *uuid = job->plan->pool_uuid;
	Cloud *cloud = import_job_cloud(job, context, error);

	if (!cloud)
		return false;
	if (!job_noted(context, NULL, NOTE_FOUND) && !define_pool(context, cloud, job->plan, error))
		return false;
	if (!job_noted(context, NULL, NOTE_FOUND) &&
	    (!cloud_pool_start(cloud, uuid, job_context_cancellable(context), error) ||
	     !note_volumes(context, cloud, uuid, error)))
		return false;
	return check_space(cloud, context, job, error);
}

/* 1: others have put volumes into the pool that we made; 0: no; -1: failed. */
static int pool_is_used(JobContext *context, Cloud *cloud, const char *uuid, GError **error)
{
	const char *before = job_noted(context, NULL, NOTE_BEFORE);
	g_auto(GStrv) names = g_strsplit(before ?: "", "/", -1);
	g_autoptr(GError) cause = NULL;
	g_autoptr(GPtrArray) volumes =
	    cloud_volumes(cloud, uuid, job_context_cancellable(context), &cause);

	for (unsigned int i = 0; volumes && before && i < volumes->len; i++) {
		const CloudVolume *volume = g_ptr_array_index(volumes, i);

		if (!g_strv_contains((const char *const *)names, volume->name))
			return 1;
	}
	/* Not found or not active: it never came to be, so nobody used it. */
	if (volumes || g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND) ||
	    g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_BUSY))
		return 0;
	g_propagate_error(error, g_steal_pointer(&cause));
	return -1;
}

bool import_pool_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const ImportPlan *plan = job->plan;
	Cloud *cloud;
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	cloud = import_job_cloud(job, context, error);
	if (!cloud)
		return false;
	r = pool_is_used(context, cloud, plan->pool_uuid, error);
	if (r < 0)
		return false;
	if (r > 0) {
		job_warn(context, "the pool '%s' is kept: there are volumes of others in it",
			 plan->pool_name);
		if (!job_note(context, NOTE_KEPT, plan->pool_uuid, error))
			return false;
	} else if (!cloud_pool_remove(cloud, plan->pool_uuid, job_context_cancellable(context),
				      error)) {
		return false;
	}
	return job_note(context, NOTE_MADE, NULL, error);
}

/* ---- A volume, whose name is nobody else's ---- */

bool import_volume_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const struct import_disk *disk = item;
	Cloud *cloud = import_job_cloud(job, context, error);
	bool noted = job_noted(context, NULL, NOTE_MADE) != NULL;
	g_autoptr(GError) cause = NULL;
	const char *pool;

	if (!cloud || (!noted && !job_note(context, NOTE_MADE, disk->volume, error)))
		return false;
	/* What an earlier attempt has left there, who knows how far it got. */
	pool = import_job_pool(job, context);
	if (noted && !cloud_volume_delete(cloud, pool, disk->volume,
					  job_context_cancellable(context), error))
		return false;
	if (cloud_volume_create(cloud, pool, disk->volume, "raw", disk->image_size,
				job_context_cancellable(context), &cause))
		return true;
	/* Somebody has made just this name: it stays his. */
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS) &&
	    !job_note(context, NOTE_MADE, NULL, error))
		return false;
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* The pool that we made, which somebody has taken away from over our volumes. */
static bool restore_pool(JobContext *context, Cloud *cloud, const ImportPlan *plan, GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);

	if (!job_noted(context, "pool", NOTE_MADE)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the pool '%s' is gone, but its directory is not: define a pool on "
			    "'%s' again",
			    plan->pool_name, plan->pool_path);
		return false;
	}
	return cloud_pool_define(cloud, plan->pool_uuid, plan->pool_name, plan->pool_path,
				 cancellable, error) &&
	       cloud_pool_start(cloud, plan->pool_uuid, cancellable, error);
}

/*
 * The pool through which our volumes can be deleted: the one in which they were made, or what
 * others have put in its place.  1: its UUID in @ret (owned); 0: its directory is gone, and they
 * with it; -1: failed.
 */
static int find_holder(JobContext *context, ImportJob *job, Cloud *cloud, char **ret,
		       GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);
	const ImportPlan *plan = job->plan;
	g_autoptr(CloudPool) pool = NULL;
	int r =
	    cloud_pool_find_uuid(cloud, import_job_pool(job, context), &pool, cancellable, error);

	if (r == 0)
		r = cloud_pool_find_path(cloud, plan->pool_path, &pool, cancellable, error);
	if (r < 0)
		return -1;
	if (!pool) {
		r = cloud_directory_exists(cloud, plan->pool_uuid, plan->pool_path, cancellable,
					   error);
		if (r > 0 && !restore_pool(context, cloud, plan, error))
			return -1;
	} else if (!pool->active && strcmp(pool->uuid, plan->pool_uuid) == 0 &&
		   job_noted(context, "pool", NOTE_MADE) &&
		   !cloud_pool_start(cloud, pool->uuid, cancellable, error)) {
		return -1;
	}
	if (r > 0)
		*ret = g_strdup(pool ? pool->uuid : plan->pool_uuid);
	return r;
}

bool import_volume_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const struct import_disk *disk = item;
	g_autofree char *holder = NULL;
	Cloud *cloud;
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	cloud = import_job_cloud(job, context, error);
	r = cloud ? find_holder(context, job, cloud, &holder, error) : -1;
	if (r < 0 || (r > 0 && !cloud_volume_delete(cloud, holder, disk->volume,
						    job_context_cancellable(context), error)))
		return false;
	return job_note(context, NOTE_MADE, NULL, error);
}

bool import_job_check_volume(ImportJob *job, JobContext *context, const struct import_disk *disk,
			     GError **error)
{
	g_autoptr(CloudVolume) volume = NULL;
	int r = cloud_volume_find(job->cloud, import_job_pool(job, context), disk->volume, &volume,
				  job_context_cancellable(context), error);

	if (r < 0)
		return false;
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the volume '%s' went away", disk->volume);
		return false;
	}
	if (strcmp(volume->format, "qcow2") == 0 && !volume->backing &&
	    volume->capacity == disk->virtual_size)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "the host sees in the volume '%s' a %s with %s%s of %" PRIu64
		    " bytes, not a qcow2 of %" PRIu64 " by itself",
		    disk->volume, volume->format, volume->backing ? "the backing file " : "a disk",
		    volume->backing ?: "", volume->capacity, disk->virtual_size);
	return false;
}
