/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Libvirt's objects that free themselves, and the parts of the driver. */
#pragma once

#include "cloud/cloud-migrate.h"
#include "cloud/cloud-node.h"
#include "cloud/libvirt-request.h"

#include <libvirt/libvirt.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virInterface, virInterfaceFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virNetwork, virNetworkFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/*
 * Members of struct cloud_driver, by the file that has them.  They mean what cloud.h says.
 */

/* libvirt-directory.c */
int libvirt_directory_exists(Cloud *cloud, const char *pool_uuid, const char *path,
			     GCancellable *cancellable, GError **error);
bool libvirt_directory_create(Cloud *cloud, const char *pool_uuid, const char *path,
			      GCancellable *cancellable, GError **error);
int libvirt_directory_delete(Cloud *cloud, const char *pool_uuid, const char *path,
			     char **ret_reason, GCancellable *cancellable, GError **error);

/* As cloud_space(); the sizes of what comes out, which is owned, are all that is set. */
CloudPool *libvirt_space(Cloud *cloud, const char *path, GCancellable *cancellable, GError **error);

/* As struct cloud_driver has it. */
GPtrArray *libvirt_directory_volumes(Cloud *cloud, const char *path, GCancellable *cancellable,
				     GError **error);

/* libvirt-node.c */
CloudNode *libvirt_node(Cloud *cloud, GCancellable *cancellable, GError **error);
CloudUse *libvirt_use(Cloud *cloud, GCancellable *cancellable, GError **error);

/* libvirt-fit.c */
CloudNeeds *libvirt_needs(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			  GError **error);
GPtrArray *libvirt_lacks(Cloud *cloud, const CloudNeeds *needs, GCancellable *cancellable,
			 GError **error);
GPtrArray *libvirt_arriving(Cloud *cloud, GCancellable *cancellable, GError **error);

/* libvirt-pool.c */
GPtrArray *libvirt_pools(Cloud *cloud, GCancellable *cancellable, GError **error);
bool libvirt_pool_define(Cloud *cloud, const char *uuid, const char *name, const char *path,
			 GCancellable *cancellable, GError **error);
bool libvirt_pool_start(Cloud *cloud, const char *uuid, bool autostart, GCancellable *cancellable,
			GError **error);
bool libvirt_pool_remove(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error);

/* libvirt-volume.c */
/* CloudVolume: all of @pool, or the one called @name; owned.  NULL: failed. */
GPtrArray *libvirt_read_volumes(virStoragePoolPtr pool, const char *name, const char *doing,
				GError **error);
GPtrArray *libvirt_volumes(Cloud *cloud, const char *pool_uuid, const char *name,
			   GCancellable *cancellable, GError **error);
bool libvirt_volume_create(Cloud *cloud, const char *pool_uuid, const char *name,
			   const char *format, uint64_t capacity, GCancellable *cancellable,
			   GError **error);
int libvirt_volume_open(Cloud *cloud, const char *pool_uuid, const char *name, int *ret_fd,
			GCancellable *cancellable, GError **error);
bool libvirt_volume_delete(Cloud *cloud, const char *pool_uuid, const char *name,
			   GCancellable *cancellable, GError **error);

/* libvirt-stream.c */
bool libvirt_volume_upload(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t length,
			   cloud_fill_fn fill, void *userdata, GCancellable *cancellable,
			   GError **error);
bool libvirt_volume_read(Cloud *cloud, const char *pool_uuid, const char *name, uint64_t offset,
			 uint64_t length, cloud_take_fn take, void *userdata,
			 GCancellable *cancellable, GError **error);

/* libvirt-domain.c */
GPtrArray *libvirt_domains(Cloud *cloud, const char *name, const char *uuid,
			   GCancellable *cancellable, GError **error);
bool libvirt_domain_define(Cloud *cloud, const char *xml, GCancellable *cancellable,
			   GError **error);
bool libvirt_domain_undefine(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			     GError **error);
bool libvirt_domain_start(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			  GError **error);
bool libvirt_domain_destroy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			    GError **error);

/* libvirt-live.c */
GPtrArray *libvirt_domain_disks(Cloud *cloud, const char *uuid, GCancellable *cancellable,
				GError **error);
char *libvirt_domain_xml(Cloud *cloud, const char *uuid, enum cloud_xml view,
			 GCancellable *cancellable, GError **error);
bool libvirt_domain_standing(Cloud *cloud, const char *uuid, struct cloud_standing *ret,
			     GCancellable *cancellable, GError **error);
bool libvirt_domain_suspend(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			    GError **error);
bool libvirt_domain_resume(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error);
bool libvirt_domain_set_autostart(Cloud *cloud, const char *uuid, bool on,
				  GCancellable *cancellable, GError **error);

/* libvirt-dirty.c */
GPtrArray *libvirt_dirty_rates(Cloud *cloud, GCancellable *cancellable, GError **error);
bool libvirt_domain_dirty_begin(Cloud *cloud, const char *uuid, unsigned int seconds,
				GCancellable *cancellable, GError **error);
bool libvirt_domain_dirty_rate(Cloud *cloud, const char *uuid, unsigned int seconds, uint64_t *ret,
			       GCancellable *cancellable, GError **error);

/* libvirt-migrate.c */
CloudMigration *libvirt_migration_start(Cloud *source,
					const struct cloud_migration_request *request,
					GError **error);
bool libvirt_migration_wait(CloudMigration *migration, unsigned int ms);
bool libvirt_migration_end(CloudMigration *migration, GError **error);

/* libvirt-migrate-control.c */
bool libvirt_domain_heal(Cloud *cloud, const char *uuid, const char *const *targets, char **ret,
			 GCancellable *cancellable, GError **error);
bool libvirt_migration_progress(Cloud *cloud, const char *uuid, bool ended,
				struct cloud_progress *ret, GCancellable *cancellable,
				GError **error);
bool libvirt_migration_tune(Cloud *cloud, const char *uuid, uint64_t downtime_ms,
			    GCancellable *cancellable, GError **error);
bool libvirt_migration_set_bandwidth(Cloud *cloud, const char *uuid, uint64_t bandwidth,
				     GCancellable *cancellable, GError **error);
bool libvirt_migration_postcopy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
				GError **error);
bool libvirt_migration_abort(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			     GError **error);
bool libvirt_migration_yank(Cloud *cloud, const char *uuid, const char *const *targets,
			    GCancellable *cancellable, GError **error);

/*
 * Of libvirt-live.c: is something long being done with a VM?  1: yes; 0: no, as of one that is off;
 * -1: the host does not say.
 */
int libvirt_has_job(virDomainPtr domain);

/* Of libvirt-domain.c: a state of libvirt's as ours. */
enum cloud_domain_state libvirt_domain_state(int theirs);

/* Of libvirt-domain.c: @work on one VM, which @doing says: "starting". */
bool libvirt_domain_change(Cloud *cloud, bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
			   const char *doing, const char *uuid, GCancellable *cancellable,
			   GError **error);

/*
 * Of cloud-libvirt.c, for work in a request's thread: CPUs, and bytes of memory and of what is free
 * of it, with caches.
 */
bool libvirt_read_memory(virConnectPtr connection, unsigned int *ret_cpus, uint64_t *ret_memory,
			 uint64_t *ret_free, GError **error);

/*
 * Of libvirt-pool.c, for work in a request's thread: the pool whose target is @path, active or not.
 * 1: in @ret (owned); 0: none; -1: failed.
 */
int libvirt_pool_on(virConnectPtr connection, const char *path, CloudPool **ret, GError **error);

/* What begins the name of a pool that libvirt-directory.c takes for a moment. */
#define LIBVIRT_SCRATCH_PREFIX "wherry-directory-"

/* Of libvirt-volume.c, for work in a request's thread.  BUSY: the pool is inactive. */
virStorageVolPtr libvirt_find_volume(virConnectPtr connection, const LibvirtRequest *request,
				     GError **error);

/*
 * Of libvirt-volume.c: bring the volume's file to stable storage, if it can be reached from here;
 * else leave it to its host, and succeed.
 */
bool libvirt_volume_flush(Cloud *cloud, const char *pool_uuid, const char *name,
			  GCancellable *cancellable, GError **error);

/* The Cloud of libvirt that @cloud is. */
static inline struct libvirt_cloud *libvirt_cloud_of(Cloud *cloud)
{
	return (struct libvirt_cloud *)cloud; /* it begins with it */
}
