/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMs as rows of the store; inside of fleet/. */
#pragma once

#include "fleet/vm.h"

FleetVm *fleet_vm_new(void); /* with an empty list */
void fleet_disk_free(FleetDisk *disk);

/*
 * The VMs that @where (SQL, or "") chooses, with the @count @values for its ?1, ?2 ...; by name,
 * then host.
 */
GPtrArray *vm_row_list(Store *store, const char *where, const char *const *values, int count,
		       GError **error);

/* In a transaction: write the VMs (FleetVm) of a host in place of all that it had. */
bool vm_row_write_all(Store *store, int64_t host, int64_t read, const GPtrArray *vms,
		      GError **error);

/* In a transaction: insert a disk, or write it anew. */
bool vm_row_write_disk(Store *store, int64_t host, const char *vm, const FleetDisk *disk,
		       GError **error);

/* In a transaction; no such VM is success. */
bool vm_row_write_state(Store *store, int64_t host, const char *vm, const char *state,
			GError **error);

/* In a transaction: as measured now; no such VM is success. */
bool vm_row_write_dirty_rate(Store *store, const FleetVm *vm, uint64_t rate, GError **error);
