/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a cloud must be able to do.  Each kind is a const table that cloud.c lists; to add one:
 * write its file, list it there and in meson.build.
 *
 * The members mean what cloud.h and its kin (cloud-node.h) say of the functions of the same names,
 * and get arguments that cloud.c has checked.  A member may be NULL where a cloud has no such
 * thing: the caller then gets UNSUPPORTED.
 */
#pragma once

#include "base/error.h"
#include "cloud/cloud-migrate.h"
#include "cloud/cloud-node.h"
#include "cloud/cloud.h"

/* A driver's own struct begins with it; connect() fills it but for the driver. */
struct cloud {
	const struct cloud_driver *driver;
	struct cloud_limits limits;
	char *uri;
	char *host_uuid;
	char *host_name;
};

struct cloud_driver {
	const char *name;
	/* Of the URI, up to ':' or '+'; NULL ends. */
	const char *const *schemes;

	Cloud *(*connect)(const char *uri, const struct cloud_limits *limits,
			  GCancellable *cancellable, GError **error);
	/* Frees the whole struct, the members above too. */
	void (*free)(Cloud *cloud);

	CloudCapacity *(*capacity)(Cloud *, GCancellable *, GError **);
	GPtrArray *(*networks)(Cloud *, GCancellable *, GError **);

	CloudNode *(*node)(Cloud *, GCancellable *, GError **);
	CloudUse *(*use)(Cloud *, GCancellable *, GError **);
	CloudNeeds *(*needs)(Cloud *, const char *uuid, GCancellable *, GError **);
	GPtrArray *(*lacks)(Cloud *, const CloudNeeds *needs, GCancellable *, GError **);
	GPtrArray *(*arriving)(Cloud *, GCancellable *, GError **);
	/* A pool of which only the sizes are set. */
	CloudPool *(*space)(Cloud *, const char *path, GCancellable *, GError **);

	int (*directory_exists)(Cloud *, const char *pool_uuid, const char *path, GCancellable *,
				GError **);
	bool (*directory_create)(Cloud *, const char *pool_uuid, const char *path, GCancellable *,
				 GError **);
	int (*directory_delete)(Cloud *, const char *pool_uuid, const char *path, char **ret_reason,
				GCancellable *, GError **);

	/* CloudVolume, as of volumes(), of a directory on which no pool lies; no such one: empty.
	 */
	GPtrArray *(*directory_volumes)(Cloud *, const char *path, GCancellable *, GError **);

	GPtrArray *(*pools)(Cloud *, GCancellable *, GError **);
	bool (*pool_define)(Cloud *, const char *uuid, const char *name, const char *path,
			    GCancellable *, GError **);
	/* @autostart: from now on; else it is left as it is. */
	bool (*pool_start)(Cloud *, const char *uuid, bool autostart, GCancellable *, GError **);
	bool (*pool_remove)(Cloud *, const char *uuid, GCancellable *, GError **);

	/* @name: only this one, if it is there; NULL: all. */
	GPtrArray *(*volumes)(Cloud *, const char *pool_uuid, const char *name, GCancellable *,
			      GError **);
	bool (*volume_create)(Cloud *, const char *pool_uuid, const char *name, const char *format,
			      uint64_t capacity, GCancellable *, GError **);
	bool (*volume_upload)(Cloud *, const char *pool_uuid, const char *name, uint64_t length,
			      cloud_fill_fn fill, void *userdata, GCancellable *, GError **);
	bool (*volume_read)(Cloud *, const char *pool_uuid, const char *name, uint64_t offset,
			    uint64_t length, cloud_take_fn take, void *userdata, GCancellable *,
			    GError **);
	int (*volume_open)(Cloud *, const char *pool_uuid, const char *name, int *ret_fd,
			   GCancellable *, GError **);
	bool (*volume_delete)(Cloud *, const char *pool_uuid, const char *name, GCancellable *,
			      GError **);

	/* Only the one of this name or UUID, if it is there; both NULL: all. */
	GPtrArray *(*domains)(Cloud *, const char *name, const char *uuid, GCancellable *,
			      GError **);
	bool (*domain_define)(Cloud *, const char *xml, GCancellable *, GError **);
	bool (*domain_undefine)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*domain_start)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*domain_destroy)(Cloud *, const char *uuid, GCancellable *, GError **);

	/* Those of cloud-migrate.h. */
	GPtrArray *(*domain_disks)(Cloud *, const char *uuid, GCancellable *, GError **);
	char *(*domain_xml)(Cloud *, const char *uuid, enum cloud_xml, GCancellable *, GError **);
	bool (*domain_standing)(Cloud *, const char *uuid, struct cloud_standing *ret,
				GCancellable *, GError **);
	GPtrArray *(*dirty_rates)(Cloud *, GCancellable *, GError **);
	bool (*domain_dirty_begin)(Cloud *, const char *uuid, unsigned int seconds, GCancellable *,
				   GError **);
	bool (*domain_dirty_rate)(Cloud *, const char *uuid, unsigned int seconds, uint64_t *ret,
				  GCancellable *, GError **);
	bool (*domain_suspend)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*domain_resume)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*domain_set_autostart)(Cloud *, const char *uuid, bool on, GCancellable *, GError **);
	bool (*domain_heal)(Cloud *, const char *uuid, const char *const *targets, char **ret,
			    GCancellable *, GError **);

	/* It begins a struct of the driver's with a struct cloud_migration. */
	CloudMigration *(*migration_start)(Cloud *, const struct cloud_migration_request *,
					   GError **);
	bool (*migration_wait)(CloudMigration *, unsigned int ms);
	bool (*migration_end)(CloudMigration *, GError **);
	/* @ended: of the last one that ended. */
	bool (*migration_progress)(Cloud *, const char *uuid, bool ended,
				   struct cloud_progress *ret, GCancellable *, GError **);
	bool (*migration_tune)(Cloud *, const char *uuid, uint64_t downtime_ms, GCancellable *,
			       GError **);
	bool (*migration_set_bandwidth)(Cloud *, const char *uuid, uint64_t bandwidth,
					GCancellable *, GError **);
	bool (*migration_postcopy)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*migration_abort)(Cloud *, const char *uuid, GCancellable *, GError **);
	bool (*migration_yank)(Cloud *, const char *uuid, const char *const *targets,
			       GCancellable *, GError **);
};

struct cloud_migration {
	const struct cloud_driver *driver;
};

extern const struct cloud_driver cloud_libvirt;

/* Fail with UNSUPPORTED where the driver has no such member; in sight of who calls it then. */
static inline bool cloud_check_offers(const Cloud *cloud, bool offered, const char *what,
				      GError **error)
{
	if (!offered)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "cloud '%s' is of kind %s, which has no %s", cloud->uri,
			    cloud->driver->name, what);
	return offered;
}
