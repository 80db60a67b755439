/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two tasks, from cloud.h's steps. */
#include "fleet/place.h"

#include "base/error.h"

#include <string.h>

#define NOTE_MADE   "made"
#define NOTE_FOUND  "found"
#define NOTE_KEPT   "kept"           /* by the undo: others have put something into it */
#define NOTE_ASKED  "asked"          /* which takes a pool for a moment, with the place's UUID */
#define NOTE_BEFORE "volumes before" /* their names, each followed by a slash */

static Cloud *connect_to(const struct fleet_place *place, GError **error)
{
	return place->connect(place->job, place->context, error);
}

static GCancellable *cancellable_of(const struct fleet_place *place)
{
	return job_context_cancellable(place->context);
}

const char *fleet_place_pool(const struct fleet_place *place)
{
	return job_noted(place->context, "pool", NOTE_FOUND) ?: place->uuid;
}

/* ---- The directory: each level by itself, noted by its path ---- */

static bool make_level(const struct fleet_place *place, Cloud *cloud, const char *path,
		       GError **error)
{
	bool noted = job_noted(place->context, NULL, path) != NULL;
	g_autoptr(GError) cause = NULL;

	if (!noted && !job_note(place->context, path, NOTE_MADE, error))
		return false;
	if (cloud_directory_create(cloud, place->uuid, path, cancellable_of(place), &cause))
		return true;
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS))
		/* Somebody was faster; unless an earlier attempt of ours got this far. */
		return noted || job_note(place->context, path, NULL, error);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

bool fleet_place_make_directory(const struct fleet_place *place, GError **error)
{
	Cloud *cloud = connect_to(place, error);
	g_autoptr(GPtrArray) missing = NULL;

	if (!cloud || !job_note(place->context, NOTE_ASKED, place->uuid, error))
		return false;
	missing =
	    cloud_directory_missing(cloud, place->uuid, place->path, cancellable_of(place), error);
	if (!missing)
		return false;
	for (unsigned int i = 0; i < missing->len; i++)
		if (!make_level(place, cloud, g_ptr_array_index(missing, i), error))
			return false;
	return true;
}

/* 1: it is gone, or was; 0: it is kept, with @ret_reason; -1: failed. */
static int remove_level(const struct fleet_place *place, const char *path, char **ret_reason,
			GError **error)
{
	Cloud *cloud = connect_to(place, error);
	int r = cloud
		    ? cloud_directory_exists(cloud, place->uuid, path, cancellable_of(place), error)
		    : -1;

	/* On a read-only filesystem the removal fails even when there is nothing. */
	if (r <= 0)
		return r < 0 ? -1 : 1;
	return cloud_directory_delete(cloud, place->uuid, path, ret_reason, cancellable_of(place),
				      error);
}

/* The pool that a question took for its moment, if the process died in that moment. */
static bool end_question(const struct fleet_place *place, GError **error)
{
	Cloud *cloud;

	if (!job_noted(place->context, NULL, NOTE_ASKED))
		return true;
	cloud = connect_to(place, error);
	return cloud && cloud_pool_remove(cloud, place->uuid, cancellable_of(place), error) &&
	       job_note(place->context, NOTE_ASKED, NULL, error);
}

bool fleet_place_remove_directory(const struct fleet_place *place, GError **error)
{
	g_autofree char *path = g_strdup(place->path);

	if (job_noted(place->context, "pool", NOTE_KEPT))
		return true; /* others need it */
	if (!end_question(place, error))
		return false;
	/* From the deepest level up; ends, as the path gets shorter. */
	for (char *slash; path[0] && path[1]; *slash = '\0') {
		g_autofree char *reason = NULL;
		int r;

		slash = strrchr(path, '/');
		if (!job_noted(place->context, NULL, path))
			continue;
		r = remove_level(place, path, &reason, error);
		if (r < 0)
			return false;
		if (r == 0)
			job_warn(place->context, "'%s' is kept: %s", path, reason);
		if (!job_note(place->context, path, NULL, error))
			return false;
	}
	return true;
}

/* ---- The pool ---- */

/* 1: somebody has made a pool at the path, which is used from now on; 0: no; -1: failed. */
static int use_found(const struct fleet_place *place, Cloud *cloud, GError **error)
{
	g_autoptr(CloudPool) pool = NULL;
	int r = cloud_pool_find_path(cloud, place->path, &pool, cancellable_of(place), error);

	if (r <= 0 || strcmp(pool->type, "dir") != 0 || strcmp(pool->uuid, place->uuid) == 0)
		return r < 0 ? -1 : 0;
	return job_note(place->context, NOTE_FOUND, pool->uuid, error) ? 1 : -1;
}

static bool define_pool(const struct fleet_place *place, Cloud *cloud, GError **error)
{
	g_autoptr(GError) cause = NULL;
	int r = job_noted(place->context, NULL, NOTE_MADE) ? 0 : use_found(place, cloud, error);

	if (r != 0)
		return r > 0;
	if (!job_note(place->context, NOTE_MADE, place->uuid, error))
		return false;
	if (cloud_pool_define(cloud, place->uuid, place->name, place->path, cancellable_of(place),
			      &cause))
		return true;
	/* Somebody was faster. */
	r = g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_EXISTS)
		? use_found(place, cloud, error)
		: 0;
	if (r > 0)
		return job_note(place->context, NOTE_MADE, NULL, error);
	if (r == 0)
		g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

/* What lay in the directory before the pool was there: no reason to keep the pool. */
static bool note_volumes(const struct fleet_place *place, Cloud *cloud, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	g_autoptr(GPtrArray) volumes = NULL;

	if (job_noted(place->context, NULL, NOTE_BEFORE))
		return true;
	volumes = cloud_volumes(cloud, place->uuid, cancellable_of(place), error);
	if (!volumes)
		return false;
	for (unsigned int i = 0; i < volumes->len; i++) {
		const CloudVolume *volume = g_ptr_array_index(volumes, i);

		g_string_append_printf(names, "%s/", volume->name);
	}
	return job_note(place->context, NOTE_BEFORE, names->str, error);
}

bool fleet_place_make_pool(const struct fleet_place *place, GError **error)
{
	Cloud *cloud = connect_to(place, error);

	if (!cloud ||
	    (!job_noted(place->context, NULL, NOTE_FOUND) && !define_pool(place, cloud, error)))
		return false;
	if (job_noted(place->context, NULL, NOTE_FOUND))
		return cloud_pool_activate(cloud, fleet_place_pool(place), cancellable_of(place),
					   error);
	return cloud_pool_start(cloud, place->uuid, cancellable_of(place), error) &&
	       note_volumes(place, cloud, error);
}

/* 1: others have put volumes into the pool that we made; 0: no; -1: failed. */
static int pool_is_used(const struct fleet_place *place, Cloud *cloud, GError **error)
{
	const char *before = job_noted(place->context, NULL, NOTE_BEFORE);
	g_auto(GStrv) names = g_strsplit(before ?: "", "/", -1);
	g_autoptr(GError) cause = NULL;
	g_autoptr(GPtrArray) volumes =
	    cloud_volumes(cloud, place->uuid, cancellable_of(place), &cause);

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

bool fleet_place_remove_pool(const struct fleet_place *place, GError **error)
{
	Cloud *cloud;
	int r;

	if (!job_noted(place->context, NULL, NOTE_MADE))
		return true;
	cloud = connect_to(place, error);
	r = cloud ? pool_is_used(place, cloud, error) : -1;
	if (r < 0)
		return false;
	if (r > 0) {
		job_warn(place->context, "the pool '%s' is kept: there are volumes of others in it",
			 place->name);
		if (!job_note(place->context, NOTE_KEPT, place->uuid, error))
			return false;
	} else if (!cloud_pool_remove(cloud, place->uuid, cancellable_of(place), error)) {
		return false;
	}
	return job_note(place->context, NOTE_MADE, NULL, error);
}

/* ---- What lies in it ---- */

/* The pool that we made, which somebody has taken away from over our volumes. */
static bool restore_pool(const struct fleet_place *place, Cloud *cloud, GError **error)
{
	if (!job_noted(place->context, "pool", NOTE_MADE)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the pool '%s' is gone, but its directory is not: define a pool on "
			    "'%s' again",
			    place->name, place->path);
		return false;
	}
	return cloud_pool_define(cloud, place->uuid, place->name, place->path,
				 cancellable_of(place), error) &&
	       cloud_pool_start(cloud, place->uuid, cancellable_of(place), error);
}

static int find_pool(const struct fleet_place *place, Cloud *cloud, CloudPool **ret, GError **error)
{
	int r =
	    cloud_pool_find_uuid(cloud, fleet_place_pool(place), ret, cancellable_of(place), error);

	return r == 0 ? cloud_pool_find_path(cloud, place->path, ret, cancellable_of(place), error)
		      : r;
}

int fleet_place_find_holder(const struct fleet_place *place, char **ret, GError **error)
{
	Cloud *cloud = connect_to(place, error);
	g_autoptr(CloudPool) pool = NULL;
	int r = cloud ? find_pool(place, cloud, &pool, error) : -1;

	if (r < 0)
		return -1;
	if (!pool) {
		r = cloud_directory_exists(cloud, place->uuid, place->path, cancellable_of(place),
					   error);
		if (r > 0 && !restore_pool(place, cloud, error))
			return -1;
	} else if (!pool->active && strcmp(pool->uuid, place->uuid) == 0 &&
		   job_noted(place->context, "pool", NOTE_MADE) &&
		   !cloud_pool_start(cloud, pool->uuid, cancellable_of(place), error)) {
		return -1;
	}
	if (r > 0)
		*ret = g_strdup(pool ? pool->uuid : place->uuid);
	return r;
}
