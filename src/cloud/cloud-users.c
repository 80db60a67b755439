/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who needs a file, asked before it is deleted.  A host knows files by their paths, and one file
 * can have several (links, pools on linked directories): so all volumes that the host can list are
 * looked through for the same file under another path, and for what stands on any of them.
 */
#include "cloud/cloud-check.h"
#include "cloud/cloud-driver.h"

#include <string.h>

typedef struct {
	Cloud *cloud;
	GCancellable *cancellable;
	GPtrArray *domains;     /* CloudDomain */
	GPtrArray *volumes;     /* CloudVolume: of every directory that is listed */
	GPtrArray *directories; /* char *: those */
	GPtrArray *names;       /* char *, borrowed: paths of the file in question */
} Search;

static void search_clear(Search *search)
{
	g_clear_pointer(&search->domains, g_ptr_array_unref);
	g_clear_pointer(&search->names, g_ptr_array_unref);
	g_clear_pointer(&search->volumes, g_ptr_array_unref);
	g_clear_pointer(&search->directories, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

static bool has_text(const GPtrArray *texts, const char *text)
{
	return g_ptr_array_find_with_equal_func((GPtrArray *)(uintptr_t)texts, text, g_str_equal,
						NULL);
}

/* ---- All that the host can list ---- */

/* Takes @directory and @volumes; no volumes: it failed. */
static bool add_volumes(Search *search, char *directory, GPtrArray *volumes)
{
	g_ptr_array_add(search->directories, directory);
	if (volumes)
		g_ptr_array_extend_and_steal(search->volumes, volumes);
	return volumes != NULL;
}

static bool list_pools(Search *search, GError **error)
{
	g_autoptr(GPtrArray) pools = cloud_pools(search->cloud, search->cancellable, error);

	for (unsigned int i = 0; pools && i < pools->len; i++) {
		const CloudPool *pool = g_ptr_array_index(pools, i);

		if (pool->active && pool->path &&
		    !add_volumes(search, g_canonicalize_filename(pool->path, "/"),
				 cloud_volumes(search->cloud, pool->uuid, search->cancellable,
					       error)))
			return false;
	}
	return pools != NULL;
}

/* A disk of a VM lies at @path: what lies beside it is listed, too, if no pool does that. */
static bool list_beside(Search *search, const char *path, GError **error)
{
	g_autofree char *directory = g_path_get_dirname(path);

	if (!g_path_is_absolute(path) || g_str_has_prefix(path, "/dev/") ||
	    has_text(search->directories, directory))
		return true;
	return add_volumes(search, g_strdup(directory),
			   search->cloud->driver->directory_volumes(search->cloud, directory,
								    search->cancellable, error));
}

static bool list_all(Search *search, GError **error)
{
	if (!list_pools(search, error))
		return false;
	for (unsigned int i = 0; i < search->domains->len; i++) {
		const CloudDomain *domain = g_ptr_array_index(search->domains, i);

		for (unsigned int j = 0; j < domain->paths->len; j++)
			if (!list_beside(search, g_ptr_array_index(domain->paths, j), error))
				return false;
	}
	return true;
}

/* ---- The file, and who names it ---- */

static void find_names(Search *search, const CloudVolume *volume)
{
	g_ptr_array_add(search->names, volume->path);
	for (unsigned int i = 0; i < search->volumes->len; i++) {
		const CloudVolume *other = g_ptr_array_index(search->volumes, i);

		if (volume->file && g_strcmp0(volume->file, other->file) == 0 &&
		    !has_text(search->names, other->path))
			g_ptr_array_add(search->names, other->path);
	}
}

/* A bare name is that of a volume whose pool the host could not ask. */
static bool is_named(const Search *search, const char *path)
{
	g_autofree char *clean = NULL;

	for (unsigned int i = 0; !strchr(path, '/') && i < search->names->len; i++) {
		const char *slash = strrchr(g_ptr_array_index(search->names, i), '/');

		if (slash && strcmp(slash + 1, path) == 0)
			return true;
	}
	clean = g_canonicalize_filename(path, "/");
	return has_text(search->names, clean);
}

static char *find_domain(const Search *search)
{
	for (unsigned int i = 0; i < search->domains->len; i++) {
		const CloudDomain *domain = g_ptr_array_index(search->domains, i);

		for (unsigned int j = 0; j < domain->paths->len; j++)
			if (is_named(search, g_ptr_array_index(domain->paths, j)))
				return g_strdup_printf("the VM '%s' names it", domain->name);
	}
	return NULL;
}

static char *find_overlay(const Search *search)
{
	for (unsigned int i = 0; i < search->volumes->len; i++) {
		const CloudVolume *volume = g_ptr_array_index(search->volumes, i);

		if (volume->backing && is_named(search, volume->backing))
			return g_strdup_printf("'%s' stands on it", volume->path);
	}
	return NULL;
}

/* Who writes to it now changes it between two looks. */
static int find_writer(Cloud *cloud, const char *pool_uuid, const CloudVolume *volume,
		       char **ret_who, GCancellable *cancellable, GError **error)
{
	g_autoptr(CloudVolume) now = NULL;
	int r = cloud_volume_find(cloud, pool_uuid, volume->name, &now, cancellable, error);

	if (r <= 0 || g_strcmp0(now->file, volume->file) == 0)
		return r < 0 ? -1 : 0;
	*ret_who = g_strdup("somebody writes to it");
	return 1;
}

int cloud_volume_find_user(Cloud *cloud, const char *pool_uuid, const char *name, char **ret_who,
			   GCancellable *cancellable, GError **error)
{
	g_autoptr(CloudVolume) volume = NULL;
	g_auto(Search) search = { .cloud = cloud, .cancellable = cancellable };
	int r;

	if (!cloud_check_offers(cloud, cloud->driver->directory_volumes != NULL,
				"directories to list", error))
		return -1;
	r = cloud_volume_find(cloud, pool_uuid, name, &volume, cancellable, error);
	if (r <= 0)
		return r;
	search.directories = g_ptr_array_new_with_free_func(g_free);
	search.volumes = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_volume_free);
	search.names = g_ptr_array_new();
	search.domains = cloud_domains(cloud, cancellable, error);
	if (!search.domains || !list_all(&search, error))
		return -1;
	find_names(&search, volume);
	*ret_who = find_domain(&search);
	if (!*ret_who)
		*ret_who = find_overlay(&search);
	return *ret_who ? 1 : find_writer(cloud, pool_uuid, volume, ret_who, cancellable, error);
}
