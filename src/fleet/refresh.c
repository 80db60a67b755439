/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each host is read in a thread of its own, with a connection of its own; the store is written by
 * the caller's thread, one host in one transaction.
 */
#include "fleet/refresh.h"

#include "cloud/cloud-migrate.h"
#include "cloud/cloud-node.h"
#include "fleet/dirty.h"
#include "fleet/host-row.h"
#include "fleet/load.h"
#include "fleet/reservation.h"
#include "fleet/side-by-side.h"
#include "fleet/vm-row.h"

#include <string.h>

/* Between two looks at the CPU time, which give the load. */
enum { LOOK_MS = 1000, LOOK_STEP_MS = 50 };

/* The reading of one host: what goes into a thread and what comes out. */
typedef struct reading {
	FleetHost *host;       /* as it is in the store; the facts are replaced */
	GPtrArray *vms;        /* FleetVm */
	const KnownVms *known; /* of the store; borrowed, as the next two */
	CloudConnections *connections;
	struct cloud_limits limits;
	GCancellable *cancellable;
	GError *failure;
} Reading;

static void reading_free(Reading *reading)
{
	fleet_host_free(reading->host);
	g_clear_pointer(&reading->vms, g_ptr_array_unref);
	g_clear_error(&reading->failure);
	g_free(reading);
}

void fleet_refreshed_free(FleetRefreshed *refreshed)
{
	if (!refreshed)
		return;
	g_free(refreshed->host);
	g_clear_error(&refreshed->failure);
	g_free(refreshed);
}

/* ---- In the thread of a host ---- */

static void take_node(FleetHost *host, CloudNode *node)
{
	g_free(host->arch);
	host->arch = g_steal_pointer(&node->arch);
	g_free(host->cpu_model);
	host->cpu_model = g_steal_pointer(&node->cpu_model);
	host->cpus = node->cpus;
	host->memory = node->memory;
	host->memory_free = node->memory_free;
	host->libvirt_version = node->libvirt_version;
	host->qemu_version = node->qemu_version;
	g_ptr_array_unref(host->machines);
	host->machines = g_steal_pointer(&node->machines);
	g_ptr_array_unref(host->bridges);
	host->bridges = g_steal_pointer(&node->bridges);
}

static bool read_node(Reading *reading, Cloud *cloud, GError **error)
{
	g_autoptr(CloudNode) node = cloud_node(cloud, reading->cancellable, error);
	FleetHost *host = reading->host;

	if (!node)
		return false;
	take_node(host, node);
	g_free(host->uuid);
	host->uuid = g_strdup(cloud_host_uuid(cloud));
	g_free(host->host_name);
	host->host_name = g_strdup(cloud_host_name(cloud));
	return true;
}

static bool read_networks(Reading *reading, Cloud *cloud, GError **error)
{
	g_autoptr(GPtrArray) theirs = cloud_networks(cloud, reading->cancellable, error);

	if (!theirs)
		return false;
	g_ptr_array_set_size(reading->host->networks, 0);
	for (unsigned int i = 0; i < theirs->len; i++) {
		const CloudNetwork *network = theirs->pdata[i];
		FleetNetwork *ours = g_new0(FleetNetwork, 1);

		ours->name = g_strdup(network->name);
		ours->bridge = g_strdup(network->bridge);
		ours->active = network->active;
		g_ptr_array_add(reading->host->networks, ours);
	}
	return true;
}

static bool read_pools(Reading *reading, Cloud *cloud, GError **error)
{
	g_autoptr(GPtrArray) theirs = cloud_pools(cloud, reading->cancellable, error);

	if (!theirs)
		return false;
	g_ptr_array_set_size(reading->host->pools, 0);
	for (unsigned int i = 0; i < theirs->len; i++) {
		const CloudPool *pool = theirs->pdata[i];
		FleetPool *ours = g_new0(FleetPool, 1);

		ours->name = g_strdup(pool->name);
		ours->uuid = g_strdup(pool->uuid);
		ours->path = g_strdup(pool->path);
		ours->active = pool->active;
		ours->capacity = pool->capacity;
		ours->available = pool->available;
		g_ptr_array_add(reading->host->pools, ours);
	}
	return true;
}

/* A place that cannot be looked at is none for the choice; the host's other facts are still good.
 */
static bool read_places(Reading *reading, Cloud *cloud, GError **error)
{
	for (unsigned int i = 0; i < reading->host->places->len; i++) {
		FleetPlace *place = reading->host->places->pdata[i];
		g_autoptr(GError) cause = NULL;

		g_clear_pointer(&place->problem, g_free);
		if (cloud_space(cloud, place->path, &place->capacity, &place->available,
				reading->cancellable, &cause))
			continue;
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_CANCELLED)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		place->problem = g_strdup(cause->message);
		place->capacity = place->available = 0;
	}
	return true;
}

static FleetDisk *disk_of(const CloudDisk *theirs)
{
	FleetDisk *disk = g_new0(FleetDisk, 1);

	disk->target = g_strdup(theirs->target);
	disk->type = g_strdup(theirs->type);
	disk->device = g_strdup(theirs->device);
	disk->source = g_strdup(theirs->source);
	disk->format = g_strdup(theirs->format);
	disk->read_only = theirs->readonly;
	disk->shareable = theirs->shareable;
	disk->capacity = theirs->capacity;
	disk->allocation = theirs->allocation;
	return disk;
}

/* A VM that has gone since it was listed is taken off. */
static bool read_disks(Reading *reading, Cloud *cloud, GError **error)
{
	for (unsigned int i = reading->vms->len; i-- > 0;) {
		FleetVm *vm = reading->vms->pdata[i];
		g_autoptr(GError) cause = NULL;
		g_autoptr(GPtrArray) theirs =
		    cloud_domain_disks(cloud, vm->uuid, reading->cancellable, &cause);

		for (unsigned int j = 0; theirs && j < theirs->len; j++)
			g_ptr_array_add(vm->disks, disk_of(theirs->pdata[j]));
		if (theirs)
			continue;
		if (!g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		g_ptr_array_remove_index(reading->vms, i);
	}
	return true;
}

static bool wait_until(int64_t when, GCancellable *cancellable, GError **error)
{
	while (g_get_monotonic_time() < when) {
		if (g_cancellable_is_cancelled(cancellable)) {
			g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
					    "cancelled");
			return false;
		}
		g_usleep(LOOK_STEP_MS * 1000);
	}
	return true;
}

/* From the look in the store to @use; where there is none in it, from @use to a second one. */
static bool read_load(Reading *reading, Cloud *cloud, const CloudUse *use, GError **error)
{
	g_autoptr(CloudUse) second = NULL;

	if (load_since_last(reading->host, reading->known, use, reading->vms))
		return true;
	if (!wait_until(use->when + LOOK_MS * 1000, reading->cancellable, error))
		return false;
	second = cloud_use(cloud, reading->cancellable, error);
	if (second)
		load_between(reading->host, use, second, reading->vms);
	return second != NULL;
}

/* Numbers that are missing are no failure of the host's; but it may want a new connection. */
static bool read_dirty(Reading *reading, Cloud **cloud, GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (dirty_look(*cloud, reading->vms, reading->cancellable, &cause))
		return true;
	g_debug("%s, ignoring", cause->message);
	cloud_free(*cloud);
	*cloud = cloud_connect(reading->host->uri, &reading->limits, reading->cancellable, error);
	return *cloud != NULL;
}

static bool read_all(Reading *reading, Cloud **cloud, GError **error)
{
	g_autoptr(CloudUse) use = cloud_use(*cloud, reading->cancellable, error);

	if (!use)
		return false;
	reading->vms = load_list_vms(reading->host, reading->known, use);
	/* It takes a second, as the load may: begun first. */
	return read_dirty(reading, cloud, error) && read_node(reading, *cloud, error) &&
	       read_networks(reading, *cloud, error) && read_places(reading, *cloud, error) &&
	       read_pools(reading, *cloud, error) && read_load(reading, *cloud, use, error) &&
	       read_disks(reading, *cloud, error);
}

static void run_reading(void *data)
{
	Reading *reading = data;
	g_autoptr(Cloud) cloud =
	    cloud_connections_take(reading->connections, reading->host->uri, &reading->limits,
				   reading->cancellable, &reading->failure);

	if (cloud && read_all(reading, &cloud, &reading->failure))
		cloud_connections_give(reading->connections, g_steal_pointer(&cloud));
	reading->host->read = g_get_real_time();
}

/* ---- In the caller's thread ---- */

/* A VM that is on its way here belongs to its source until it has arrived. */
static bool drop_arriving(Store *store, Reading *reading, GError **error)
{
	g_autoptr(GPtrArray) reservations = fleet_reservation_list(store, error);

	if (!reservations)
		return false;
	for (unsigned int i = 0; i < reservations->len; i++) {
		const FleetReservation *reservation = reservations->pdata[i];

		for (unsigned int j = reading->vms->len; j-- > 0;)
			if (reservation->target_id == reading->host->id &&
			    strcmp(((FleetVm *)reading->vms->pdata[j])->uuid,
				   reservation->vm_uuid) == 0)
				g_ptr_array_remove_index(reading->vms, j);
	}
	return true;
}

static bool write_reading(Store *store, Reading *reading, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	const FleetHost *host = reading->host;

	if (reading->failure)
		return host_row_write_failure(store, host->id, host->read,
					      reading->failure->message, error);
	return transaction_begin(&transaction, store, error) &&
	       drop_arriving(store, reading, error) && host_row_write_facts(store, host, error) &&
	       vm_row_write_all(store, host->id, host->read, reading->vms, error) &&
	       transaction_commit(&transaction, error);
}

/* Take the hosts that are asked for out of the store. */
static GPtrArray *find_hosts(Store *store, const char *const *names, GError **error)
{
	g_autoptr(GPtrArray) hosts = NULL;

	if (!names)
		return fleet_host_list(store, error);
	hosts = g_ptr_array_new_with_free_func((GDestroyNotify)fleet_host_free);
	for (; *names; names++) {
		FleetHost *host = fleet_host_find(store, *names, error);

		if (!host)
			return NULL;
		g_ptr_array_add(hosts, host);
	}
	return g_steal_pointer(&hosts);
}

/* Read them all, side by side; until the last has answered or was given up. */
static GPtrArray *run_readings(GPtrArray *hosts, const KnownVms *known,
			       CloudConnections *connections, unsigned int timeout_ms,
			       GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) readings =
	    g_ptr_array_new_with_free_func((GDestroyNotify)reading_free);

	while (hosts->len > 0) {
		Reading *reading = g_new0(Reading, 1);

		reading->host = g_ptr_array_steal_index(hosts, 0);
		reading->known = known;
		reading->connections = connections;
		reading->limits.call_ms = timeout_ms;
		reading->limits.stall_ms = timeout_ms;
		reading->cancellable = cancellable;
		g_ptr_array_add(readings, reading);
	}
	return side_by_side(run_reading, readings, error) ? g_steal_pointer(&readings) : NULL;
}

static KnownVms *read_known(Store *store, GError **error)
{
	GPtrArray *vms = fleet_vm_list(store, NULL, error);

	return vms ? known_vms_new(vms) : NULL;
}

GPtrArray *fleet_refresh(Store *store, const char *const *names, CloudConnections *connections,
			 unsigned int timeout_ms, GCancellable *cancellable, GError **error)
{
	g_autoptr(GPtrArray) refreshed =
	    g_ptr_array_new_with_free_func((GDestroyNotify)fleet_refreshed_free);
	g_autoptr(GPtrArray) hosts = find_hosts(store, names, error);
	g_autoptr(KnownVms) known = hosts ? read_known(store, error) : NULL;
	g_autoptr(GPtrArray) readings =
	    known ? run_readings(hosts, known, connections, timeout_ms, cancellable, error) : NULL;

	for (unsigned int i = 0; readings && i < readings->len; i++) {
		Reading *reading = readings->pdata[i];
		FleetRefreshed *entry;

		if (g_error_matches(reading->failure, WHERRY_ERROR, WHERRY_ERROR_CANCELLED)) {
			g_propagate_error(error, g_steal_pointer(&reading->failure));
			return NULL;
		}
		if (!write_reading(store, reading, error))
			return NULL;
		entry = g_new0(FleetRefreshed, 1);
		entry->host = g_strdup(reading->host->name);
		entry->failure = g_steal_pointer(&reading->failure);
		g_ptr_array_add(refreshed, entry);
	}
	return readings ? g_steal_pointer(&refreshed) : NULL;
}
