/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where in the cloud the machine lands: which network each NIC, which pool the images. */
#include "base/error.h"
#include "base/units.h"
#include "cloud/cloud-check.h"
#include "import/import-plan-priv.h"

#include <inttypes.h>
#include <string.h>

/* ---- Networks ---- */

static const CloudNetwork *find_network(const GPtrArray *networks, const char *name)
{
	for (unsigned int i = 0; i < networks->len; i++) {
		const CloudNetwork *network = g_ptr_array_index(networks, i);

		if (strcmp(network->name, name) == 0)
			return network;
	}
	return NULL;
}

/* "'default', 'lab' (not active)", or "none"; owned by the caller. */
static char *list_networks(const GPtrArray *networks)
{
	GString *text = g_string_new(NULL);

	for (unsigned int i = 0; i < networks->len; i++) {
		const CloudNetwork *network = g_ptr_array_index(networks, i);

		g_string_append_printf(text, "%s'%s'%s", text->len ? ", " : "", network->name,
				       network->active ? "" : " (not active)");
	}
	return g_string_free(text->len ? text : g_string_append(text, "none"), false);
}

static char *list_nics(const GPtrArray *nics)
{
	GString *text = g_string_new(NULL);

	for (unsigned int i = 0; i < nics->len; i++) {
		const struct manifest_nic *nic = g_ptr_array_index(nics, i);

		g_string_append_printf(text, "%s%s (%s)", text->len ? ", " : "", nic->name,
				       nic->mac);
	}
	return g_string_free(text->len ? text : g_string_append(text, "none"), false);
}

static struct import_nic *find_nic(const ImportPlan *plan, const char *from, size_t len)
{
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		if ((strlen(nic->name) == len && memcmp(nic->name, from, len) == 0) ||
		    (strlen(nic->mac) == len && g_ascii_strncasecmp(nic->mac, from, len) == 0))
			return nic;
	}
	return NULL;
}

static bool check_network(const char *name, const GPtrArray *networks, const char *nic,
			  GError **error)
{
	const CloudNetwork *network = find_network(networks, name);
	g_autofree char *all = list_networks(networks);

	if (network && network->active)
		return true;
	if (network)
		import_refuse(
		    error, WHERRY_ERROR_INVALID_INPUT,
		    "the network '%s' for NIC %s is not active: start it with 'virsh net-start "
		    "%s'; there are: %s",
		    name, nic, name, all);
	else
		import_refuse(
		    error, WHERRY_ERROR_NOT_FOUND,
		    "there is no network '%s' for NIC %s; there are: %s; --network %s=NAME says "
		    "which",
		    name, nic, all, nic);
	return false;
}

static bool map_network(ImportPlan *plan, const char *mapping, const Manifest *manifest,
			const GPtrArray *networks, GError **error)
{
	const char *equals = strchr(mapping, '=');
	g_autofree char *all = list_nics(manifest->nics);
	struct import_nic *nic;

	if (!equals || equals == mapping || !equals[1]) {
		import_refuse(error, WHERRY_ERROR_USAGE,
			      "--network is FROM=TO, a NIC's name or MAC and a network, not '%s'",
			      mapping);
		return false;
	}
	nic = find_nic(plan, mapping, (size_t)(equals - mapping));
	if (!nic) {
		import_refuse(error, WHERRY_ERROR_NOT_FOUND,
			      "--network %s: the machine has no such NIC; it has: %s", mapping,
			      all);
		return false;
	}
	if (nic->network) {
		import_refuse(error, WHERRY_ERROR_USAGE,
			      "--network %s: NIC %s goes to '%s' already", mapping, nic->name,
			      nic->network);
		return false;
	}
	nic->network = g_strdup(equals + 1);
	return check_network(nic->network, networks, nic->name, error);
}

bool import_choose_networks(ImportPlan *plan, const struct import_options *options,
			    const Manifest *manifest, const GPtrArray *networks, GError **error)
{
	for (unsigned int i = 0; i < manifest->nics->len; i++) {
		const struct manifest_nic *from = g_ptr_array_index(manifest->nics, i);
		struct import_nic *nic;

		if (find_nic(plan, from->mac, strlen(from->mac))) {
			import_refuse(error, WHERRY_ERROR_DAMAGED,
				      "two NICs of the machine have the MAC %s", from->mac);
			return false;
		}
		nic = g_new0(struct import_nic, 1);
		nic->name = g_strdup(from->name);
		nic->mac = g_strdup(from->mac);
		g_ptr_array_add(plan->nics, nic);
	}
	for (size_t i = 0; options->networks && options->networks[i]; i++)
		if (!map_network(plan, options->networks[i], manifest, networks, error))
			return false;
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		if (nic->network)
			continue;
		nic->network = g_strdup("default");
		if (!check_network(nic->network, networks, nic->name, error))
			return false;
	}
	return true;
}

/* ---- Storage ---- */

/* With or without slashes at its end. */
static bool same_path(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	while (a_len > 1 && a[a_len - 1] == '/')
		a_len--;
	while (b_len > 1 && b[b_len - 1] == '/')
		b_len--;
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* The pool of that name, or, if @name is a path, at that path. */
static const CloudPool *find_pool(const GPtrArray *pools, const char *name)
{
	for (unsigned int i = 0; i < pools->len; i++) {
		const CloudPool *pool = g_ptr_array_index(pools, i);

		if (*name == '/' ? pool->path && same_path(pool->path, name)
				 : strcmp(pool->name, name) == 0)
			return pool;
	}
	return NULL;
}

/* "'default' (/var/lib/libvirt/images), ..."; owned by the caller. */
static char *list_pools(const GPtrArray *pools)
{
	GString *text = g_string_new(NULL);

	for (unsigned int i = 0; i < pools->len; i++) {
		const CloudPool *pool = g_ptr_array_index(pools, i);

		g_string_append_printf(text, "%s'%s' (%s)", text->len ? ", " : "", pool->name,
				       pool->path ?: pool->type);
	}
	return g_string_free(text->len ? text : g_string_append(text, "none"), false);
}

/* A name for a new pool that none has: the last part of its path, with a number if need be. */
static char *name_pool(const GPtrArray *pools, const char *path)
{
	g_autofree char *last = g_path_get_basename(path);
	const char *base = last;

	if (same_path(path, IMPORT_POOL_PATH))
		base = IMPORT_POOL_NAME;
	else if (!cloud_check_name("the pool's name", last, NULL))
		base = "wherry";
	/* Ends, as there are fewer pools than numbers. */
	for (unsigned int i = 1;; i++) {
		g_autofree char *name = i == 1 ? g_strdup(base) : g_strdup_printf("%s-%u", base, i);

		if (!find_pool(pools, name))
			return g_steal_pointer(&name);
	}
}

static bool use_pool(ImportPlan *plan, const CloudPool *pool, GError **error)
{
	static const char *const types[] = { "dir", "fs", "netfs", NULL };
	uint64_t bytes = import_plan_bytes(plan);
	g_autofree char *needed = units_bytes(bytes), *free_bytes = units_bytes(pool->available);

	if (!pool->path || !g_strv_contains(types, pool->type)) {
		import_refuse(
		    error, WHERRY_ERROR_UNSUPPORTED,
		    "the pool '%s' is of type %s, but images are files: it takes one of type "
		    "dir, fs or netfs",
		    pool->name, pool->type);
		return false;
	}
	if (!pool->active) {
		import_refuse(error, WHERRY_ERROR_INVALID_INPUT,
			      "the pool '%s' is not active: start it with 'virsh pool-start %s'",
			      pool->name, pool->name);
		return false;
	}
	if (pool->available < bytes) {
		import_refuse(error, WHERRY_ERROR_NO_SPACE,
			      "the pool '%s' has %s free (%" PRIu64
			      " bytes), but the images take %s (%" PRIu64
			      " bytes); --pool names another",
			      pool->name, free_bytes, pool->available, needed, bytes);
		return false;
	}
	plan->pool_name = g_strdup(pool->name);
	plan->pool_uuid = g_strdup(pool->uuid);
	plan->pool_path = g_strdup(pool->path);
	return true;
}

bool import_choose_pool(ImportPlan *plan, const struct import_options *options,
			const GPtrArray *pools, GError **error)
{
	const char *path = options->pool ?: IMPORT_POOL_PATH;
	g_autofree char *all = list_pools(pools);
	const CloudPool *pool = find_pool(pools, options->pool ?: IMPORT_POOL_NAME);

	if (!pool && !options->pool)
		pool = find_pool(pools, IMPORT_POOL_PATH);
	if (pool)
		return use_pool(plan, pool, error);
	if (*path != '/') {
		import_refuse(
		    error, WHERRY_ERROR_NOT_FOUND,
		    "there is no pool '%s'; there are: %s; a path in place of a name makes one "
		    "there",
		    path, all);
		return false;
	}
	plan->pool_path = g_strdup(path);
	for (size_t len = strlen(path); len > 1 && plan->pool_path[len - 1] == '/'; len--)
		plan->pool_path[len - 1] = '\0';
	if (same_path(path, "/")) {
		import_refuse(error, WHERRY_ERROR_INVALID_INPUT,
			      "--pool '/': a pool cannot be the root of the host");
		return false;
	}
	if (!cloud_check_path("--pool", plan->pool_path, error))
		return false;
	plan->pool_is_new = true;
	plan->pool_name = name_pool(pools, plan->pool_path);
	plan->pool_uuid = g_uuid_string_random();
	return true;
}
