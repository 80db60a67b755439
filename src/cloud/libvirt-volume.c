/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Volumes of a libvirt host's pools, but for the bytes in them (libvirt-stream.c). */
#include "base/autofd.h"
#include "base/io.h"
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void free_volume(void *volume)
{
	cloud_volume_free(volume);
}

static int by_name(const void *a, const void *b)
{
	const CloudVolume *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool is_gone(void)
{
	return virGetLastErrorCode() == VIR_ERR_NO_STORAGE_VOL;
}

/* The request's pool, active; NULL: NOT_FOUND, BUSY ... */
static virStoragePoolPtr find_pool(virConnectPtr connection, const LibvirtRequest *request,
				   GError **error)
{
	g_autoptr(virStoragePool) pool =
	    virStoragePoolLookupByUUIDString(connection, request->uuid);

	if (!pool) {
		libvirt_error(error, "%s", request->doing);
		return NULL;
	}
	if (virStoragePoolIsActive(pool) != 1) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "%s: the pool '%s' is inactive; start it first", request->doing,
			    virStoragePoolGetName(pool));
		return NULL;
	}
	return g_steal_pointer(&pool);
}

virStorageVolPtr libvirt_find_volume(virConnectPtr connection, const LibvirtRequest *request,
				     GError **error)
{
	g_autoptr(virStoragePool) pool = find_pool(connection, request, error);
	g_autoptr(virStorageVol) volume = NULL;

	if (!pool)
		return NULL;
	volume = virStorageVolLookupByName(pool, request->name);
	/* The host may not have looked into the directory since the file came. */
	if (!volume && is_gone() && virStoragePoolRefresh(pool, 0) == 0)
		volume = virStorageVolLookupByName(pool, request->name);
	if (!volume)
		libvirt_error(error, "%s", request->doing);
	return g_steal_pointer(&volume);
}

/* ---- List ---- */

/* 1: in @ret; 0: it is gone since it was listed; -1: failed. */
static int read_volume(virStorageVolPtr theirs, CloudVolume **ret, GError **error)
{
	g_autoptr(CloudVolume) volume = g_new0(CloudVolume, 1);
	const char *name = virStorageVolGetName(theirs);
	g_autofree char *xml = virStorageVolGetXMLDesc(theirs, 0);

	if (!xml && (is_gone() || libvirt_error_errno() == ENOENT))
		return 0;
	if (!xml) {
		libvirt_error(error, "reading the volume '%s'", name);
		return -1;
	}
	if (!libvirt_read_volume(xml, volume, NULL, error)) {
		g_prefix_error(error, "reading the volume '%s': ", name);
		return -1;
	}
	volume->name = g_strdup(name);
	*ret = g_steal_pointer(&volume);
	return 1;
}

GPtrArray *libvirt_read_volumes(virStoragePoolPtr pool, const char *name, const char *doing,
				GError **error)
{
	g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(free_volume);
	virStorageVolPtr *theirs = NULL;
	int count = virStoragePoolListAllVolumes(pool, &theirs, 0), r = 0;

	if (count < 0) {
		libvirt_error(error, "%s", doing);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		CloudVolume *volume = NULL;

		if (r >= 0 && (!name || strcmp(virStorageVolGetName(theirs[i]), name) == 0))
			r = read_volume(theirs[i], &volume, error);
		if (volume)
			g_ptr_array_add(volumes, volume);
		(void)virStorageVolFree(theirs[i]);
	}
	free(theirs);
	if (r < 0)
		return NULL;
	g_ptr_array_sort(volumes, by_name);
	return g_steal_pointer(&volumes);
}

static bool work_volumes(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virStoragePool) pool = find_pool(connection, request, error);

	if (!pool)
		return false;
	if (virStoragePoolRefresh(pool, 0) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->list = libvirt_read_volumes(pool, request->name, request->doing, error);
	return request->list != NULL;
}

GPtrArray *libvirt_volumes(Cloud *cloud, const char *pool_uuid, const char *name,
			   GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_volumes,
			"listing the volumes of pool %s of '%s'", pool_uuid, cloud->uri);

	request->uuid = g_strdup(pool_uuid);
	request->name = g_strdup(name);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* ---- Make, open, delete ---- */

static LibvirtRequest *new_request(Cloud *cloud,
				   bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
				   const char *doing, const char *pool_uuid, const char *name)
{
	LibvirtRequest *request =
	    request_new(libvirt_cloud_of(cloud), work, "%s the volume '%s' of pool %s of '%s'",
			doing, name, pool_uuid, cloud->uri);

	request->uuid = g_strdup(pool_uuid);
	request->name = g_strdup(name);
	return request;
}

static bool work_create(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autofree char *xml = libvirt_write_volume(request->name, request->text, request->number);
	g_autoptr(virStoragePool) pool = find_pool(connection, request, error);
	g_autoptr(virStorageVol) volume = NULL;

	if (!pool)
		return false;
	volume = virStorageVolCreateXML(pool, xml, 0);
	if (volume)
		return true;
	/* The pool is active, so this says that there is a file of which libvirt knows nothing. */
	if (virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID)
		libvirt_error_as(error, WHERRY_ERROR_EXISTS, "%s", request->doing);
	else
		libvirt_error(error, "%s", request->doing);
	return false;
}

bool libvirt_volume_create(Cloud *cloud, const char *pool_uuid, const char *name,
			   const char *format, uint64_t capacity, GCancellable *cancellable,
			   GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_create, "making", pool_uuid, name);

	request->text = g_strdup(format);
	request->number = capacity;
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

static bool work_describe(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virStorageVol) volume = libvirt_find_volume(connection, request, error);

	if (!volume)
		return false;
	request->text = virStorageVolGetXMLDesc(volume, 0); /* looks at the file anew */
	if (!request->text)
		libvirt_error(error, "%s", request->doing);
	return request->text != NULL;
}

/* Whether @fd is the file that libvirt has described. */
static bool is_same_file(int fd, const struct libvirt_file *theirs)
{
	struct stat ours;

	return fstat(fd, &ours) == 0 && S_ISREG(ours.st_mode) && theirs->mtime_s > 0 &&
	       (uint64_t)ours.st_size == theirs->physical &&
	       (uint64_t)ours.st_mtim.tv_sec == theirs->mtime_s &&
	       (uint64_t)ours.st_mtim.tv_nsec == theirs->mtime_ns && ours.st_uid == theirs->owner &&
	       ours.st_gid == theirs->group;
}

/* libvirt_volume_open(), and the path in @ret_path (owned). */
static int open_volume(Cloud *cloud, const char *pool_uuid, const char *name, int *ret_fd,
		       char **ret_path, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_describe, "opening", pool_uuid, name);
	g_autoptr(CloudVolume) volume = g_new0(CloudVolume, 1);
	struct libvirt_file file;
	autofd int fd = -1;

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return -1;
	if (!libvirt_read_volume(request->text, volume, &file, error))
		return -1;
	if (*volume->path != '/')
		return 0;
	/* Whatever lies at that path here is not waited for. */
	fd = open(volume->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		g_debug("cannot open '%s': %s, ignoring", volume->path, g_strerror(errno));
		return 0;
	}
	if (!is_same_file(fd, &file)) {
		g_debug("'%s' is another file here than on '%s', ignoring", volume->path,
			cloud->uri);
		return 0;
	}
	*ret_fd = g_steal_fd(&fd);
	*ret_path = g_steal_pointer(&volume->path);
	return 1;
}

int libvirt_volume_open(Cloud *cloud, const char *pool_uuid, const char *name, int *ret_fd,
			GCancellable *cancellable, GError **error)
{
	g_autofree char *path = NULL;

	return open_volume(cloud, pool_uuid, name, ret_fd, &path, cancellable, error);
}

bool libvirt_volume_flush(Cloud *cloud, const char *pool_uuid, const char *name,
			  GCancellable *cancellable, GError **error)
{
	g_autofree char *path = NULL, *above = NULL;
	autofd int fd = -1, dir = -1;
	int r = open_volume(cloud, pool_uuid, name, &fd, &path, cancellable, error);

	if (r <= 0)
		return r == 0;
	if (!io_flush(fd, path, error))
		return false;
	above = g_path_get_dirname(path);
	dir = open(above, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (dir < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", above);
		return false;
	}
	return io_flush(dir, above, error);
}

static bool work_delete(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(virStorageVol) volume = libvirt_find_volume(connection, request, &cause);

	if (!volume && g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return true;
	if (!volume) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	if (virStorageVolDelete(volume, 0) < 0 && !is_gone()) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_volume_delete(Cloud *cloud, const char *pool_uuid, const char *name,
			   GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    new_request(cloud, work_delete, "deleting", pool_uuid, name);

	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}
