/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fleet/vm.h"

#include "fleet/host-check.h"
#include "fleet/vm-row.h"

#include <string.h>

void fleet_disk_free(FleetDisk *disk)
{
	if (!disk)
		return;
	g_free(disk->target);
	g_free(disk->type);
	g_free(disk->device);
	g_free(disk->source);
	g_free(disk->format);
	g_free(disk);
}

FleetVm *fleet_vm_new(void)
{
	FleetVm *vm = g_new0(FleetVm, 1);

	vm->disks = g_ptr_array_new_with_free_func((GDestroyNotify)fleet_disk_free);
	return vm;
}

void fleet_vm_free(FleetVm *vm)
{
	if (!vm)
		return;
	g_free(vm->host);
	g_free(vm->address);
	g_free(vm->uri);
	g_free(vm->name);
	g_free(vm->uuid);
	g_free(vm->state);
	g_ptr_array_unref(vm->disks);
	g_free(vm);
}

GPtrArray *fleet_vm_list(Store *store, const char *host, GError **error)
{
	g_autofree char *address = host ? host_check_canonical_address(host) : NULL;
	const char *values[] = { host, address };

	return vm_row_list(store,
			   host ? "WHERE fleet_host.name = ?1 OR fleet_host.address = ?2" : "",
			   values, host ? 2 : 0, error);
}

/* Several are called so: refused, with what tells them apart. */
static void set_ambiguous(const GPtrArray *vms, const char *which, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);

	for (unsigned int i = 0; i < vms->len; i++) {
		const FleetVm *vm = vms->pdata[i];

		g_string_append_printf(names, "%s%s on host '%s' (%s)", i ? ", " : "", vm->uuid,
				       vm->host, vm->address);
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
		    "%u VMs are called '%s': %s; name the host with --host, or give the UUID",
		    vms->len, which, names->str);
}

FleetVm *fleet_vm_find(Store *store, const char *which, const char *host, GError **error)
{
	g_autofree char *address = host ? host_check_canonical_address(host) : NULL;
	g_autofree char *uuid = g_ascii_strdown(which, -1);
	const char *values[] = { which, uuid, host, address };
	g_autoptr(GPtrArray) vms =
	    vm_row_list(store,
			"WHERE (fleet_vm.name = ?1 OR fleet_vm.uuid = ?2) AND (?3 IS NULL OR"
			" fleet_host.name = ?3 OR fleet_host.address = ?4)",
			values, G_N_ELEMENTS(values), error);

	if (!vms)
		return NULL;
	if (vms->len == 1)
		return g_ptr_array_steal_index(vms, 0);
	if (vms->len > 1)
		set_ambiguous(vms, which, error);
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "no VM '%s'%s%s%s is known; 'wherry vm list' shows them, "
			    "'wherry host refresh' reads them anew",
			    which, host ? " on host '" : "", host ? host : "", host ? "'" : "");
	return NULL;
}

int fleet_vm_lookup(Store *store, const char *address, const char *name, const char *uuid,
		    FleetVm **ret, GError **error)
{
	g_autofree char *canonical = host_check_canonical_address(address);
	g_autofree char *lower = g_ascii_strdown(uuid, -1);
	const char *values[] = { canonical ? canonical : address, name, lower };
	g_autoptr(GPtrArray) vms =
	    vm_row_list(store,
			"WHERE fleet_host.address = ?1 AND fleet_vm.name = ?2 AND"
			" fleet_vm.uuid = ?3",
			values, G_N_ELEMENTS(values), error);

	if (!vms)
		return -1;
	if (vms->len == 0)
		return 0;
	*ret = g_ptr_array_steal_index(vms, 0);
	return 1;
}

/* After an UPDATE of what must be there. */
static bool check_changed(Store *store, const char *uuid, GError **error)
{
	if (store_changes(store) == 1)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
		    "the VM %s is not in the store any more", uuid);
	return false;
}

bool fleet_vm_set_state(Store *store, int64_t host_id, const char *uuid, const char *state,
			GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) &&
	       vm_row_write_state(store, host_id, uuid, state, error) &&
	       check_changed(store, uuid, error) && transaction_commit(&transaction, error);
}

bool fleet_vm_set_dirty_rate(Store *store, const FleetVm *vm, uint64_t rate, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) &&
	       vm_row_write_dirty_rate(store, vm, rate, error) &&
	       check_changed(store, vm->uuid, error) && transaction_commit(&transaction, error);
}

bool fleet_vm_set_disk(Store *store, const FleetVm *vm, const FleetDisk *disk, GError **error)
{
	g_auto(Transaction) transaction = { 0 };

	return transaction_begin(&transaction, store, error) &&
	       vm_row_write_disk(store, vm->host_id, vm->uuid, disk, error) &&
	       transaction_commit(&transaction, error);
}
