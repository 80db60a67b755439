/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs of a libvirt host. */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <libvirt/virterror.h>
#include <string.h>

static void free_domain(void *domain)
{
	cloud_domain_free(domain);
}

static int by_name(const void *a, const void *b)
{
	const CloudDomain *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool is_gone(void)
{
	return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

/* ---- List ---- */

enum cloud_domain_state libvirt_domain_state(int theirs)
{
	switch ((virDomainState)theirs) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
	case VIR_DOMAIN_SHUTDOWN: /* on its way, and its disks are open */
		return CLOUD_DOMAIN_RUNNING;
	case VIR_DOMAIN_PAUSED:
		return CLOUD_DOMAIN_PAUSED;
	case VIR_DOMAIN_CRASHED:
		return CLOUD_DOMAIN_CRASHED;
	case VIR_DOMAIN_PMSUSPENDED:
		return CLOUD_DOMAIN_SUSPENDED;
	case VIR_DOMAIN_NOSTATE:
	case VIR_DOMAIN_SHUTOFF:
		return CLOUD_DOMAIN_OFF;
	}
	return CLOUD_DOMAIN_RUNNING; /* one that is not known is not off */
}

/* The bare name where the host cannot tell: not there any more, or not listed now. */
static char *volume_path(virConnectPtr connection, const char *pool_name, const char *name)
{
	g_autoptr(virStoragePool) pool = virStoragePoolLookupByName(connection, pool_name);
	g_autoptr(virStorageVol) volume = pool ? virStorageVolLookupByName(pool, name) : NULL;
	g_autofree char *path = volume ? virStorageVolGetPath(volume) : NULL;

	return g_strdup(path ? path : name);
}

/* @volumes: pools and names by turns. */
static void add_volumes(virDomainPtr theirs, const GPtrArray *volumes, GPtrArray *paths)
{
	for (unsigned int i = 0; i + 1 < volumes->len; i += 2)
		g_ptr_array_add(paths, volume_path(virDomainGetConnect(theirs), volumes->pdata[i],
						   volumes->pdata[i + 1]));
}

/* Add what one view of @theirs uses. */
static bool read_view(virDomainPtr theirs, unsigned int flags, CloudDomain *domain, GError **error)
{
	g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *xml = virDomainGetXMLDesc(theirs, flags);

	if (!xml) {
		libvirt_error(error, "reading the VM '%s'", virDomainGetName(theirs));
		return false;
	}
	if (!libvirt_read_domain(xml, domain, volumes, error)) {
		g_prefix_error(error, "reading the VM '%s': ", virDomainGetName(theirs));
		return false;
	}
	add_volumes(theirs, volumes, domain->paths);
	return true;
}

static CloudDomain *read_domain(virDomainPtr theirs, GError **error)
{
	g_autoptr(CloudDomain) domain = g_new0(CloudDomain, 1);
	char uuid[VIR_UUID_STRING_BUFLEN];
	int state, persistent = virDomainIsPersistent(theirs);

	if (persistent < 0 || virDomainGetState(theirs, &state, NULL, 0) < 0 ||
	    virDomainGetUUIDString(theirs, uuid) < 0) {
		libvirt_error(error, "reading the VM '%s'", virDomainGetName(theirs));
		return NULL;
	}
	domain->name = g_strdup(virDomainGetName(theirs));
	domain->uuid = g_strdup(uuid);
	domain->state = libvirt_domain_state(state);
	domain->persistent = persistent > 0;
	domain->macs = g_ptr_array_new_with_free_func(g_free);
	domain->paths = g_ptr_array_new_with_free_func(g_free);
	if (!read_view(theirs, 0, domain, error) ||
	    (domain->state != CLOUD_DOMAIN_OFF && domain->persistent &&
	     !read_view(theirs, VIR_DOMAIN_XML_INACTIVE, domain, error)))
		return NULL;
	return g_steal_pointer(&domain);
}

/* Add @theirs to @list, unless it has gone meanwhile. */
static bool add_domain(GPtrArray *list, virDomainPtr theirs, GError **error)
{
	g_autoptr(GError) cause = NULL;
	CloudDomain *domain = read_domain(theirs, &cause);

	if (domain) {
		g_ptr_array_add(list, domain);
		return true;
	}
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return true;
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}

static bool add_all(virConnectPtr connection, GPtrArray *list, const char *doing, GError **error)
{
	virDomainPtr *theirs = NULL;
	int count = virConnectListAllDomains(connection, &theirs, 0);
	bool ok = count >= 0;

	if (!ok)
		libvirt_error(error, "%s", doing);
	for (int i = 0; i < count; i++) {
		ok = ok && add_domain(list, theirs[i], error);
		(void)virDomainFree(theirs[i]);
	}
	free(theirs);
	return ok;
}

static bool work_domains(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_domain);

	if (request->name || request->uuid) {
		g_autoptr(virDomain) domain =
		    request->uuid ? virDomainLookupByUUIDString(connection, request->uuid)
				  : virDomainLookupByName(connection, request->name);

		if (!domain && !is_gone()) {
			libvirt_error(error, "%s", request->doing);
			return false;
		}
		if (domain && !add_domain(list, domain, error))
			return false;
	} else if (!add_all(connection, list, request->doing, error)) {
		return false;
	}
	g_ptr_array_sort(list, by_name);
	request->list = g_steal_pointer(&list);
	return true;
}

GPtrArray *libvirt_domains(Cloud *cloud, const char *name, const char *uuid,
			   GCancellable *cancellable, GError **error)
{
	const char *which = name ? name : uuid;
	g_autoptr(LibvirtRequest) request =
	    which ? request_new(libvirt_cloud_of(cloud), work_domains,
				"looking for the VM '%s' of '%s'", which, cloud->uri)
		  : request_new(libvirt_cloud_of(cloud), work_domains, "listing the VMs of '%s'",
				cloud->uri);

	request->name = g_strdup(name);
	request->uuid = g_strdup(uuid);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* ---- Define ---- */

/* Fail if @theirs, which a lookup has found, is there. */
static bool check_free(virDomainPtr theirs, const LibvirtRequest *request, const char *what,
		       GError **error)
{
	g_autoptr(virDomain) domain = theirs;

	if (!domain && is_gone())
		return true;
	if (domain)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
			    "%s: the VM '%s' has that %s already", request->doing,
			    virDomainGetName(domain), what);
	else
		libvirt_error(error, "%s", request->doing);
	return false;
}

static bool work_define(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = NULL;

	if (!check_free(virDomainLookupByUUIDString(connection, request->uuid), request, "UUID",
			error) ||
	    !check_free(virDomainLookupByName(connection, request->name), request, "name", error))
		return false;
	domain = virDomainDefineXMLFlags(connection, request->text, VIR_DOMAIN_DEFINE_VALIDATE);
	if (!domain && libvirt_error_is_clash())
		libvirt_error_as(error, WHERRY_ERROR_EXISTS, "%s", request->doing);
	else if (!domain)
		libvirt_error(error, "%s", request->doing);
	return domain != NULL;
}

bool libvirt_domain_define(Cloud *cloud, const char *xml, GCancellable *cancellable, GError **error)
{
	g_autofree char *name = NULL, *uuid = NULL;
	g_autoptr(LibvirtRequest) request = NULL;

	if (!libvirt_read_domain_names(xml, &name, &uuid, error))
		return false;
	request = request_new(libvirt_cloud_of(cloud), work_define,
			      "defining the VM '%s' (%s) of '%s'", name, uuid, cloud->uri);
	request->name = g_steal_pointer(&name);
	request->uuid = g_steal_pointer(&uuid);
	request->text = g_strdup(xml);
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

/* ---- Undefine, start, switch off ---- */

static bool work_undefine(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	const unsigned int flags = VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
				   VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
				   VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain && is_gone())
		return true;
	if (domain && virDomainIsActive(domain) == 1) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "%s: the VM '%s' is active; switch it off first", request->doing,
			    virDomainGetName(domain));
		return false;
	}
	if (!domain || (virDomainUndefineFlags(domain, flags) < 0 && !is_gone())) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

static bool work_start(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain || (virDomainIsActive(domain) != 1 && virDomainCreate(domain) < 0)) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

static bool work_destroy(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);

	if (!domain && is_gone())
		return true;
	if (domain && virDomainIsActive(domain) == 0)
		return true;
	if (!domain || (virDomainDestroy(domain) < 0 && !is_gone())) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	return true;
}

bool libvirt_domain_change(Cloud *cloud, bool (*work)(virConnectPtr, LibvirtRequest *, GError **),
			   const char *doing, const char *uuid, GCancellable *cancellable,
			   GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work, "%s the VM %s of '%s'", doing, uuid,
			cloud->uri);

	request->uuid = g_strdup(uuid);
	return request_run(libvirt_cloud_of(cloud), &request, cancellable, error);
}

bool libvirt_domain_undefine(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			     GError **error)
{
	return libvirt_domain_change(cloud, work_undefine, "undefining", uuid, cancellable, error);
}

bool libvirt_domain_start(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	return libvirt_domain_change(cloud, work_start, "starting", uuid, cancellable, error);
}

bool libvirt_domain_destroy(Cloud *cloud, const char *uuid, GCancellable *cancellable,
			    GError **error)
{
	return libvirt_domain_change(cloud, work_destroy, "switching off", uuid, cancellable,
				     error);
}
