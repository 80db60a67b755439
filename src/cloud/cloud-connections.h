/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that are kept for who comes next: to connect takes longer than most questions.  Of
 * any thread.  A connection that broke while it lay idle is made anew by the first call on it.
 */
#pragma once

#include "cloud/cloud.h"

typedef struct cloud_connections CloudConnections;

CloudConnections *cloud_connections_new(void);

/*
 * As cloud_connect(), but an idle connection to @uri is taken first, with these @limits from now
 * on. Owned by the caller, who gives it back or frees it.  NULL @connections: it connects.
 */
Cloud *cloud_connections_take(CloudConnections *connections, const char *uri,
			      const struct cloud_limits *limits, GCancellable *cancellable,
			      GError **error);

/* Takes @cloud, which nobody uses any more; NULL is nothing.  NULL @connections: it is freed. */
void cloud_connections_give(CloudConnections *connections, Cloud *cloud);

/* Those that were given back; who holds one frees it. */
void cloud_connections_free(CloudConnections *connections);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CloudConnections, cloud_connections_free)
