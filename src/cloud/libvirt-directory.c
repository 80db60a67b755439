/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories on a libvirt host, which knows them as targets of pools only:
 *
 *   is it there?   start a transient pool on it: what fails leaves nothing, nor does its end
 *   make it        the same, with Build.  Build succeeds on a directory that is there, and makes
 *                  all levels above, so the caller has asked first, and the level above is there
 *   remove it      define a pool on it and Delete that: rmdir
 *
 * (Behaviour of libvirt 9.0, tried there: see tests/scripts/cloud-libvirt.sh.)
 */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <string.h>

static bool is_gone(void)
{
	return virGetLastErrorCode() == VIR_ERR_NO_STORAGE_POOL;
}

/* End a pool that is only there for a directory; one that ends by itself meanwhile is all right. */
static bool end_scratch(virStoragePoolPtr pool, GError **error)
{
	if (virStoragePoolIsActive(pool) == 1 && virStoragePoolDestroy(pool) < 0 && !is_gone()) {
		libvirt_error(error, "stopping the pool '%s'", virStoragePoolGetName(pool));
		return false;
	}
	if (virStoragePoolIsPersistent(pool) == 1 && virStoragePoolUndefine(pool) < 0 &&
	    !is_gone()) {
		libvirt_error(error, "undefining the pool '%s'", virStoragePoolGetName(pool));
		return false;
	}
	return true;
}

/* Take away what an earlier call left that was killed.  BUSY: the UUID is another pool's. */
static bool clear_scratch(virConnectPtr connection, const char *uuid, GError **error)
{
	g_autoptr(virStoragePool) pool = virStoragePoolLookupByUUIDString(connection, uuid);

	if (!pool && is_gone())
		return true;
	if (!pool) {
		libvirt_error(error, "looking for the pool %s", uuid);
		return false;
	}
	if (!g_str_has_prefix(virStoragePoolGetName(pool), LIBVIRT_SCRATCH_PREFIX)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "the pool %s is already defined, as '%s'; its directory is made before "
			    "it and removed after it",
			    uuid, virStoragePoolGetName(pool));
		return false;
	}
	return end_scratch(pool, error);
}

static char *scratch_xml(const LibvirtRequest *request)
{
	g_autofree char *name = g_strconcat(LIBVIRT_SCRATCH_PREFIX, request->uuid, NULL);

	return libvirt_write_pool(request->uuid, name, request->path);
}

/* Libvirt allows one pool on a directory; an active one proves the directory. */
static bool answer_for_pool(const CloudPool *pool, LibvirtRequest *request, GError **error)
{
	if (!pool->active)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "whether the directory '%s' is there cannot be told: the pool '%s' "
			    "lies there, which is inactive; start it, or undefine it",
			    request->path, pool->name);
	request->answer = 1;
	return pool->active;
}

static bool work_exists(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = scratch_xml(request);
	g_autoptr(virStoragePool) pool = NULL;
	g_autoptr(CloudPool) other = NULL;
	int errnum;

	if (!clear_scratch(connection, request->uuid, error))
		return false;
	if (libvirt_pool_on(connection, request->path, &other, error) < 0)
		return false;
	if (other)
		return answer_for_pool(other, request, error);

	pool = virStoragePoolCreateXML(connection, xml, 0);
	if (pool) {
		request->answer = 1;
		return end_scratch(pool, error);
	}
	errnum = libvirt_error_errno();
	if (errnum == ENOENT) {
		request->answer = 0;
		return true;
	}
	if (errnum == ENOTDIR)
		libvirt_error_as(error, WHERRY_ERROR_INVALID_INPUT,
				 "looking for the directory '%s'", request->path);
	else
		libvirt_error(error, "looking for the directory '%s'", request->path);
	return false;
}

static bool work_create(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = scratch_xml(request);
	g_autoptr(virStoragePool) pool = NULL;

	if (!clear_scratch(connection, request->uuid, error))
		return false;
	pool = virStoragePoolCreateXML(connection, xml, VIR_STORAGE_POOL_CREATE_WITH_BUILD);
	if (!pool) {
		libvirt_error(error, "making the directory '%s'", request->path);
		return false;
	}
	return end_scratch(pool, error);
}

/* What keeps a directory is an answer, not a failure.  False: it is neither. */
static bool explain_kept(LibvirtRequest *request)
{
	const char *why;

	switch (libvirt_error_errno()) {
	case ENOENT:
		request->answer = 1;
		return true;
	case ENOTEMPTY:
	case EEXIST:
		why = "it is not empty";
		break;
	case EBUSY:
		why = "something is mounted there";
		break;
	case ENOTDIR:
		why = "it is no directory";
		break;
	default:
		return false;
	}
	request->answer = 0;
	request->reason = g_strdup(why);
	return true;
}

static bool work_delete(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = scratch_xml(request);
	g_autoptr(virStoragePool) pool = NULL;
	g_autoptr(CloudPool) other = NULL;
	g_autoptr(GError) cause = NULL;

	if (!clear_scratch(connection, request->uuid, error))
		return false;
	if (libvirt_pool_on(connection, request->path, &other, error) < 0)
		return false;
	if (other) {
		request->answer = 0;
		request->reason = g_strdup_printf("the pool '%s' lies there", other->name);
		return true;
	}
	pool = virStoragePoolDefineXML(connection, xml, 0);
	if (!pool) {
		libvirt_error(error, "removing the directory '%s'", request->path);
		return false;
	}
	request->answer = 1;
	if (virStoragePoolDelete(pool, VIR_STORAGE_POOL_DELETE_NORMAL) < 0 &&
	    !explain_kept(request))
		libvirt_error(&cause, "removing the directory '%s'", request->path);
	/* If it fails to end, too, the next call takes it away. */
	if (cause) {
		(void)end_scratch(pool, NULL);
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	return end_scratch(pool, error);
}

/* ---- Space ---- */

/* What is free of a pool changes while nobody tells libvirt. */
static bool read_space(virStoragePoolPtr pool, LibvirtRequest *request, GError **error)
{
	virStoragePoolInfo info;
	CloudPool *answer;

	/* Refused while a volume is made in it, which keeps it up to date, too. */
	(void)virStoragePoolRefresh(pool, 0);
	if (virStoragePoolGetInfo(pool, &info) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	answer = g_new0(CloudPool, 1);
	answer->capacity = info.capacity;
	answer->available = info.available;
	g_ptr_array_add(request->list, answer);
	return true;
}

/* 1: there is a directory, and it was answered; 0: there is none; -1: failed. */
static int try_space(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = scratch_xml(request);
	g_autoptr(virStoragePool) pool = NULL;
	g_autoptr(CloudPool) other = NULL;

	if (!clear_scratch(connection, request->uuid, error) ||
	    libvirt_pool_on(connection, request->path, &other, error) < 0)
		return -1;
	if (other && other->active) {
		pool = virStoragePoolLookupByUUIDString(connection, other->uuid);
		if (pool)
			return read_space(pool, request, error) ? 1 : -1;
	}
	if (other)
		return 0; /* libvirt allows one pool on a directory, so ask the level above */
	pool = virStoragePoolCreateXML(connection, xml, 0);
	if (pool) {
		bool ok = read_space(pool, request, error);

		return end_scratch(pool, ok ? error : NULL) && ok ? 1 : -1;
	}
	if (libvirt_error_errno() == ENOENT)
		return 0;
	libvirt_error(error, "%s", request->doing);
	return -1;
}

/* Upwards until there is a directory; the root is one. */
static bool work_space(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	int r;

	g_clear_pointer(&request->list, g_ptr_array_unref);
	request->list = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_pool_free);
	while ((r = try_space(connection, request, error)) == 0 &&
	       strcmp(request->path, "/") != 0) {
		char *above = g_path_get_dirname(request->path);

		g_free(request->path);
		request->path = above;
	}
	if (r == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "%s: no level of it can be looked at", request->doing);
	return r > 0;
}

/* No directory: no volumes. */
static bool work_volumes(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = scratch_xml(request);
	g_autoptr(virStoragePool) pool = NULL;

	if (!clear_scratch(connection, request->uuid, error))
		return false;
	pool = virStoragePoolCreateXML(connection, xml, 0);
	if (!pool && libvirt_error_errno() == ENOENT) {
		request->list = g_ptr_array_new_with_free_func((GDestroyNotify)cloud_volume_free);
		return true;
	}
	if (!pool) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->list = libvirt_read_volumes(pool, NULL, request->doing, error);
	return end_scratch(pool, request->list ? error : NULL) && request->list;
}

static LibvirtRequest *new_request(Cloud *cloud,
				   bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
				   const char *doing, const char *pool_uuid, const char *path)
{
	LibvirtRequest *request =
	    request_new(libvirt_cloud_of(cloud), work, "%s the directory '%s' of '%s'", doing, path,
			cloud->uri);

	request->uuid = g_strdup(pool_uuid);
	request->path = g_strdup(path);
	return request;
}

int libvirt_directory_exists(Cloud *cloud, const char *pool_uuid, const char *path,
			     GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_exists, "looking for", pool_uuid, path);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return -1;
	return request->answer;
}

bool libvirt_directory_create(Cloud *cloud, const char *pool_uuid, const char *path,
			      GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_create, "making", pool_uuid, path);

	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

int libvirt_directory_delete(Cloud *cloud, const char *pool_uuid, const char *path,
			     char **ret_reason, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_delete, "removing", pool_uuid, path);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return -1;
	if (request->answer == 0)
		*ret_reason = g_steal_pointer(&request->reason);
	return request->answer;
}

/*
 * A UUID of the path, so that what a killed call left is found by the next; two callers at a time
 * take each other's pool away, and one of them asks again.
 */
static char *path_uuid(const char *path)
{
	g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

	return g_strdup_printf("%.8s-%.4s-%.4s-%.4s-%.12s", digest, digest + 8, digest + 12,
			       digest + 16, digest + 20);
}

CloudPool *libvirt_space(Cloud *cloud, const char *path, GCancellable *cancellable, GError **error)
{
	g_autofree char *uuid = path_uuid(path);
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_space, "asking for the space of", uuid, path);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_ptr_array_steal_index(request->list, 0);
}

GPtrArray *libvirt_directory_volumes(Cloud *cloud, const char *path, GCancellable *cancellable,
				     GError **error)
{
	g_autofree char *uuid = path_uuid(path);
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_volumes, "listing the images in", uuid, path);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}
