/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How busy a host and its VMs are: what went by between two looks at their CPU times.  The store
 * keeps the last look, so one is enough as a rule.  Inside of fleet/.
 */
#pragma once

#include "cloud/cloud-node.h"
#include "fleet/host.h"
#include "fleet/vm.h"

/* VMs of the store, on whichever host: what a refresh finds is more of the same. */
typedef struct known_vms KnownVms;

/* @vms: FleetVm; taken. */
KnownVms *known_vms_new(GPtrArray *vms);
/* The VM of that UUID on the host @host_id, else on another; borrowed.  NULL: there is none. */
const FleetVm *known_vms_find(const KnownVms *known, int64_t host_id, const char *uuid);
void known_vms_free(KnownVms *known);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KnownVms, known_vms_free)

/* FleetVm of the VMs of a look, without disks; what is known of them holds until it is counted
 * anew. */
GPtrArray *load_list_vms(const FleetHost *host, const KnownVms *known, const CloudUse *now);

/*
 * Count from the look that @host (of the store) was left with to @now, of which @vms were made:
 * false if that is no good, for there was none, it is too long ago, the host was started since, or
 * a VM runs that is not known.
 */
bool load_since_last(FleetHost *host, const KnownVms *known, const CloudUse *now,
		     const GPtrArray *vms);

/* The same from @before, of which @vms were made, to @now, which always goes. */
void load_between(FleetHost *host, const CloudUse *before, const CloudUse *now,
		  const GPtrArray *vms);
