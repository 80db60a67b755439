/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads hosts over libvirt into the store. */
#pragma once

#include "cloud/cloud-connections.h"
#include "fleet/host.h"

#include <gio/gio.h>

/* What a refresh made of one host. */
typedef struct fleet_refreshed {
	char *host;
	GError *failure; /* NULL: read; else its old facts are kept, and why stands in the store */
} FleetRefreshed;

void fleet_refreshed_free(FleetRefreshed *refreshed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FleetRefreshed, fleet_refreshed_free)

/*
 * Read the hosts in @names (NULL at the end), or, if that is NULL, all, side by side: one that
 * hangs takes @timeout_ms and delays no other.  Hosts in maintenance are read, too.  @connections
 * (NULL: none are kept) gets those that were used.
 *
 * Returns FleetRefreshed, by name: a host that does not answer is no failure of this function, an
 * unknown name is (NOT_FOUND), and so are the store and CANCELLED.
 */
GPtrArray *fleet_refresh(Store *store, const char *const *names, CloudConnections *connections,
			 unsigned int timeout_ms, GCancellable *cancellable, GError **error);
