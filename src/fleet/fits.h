/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether hosts can run a VM, asked of themselves: its CPU, machine type and devices, networks and
 * bridges, its name.  And whether the VM can leave its host at all.  Inside of fleet/.
 */
#pragma once

#include "fleet/choose.h"

typedef struct fits Fits;

/*
 * Ask the VM's host what the VM needs, then the hosts of @verdicts, side by side, but those that
 * cannot come in question whatever they say.  A target that does not answer is a reason, the VM's
 * own host failing is an error.
 */
Fits *fits_ask(const struct fleet_request *request, const GPtrArray *verdicts,
	       GCancellable *cancellable, GError **error);

/*
 * Add to @verdict what was found, as it counts with @reservations.  A host that was not asked, and
 * is not out, is out for that.
 */
void fits_add_reasons(const Fits *fits, const struct fleet_limits *limits,
		      const GPtrArray *reservations, FleetVerdict *verdict);

void fits_free(Fits *fits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fits, fits_free)
