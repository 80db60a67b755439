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

#define SCRATCH_PREFIX "wherry-directory-"

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
	if (!g_str_has_prefix(virStoragePoolGetName(pool), SCRATCH_PREFIX)) {
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
	g_autofree char *name = g_strconcat(SCRATCH_PREFIX, request->uuid, NULL);

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
