/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs of a libvirt host as they run: their disks, where they stand, and small changes to them. */
#include "cloud/libvirt-disks.h"
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"

#include <libvirt/virterror.h>
#include <string.h>

/* ---- XML, disks ---- */

static unsigned int flags_of(enum cloud_xml view)
{
	switch (view) {
	case CLOUD_XML_LIVE:
		return VIR_DOMAIN_XML_SECURE;
	case CLOUD_XML_MIGRATABLE:
		return VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE;
	case CLOUD_XML_INACTIVE:
		return VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_INACTIVE;
	}
	g_assert_not_reached();
}

static bool work_xml(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	g_autofree char *xml = NULL;

	if (domain)
		xml = virDomainGetXMLDesc(domain, (unsigned int)request->number);
	if (!xml) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->reason = g_strdup(xml);
	return true;
}

char *libvirt_domain_xml(Cloud *cloud, const char *uuid, enum cloud_xml view,
			 GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_xml, "reading the VM %s of '%s'", uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	request->number = flags_of(view);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->reason);
}

/*
 * Sizes as QEMU has them while the VM runs.  Where there are none (an empty drive, a network disk
 * of a VM that is off) they are not known.
 */
static void read_sizes(virDomainPtr domain, CloudDisk *disk)
{
	virDomainBlockInfo info;

	if (!disk->source || virDomainGetBlockInfo(domain, disk->target, &info, 0) < 0)
		return;
	disk->capacity = info.capacity;
	disk->allocation = info.allocation;
}

static bool work_disks(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	g_autofree char *xml = domain ? virDomainGetXMLDesc(domain, 0) : NULL;
	g_autoptr(GPtrArray) disks = NULL;

	if (!xml) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	disks = libvirt_read_disks(xml, error);
	for (unsigned int i = 0; disks && i < disks->len; i++)
		read_sizes(domain, g_ptr_array_index(disks, i));
	request->list = g_steal_pointer(&disks);
	return request->list != NULL;
}

GPtrArray *libvirt_domain_disks(Cloud *cloud, const char *uuid, GCancellable *cancellable,
				GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_disks,
			"reading the disks of the VM %s of '%s'", uuid, cloud->uri);

	request->uuid = g_strdup(uuid);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* ---- Where it stands ---- */

/* A daemon that begins anew forgets why a VM is off. */
static bool is_own_end(int reason)
{
	return reason != VIR_DOMAIN_SHUTOFF_UNKNOWN && reason != VIR_DOMAIN_SHUTOFF_MIGRATED &&
	       reason != VIR_DOMAIN_SHUTOFF_DAEMON;
}

static void read_reason(int state, int reason, struct cloud_standing *standing)
{
	switch (state) {
	case VIR_DOMAIN_SHUTOFF:
		standing->moved_away = reason == VIR_DOMAIN_SHUTOFF_MIGRATED;
		standing->own_end = is_own_end(reason);
		break;
	case VIR_DOMAIN_PAUSED:
		standing->moving = reason == VIR_DOMAIN_PAUSED_MIGRATION ||
				   reason == VIR_DOMAIN_PAUSED_POSTCOPY ||
				   reason == VIR_DOMAIN_PAUSED_STARTING_UP;
		standing->torn = reason == VIR_DOMAIN_PAUSED_POSTCOPY_FAILED;
		break;
	case VIR_DOMAIN_RUNNING:
		standing->postcopy = reason == VIR_DOMAIN_RUNNING_POSTCOPY;
		standing->torn = reason == VIR_DOMAIN_RUNNING_POSTCOPY_FAILED;
		break;
	default:
		break;
	}
}

int libvirt_has_job(virDomainPtr domain)
{
	virDomainJobInfo info;

	if (virDomainGetJobInfo(domain, &info) < 0)
		return virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID ? 0 : -1;
	return info.type != VIR_DOMAIN_JOB_NONE && info.type != VIR_DOMAIN_JOB_COMPLETED &&
	       info.type != VIR_DOMAIN_JOB_FAILED;
}

static bool read_standing(virDomainPtr domain, struct cloud_standing *standing)
{
	int state, reason, persistent, autostart, saved, snapshots, job;

	/* Those that may not fail: each call forgets the error of the one before it. */
	persistent = virDomainIsPersistent(domain);
	if (persistent < 0)
		return false;
	/* Before the state: a job that ends in between leaves the state that it has made. */
	job = libvirt_has_job(domain);
	if (job < 0 || virDomainGetState(domain, &state, &reason, 0) < 0)
		return false;
	saved = virDomainHasManagedSaveImage(domain, 0);
	snapshots = virDomainSnapshotNum(domain, 0);
	standing->defined = true;
	standing->persistent = persistent > 0;
	standing->state = libvirt_domain_state(state);
	standing->managed_save = saved > 0;
	standing->snapshots = snapshots > 0 ? (unsigned int)snapshots : 0;
	standing->autostart = virDomainGetAutostart(domain, &autostart) == 0 && autostart;
	standing->job = job > 0;
	read_reason(state, reason, standing);
	return true;
}

static bool work_standing(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	struct cloud_standing *standing = request->extra;
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (domain && read_standing(domain, standing))
		return true;
	/* Before @domain is freed, which forgets the error. */
	if (virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	/* One that goes away while it is read is gone. */
	*standing = (struct cloud_standing){ 0 };
	return true;
}

bool libvirt_domain_standing(Cloud *cloud, const char *uuid, struct cloud_standing *ret,
			     GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_standing,
			"looking where the VM %s of '%s' is", uuid, cloud->uri);

	request->uuid = g_strdup(uuid);
	request->extra = g_new0(struct cloud_standing, 1);
	request->free_extra = g_free;
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return false;
	*ret = *(struct cloud_standing *)request->extra;
	return true;
}

/* ---- Small changes ---- */

static bool is_paused(virDomainPtr domain)
{
	int state;

	return virDomainGetState(domain, &state, NULL, 0) == 0 && state == VIR_DOMAIN_PAUSED;
}

static bool is_running(virDomainPtr domain)
{
	int state;

	return virDomainGetState(domain, &state, NULL, 0) == 0 &&
	       libvirt_domain_state(state) == CLOUD_DOMAIN_RUNNING;
}

static bool work_suspend(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || (!is_paused(domain) && virDomainSuspend(domain) < 0)) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

static bool work_resume(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || (!is_running(domain) && virDomainResume(domain) < 0)) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

static bool work_autostart(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || virDomainSetAutostart(domain, request->flag) < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_domain_suspend(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			    GError **error)
{
	return libvirt_domain_change(cloud, work_suspend, "pausing", uuid, cancellable, error);
}

bool libvirt_domain_resume(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			   GError **error)
{
	return libvirt_domain_change(cloud, work_resume, "resuming", uuid, cancellable, error);
}

bool libvirt_domain_set_autostart(Cloud *cloud, const char *uuid, bool on,
				  GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_autostart,
			"setting the autostart of the VM %s of '%s'", uuid, cloud->uri);

	request->uuid = g_strdup(uuid);
	request->flag = on;
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}
