/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directory and pool as fleet/place.h makes them, and volumes.  Each is noted before it is made;
 * only what is noted is removed.
 */
#include "base/error.h"
#include "base/units.h"
#include "fleet/place.h"
#include "import/import-job.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_MADE "made"

/* ---- Directory and pool ---- */

static Cloud *connect_job(void *job, JobContext *context, GError **error)
{
	return import_job_cloud(job, context, error);
}

static struct fleet_place place_of(ImportJob *job, JobContext *context)
{
	const ImportPlan *plan = job->plan;

	return (struct fleet_place){ plan->pool_uuid, plan->pool_name, plan->pool_path,
				     context,         connect_job,     job };
}

const char *import_job_pool(ImportJob *job, JobContext *context)
{
	struct fleet_place place = place_of(job, context);

	return fleet_place_pool(&place);
}

bool import_directory_run(JobContext *context, void *data, const void *item, GError **error)
{
	struct fleet_place place = place_of(data, context);

	return fleet_place_make_directory(&place, error);
}

bool import_directory_undo(JobContext *context, void *data, const void *item, GError **error)
{
	struct fleet_place place = place_of(data, context);

	return fleet_place_remove_directory(&place, error);
}

static bool check_space(Cloud *cloud, JobContext *context, ImportJob *job, GError **error)
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

bool import_pool_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	struct fleet_place place = place_of(job, context);

	return fleet_place_make_pool(&place, error) && check_space(job->cloud, context, job, error);
}

bool import_pool_undo(JobContext *context, void *data, const void *item, GError **error)
{
	struct fleet_place place = place_of(data, context);

	return fleet_place_remove_pool(&place, error);
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

bool import_volume_undo(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	const struct import_disk *disk = item;
	g_autofree char *holder = NULL;
	struct fleet_place place = place_of(job, context);
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	r = fleet_place_find_holder(&place, &holder, error);
	if (r < 0 || (r > 0 && !cloud_volume_delete(job->cloud, holder, disk->volume,
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
