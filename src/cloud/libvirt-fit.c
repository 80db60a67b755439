/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a VM can leave its host, and whether another can run it. */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-needs.h"

#include <libvirt/virterror.h>
#include <string.h>

static void free_needs(void *needs)
{
	cloud_needs_free(needs);
}

/* ---- At the VM's host ---- */

static bool read_needs(virDomainPtr domain, CloudNeeds *needs, GError **error)
{
	int snapshots = virDomainSnapshotNum(domain, 0);
	int active = virDomainIsActive(domain);
	g_autoptr(LibvirtNeeds) frame = NULL;
	g_autofree char *xml = NULL;

	xml = virDomainGetXMLDesc(domain, active == 1 ? VIR_DOMAIN_XML_MIGRATABLE : 0);
	if (snapshots < 0 || active < 0 || !xml) {
		libvirt_error(error, "reading the VM '%s'", virDomainGetName(domain));
		return false;
	}
	needs->name = g_strdup(virDomainGetName(domain));
	needs->xml = g_strdup(xml);
	needs->running = active == 1;
	if (snapshots > 0)
		g_ptr_array_add(needs->ties,
				g_strdup_printf("the VM has snapshots (%d)", snapshots));
	frame = libvirt_read_needs(xml, error);
	if (!frame)
		return false;
	needs->host_cpu = frame->host_cpu;
	return libvirt_read_ties(xml, needs->ties, error);
}

static bool work_needs(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(virDomain) domain = virDomainLookupByUUIDString(connection, request->uuid);
	g_autoptr(CloudNeeds) needs = g_new0(CloudNeeds, 1);

	needs->uuid = g_strdup(request->uuid);
	needs->ties = g_ptr_array_new_with_free_func(g_free);
	if (!domain) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	if (!read_needs(domain, needs, error))
		return false;
	request->extra = g_steal_pointer(&needs);
	request->free_extra = free_needs;
	return true;
}

CloudNeeds *libvirt_needs(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_needs, "reading what the VM %s of '%s' needs",
			uuid, cloud->uri);

	request->uuid = g_strdup(uuid);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->extra);
}

/* ---- At the other host ---- */

static void add_lack(LibvirtRequest *request, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add_lack(LibvirtRequest *request, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	g_ptr_array_add(request->list, g_strdup_vprintf(format, ap));
	va_end(ap);
}

/* Libvirt's last words as a lack; a host that is gone is a failure. */
static bool add_refusal(LibvirtRequest *request, const char *what, GError **error)
{
	g_autoptr(GError) cause = NULL;

	libvirt_error(&cause, "%s", what);
	if (virGetLastErrorDomain() == VIR_FROM_RPC) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return false;
	}
	add_lack(request, "%s", cause->message);
	return true;
}

/*
 * Emulator, machine type and devices: without the first two it can say nothing of the third.
 * 1: asked; 0: it has no such machine; -1: failed.
 */
static int check_devices(virConnectPtr connection, LibvirtRequest *request,
			 const LibvirtNeeds *needs, GError **error)
{
	g_autofree char *capabilities =
	    virConnectGetDomainCapabilities(connection, needs->emulator, needs->arch,
					    needs->machine, needs->type, 0);
	g_autofree char *what = NULL;

	if (capabilities)
		return libvirt_read_lacks(request->text, capabilities, request->list, error) ? 1
											     : -1;
	what = g_strdup_printf("it has no machine type %s for %s guests of type %s by '%s'",
			       needs->machine, needs->arch, needs->type,
			       needs->emulator ? needs->emulator : "its emulator");
	return add_refusal(request, what, error) ? 0 : -1;
}

/* As the VM runs now, with each feature of its CPU spelt out. */
static bool check_cpu(virConnectPtr connection, LibvirtRequest *request, const LibvirtNeeds *needs,
		      GError **error)
{
	int r;

	if (!needs->cpu)
		return true;
	r = virConnectCompareHypervisorCPU(connection, needs->emulator, needs->arch, needs->machine,
					   needs->type, needs->cpu,
					   VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
	if (r == VIR_CPU_COMPARE_IDENTICAL || r == VIR_CPU_COMPARE_SUPERSET)
		return true;
	if (r == VIR_CPU_COMPARE_INCOMPATIBLE) {
		add_lack(request, "its CPU cannot run the VM");
		return true;
	}
	return add_refusal(request, "its CPU cannot run the VM", error);
}

static bool has_network(virConnectPtr connection, const char *name)
{
	g_autoptr(virNetwork) network = virNetworkLookupByName(connection, name);

	return network && virNetworkIsActive(network) == 1;
}

static bool has_device(virConnectPtr connection, const char *name)
{
	g_autoptr(virInterface) device = virInterfaceLookupByName(connection, name);

	return device != NULL; /* it is inactive as long as nothing is plugged into it */
}

/* Bridges that libvirt's own networks made are no interfaces to it. */
static bool has_bridge(virConnectPtr connection, const char *name)
{
	virNetworkPtr *networks = NULL;
	int count =
	    virConnectListAllNetworks(connection, &networks, VIR_CONNECT_LIST_NETWORKS_ACTIVE);
	bool found = has_device(connection, name);

	for (int i = 0; i < count; i++) {
		g_autofree char *bridge = virNetworkGetBridgeName(networks[i]);

		found = found || g_strcmp0(bridge, name) == 0;
		(void)virNetworkFree(networks[i]);
	}
	free(networks);
	return found;
}

static void check_network(virConnectPtr connection, LibvirtRequest *request,
			  const LibvirtNeeds *needs)
{
	for (unsigned int i = 0; i < needs->networks->len; i++)
		if (!has_network(connection, needs->networks->pdata[i]))
			add_lack(request, "it has no active network '%s'",
				 (char *)needs->networks->pdata[i]);
	for (unsigned int i = 0; i < needs->bridges->len; i++)
		if (!has_bridge(connection, needs->bridges->pdata[i]))
			add_lack(request, "it has no bridge '%s'",
				 (char *)needs->bridges->pdata[i]);
	for (unsigned int i = 0; i < needs->devices->len; i++)
		if (!has_device(connection, needs->devices->pdata[i]))
			add_lack(request, "it has no network device '%s'",
				 (char *)needs->devices->pdata[i]);
}

static void check_names(virConnectPtr connection, LibvirtRequest *request)
{
	g_autoptr(virDomain) same = virDomainLookupByUUIDString(connection, request->uuid);
	g_autoptr(virDomain) named = same ? NULL : virDomainLookupByName(connection, request->name);

	if (same)
		add_lack(request, "it has a VM '%s' with the same UUID", virDomainGetName(same));
	if (named)
		add_lack(request, "it has another VM of the name '%s'", request->name);
}

static bool work_lacks(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(LibvirtNeeds) needs = libvirt_read_needs(request->text, error);
	int r;

	if (!needs)
		return false;
	g_clear_pointer(&request->list, g_ptr_array_unref);
	request->list = g_ptr_array_new_with_free_func(g_free);
	check_names(connection, request);
	check_network(connection, request, needs);
	r = check_devices(connection, request, needs, error);
	return r == 0 || (r > 0 && check_cpu(connection, request, needs, error));
}

GPtrArray *libvirt_lacks(Cloud *cloud, const CloudNeeds *needs, GCancellable *cancellable,
			 GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_lacks,
			"asking '%s' whether it can run the VM '%s'", cloud->uri, needs->name);

	request->uuid = g_strdup(needs->uuid);
	request->name = g_strdup(needs->name);
	request->text = g_strdup(needs->xml);
	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* ---- Arriving ---- */

/*
 * Whether @domain comes here: it waits, and of its job libvirt says nothing but that this is not
 * the host to ask.
 */
static bool is_arriving(virDomainPtr domain)
{
	virDomainJobInfo job;
	int state;

	return virDomainGetState(domain, &state, NULL, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
	       virDomainGetJobInfo(domain, &job) < 0 &&
	       virGetLastErrorCode() == VIR_ERR_OPERATION_UNSUPPORTED;
}

static bool work_arriving(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	virDomainPtr *domains = NULL;
	int count = virConnectListAllDomains(connection, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	if (count < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->list = g_ptr_array_new_with_free_func(g_free);
	for (int i = 0; i < count; i++) {
		char uuid[VIR_UUID_STRING_BUFLEN];

		if (is_arriving(domains[i]) && virDomainGetUUIDString(domains[i], uuid) == 0)
			g_ptr_array_add(request->list, g_strdup(uuid));
		(void)virDomainFree(domains[i]);
	}
	free(domains);
	return true;
}

GPtrArray *libvirt_arriving(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_arriving, "asking '%s' what arrives there",
			cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}
