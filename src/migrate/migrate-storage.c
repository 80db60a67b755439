/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directory, pool and disks at the target.  Each is noted before it is made; only what is noted is
 * removed, and only while both hosts say that the VM is at the source.
 */
#include "fleet/place.h"
#include "migrate/migrate-grace.h"
#include "migrate/migrate-job.h"

#include <inttypes.h>
#include <string.h>

#define NOTE_MADE "made"
#define NOTE_NAME "volume"
#define NOTE_PATH "path"

/* ---- Directory and pool ---- */

static Cloud *connect_target(void *job, JobContext *context, GError **error)
{
	return migrate_job_target(job, context, error);
}

/* The pool's UUID, if it is made, is the job's: nobody else has it. */
static struct fleet_place place_of(MigrateJob *job, JobContext *context)
{
	return (struct fleet_place){ job_context_uuid(context),
				     job_noted(context, "reserve", "place"),
				     job_noted(context, "reserve", "path"),
				     context,
				     connect_target,
				     job };
}

/* Somebody's file in the way may go away: unlike in other jobs that is tried again. */
static void soften(GError *cause, GError **error)
{
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS) ||
	    g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT))
		cause->code = WHERRY_ERROR_BUSY;
	g_propagate_error(error, cause);
}

/* 1: a pool, active or not, lies there, so its directory is none of ours; 0: none; -1: failed. */
static int pool_is_there(MigrateJob *job, JobContext *context, GError **error)
{
	Cloud *target = migrate_job_target(job, context, error);
	g_autoptr(CloudPool) pool = NULL;
	int r;

	if (!target)
		return -1;
	r = cloud_pool_find_path(target, job_noted(context, "reserve", "path"), &pool,
				 job_context_cancellable(context), error);
	return r > 0 ? strcmp(pool->uuid, job_context_uuid(context)) != 0 : r;
}

bool migrate_directory_run(JobContext *context, void *data, const void *item, GError **error)
{
	int r = pool_is_there(data, context, error);
	GError *cause = NULL;
	struct fleet_place place = place_of(data, context);

	if (r != 0)
		return r > 0;
	if (fleet_place_make_directory(&place, &cause))
		return true;
	soften(cause, error);
	return false;
}

bool migrate_directory_undo(JobContext *context, void *data, const void *item, GError **error)
{
	struct fleet_place place = place_of(data, context);

	if (!migrate_job_uri(context))
		return true;
	return fleet_place_remove_directory(&place, error);
}

bool migrate_pool_run(JobContext *context, void *data, const void *item, GError **error)
{
	GError *cause = NULL;
	struct fleet_place place = place_of(data, context);

	if (fleet_place_make_pool(&place, &cause))
		return true;
	soften(cause, error);
	return false;
}

bool migrate_pool_undo(JobContext *context, void *data, const void *item, GError **error)
{
	struct fleet_place place = place_of(data, context);

	return fleet_place_remove_pool(&place, error);
}

/* ---- A disk ---- */

char *migrate_job_path(const JobContext *context, const struct migrate_disk *disk)
{
	g_autofree char *task = g_strdup_printf("disk %s", disk->target);

	return g_strdup(job_noted(context, task, NOTE_PATH));
}

/* "vm.qcow2" -> "vm-1a2b3c4d.qcow2" */
static char *tag_name(const char *name, const char *tag)
{
	const char *dot = strrchr(name, '.');
	int stem = dot && dot != name ? (int)(dot - name) : (int)strlen(name);

	return g_strdup_printf("%.*s-%.8s%s", stem, name, tag, name + stem);
}

/* Whether another disk of this VM has a file of the same name, in another directory. */
static bool is_twin(const MigrateJob *job, const struct migrate_disk *disk, const char *name)
{
	for (unsigned int i = 0; i < job->plan->disks->len; i++) {
		const struct migrate_disk *other = g_ptr_array_index(job->plan->disks, i);
		g_autofree char *base = g_path_get_basename(other->source);

		if (other != disk && strcmp(base, name) == 0)
			return true;
	}
	return false;
}

/*
 * The file keeps its name; unless that is another disk's, too, or that of an old copy of ours which
 * still has its time.
 */
static char *choose_name(const MigrateJob *job, const JobContext *context,
			 const struct migrate_disk *disk, GError **error)
{
	g_autofree char *name = g_path_get_basename(disk->source);
	g_autofree char *path = g_build_filename(job_noted(context, "reserve", "path"), name, NULL);
	g_autoptr(Store) store = migrate_job_store(job, error);
	int r = store ? migrate_grace_has(store, migrate_job_uri(context), path, error) : -1;

	if (r < 0)
		return NULL;
	if (is_twin(job, disk, name)) {
		g_autofree char *own = g_strdup_printf("%s-%s", disk->target, name);

		return tag_name(own, job_context_uuid(context));
	}
	return r > 0 ? tag_name(name, job_context_uuid(context)) : g_steal_pointer(&name);
}

/* Fails if something of others has the name. */
static bool check_free(JobContext *context, Cloud *target, const char *pool, const char *name,
		       GError **error)
{
	g_autoptr(CloudVolume) volume = NULL;
	int r =
	    cloud_volume_find(target, pool, name, &volume, job_context_cancellable(context), error);

	if (r > 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "'%s' is there already, and is not ours: a %s of %" PRIu64 " bytes",
			    volume->path, volume->format, volume->capacity);
	return r == 0;
}

/* Noted in one: the file's name, and that nothing had it when that was written. */
static bool claim_new(const MigrateJob *job, JobContext *context, const struct migrate_disk *disk,
		      const char *pool, GError **error)
{
	g_autofree char *name = choose_name(job, context, disk, error), *path = NULL;

	if (!name || !check_free(context, job->target, pool, name, error))
		return false;
	path = g_build_filename(job_noted(context, "reserve", "path"), name, NULL);
	return job_note_all(context,
			    (const struct job_pair[]){
				{ NOTE_NAME, name }, { NOTE_PATH, path }, { NOTE_MADE, name } },
			    3, error);
}

/* What an earlier attempt has left there, who knows how far it got, goes. */
static bool claim(const MigrateJob *job, JobContext *context, const struct migrate_disk *disk,
		  const char *pool, GError **error)
{
	if (!job_noted(context, NULL, NOTE_MADE))
		return claim_new(job, context, disk, pool, error);
	return cloud_volume_delete(job->target, pool, job_noted(context, NULL, NOTE_NAME),
				   job_context_cancellable(context), error);
}

/* The host must see what was asked for: QEMU refuses a copy of another size. */
static bool check_made(JobContext *context, Cloud *target, const char *pool, const char *name,
		       const struct migrate_disk *disk, GError **error)
{
	g_autoptr(CloudVolume) volume = NULL;
	int r =
	    cloud_volume_find(target, pool, name, &volume, job_context_cancellable(context), error);

	if (r < 0)
		return false;
	if (r > 0 && volume->capacity == disk->capacity &&
	    strcmp(volume->format, disk->format) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
		    "the host sees in '%s' a %s of %" PRIu64 " bytes, not a %s of %" PRIu64, name,
		    r > 0 ? volume->format : "nothing", r > 0 ? volume->capacity : 0, disk->format,
		    disk->capacity);
	return false;
}

bool migrate_disk_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	const struct migrate_disk *disk = item;
	Cloud *target = migrate_job_target(job, context, error);
	g_autoptr(GError) cause = NULL;
	g_autofree char *pool = NULL, *name = NULL;
	struct fleet_place place = place_of(job, context);

	if (!target)
		return false;
	pool = g_strdup(fleet_place_pool(&place));
	if (!claim(job, context, disk, pool, error))
		return false;
	name = g_strdup(job_noted(context, NULL, NOTE_NAME));
	if (cloud_volume_create(target, pool, name, disk->format, disk->capacity,
				job_context_cancellable(context), &cause))
		return check_made(context, target, pool, name, disk, error);
	/* Somebody was faster: it stays his. */
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS) &&
	    !job_note(context, NOTE_MADE, NULL, error))
		return false;
	soften(g_steal_pointer(&cause), error);
	return false;
}

/* ---- Away with it ---- */

/* 1: the VM is at the source; 0: the file is kept, and why is said; -1: not now. */
static int may_delete(JobContext *context, MigrateJob *job, const char *path, GError **error)
{
	const char *kept = job_noted(context, "migrate", "keep");
	enum migrate_verdict verdict = migrate_job_look(job, context, NULL);

	if (kept) {
		job_warn(context, "'%s' is kept: %s", path, kept);
		return 0;
	}
	if (migrate_verdict_lets_delete(verdict))
		return 1;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
		    "'%s' is not deleted while it is not sure that the VM is on its source: %s",
		    path, migrate_verdict_text(verdict));
	return -1;
}

/* Through the pool @holder, unless somebody needs it. */
static bool delete_unused(JobContext *context, MigrateJob *job, const char *holder, GError **error)
{
	const char *name = job_noted(context, NULL, NOTE_NAME);
	GCancellable *cancellable = job_context_cancellable(context);
	g_autofree char *who = NULL;
	int r = cloud_volume_find_user(job->target, holder, name, &who, cancellable, error);

	if (r > 0)
		job_warn(context, "'%s' is kept: %s", job_noted(context, NULL, NOTE_PATH), who);
	return r == 0 ? cloud_volume_delete(job->target, holder, name, cancellable, error) : r > 0;
}

bool migrate_disk_undo(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	g_autofree char *holder = NULL;
	struct fleet_place place = place_of(job, context);
	int r;

	if (!job_noted(context, NULL, NOTE_MADE))
		return true;
	r = may_delete(context, job, job_noted(context, NULL, NOTE_PATH), error);
	if (r > 0)
		r = fleet_place_find_holder(&place, &holder, error);
	if (r < 0 || (r > 0 && !delete_unused(context, job, holder, error)))
		return false;
	return job_note(context, NOTE_MADE, NULL, error);
}
