/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cloud/cloud-connections.h"

#include "cloud/cloud-driver.h"

#include <string.h>

struct cloud_connections {
	GMutex lock;
	GPtrArray *idle; /* Cloud */
};

static void free_cloud(void *cloud)
{
	cloud_free(cloud);
}

CloudConnections *cloud_connections_new(void)
{
	CloudConnections *connections = g_new0(CloudConnections, 1);

	g_mutex_init(&connections->lock);
	connections->idle = g_ptr_array_new_with_free_func(free_cloud);
	return connections;
}

void cloud_connections_free(CloudConnections *connections)
{
	if (!connections)
		return;
	g_ptr_array_unref(connections->idle);
	g_mutex_clear(&connections->lock);
	g_free(connections);
}

static Cloud *find_idle(CloudConnections *connections, const char *uri)
{
	Cloud *found = NULL;

	g_mutex_lock(&connections->lock);
	for (unsigned int i = 0; !found && i < connections->idle->len; i++)
		if (strcmp(cloud_uri(connections->idle->pdata[i]), uri) == 0)
			found = g_ptr_array_steal_index_fast(connections->idle, i);
	g_mutex_unlock(&connections->lock);
	return found;
}

Cloud *cloud_connections_take(CloudConnections *connections, const char *uri,
			      const struct cloud_limits *limits, GCancellable *cancellable,
			      GError **error)
{
	Cloud *idle = connections ? find_idle(connections, uri) : NULL;

	if (!idle)
		return cloud_connect(uri, limits, cancellable, error);
	idle->limits = limits ? *limits : cloud_default_limits;
	return idle;
}

void cloud_connections_give(CloudConnections *connections, Cloud *cloud)
{
	if (!connections || !cloud) {
		cloud_free(cloud);
		return;
	}
	g_mutex_lock(&connections->lock);
	g_ptr_array_add(connections->idle, cloud);
	g_mutex_unlock(&connections->lock);
}
