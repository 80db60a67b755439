/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks what goes to the driver; cloud.c does the same for the rest of the table. */
#include "cloud/cloud-migrate.h"

#include "base/error.h"
#include "cloud/cloud-check.h"
#include "cloud/cloud-driver.h"

void cloud_disk_free(CloudDisk *disk)
{
	if (!disk)
		return;
	g_free(disk->target);
	g_free(disk->type);
	g_free(disk->device);
	g_free(disk->source);
	g_free(disk->format);
	g_free(disk->backing);
	g_free(disk);
}

/* Fail where the driver has no such member, or @uuid is none. */
static bool check(const Cloud *cloud, bool offered, const char *uuid, GError **error)
{
	if (!offered)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "cloud '%s' is of kind %s, from which no running VM is moved",
			    cloud->uri, cloud->driver->name);
	return offered && cloud_check_uuid("the VM's UUID", uuid, error);
}

GPtrArray *cloud_domain_disks(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			      GError **error)
{
	if (!check(cloud, cloud->driver->domain_disks != NULL, uuid, error))
		return NULL;
	return cloud->driver->domain_disks(cloud, uuid, cancellable, error);
}

char *cloud_domain_xml(Cloud *cloud, const char *uuid, enum cloud_xml view,
		       GCancellable *cancellable, GError **error)
{
	if (!check(cloud, cloud->driver->domain_xml != NULL, uuid, error))
		return NULL;
	return cloud->driver->domain_xml(cloud, uuid, view, cancellable, error);
}

bool cloud_domain_standing(Cloud *cloud, const char *uuid, struct cloud_standing *ret,
			   GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_standing != NULL, uuid, error) &&
	       cloud->driver->domain_standing(cloud, uuid, ret, cancellable, error);
}

void cloud_dirty_rate_free(CloudDirtyRate *rate)
{
	if (!rate)
		return;
	g_free(rate->uuid);
	g_free(rate);
}

GPtrArray *cloud_dirty_rates(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->dirty_rates != NULL, "dirty rates", error))
		return NULL;
	return cloud->driver->dirty_rates(cloud, cancellable, error);
}

bool cloud_domain_dirty_begin(Cloud *cloud, const char *uuid, unsigned int seconds,
			      GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_dirty_begin != NULL, uuid, error) &&
	       cloud->driver->domain_dirty_begin(cloud, uuid, seconds, cancellable, error);
}

bool cloud_domain_dirty_rate(Cloud *cloud, const char *uuid, unsigned int seconds, uint64_t *ret,
			     GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_dirty_rate != NULL, uuid, error) &&
	       cloud->driver->domain_dirty_rate(cloud, uuid, seconds, ret, cancellable, error);
}

bool cloud_domain_suspend(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_suspend != NULL, uuid, error) &&
	       cloud->driver->domain_suspend(cloud, uuid, cancellable, error);
}

bool cloud_domain_resume(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_resume != NULL, uuid, error) &&
	       cloud->driver->domain_resume(cloud, uuid, cancellable, error);
}

bool cloud_domain_set_autostart(Cloud *cloud, const char *uuid, bool on, GCancellable *cancellable,
				GError **error)
{
	return check(cloud, cloud->driver->domain_set_autostart != NULL, uuid, error) &&
	       cloud->driver->domain_set_autostart(cloud, uuid, on, cancellable, error);
}

bool cloud_domain_heal(Cloud *cloud, const char *uuid, const char *const *targets, char **ret,
		       GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->domain_heal != NULL, uuid, error) &&
	       cloud->driver->domain_heal(cloud, uuid, targets, ret, cancellable, error);
}

/* ---- Migration ---- */

CloudMigration *cloud_migration_start(Cloud *source, const struct cloud_migration_request *request,
				      GError **error)
{
	CloudMigration *migration;

	if (!check(source, source->driver->migration_start != NULL, request->uuid, error))
		return NULL;
	for (size_t i = 0; i < request->move_count; i++)
		if (!cloud_check_path("the disk's new path", request->moves[i].path, error))
			return NULL;
	migration = source->driver->migration_start(source, request, error);
	if (migration)
		migration->driver = source->driver;
	return migration;
}

bool cloud_migration_wait(CloudMigration *migration, unsigned int ms)
{
	return migration->driver->migration_wait(migration, ms);
}

bool cloud_migration_end(CloudMigration *migration, GError **error)
{
	return migration->driver->migration_end(migration, error);
}

bool cloud_migration_progress(Cloud *cloud, const char *uuid, struct cloud_progress *ret,
			      GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->migration_progress != NULL, uuid, error) &&
	       cloud->driver->migration_progress(cloud, uuid, false, ret, cancellable, error);
}

bool cloud_migration_result(Cloud *cloud, const char *uuid, struct cloud_progress *ret,
			    GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->migration_progress != NULL, uuid, error) &&
	       cloud->driver->migration_progress(cloud, uuid, true, ret, cancellable, error);
}

bool cloud_migration_tune(Cloud *cloud, const char *uuid, uint64_t downtime_ms,
			  GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->migration_tune != NULL, uuid, error) &&
	       cloud->driver->migration_tune(cloud, uuid, downtime_ms, cancellable, error);
}

bool cloud_migration_set_bandwidth(Cloud *cloud, const char *uuid, uint64_t bandwidth,
				   GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->migration_set_bandwidth != NULL, uuid, error) &&
	       cloud->driver->migration_set_bandwidth(cloud, uuid, bandwidth, cancellable, error);
}

bool cloud_migration_postcopy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			      GError **error)
{
	return check(cloud, cloud->driver->migration_postcopy != NULL, uuid, error) &&
	       cloud->driver->migration_postcopy(cloud, uuid, cancellable, error);
}

bool cloud_migration_abort(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error)
{
	return check(cloud, cloud->driver->migration_abort != NULL, uuid, error) &&
	       cloud->driver->migration_abort(cloud, uuid, cancellable, error);
}

bool cloud_migration_yank(Cloud *cloud, const char *uuid, const char *const *targets,
			  GCancellable *cancellable, GError **error)
{
	return check(cloud, cloud->driver->migration_yank != NULL, uuid, error) &&
	       cloud->driver->migration_yank(cloud, uuid, targets, cancellable, error);
}
