/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts, VMs and choices on stdout, for people and as docs/json.md says. */
#pragma once

#include "fleet/choose.h"

#include <stdbool.h>

/* @max_age: seconds, beyond which facts make a host abnormal. */
void fleet_print_hosts(const GPtrArray *hosts, uint64_t max_age, bool json);
void fleet_print_host(const FleetHost *host, const GPtrArray *reservations, uint64_t max_age,
		      bool json);
/* @refreshed: of FleetRefreshed. */
void fleet_print_refreshed(const GPtrArray *refreshed, bool json);
void fleet_print_choice(const FleetChoice *choice, bool json);
void fleet_print_vms(const GPtrArray *vms, bool json);
void fleet_print_vm(const FleetVm *vm, bool json);
