/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What facts and reservations say of a host as a target: pure, and so the same for every caller.
 * Inside of fleet/.
 */
#pragma once

#include "fleet/choose.h"

/* What the VM takes, and where it comes from. */
struct rules_need {
	const FleetVm *vm;
	const FleetHost *source;
	uint64_t space; /* bytes that its disks take, with room to grow: rules_space() */
};

/* The space to be kept for the local disks of @vm on its new host. */
uint64_t rules_space(const FleetVm *vm);

/* Whether @disk is one that a migration copies: a local file that only this VM writes. */
bool rules_is_copied(const FleetDisk *disk);

/*
 * Judge @host for a VM at the time @now, with all @reservations (FleetReservation); a new verdict
 * with every reason against it.
 */
FleetVerdict *rules_judge(const FleetHost *host, const struct rules_need *need,
			  const struct fleet_request *request, const GPtrArray *reservations,
			  int64_t now);

/* Rank what is not out and sort: see docs/fleet.md for the order. */
void rules_rank(GPtrArray *verdicts);

void rules_verdict_free(FleetVerdict *verdict);
void rules_out(FleetVerdict *verdict, const char *format, ...) G_GNUC_PRINTF(2, 3);
