/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Storage pools of a libvirt host. */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <libvirt/virterror.h>
#include <string.h>

static void free_pool(void *pool)
{
	cloud_pool_free(pool);
}

static int by_name(const void *a, const void *b)
{
	const CloudPool *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool is_gone(void)
{
	return virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL;
}

/* 1: in @ret; 0: it is gone since it was listed; -1: failed. */
static int read_pool(virStoragePoolPtr theirs, CloudPool **ret, GError **error)
{
	g_autoptr(CloudPool) pool = g_new0(CloudPool, 1);
	const char *name = virStoragePoolGetName(theirs);
	char uuid[VIR_UUID_STRING_BUFLEN];
	g_autofree char *xml = virStoragePoolGetXMLDesc(theirs, 0);
	virStoragePoolInfo info;
	int autostart = 0;

	if (!xml || virStoragePoolGetUUIDString(theirs, uuid) < 0 ||
	    virStoragePoolGetInfo(theirs, &info) < 0 ||
	    virStoragePoolGetAutostart(theirs, &autostart) < 0) {
		if (is_gone())
			return 0;
		libvirt_error(error, "reading the pool '%s'", name);
		return -1;
	}
	if (!libvirt_read_pool(xml, pool, error)) {
		g_prefix_error(error, "reading the pool '%s': ", name);
		return -1;
	}
	pool->name = g_strdup(name);
	pool->uuid = g_strdup(uuid);
	pool->active =
	    info.state == VIR_STORAGE_POOL_RUNNING || info.state == VIR_STORAGE_POOL_DEGRADED;
	pool->autostart = autostart != 0;
	pool->capacity = pool->active ? info.capacity : 0;
	pool->available = pool->active ? info.available : 0;
	*ret = g_steal_pointer(&pool);
	return 1;
}

/* All pools of the host; NULL: failed. */
static GPtrArray *read_pools(virConnectPtr connection, const char *doing, GError **error)
{
	g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func(free_pool);
	virStoragePoolPtr *theirs = NULL;
	int count = virConnectListAllStoragePools(connection, &theirs, 0), r = 0;

	if (count < 0) {
		libvirt_error(error, "%s", doing);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		CloudPool *pool = NULL;

		if (r >= 0)
			r = read_pool(theirs[i], &pool, error);
		if (pool)
			g_ptr_array_add(pools, pool);
		(void)virStoragePoolFree(theirs[i]);
	}
	free(theirs);
	if (r < 0)
		return NULL;
	g_ptr_array_sort(pools, by_name);
	return g_steal_pointer(&pools);
}

static bool work_pools(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	request->list = read_pools(connection, request->doing, error);
	return request->list != NULL;
}

GPtrArray *libvirt_pools(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = request_new(libvirt_cloud_of(cloud), work_pools,
							"listing the pools of '%s'", cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

int libvirt_pool_on(virConnectPtr connection, const char *path, CloudPool **ret, GError **error)
{
	g_autoptr(GPtrArray) pools = read_pools(connection, "listing the pools", error);

	if (!pools)
		return -1;
	for (unsigned int i = 0; i < pools->len; i++) {
		if (g_strcmp0(((CloudPool *)pools->pdata[i])->path, path) == 0) {
			*ret = g_ptr_array_steal_index(pools, i);
			return 1;
		}
	}
	return 0;
}

/* ---- Define ---- */

/*
 * Whether a pool with anything of the new one is there.  Libvirt would change one that has the same
 * name and UUID.
 * 1: this very pool; 0: none; -1: failed, EXISTS if another one has it, BUSY if only for a moment.
 */
static int find_defined(virConnectPtr connection, const LibvirtRequest *request, GError **error)
{
	g_autoptr(GPtrArray) pools = read_pools(connection, request->doing, error);

	if (!pools)
		return -1;
	for (unsigned int i = 0; i < pools->len; i++) {
		const CloudPool *pool = pools->pdata[i];
		bool name = strcmp(pool->name, request->name) == 0;
		bool uuid = strcmp(pool->uuid, request->uuid) == 0;
		bool path = g_strcmp0(pool->path, request->path) == 0;

		if (name && uuid && path)
			return 1;
		if (name || uuid || path) {
			g_set_error(error, WHERRY_ERROR,
				    g_str_has_prefix(pool->name, LIBVIRT_SCRATCH_PREFIX)
					? WHERRY_ERROR_BUSY
					: WHERRY_ERROR_EXISTS,
				    "%s: the pool '%s' (%s) on '%s' has %s", request->doing,
				    pool->name, pool->uuid, pool->path ? pool->path : "no path",
				    name   ? "that name already"
				    : uuid ? "that UUID already"
					   : "that directory already");
			return -1;
		}
	}
	return 0;
}

/* Libvirt refused a pool that find_defined() had not found: it came in between, to stay or not. */
static void explain_clash(virConnectPtr connection, const LibvirtRequest *request, GError **error)
{
	g_autoptr(GError) clash = NULL;

	libvirt_error_as(&clash, WHERRY_ERROR_BUSY, "%s", request->doing);
	if (find_defined(connection, request, error) >= 0)
		g_propagate_error(error, g_steal_pointer(&clash));
}

static bool work_define(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = libvirt_write_pool(request->uuid, request->name, request->path);
	g_autoptr(virStoragePool) pool = NULL;
	int r = find_defined(connection, request, error);

	if (r != 0)
		return r > 0;
	pool = virStoragePoolDefineXML(connection, xml, 0);
	if (!pool && libvirt_error_is_clash())
		explain_clash(connection, request, error);
	else if (!pool)
		libvirt_error(error, "%s", request->doing);
	return pool != NULL;
}

bool libvirt_pool_define(Cloud *cloud, const char *uuid, const char *name, const char *path,
			 GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_define,
			"defining the pool '%s' on '%s' of '%s'", name, path, cloud->uri);

	request->uuid = g_strdup(uuid);
	request->name = g_strdup(name);
	request->path = g_strdup(path);
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

/* ---- Start, remove ---- */

static bool work_start(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virStoragePool) pool =
	    virStoragePoolLookupByUUIDString(connection, request->uuid);

	if (!pool || (virStoragePoolIsActive(pool) != 1 && virStoragePoolCreate(pool, 0) < 0) ||
	    (request->flag && virStoragePoolSetAutostart(pool, 1) < 0)) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_pool_start(Cloud *cloud, const char *uuid, bool autostart, GCancellable *cancellable,
			GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_start, "starting the pool %s of '%s'", uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	request->flag = autostart;
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool work_remove(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virStoragePool) pool =
	    virStoragePoolLookupByUUIDString(connection, request->uuid);

	if (!pool && is_gone())
		return true;
	if (!pool ||
	    (virStoragePoolIsActive(pool) == 1 && virStoragePoolDestroy(pool) < 0 && !is_gone())) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	/* One that was never defined, only started, is gone by now. */
	if (virStoragePoolUndefine(pool) < 0 && !is_gone()) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_pool_remove(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_remove, "removing the pool %s of '%s'", uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}
