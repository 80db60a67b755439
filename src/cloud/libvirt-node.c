/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a libvirt host is, and the CPU time of it and of its VMs. */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <libvirt/virterror.h>
#include <string.h>

/* ---- What it is ---- */

static bool read_versions(virConnectPtr connection, CloudNode *node, GError **error)
{
	unsigned long libvirt, qemu;

	if (virConnectGetLibVersion(connection, &libvirt) < 0 ||
	    virConnectGetVersion(connection, &qemu) < 0) {
		libvirt_error(error, "asking for the versions of libvirt and QEMU");
		return false;
	}
	node->libvirt_version = libvirt;
	node->qemu_version = qemu;
	return true;
}

/* Machine types, which a host has only if it has an emulator: one without is no error here. */
static bool read_capabilities(const char *capabilities, CloudNode *node, GError **error)
{
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);

	if (!libvirt_read_capabilities(capabilities, capacity, error))
		return false;
	node->arch = g_steal_pointer(&capacity->arch);
	node->machines = g_steal_pointer(&capacity->machines);
	node->cpu_model = libvirt_read_cpu_model(capabilities);
	return true;
}

/* Add the name of @interface if it is a bridge; one that is gone since is in no list. */
static void add_bridge(GPtrArray *bridges, virInterfacePtr interface)
{
	g_autofree char *xml = virInterfaceGetXMLDesc(interface, 0);

	if (xml && libvirt_read_is_bridge(xml))
		g_ptr_array_add(bridges, g_strdup(virInterfaceGetName(interface)));
}

/* A daemon without a driver for interfaces knows no bridges but those of its networks. */
static bool read_bridges(virConnectPtr connection, CloudNode *node, GError **error)
{
	virInterfacePtr *interfaces = NULL;
	/* Inactive ones, too: so it calls a bridge that nothing is plugged into. */
	int count = virConnectListAllInterfaces(connection, &interfaces, 0);

	node->bridges = g_ptr_array_new_with_free_func(g_free);
	if (count < 0 && libvirt_error_code() == WHERRY_ERROR_UNSUPPORTED)
		return true;
	if (count < 0) {
		libvirt_error(error, "listing the bridges");
		return false;
	}
	for (int i = 0; i < count; i++) {
		add_bridge(node->bridges, interfaces[i]);
		(void)virInterfaceFree(interfaces[i]);
	}
	free(interfaces);
	return true;
}

static void free_node(void *node)
{
	cloud_node_free(node);
}

static bool work_node(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(CloudNode) node = g_new0(CloudNode, 1);

	if (!read_versions(connection, node, error) ||
	    !read_capabilities(request_capabilities(request), node, error) ||
	    !libvirt_read_memory(connection, &node->cpus, &node->memory, &node->memory_free,
				 error) ||
	    !read_bridges(connection, node, error))
		return false;
	request->extra = g_steal_pointer(&node);
	request->free_extra = free_node;
	return true;
}

CloudNode *libvirt_node(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = request_new(libvirt_cloud_of(cloud), work_node,
							"reading the facts of '%s'", cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->extra);
}

/* ---- CPU time ---- */

static bool read_cpu_times(virConnectPtr connection, CloudUse *use, GError **error)
{
	virNodeCPUStats stats[16];
	int count = 0;

	/* It wants as many as it has, and says how many. */
	if (virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, NULL, &count, 0) < 0 ||
	    count > (int)G_N_ELEMENTS(stats) ||
	    virNodeGetCPUStats(connection, VIR_NODE_CPU_STATS_ALL_CPUS, stats, &count, 0) < 0) {
		libvirt_error(error, "asking for the CPU time of the host");
		return false;
	}
	use->when = g_get_monotonic_time();
	for (int i = 0; i < count; i++) {
		use->cpu_ns += stats[i].value;
		if (strcmp(stats[i].field, VIR_NODE_CPU_STATS_IDLE) != 0 &&
		    strcmp(stats[i].field, VIR_NODE_CPU_STATS_IOWAIT) != 0)
			use->cpu_busy_ns += stats[i].value;
	}
	return true;
}

static void free_vm_use(CloudVmUse *vm)
{
	g_free(vm->name);
	g_free(vm->uuid);
	g_free(vm);
}

/* Add @domain, unless it has gone meanwhile. */
static bool add_vm(GPtrArray *vms, virDomainPtr domain, GError **error)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	virDomainInfo info;
	CloudVmUse *vm;

	if (virDomainGetUUIDString(domain, uuid) < 0 || virDomainGetInfo(domain, &info) < 0) {
		if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
			return true;
		libvirt_error(error, "reading the VM '%s'", virDomainGetName(domain));
		return false;
	}
	vm = g_new0(CloudVmUse, 1);
	vm->name = g_strdup(virDomainGetName(domain));
	vm->uuid = g_strdup(uuid);
	vm->state = libvirt_domain_state(info.state);
	vm->memory = (uint64_t)info.maxMem << 10;
	vm->vcpus = info.nrVirtCpu;
	vm->cpu_ns = info.cpuTime;
	g_ptr_array_add(vms, vm);
	return true;
}

static int by_name(const void *a, const void *b)
{
	const CloudVmUse *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool read_vms(virConnectPtr connection, CloudUse *use, GError **error)
{
	virDomainPtr *domains = NULL;
	int count = virConnectListAllDomains(connection, &domains, 0);
	bool ok = count >= 0;

	if (!ok)
		libvirt_error(error, "listing the VMs");
	use->vms = g_ptr_array_new_with_free_func((GDestroyNotify)free_vm_use);
	for (int i = 0; i < count; i++) {
		ok = ok && add_vm(use->vms, domains[i], error);
		(void)virDomainFree(domains[i]);
	}
	free(domains);
	g_ptr_array_sort(use->vms, by_name);
	return ok;
}

static void free_use(void *use)
{
	cloud_use_free(use);
}

static bool work_use(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(CloudUse) use = g_new0(CloudUse, 1);

	if (!read_cpu_times(connection, use, error) || !read_vms(connection, use, error))
		return false;
	request->extra = g_steal_pointer(&use);
	request->free_extra = free_use;
	return true;
}

CloudUse *libvirt_use(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = request_new(libvirt_cloud_of(cloud), work_use,
							"reading the CPU time of '%s'", cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->extra);
}
