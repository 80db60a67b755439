/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each column of the VMs' tables is named here, once for reading and once for writing. */
#include "fleet/vm-row.h"

/* ---- Read ---- */

static FleetVm *take_vm(const Statement *row)
{
	FleetVm *vm = fleet_vm_new();

	vm->host_id = statement_int(row, 0);
	vm->host = statement_dup_text(row, 1);
	vm->address = statement_dup_text(row, 2);
	vm->uri = statement_dup_text(row, 3);
	vm->name = statement_dup_text(row, 4);
	vm->uuid = statement_dup_text(row, 5);
	vm->state = statement_dup_text(row, 6);
	vm->memory = (uint64_t)statement_int(row, 7);
	vm->vcpus = (unsigned int)statement_int(row, 8);
	vm->busy = statement_double(row, 9);
	vm->read = statement_int(row, 10);
	vm->cpu_ns = (uint64_t)statement_int(row, 11);
	vm->dirty_rate = (uint64_t)statement_int(row, 12);
	vm->dirty_read = statement_int(row, 13);
	vm->dirty_begun = statement_int(row, 14);
	return vm;
}

static FleetDisk *take_disk(const Statement *row)
{
	FleetDisk *disk = g_new0(FleetDisk, 1);

	disk->target = statement_dup_text(row, 0);
	disk->type = statement_dup_text(row, 1);
	disk->device = statement_dup_text(row, 2);
	disk->source = statement_dup_text(row, 3);
	disk->format = statement_dup_text(row, 4);
	disk->read_only = statement_int(row, 5) != 0;
	disk->shareable = statement_int(row, 6) != 0;
	disk->capacity = (uint64_t)statement_int(row, 7);
	disk->allocation = (uint64_t)statement_int(row, 8);
	return disk;
}

static bool read_disks(Store *store, FleetVm *vm, GError **error)
{
	g_autoptr(Statement) query =
	    store_prepare(store,
			  "SELECT target, type, device, source, format, read_only, shareable,"
			  " capacity, allocation FROM fleet_disk WHERE host = ?1 AND vm = ?2"
			  " ORDER BY target",
			  error);
	int r;

	if (!query)
		return false;
	statement_bind_int(query, 1, vm->host_id);
	statement_bind_text(query, 2, vm->uuid);
	while ((r = statement_step(query, error)) > 0)
		g_ptr_array_add(vm->disks, take_disk(query));
	return r == 0;
}

static void free_vm(void *vm)
{
	fleet_vm_free(vm);
}

GPtrArray *vm_row_list(Store *store, const char *where, const char *const *values, int count,
		       GError **error)
{
	g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func(free_vm);
	/* Of two copies of a VM only the one that a job moves is migrating. */
	g_autofree char *sql = g_strdup_printf(
	    "SELECT fleet_vm.host, fleet_host.name, address, uri, fleet_vm.name, fleet_vm.uuid,"
	    " CASE WHEN job IS NULL THEN state ELSE 'migrating' END, fleet_vm.memory,"
	    " fleet_vm.vcpus, fleet_vm.busy, fleet_vm.read, fleet_vm.cpu_ns, dirty_rate,"
	    " dirty_read, dirty_begun FROM fleet_vm"
	    " JOIN fleet_host ON fleet_host.id = fleet_vm.host"
	    " LEFT JOIN fleet_reservation ON vm = fleet_vm.uuid AND source = fleet_vm.host"
	    " %s ORDER BY fleet_vm.name, fleet_host.name, fleet_vm.uuid",
	    where);
	g_autoptr(Statement) query = store_prepare(store, sql, error);
	int r;

	if (!query)
		return NULL;
	for (int i = 0; i < count; i++)
		statement_bind_text(query, i + 1, values[i]);
	while ((r = statement_step(query, error)) > 0)
		g_ptr_array_add(vms, take_vm(query));
	for (unsigned int i = 0; r == 0 && i < vms->len; i++)
		if (!read_disks(store, vms->pdata[i], error))
			r = -1;
	return r < 0 ? NULL : g_steal_pointer(&vms);
}

/* ---- Write ---- */

bool vm_row_write_disk(Store *store, int64_t host, const char *vm, const FleetDisk *disk,
		       GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "INSERT OR REPLACE INTO fleet_disk (host, vm, target, type, device, source, format,"
	    " read_only, shareable, capacity, allocation)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	    error);

	if (!change)
		return false;
	statement_bind_int(change, 1, host);
	statement_bind_text(change, 2, vm);
	statement_bind_text(change, 3, disk->target);
	statement_bind_text(change, 4, disk->type);
	statement_bind_text(change, 5, disk->device);
	statement_bind_text(change, 6, disk->source);
	statement_bind_text(change, 7, disk->format);
	statement_bind_int(change, 8, disk->read_only);
	statement_bind_int(change, 9, disk->shareable);
	statement_bind_int(change, 10, (int64_t)disk->capacity);
	statement_bind_int(change, 11, (int64_t)disk->allocation);
	return statement_run(change, error);
}

static bool delete_vms(Store *store, int64_t host, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store, "DELETE FROM fleet_vm WHERE host = ?1", error);

	if (!change)
		return false;
	statement_bind_int(change, 1, host);
	return statement_run(change, error);
}

static bool insert_vm(Store *store, int64_t host, int64_t read, const FleetVm *vm, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "INSERT INTO fleet_vm (host, uuid, name, state, memory, vcpus, busy, read, cpu_ns,"
	    " dirty_rate, dirty_read, dirty_begun)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	    error);

	if (!change)
		return false;
	statement_bind_int(change, 1, host);
	statement_bind_text(change, 2, vm->uuid);
	statement_bind_text(change, 3, vm->name);
	statement_bind_text(change, 4, vm->state);
	statement_bind_int(change, 5, (int64_t)vm->memory);
	statement_bind_int(change, 6, vm->vcpus);
	statement_bind_double(change, 7, vm->busy);
	statement_bind_int(change, 8, read);
	statement_bind_int(change, 9, (int64_t)vm->cpu_ns);
	statement_bind_int(change, 10, (int64_t)vm->dirty_rate);
	statement_bind_int(change, 11, vm->dirty_read);
	statement_bind_int(change, 12, vm->dirty_begun);
	return statement_run(change, error);
}

bool vm_row_write_all(Store *store, int64_t host, int64_t read, const GPtrArray *vms,
		      GError **error)
{
	if (!delete_vms(store, host, error))
		return false;
	for (unsigned int i = 0; i < vms->len; i++) {
		const FleetVm *vm = vms->pdata[i];

		if (!insert_vm(store, host, read, vm, error))
			return false;
		for (unsigned int j = 0; j < vm->disks->len; j++)
			if (!vm_row_write_disk(store, host, vm->uuid, vm->disks->pdata[j], error))
				return false;
	}
	return true;
}

bool vm_row_write_state(Store *store, int64_t host, const char *vm, const char *state,
			GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store, "UPDATE fleet_vm SET state = ?3 WHERE host = ?1 AND uuid = ?2",
			  error);

	if (!change)
		return false;
	statement_bind_int(change, 1, host);
	statement_bind_text(change, 2, vm);
	statement_bind_text(change, 3, state);
	return statement_run(change, error);
}

bool vm_row_write_dirty_rate(Store *store, const FleetVm *vm, uint64_t rate, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "UPDATE fleet_vm SET dirty_rate = ?3, dirty_read = ?4, dirty_begun = 0"
			  " WHERE host = ?1 AND uuid = ?2",
			  error);

	if (!change)
		return false;
	statement_bind_int(change, 1, vm->host_id);
	statement_bind_text(change, 2, vm->uuid);
	statement_bind_int(change, 3, (int64_t)rate);
	statement_bind_int(change, 4, g_get_real_time());
	return statement_run(change, error);
}
