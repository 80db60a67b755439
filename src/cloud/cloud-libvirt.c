/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts with libvirt and QEMU: the driver's table, and what a host as a whole can do.  Storage and
 * VMs are in the other files whose names begin with libvirt-; libvirt-request.h is how they all
 * speak to it.
 */
#include "cloud/libvirt-error.h"
#include "cloud/libvirt-handles.h"
#include "cloud/libvirt-xml.h"

#include <libvirt/virterror.h>
#include <string.h>

static void free_cloud(Cloud *cloud)
{
	struct libvirt_cloud *self = libvirt_cloud_of(cloud);

	libvirt_hang_up(self);
	call_group_free(self->calls);
	g_free(self->base.uri);
	g_free(self->base.host_uuid);
	g_free(self->base.host_name);
	g_free(self);
}

static bool work_connect(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	return true; /* a request connects by itself */
}

static Cloud *connect_to(const char *uri, const struct cloud_limits *limits,
			 GCancellable *cancellable, GError **error)
{
	struct libvirt_cloud *self = g_new0(struct libvirt_cloud, 1);
	g_autoptr(LibvirtRequest) request = NULL;

	libvirt_start();
	self->base.limits = *limits;
	self->base.uri = g_strdup(uri);
	self->calls = call_group_new();
	request = request_new(self, work_connect, "connecting to '%s'", uri);
	if (!request_run(self, &request, cancellable, error)) {
		free_cloud(&self->base);
		return NULL;
	}
	self->base.host_uuid = g_steal_pointer(&request->host_uuid);
	self->base.host_name = g_steal_pointer(&request->host_name);
	return &self->base;
}

/* ---- Capacity ---- */

/*
 * /dev/kvm and a QEMU that offers KVM prove nothing: a CPU that has lost vmx and svm (a VM that
 * cannot nest) runs no guest.  A model implies features, so they are spelt out first.
 * 1: it has; 0: it has not; -1: libvirt does not say.
 */
static int cpu_virtualizes(virConnectPtr connection, const char *capabilities)
{
	g_autofree char *cpu = libvirt_read_host_cpu(capabilities), *expanded = NULL;
	const char *cpus[] = { cpu };

	if (!cpu)
		return -1;
	expanded =
	    virConnectBaselineCPU(connection, cpus, 1, VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES);
	if (!expanded)
		return -1;
	return libvirt_read_cpu_virtualizes(expanded) || libvirt_read_cpu_virtualizes(cpu);
}

static void judge_kvm(virConnectPtr connection, const char *capabilities, CloudCapacity *capacity)
{
	int r;

	if (!capacity->kvm_emulator) {
		capacity->no_kvm_reason = g_strdup("the host offers no KVM");
		return;
	}
	r = cpu_virtualizes(connection, capabilities);
	if (r > 0)
		return;
	capacity->no_kvm_reason = g_strdup(r < 0 ? "the host does not say what its CPU can do"
						 : "the host's CPU has neither vmx nor svm");
	g_clear_pointer(&capacity->kvm_emulator, g_free);
}

bool libvirt_read_memory(virConnectPtr connection, unsigned int *ret_cpus, uint64_t *ret_memory,
			 uint64_t *ret_free, GError **error)
{
	virNodeMemoryStats stats[32];
	int count = 0;
	virNodeInfo info;

	if (virNodeGetInfo(connection, &info) < 0) {
		libvirt_error(error, "asking for CPUs and memory");
		return false;
	}
	*ret_cpus = info.cpus;
	*ret_memory = (uint64_t)info.memory << 10;
	/* It wants as many as it has, and says how many. */
	if (virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &count, 0) <
		0 ||
	    count > (int)G_N_ELEMENTS(stats) ||
	    virNodeGetMemoryStats(connection, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &count, 0) <
		0) {
		/* Not every host tells; then what is free without its caches. */
		*ret_free = virNodeGetFreeMemory(connection);
		return true;
	}
	*ret_free = 0;
	for (int i = 0; i < count; i++) {
		uint64_t bytes = (uint64_t)stats[i].value << 10;

		/* The kernel's word; the other leaves out what was plugged in later. */
		if (strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL) == 0)
			*ret_memory = bytes;
		else if (strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_FREE) == 0 ||
			 strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS) == 0 ||
			 strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED) == 0)
			*ret_free += bytes;
	}
	return true;
}

/* What the machine type that we want can have: firmware and vCPUs. */
static bool read_machine(virConnectPtr connection, CloudCapacity *capacity, GError **error)
{
	const char *machine = cloud_capacity_has_machine(capacity, "q35") ? "q35" : NULL;
	const char *type = capacity->kvm_emulator ? "kvm" : "qemu";
	const char *emulator =
	    capacity->kvm_emulator ? capacity->kvm_emulator : capacity->qemu_emulator;
	g_autofree char *xml = NULL;

	if (!emulator)
		return true;
	xml =
	    virConnectGetDomainCapabilities(connection, emulator, capacity->arch, machine, type, 0);
	if (!xml) {
		if (virGetLastErrorCode() == VIR_ERR_NO_SUPPORT)
			return true;
		libvirt_error(error, "asking what guests of machine type %s can have",
			      machine ? machine : "(default)");
		return false;
	}
	return libvirt_read_domain_capabilities(xml, capacity, error);
}

static bool work_capacity(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	g_autoptr(CloudCapacity) capacity = g_new0(CloudCapacity, 1);
	const char *capabilities = request_capabilities(request);

	if (!libvirt_read_capabilities(capabilities, capacity, error) ||
	    !libvirt_read_memory(connection, &capacity->cpus, &capacity->memory,
				 &capacity->memory_free, error))
		return false;
	judge_kvm(connection, capabilities, capacity);
	if (!read_machine(connection, capacity, error))
		return false;
	request->capacity = g_steal_pointer(&capacity);
	return true;
}

static CloudCapacity *get_capacity(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request =
	    request_new(libvirt_cloud_of(cloud), work_capacity, "asking '%s' for its capabilities",
			cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->capacity);
}

/* ---- Networks ---- */

static void free_network(void *network)
{
	cloud_network_free(network);
}

static int by_name(const void *a, const void *b)
{
	const CloudNetwork *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static CloudNetwork *read_network(virNetworkPtr theirs)
{
	g_autoptr(CloudNetwork) network = g_new0(CloudNetwork, 1);
	char uuid[VIR_UUID_STRING_BUFLEN];

	if (virNetworkGetUUIDString(theirs, uuid) < 0)
		return NULL;
	network->name = g_strdup(virNetworkGetName(theirs));
	network->uuid = g_strdup(uuid);
	network->active = virNetworkIsActive(theirs) == 1;
	network->bridge = virNetworkGetBridgeName(theirs); /* one without a bridge has none */
	return g_steal_pointer(&network);
}

static bool work_networks(virConnectPtr connection, LibvirtRequest *request, GError **error)
{
	virNetworkPtr *theirs = NULL;
	int count = virConnectListAllNetworks(connection, &theirs, 0);

	if (count < 0) {
		libvirt_error(error, "%s", request->doing);
		return false;
	}
	request->list = g_ptr_array_new_with_free_func(free_network);
	for (int i = 0; i < count; i++) {
		CloudNetwork *network = read_network(theirs[i]);

		/* One that is gone since is in no list. */
		if (network)
			g_ptr_array_add(request->list, network);
		(void)virNetworkFree(theirs[i]);
	}
	free(theirs);
	g_ptr_array_sort(request->list, by_name);
	return true;
}

static GPtrArray *get_networks(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	g_autoptr(LibvirtRequest) request = request_new(libvirt_cloud_of(cloud), work_networks,
							"listing the networks of '%s'", cloud->uri);

	if (!request_run(libvirt_cloud_of(cloud), &request, cancellable, error))
		return NULL;
	return g_steal_pointer(&request->list);
}

/* "test" is libvirt's own driver without a host, for tests. */
static const char *const schemes[] = { "qemu", "test", NULL };

const struct cloud_driver cloud_libvirt = {
	.name = "libvirt",
	.schemes = schemes,
	.connect = connect_to,
	.free = free_cloud,
	.capacity = get_capacity,
	.networks = get_networks,
	.node = libvirt_node,
	.use = libvirt_use,
	.needs = libvirt_needs,
	.lacks = libvirt_lacks,
	.arriving = libvirt_arriving,
	.space = libvirt_space,
	.directory_exists = libvirt_directory_exists,
	.directory_create = libvirt_directory_create,
	.directory_delete = libvirt_directory_delete,
	.directory_volumes = libvirt_directory_volumes,
	.pools = libvirt_pools,
	.pool_define = libvirt_pool_define,
	.pool_start = libvirt_pool_start,
	.pool_remove = libvirt_pool_remove,
	.volumes = libvirt_volumes,
	.volume_create = libvirt_volume_create,
	.volume_upload = libvirt_volume_upload,
	.volume_read = libvirt_volume_read,
	.volume_open = libvirt_volume_open,
	.volume_delete = libvirt_volume_delete,
	.domains = libvirt_domains,
	.domain_define = libvirt_domain_define,
	.domain_undefine = libvirt_domain_undefine,
	.domain_start = libvirt_domain_start,
	.domain_destroy = libvirt_domain_destroy,
	.domain_disks = libvirt_domain_disks,
	.domain_xml = libvirt_domain_xml,
	.domain_standing = libvirt_domain_standing,
	.dirty_rates = libvirt_dirty_rates,
	.domain_dirty_begin = libvirt_domain_dirty_begin,
	.domain_dirty_rate = libvirt_domain_dirty_rate,
	.domain_suspend = libvirt_domain_suspend,
	.domain_resume = libvirt_domain_resume,
	.domain_set_autostart = libvirt_domain_set_autostart,
	.domain_heal = libvirt_domain_heal,
	.migration_start = libvirt_migration_start,
	.migration_wait = libvirt_migration_wait,
	.migration_end = libvirt_migration_end,
	.migration_progress = libvirt_migration_progress,
	.migration_tune = libvirt_migration_tune,
	.migration_set_bandwidth = libvirt_migration_set_bandwidth,
	.migration_postcopy = libvirt_migration_postcopy,
	.migration_abort = libvirt_migration_abort,
	.migration_yank = libvirt_migration_yank,
};
