/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that is not there, for what no real one does on order: it says of VMs, pools and files
 * what the test has put into it, and remembers what it was told to change.
 */
#pragma once

#include "unit.h"

#include "cloud/cloud-driver.h"

struct fake_host {
	struct cloud base; /* the first: a Cloud */
	struct cloud_standing standing;
	bool no_answer;      /* to where a VM stands */
	GPtrArray *domains;  /* CloudDomain */
	GPtrArray *volumes;  /* CloudVolume, of all directories */
	GPtrArray *pools;    /* CloudPool */
	GString *log;        /* "destroy, undefine": what was changed */
	unsigned int writes; /* to every file, at each look */
};

static inline struct fake_host *fake_of(Cloud *cloud)
{
	return (struct fake_host *)cloud;
}

static inline void fake_log(Cloud *cloud, const char *what)
{
	GString *log = fake_of(cloud)->log;

	g_string_append_printf(log, "%s%s", log->len ? ", " : "", what);
}

static inline void fake_free(Cloud *cloud)
{
}

static inline bool fake_standing(Cloud *cloud, const char *uuid, struct cloud_standing *ret,
				 GCancellable *c, GError **error)
{
	if (fake_of(cloud)->no_answer) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO, "no answer");
		return false;
	}
	*ret = fake_of(cloud)->standing;
	return true;
}

static inline bool fake_destroy(Cloud *cloud, const char *uuid, GCancellable *c, GError **error)
{
	fake_log(cloud, "destroy");
	fake_of(cloud)->standing = (struct cloud_standing){ 0 };
	return true;
}

static inline bool fake_resume(Cloud *cloud, const char *uuid, GCancellable *c, GError **error)
{
	fake_log(cloud, "resume");
	fake_of(cloud)->standing.state = CLOUD_DOMAIN_RUNNING;
	return true;
}

static inline bool fake_undefine(Cloud *cloud, const char *uuid, GCancellable *c, GError **error)
{
	fake_log(cloud, "undefine");
	return true;
}

static inline bool fake_heal(Cloud *cloud, const char *uuid, const char *const *targets, char **ret,
			     GCancellable *c, GError **error)
{
	return true;
}

static inline CloudDomain *copy_domain(const CloudDomain *from)
{
	CloudDomain *domain = g_new0(CloudDomain, 1);

	domain->name = g_strdup(from->name);
	domain->uuid = g_strdup(from->uuid);
	domain->macs = g_ptr_array_new_with_free_func(g_free);
	domain->paths = g_ptr_array_copy(from->paths, (GCopyFunc)(void *)g_strdup, NULL);
	g_ptr_array_set_free_func(domain->paths, g_free);
	return domain;
}

static inline GPtrArray *fake_domains(Cloud *cloud, const char *name, const char *uuid,
				      GCancellable *c, GError **error)
{
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_domain_free);

	for (unsigned int i = 0; i < fake_of(cloud)->domains->len; i++)
		g_ptr_array_add(list, copy_domain(fake_of(cloud)->domains->pdata[i]));
	return list;
}

/* Those of @directory, or the one called @name. */
static inline GPtrArray *fake_list(Cloud *cloud, const char *directory, const char *name)
{
	struct fake_host *host = fake_of(cloud);
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_volume_free);

	for (unsigned int i = 0; i < host->volumes->len; i++) {
		const CloudVolume *from = host->volumes->pdata[i];
		g_autofree char *there = g_path_get_dirname(from->path);
		CloudVolume *volume;

		if (strcmp(there, directory) != 0 || (name && strcmp(name, from->name) != 0))
			continue;
		volume = g_new0(CloudVolume, 1);
		volume->name = g_strdup(from->name);
		volume->path = g_strdup(from->path);
		volume->format = g_strdup("raw");
		volume->backing = g_strdup(from->backing);
		volume->file =
		    g_strdup_printf("%s %u", from->file, host->writes ? host->writes++ : 0);
		g_ptr_array_add(list, volume);
	}
	return list;
}

static inline GPtrArray *fake_volumes(Cloud *cloud, const char *pool_uuid, const char *name,
				      GCancellable *c, GError **error)
{
	for (unsigned int i = 0; i < fake_of(cloud)->pools->len; i++) {
		const CloudPool *pool = fake_of(cloud)->pools->pdata[i];

		if (strcmp(pool->uuid, pool_uuid) == 0 && pool->active)
			return fake_list(cloud, pool->path, name);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND, "no pool %s", pool_uuid);
	return NULL;
}

static inline GPtrArray *fake_directory(Cloud *cloud, const char *path, GCancellable *c,
					GError **error)
{
	return fake_list(cloud, path, NULL);
}

static inline bool fake_delete(Cloud *cloud, const char *pool_uuid, const char *name,
			       GCancellable *c, GError **error)
{
	fake_log(cloud, "delete");
	return true;
}

static inline GPtrArray *fake_pools(Cloud *cloud, GCancellable *c, GError **error)
{
	GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_pool_free);

	for (unsigned int i = 0; i < fake_of(cloud)->pools->len; i++) {
		const CloudPool *from = fake_of(cloud)->pools->pdata[i];
		CloudPool *pool = g_new0(CloudPool, 1);

		pool->name = g_strdup(from->name);
		pool->uuid = g_strdup(from->uuid);
		pool->type = g_strdup("dir");
		pool->path = g_strdup(from->path);
		pool->active = from->active;
		g_ptr_array_add(list, pool);
	}
	return list;
}

static const struct cloud_driver fake_driver = {
	.name = "fake",
	.free = fake_free,
	.pools = fake_pools,
	.volumes = fake_volumes,
	.directory_volumes = fake_directory,
	.volume_delete = fake_delete,
	.domains = fake_domains,
	.domain_standing = fake_standing,
	.domain_destroy = fake_destroy,
	.domain_resume = fake_resume,
	.domain_undefine = fake_undefine,
	.domain_heal = fake_heal,
};

static inline void fake_init(struct fake_host *host)
{
	*host = (struct fake_host){
		.base = { .driver = &fake_driver, .uri = (char *)(uintptr_t) "fake:///" },
		.domains = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_domain_free),
		.volumes = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_volume_free),
		.pools = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_pool_free),
		.log = g_string_new(NULL),
	};
}

static inline void fake_clear(struct fake_host *host)
{
	g_ptr_array_unref(host->domains);
	g_ptr_array_unref(host->volumes);
	g_ptr_array_unref(host->pools);
	g_string_free(host->log, true);
}

static inline void fake_add_pool(struct fake_host *host, const char *uuid, const char *path)
{
	CloudPool *pool = g_new0(CloudPool, 1);

	pool->name = g_strdup(path);
	pool->uuid = g_strdup(uuid);
	pool->path = g_strdup(path);
	pool->active = true;
	g_ptr_array_add(host->pools, pool);
}

/* @file: the same for two paths to one file. */
static inline void fake_add_file(struct fake_host *host, const char *path, const char *file,
				 const char *backing)
{
	CloudVolume *volume = g_new0(CloudVolume, 1);

	volume->name = g_path_get_basename(path);
	volume->path = g_strdup(path);
	volume->file = g_strdup(file);
	volume->backing = g_strdup(backing);
	g_ptr_array_add(host->volumes, volume);
}

static inline void fake_add_domain(struct fake_host *host, const char *name, const char *path)
{
	CloudDomain *domain = g_new0(CloudDomain, 1);

	domain->name = g_strdup(name);
	domain->uuid = g_strdup(name);
	domain->paths = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(domain->paths, g_strdup(path));
	g_ptr_array_add(host->domains, domain);
}
