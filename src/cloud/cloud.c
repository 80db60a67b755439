/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chooses the driver, checks what goes to it, and answers what needs no driver: what can be found
 * in a list is found in the list.
 */
#include "cloud/cloud.h"

#include "base/error.h"
#include "cloud/cloud-check.h"
#include "cloud/cloud-driver.h"

#include <string.h>

static const struct cloud_driver *const drivers[] = { &cloud_libvirt };

const struct cloud_limits cloud_default_limits = { .call_ms = 60000, .stall_ms = 120000 };

static bool has_scheme(const struct cloud_driver *driver, const char *uri)
{
	for (const char *const *scheme = driver->schemes; *scheme; scheme++) {
		size_t len = strlen(*scheme);

		if (strncmp(uri, *scheme, len) == 0 && (uri[len] == ':' || uri[len] == '+'))
			return true;
	}
	return false;
}

Cloud *cloud_connect(const char *uri, const struct cloud_limits *limits, GCancellable *cancellable,
		     GError **error)
{
	g_autoptr(GString) known = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
		if (has_scheme(drivers[i], uri)) {
			Cloud *cloud =
			    drivers[i]->connect(uri, limits ? limits : &cloud_default_limits,
						cancellable, error);

			if (cloud)
				cloud->driver = drivers[i];
			return cloud;
		}
		g_string_append_printf(known, "%s%s", known->len ? ", " : "",
				       drivers[i]->schemes[0]);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "cloud '%s' is of no known kind: its URI must begin with one of: %s", uri,
		    known->str);
	return NULL;
}

void cloud_free(Cloud *cloud)
{
	if (cloud)
		cloud->driver->free(cloud);
}

const char *cloud_uri(const Cloud *cloud)
{
	return cloud->uri;
}

const char *cloud_host_uuid(const Cloud *cloud)
{
	return cloud->host_uuid;
}

const char *cloud_host_name(const Cloud *cloud)
{
	return cloud->host_name;
}

/* ---- What it has room for ---- */

CloudCapacity *cloud_capacity(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->capacity != NULL, "capacity", error))
		return NULL;
	return cloud->driver->capacity(cloud, cancellable, error);
}

bool cloud_capacity_has_machine(const CloudCapacity *capacity, const char *machine)
{
	return g_ptr_array_find_with_equal_func(capacity->machines, machine, g_str_equal, NULL);
}

void cloud_capacity_free(CloudCapacity *capacity)
{
	if (!capacity)
		return;
	g_free(capacity->arch);
	g_free(capacity->qemu_emulator);
	g_free(capacity->kvm_emulator);
	g_free(capacity->no_kvm_reason);
	g_clear_pointer(&capacity->machines, g_ptr_array_unref);
	g_free(capacity);
}

void cloud_network_free(CloudNetwork *network)
{
	if (!network)
		return;
	g_free(network->name);
	g_free(network->uuid);
	g_free(network->bridge);
	g_free(network);
}

GPtrArray *cloud_networks(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->networks != NULL, "networks", error))
		return NULL;
	return cloud->driver->networks(cloud, cancellable, error);
}

/* ---- Directories ---- */

/*
 * Where looking is not harmless: opening a watchdog starts it.  The host looks into a directory and
 * into the one above.
 */
static bool check_directory(const Cloud *cloud, bool offered, const char *pool_uuid,
			    const char *path, GError **error)
{
	static const char *const special[] = { "/dev/", "/proc/", "/sys/" };

	if (!cloud_check_offers(cloud, offered, "directories", error) ||
	    !cloud_check_uuid("the pool's UUID", pool_uuid, error) ||
	    !cloud_check_path("the directory", path, error))
		return false;
	if (g_str_has_prefix(path, "/dev/shm/"))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(special); i++) {
		if (g_str_has_prefix(path, special[i])) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "the directory '%s' is below '%s', which holds no files", path,
				    special[i]);
			return false;
		}
	}
	return true;
}

int cloud_directory_exists(Cloud *cloud, const char *pool_uuid, const char *path,
			   GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_directory(cloud, driver->directory_exists != NULL, pool_uuid, path, error))
		return -1;
	return driver->directory_exists(cloud, pool_uuid, path, cancellable, error);
}

GPtrArray *cloud_directory_missing(Cloud *cloud, const char *pool_uuid, const char *path,
				   GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *level = g_strdup(path);

	/* Upwards, and so at the root at the latest it ends. */
	do {
		int r = cloud_directory_exists(cloud, pool_uuid, level, cancellable, error);
		char *above;

		if (r < 0)
			return NULL;
		if (r > 0)
			break;
		above = g_path_get_dirname(level);
		g_ptr_array_insert(missing, 0, g_steal_pointer(&level));
		level = above;
	} while (strcmp(level, "/") != 0);
	return g_steal_pointer(&missing);
}

bool cloud_directory_create(Cloud *cloud, const char *pool_uuid, const char *path,
			    GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;
	g_autofree char *above = NULL;
	int r = 1;

	if (!check_directory(cloud, driver->directory_create != NULL, pool_uuid, path, error))
		return false;

	/* libvirt would make all levels, and nobody would know which. */
	above = g_path_get_dirname(path);
	if (strcmp(above, "/") != 0)
		r = driver->directory_exists(cloud, pool_uuid, above, cancellable, error);
	if (r < 0)
		return false;
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "cannot make the directory '%s': '%s' is not there", path, above);
		return false;
	}
	r = driver->directory_exists(cloud, pool_uuid, path, cancellable, error);
	if (r < 0)
		return false;
	if (r > 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
			    "cannot make the directory '%s': it is there already", path);
		return false;
	}
	return driver->directory_create(cloud, pool_uuid, path, cancellable, error);
}

int cloud_directory_delete(Cloud *cloud, const char *pool_uuid, const char *path, char **ret_reason,
			   GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_directory(cloud, driver->directory_delete != NULL, pool_uuid, path, error))
		return -1;
	return driver->directory_delete(cloud, pool_uuid, path, ret_reason, cancellable, error);
}

/* ---- Lists ---- */

/*
 * Take the item of @list of which @is_it says so.  The list's other items go.
 * 1: found, in @ret (owned); 0: there is none; -1: @list is NULL, that is, it could not be had.
 */
static int take(GPtrArray *list, bool (*is_it)(const void *item, const char *key), const char *key,
		void **ret)
{
	g_autoptr(GPtrArray) items = list;

	if (!items)
		return -1;
	for (unsigned int i = 0; i < items->len; i++) {
		if (is_it(items->pdata[i], key)) {
			*ret = g_ptr_array_steal_index(items, i);
			return 1;
		}
	}
	return 0;
}

/* Of a list that has been asked for one item. */
static bool is_any(const void *item, const char *key)
{
	return true;
}

/* ---- Storage pools ---- */

void cloud_pool_free(CloudPool *pool)
{
	if (!pool)
		return;
	g_free(pool->name);
	g_free(pool->uuid);
	g_free(pool->type);
	g_free(pool->path);
	g_free(pool);
}

GPtrArray *cloud_pools(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->pools != NULL, "storage pools", error))
		return NULL;
	return cloud->driver->pools(cloud, cancellable, error);
}

static bool pool_has_name(const void *item, const char *name)
{
	return strcmp(((const CloudPool *)item)->name, name) == 0;
}

static bool pool_has_uuid(const void *item, const char *uuid)
{
	return strcmp(((const CloudPool *)item)->uuid, uuid) == 0;
}

static bool pool_has_path(const void *item, const char *path)
{
	const char *its = ((const CloudPool *)item)->path;
	size_t len = its ? strlen(its) : 0, len_wanted = strlen(path);

	while (len > 1 && its[len - 1] == '/')
		len--;
	while (len_wanted > 1 && path[len_wanted - 1] == '/')
		len_wanted--;
	return len > 0 && len == len_wanted && strncmp(its, path, len) == 0;
}

int cloud_pool_find(Cloud *cloud, const char *name, CloudPool **ret, GCancellable *cancellable,
		    GError **error)
{
	return take(cloud_pools(cloud, cancellable, error), pool_has_name, name, (void **)ret);
}

int cloud_pool_find_uuid(Cloud *cloud, const char *uuid, CloudPool **ret, GCancellable *cancellable,
			 GError **error)
{
	return take(cloud_pools(cloud, cancellable, error), pool_has_uuid, uuid, (void **)ret);
}

int cloud_pool_find_path(Cloud *cloud, const char *path, CloudPool **ret, GCancellable *cancellable,
			 GError **error)
{
	return take(cloud_pools(cloud, cancellable, error), pool_has_path, path, (void **)ret);
}

bool cloud_pool_define(Cloud *cloud, const char *uuid, const char *name, const char *path,
		       GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!cloud_check_offers(cloud, driver->pool_define != NULL, "storage pools to make",
				error) ||
	    !cloud_check_uuid("the pool's UUID", uuid, error) ||
	    !cloud_check_name("the pool's name", name, error) ||
	    !cloud_check_path("the pool's directory", path, error))
		return false;
	return driver->pool_define(cloud, uuid, name, path, cancellable, error);
}

static bool start_pool(Cloud *cloud, const char *uuid, bool autostart, GCancellable *cancellable,
		       GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!cloud_check_offers(cloud, driver->pool_start != NULL, "storage pools to start",
				error) ||
	    !cloud_check_uuid("the pool's UUID", uuid, error))
		return false;
	return driver->pool_start(cloud, uuid, autostart, cancellable, error);
}

bool cloud_pool_start(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return start_pool(cloud, uuid, true, cancellable, error);
}

bool cloud_pool_activate(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return start_pool(cloud, uuid, false, cancellable, error);
}

bool cloud_pool_remove(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!cloud_check_offers(cloud, driver->pool_remove != NULL, "storage pools to remove",
				error) ||
	    !cloud_check_uuid("the pool's UUID", uuid, error))
		return false;
	return driver->pool_remove(cloud, uuid, cancellable, error);
}

/* ---- Volumes ---- */

void cloud_volume_free(CloudVolume *volume)
{
	if (!volume)
		return;
	g_free(volume->name);
	g_free(volume->path);
	g_free(volume->format);
	g_free(volume->backing);
	g_free(volume->file);
	g_free(volume);
}

static bool check_volume(const Cloud *cloud, bool offered, const char *pool_uuid, const char *name,
			 GError **error)
{
	return cloud_check_offers(cloud, offered, "volumes", error) &&
	       cloud_check_uuid("the pool's UUID", pool_uuid, error) &&
	       cloud_check_name("the volume's name", name, error);
}

GPtrArray *cloud_volumes(Cloud *cloud, const char *pool_uuid, GCancellable *cancellable,
			 GError **error)
{
	if (!check_volume(cloud, cloud->driver->volumes != NULL, pool_uuid, "any", error))
		return NULL;
	return cloud->driver->volumes(cloud, pool_uuid, NULL, cancellable, error);
}

int cloud_volume_find(Cloud *cloud, const char *pool_uuid, const char *name, CloudVolume **ret,
		      GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volumes != NULL, pool_uuid, name, error))
		return -1;
	return take(driver->volumes(cloud, pool_uuid, name, cancellable, error), is_any, name,
		    (void **)ret);
}

bool cloud_volume_create(Cloud *cloud, const char *pool_uuid, const char *name, const char *format,
			 uint64_t capacity, GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volume_create != NULL, pool_uuid, name, error))
		return false;
	if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "volume '%s' shall be of format '%s': it must be raw or qcow2", name,
			    format);
		return false;
	}
	return driver->volume_create(cloud, pool_uuid, name, format, capacity, cancellable, error);
}

bool cloud_volume_upload(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t length,
			 cloud_fill_fn fill, void *userdata, GCancellable *cancellable,
			 GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volume_upload != NULL, pool_uuid, name, error))
		return false;
	return driver->volume_upload(cloud, pool_uuid, name, length, fill, userdata, cancellable,
				     error);
}

bool cloud_volume_read(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t offset,
		       uint64_t length, cloud_take_fn take_bytes, void *userdata,
		       GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volume_read != NULL, pool_uuid, name, error))
		return false;
	return driver->volume_read(cloud, pool_uuid, name, offset, length, take_bytes, userdata,
				   cancellable, error);
}

int cloud_volume_open(Cloud *cloud, const char *pool_uuid, const char *name, int *ret_fd,
		      GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volume_open != NULL, pool_uuid, name, error))
		return -1;
	return driver->volume_open(cloud, pool_uuid, name, ret_fd, cancellable, error);
}

bool cloud_volume_delete(Cloud *cloud, const char *pool_uuid, const char *name,
			 GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!check_volume(cloud, driver->volume_delete != NULL, pool_uuid, name, error))
		return false;
	return driver->volume_delete(cloud, pool_uuid, name, cancellable, error);
}

/* ---- VMs ---- */

void cloud_domain_free(CloudDomain *domain)
{
	if (!domain)
		return;
	g_free(domain->name);
	g_free(domain->uuid);
	g_clear_pointer(&domain->macs, g_ptr_array_unref);
	g_clear_pointer(&domain->paths, g_ptr_array_unref);
	g_free(domain);
}

const char *cloud_domain_state_name(enum cloud_domain_state state)
{
	switch (state) {
	case CLOUD_DOMAIN_OFF:
		return "off";
	case CLOUD_DOMAIN_RUNNING:
		return "running";
	case CLOUD_DOMAIN_PAUSED:
		return "paused";
	case CLOUD_DOMAIN_CRASHED:
		return "crashed";
	case CLOUD_DOMAIN_SUSPENDED:
		return "suspended";
	}
	g_assert_not_reached();
}

GPtrArray *cloud_domains(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->domains != NULL, "VMs to list", error))
		return NULL;
	return cloud->driver->domains(cloud, NULL, NULL, cancellable, error);
}

int cloud_domain_find(Cloud *cloud, const char *name, CloudDomain **ret, GCancellable *cancellable,
		      GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!cloud_check_offers(cloud, driver->domains != NULL, "VMs to find", error) ||
	    !cloud_check_name("the VM's name", name, error))
		return -1;
	return take(driver->domains(cloud, name, NULL, cancellable, error), is_any, name,
		    (void **)ret);
}

int cloud_domain_find_uuid(Cloud *cloud, const char *uuid, CloudDomain **ret,
			   GCancellable *cancellable, GError **error)
{
	const struct cloud_driver *driver = cloud->driver;

	if (!cloud_check_offers(cloud, driver->domains != NULL, "VMs to find", error) ||
	    !cloud_check_uuid("the VM's UUID", uuid, error))
		return -1;
	return take(driver->domains(cloud, NULL, uuid, cancellable, error), is_any, uuid,
		    (void **)ret);
}

bool cloud_domain_define(Cloud *cloud, const char *xml, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->domain_define != NULL, "VMs to define",
				error))
		return false;
	return cloud->driver->domain_define(cloud, xml, cancellable, error);
}

/* The three that take a VM's UUID and nothing else. */
static bool change_domain(Cloud *cloud,
			  bool (*change)(Cloud *, const char *, GCancellable *, GError **),
			  const char *uuid, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, change != NULL, "VMs to change", error) ||
	    !cloud_check_uuid("the VM's UUID", uuid, error))
		return false;
	return change(cloud, uuid, cancellable, error);
}

bool cloud_domain_undefine(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error)
{
	return change_domain(cloud, cloud->driver->domain_undefine, uuid, cancellable, error);
}

bool cloud_domain_start(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return change_domain(cloud, cloud->driver->domain_start, uuid, cancellable, error);
}

bool cloud_domain_destroy(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return change_domain(cloud, cloud->driver->domain_destroy, uuid, cancellable, error);
}
