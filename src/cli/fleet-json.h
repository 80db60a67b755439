/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts and VMs as docs/json.md says; each is owned by the caller. */
#pragma once

#include "fleet/choose.h"

/* What lists have of a host. */
json_t *fleet_json_host(const FleetHost *host, uint64_t max_age);
/* The same and all that was found there; @reservations are those of all hosts. */
json_t *fleet_json_whole_host(const FleetHost *host, const GPtrArray *reservations,
			      uint64_t max_age);
json_t *fleet_json_vm(const FleetVm *vm);
