/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks what goes to the driver, and frees what comes back. */
#include "cloud/cloud-node.h"

#include "cloud/cloud-check.h"
#include "cloud/cloud-driver.h"

void cloud_node_free(CloudNode *node)
{
	if (!node)
		return;
	g_free(node->arch);
	g_free(node->cpu_model);
	g_clear_pointer(&node->machines, g_ptr_array_unref);
	g_clear_pointer(&node->bridges, g_ptr_array_unref);
	g_free(node);
}

CloudNode *cloud_node(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->node != NULL, "facts", error))
		return NULL;
	return cloud->driver->node(cloud, cancellable, error);
}

void cloud_use_free(CloudUse *use)
{
	if (!use)
		return;
	g_clear_pointer(&use->vms, g_ptr_array_unref);
	g_free(use);
}

CloudUse *cloud_use(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->use != NULL, "CPU times", error))
		return NULL;
	return cloud->driver->use(cloud, cancellable, error);
}

bool cloud_space(Cloud *cloud, const char *path, uint64_t *ret_capacity, uint64_t *ret_available,
		 GCancellable *cancellable, GError **error)
{
	g_autoptr(CloudPool) pool = NULL;

	if (!cloud_check_offers(cloud, cloud->driver->space != NULL, "storage pools", error) ||
	    !cloud_check_path("the directory", path, error))
		return false;
	pool = cloud->driver->space(cloud, path, cancellable, error);
	if (!pool)
		return false;
	*ret_capacity = pool->capacity;
	*ret_available = pool->available;
	return true;
}

/* ---- Whether it can run a VM of another host ---- */

void cloud_needs_free(CloudNeeds *needs)
{
	if (!needs)
		return;
	g_free(needs->name);
	g_free(needs->uuid);
	g_free(needs->xml);
	g_clear_pointer(&needs->ties, g_ptr_array_unref);
	g_free(needs);
}

CloudNeeds *cloud_needs(Cloud *cloud, const char *uuid, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->needs != NULL, "VMs to move", error) ||
	    !cloud_check_uuid("the VM's UUID", uuid, error))
		return NULL;
	return cloud->driver->needs(cloud, uuid, cancellable, error);
}

GPtrArray *cloud_lacks(Cloud *cloud, const CloudNeeds *needs, GCancellable *cancellable,
		       GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->lacks != NULL, "VMs to move", error))
		return NULL;
	return cloud->driver->lacks(cloud, needs, cancellable, error);
}

GPtrArray *cloud_arriving(Cloud *cloud, GCancellable *cancellable, GError **error)
{
	if (!cloud_check_offers(cloud, cloud->driver->arriving != NULL, "VMs to move", error))
		return NULL;
	return cloud->driver->arriving(cloud, cancellable, error);
}
