/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast guests change their memory.  Their QEMU measures it by itself for a second, so one
 * refresh begins it and a later one reads it.  Inside of fleet/.
 */
#pragma once

#include "cloud/cloud-migrate.h"
#include "fleet/vm.h"

/*
 * Read what has been measured of the running ones of @vms (FleetVm of one host), and begin anew for
 * those whose number is older than a minute.  Fails only by @cloud not answering, after which it is
 * of no more use.
 */
bool dirty_look(Cloud *cloud, const GPtrArray *vms, GCancellable *cancellable, GError **error);
