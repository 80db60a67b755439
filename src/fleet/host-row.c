/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each column of the hosts' tables is named here, once for reading and once for writing. */
#include "fleet/host-row.h"

/* ---- Read ---- */

static FleetHost *take_host(const Statement *row)
{
	FleetHost *host = fleet_host_new();

	host->id = statement_int(row, 0);
	host->name = statement_dup_text(row, 1);
	host->uri = statement_dup_text(row, 2);
	host->address = statement_dup_text(row, 3);
	host->insecure = statement_int(row, 4) != 0;
	host->maintenance = statement_int(row, 5) != 0;
	host->read = statement_int(row, 6);
	host->tried = statement_int(row, 7);
	host->failure = statement_dup_text(row, 8);
	host->uuid = statement_dup_text(row, 9);
	host->host_name = statement_dup_text(row, 10);
	host->arch = statement_dup_text(row, 11);
	host->cpu_model = statement_dup_text(row, 12);
	host->cpus = (unsigned int)statement_int(row, 13);
	host->busy = statement_double(row, 14);
	host->memory = (uint64_t)statement_int(row, 15);
	host->memory_free = (uint64_t)statement_int(row, 16);
	host->libvirt_version = (uint64_t)statement_int(row, 17);
	host->qemu_version = (uint64_t)statement_int(row, 18);
	host->vms = (unsigned int)statement_int(row, 19);
	host->vcpus_in_use = (unsigned int)statement_int(row, 20);
	host->cpu_ns = (uint64_t)statement_int(row, 21);
	host->cpu_busy_ns = (uint64_t)statement_int(row, 22);
	return host;
}

static void take_label(FleetHost *host, const Statement *row)
{
	g_ptr_array_add(host->labels, statement_dup_text(row, 0));
}

static void take_machine(FleetHost *host, const Statement *row)
{
	g_ptr_array_add(host->machines, statement_dup_text(row, 0));
}

static void take_bridge(FleetHost *host, const Statement *row)
{
	g_ptr_array_add(host->bridges, statement_dup_text(row, 0));
}

static void take_place(FleetHost *host, const Statement *row)
{
	FleetPlace *place = g_new0(FleetPlace, 1);

	place->name = statement_dup_text(row, 0);
	place->path = statement_dup_text(row, 1);
	place->problem = statement_dup_text(row, 2);
	place->capacity = (uint64_t)statement_int(row, 3);
	place->available = (uint64_t)statement_int(row, 4);
	g_ptr_array_add(host->places, place);
}

static void take_pool(FleetHost *host, const Statement *row)
{
	FleetPool *pool = g_new0(FleetPool, 1);

	pool->name = statement_dup_text(row, 0);
	pool->uuid = statement_dup_text(row, 1);
	pool->path = statement_dup_text(row, 2);
	pool->active = statement_int(row, 3) != 0;
	pool->capacity = (uint64_t)statement_int(row, 4);
	pool->available = (uint64_t)statement_int(row, 5);
	g_ptr_array_add(host->pools, pool);
}

static void take_network(FleetHost *host, const Statement *row)
{
	FleetNetwork *network = g_new0(FleetNetwork, 1);

	network->name = statement_dup_text(row, 0);
	network->bridge = statement_dup_text(row, 1);
	network->active = statement_int(row, 2) != 0;
	g_ptr_array_add(host->networks, network);
}

/* The lists of a host. */
static const struct {
	const char *sql;
	void (*take)(FleetHost *host, const Statement *row);
} lists[] = {
	{ "SELECT word FROM fleet_word WHERE host = ?1 AND kind = 'label' ORDER BY word",
	  take_label },
	{ "SELECT word FROM fleet_word WHERE host = ?1 AND kind = 'machine' ORDER BY word",
	  take_machine },
	{ "SELECT word FROM fleet_word WHERE host = ?1 AND kind = 'bridge' ORDER BY word",
	  take_bridge },
	{ "SELECT name, path, problem, capacity, available FROM fleet_place WHERE host = ?1"
	  " ORDER BY position",
	  take_place },
	{ "SELECT name, uuid, path, active, capacity, available FROM fleet_pool WHERE host = ?1"
	  " ORDER BY name",
	  take_pool },
	{ "SELECT name, bridge, active FROM fleet_network WHERE host = ?1 ORDER BY name",
	  take_network },
};

static bool read_lists(Store *store, FleetHost *host, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autoptr(Statement) query = store_prepare(store, lists[i].sql, error);
		int r;

		if (!query)
			return false;
		statement_bind_int(query, 1, host->id);
		while ((r = statement_step(query, error)) > 0)
			lists[i].take(host, query);
		if (r < 0)
			return false;
	}
	return true;
}

static void free_host(void *host)
{
	fleet_host_free(host);
}

GPtrArray *host_row_list(Store *store, const char *where, const char *first, const char *second,
			 GError **error)
{
	g_autoptr(GPtrArray) hosts = g_ptr_array_new_with_free_func(free_host);
	g_autofree char *sql = g_strdup_printf(
	    "SELECT id, name, uri, address, insecure, maintenance, read, tried, failure, uuid,"
	    " host_name, arch, cpu_model, cpus, busy, memory, memory_free, libvirt_version,"
	    " qemu_version, (SELECT count(*) FROM fleet_vm WHERE host = id),"
	    " (SELECT coalesce(sum(vcpus), 0) FROM fleet_vm WHERE host = id AND state != 'off'),"
	    " cpu_ns, cpu_busy_ns FROM fleet_host %s ORDER BY name",
	    where);
	g_autoptr(Statement) query = store_prepare(store, sql, error);
	int r;

	if (!query)
		return NULL;
	if (*where) {
		statement_bind_text(query, 1, first);
		statement_bind_text(query, 2, second);
	}
	while ((r = statement_step(query, error)) > 0)
		g_ptr_array_add(hosts, take_host(query));
	for (unsigned int i = 0; r == 0 && i < hosts->len; i++)
		if (!read_lists(store, hosts->pdata[i], error))
			r = -1;
	return r < 0 ? NULL : g_steal_pointer(&hosts);
}

/* ---- Write ---- */

bool host_row_insert_words(Store *store, int64_t host, const char *kind, const GPtrArray *words,
			   GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "INSERT OR IGNORE INTO fleet_word (host, kind, word) VALUES (?1, ?2, ?3)",
			  error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < words->len; i++) {
		statement_bind_int(change, 1, host);
		statement_bind_text(change, 2, kind);
		statement_bind_text(change, 3, words->pdata[i]);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

static bool update_host(Store *store, const FleetHost *host, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store,
	    "UPDATE fleet_host SET read = ?2, tried = ?2, failure = NULL, uuid = ?3,"
	    " host_name = ?4, arch = ?5, cpu_model = ?6, cpus = ?7, busy = ?8, memory = ?9,"
	    " memory_free = ?10, libvirt_version = ?11, qemu_version = ?12, cpu_ns = ?13,"
	    " cpu_busy_ns = ?14 WHERE id = ?1",
	    error);

	if (!change)
		return false;
	statement_bind_int(change, 1, host->id);
	statement_bind_int(change, 2, host->read);
	statement_bind_text(change, 3, host->uuid);
	statement_bind_text(change, 4, host->host_name);
	statement_bind_text(change, 5, host->arch);
	statement_bind_text(change, 6, host->cpu_model);
	statement_bind_int(change, 7, host->cpus);
	statement_bind_double(change, 8, host->busy);
	statement_bind_int(change, 9, (int64_t)host->memory);
	statement_bind_int(change, 10, (int64_t)host->memory_free);
	statement_bind_int(change, 11, (int64_t)host->libvirt_version);
	statement_bind_int(change, 12, (int64_t)host->qemu_version);
	statement_bind_int(change, 13, (int64_t)host->cpu_ns);
	statement_bind_int(change, 14, (int64_t)host->cpu_busy_ns);
	if (!statement_run(change, error))
		return false;
	if (store_changes(store) == 1)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND, "host '%s' has been removed",
		    host->name);
	return false;
}

/* Make room for what was read anew. */
static bool delete_lists(Store *store, int64_t host, GError **error)
{
	static const char *const sql[] = {
		"DELETE FROM fleet_word WHERE host = ?1 AND kind != 'label'",
		"DELETE FROM fleet_pool WHERE host = ?1",
		"DELETE FROM fleet_network WHERE host = ?1",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(sql); i++) {
		g_autoptr(Statement) change = store_prepare(store, sql[i], error);

		if (!change)
			return false;
		statement_bind_int(change, 1, host);
		if (!statement_run(change, error))
			return false;
	}
	return true;
}

static bool insert_pools(Store *store, const FleetHost *host, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "INSERT INTO fleet_pool (host, name, uuid, path, active, capacity,"
			  " available) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			  error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < host->pools->len; i++) {
		const FleetPool *pool = host->pools->pdata[i];

		statement_bind_int(change, 1, host->id);
		statement_bind_text(change, 2, pool->name);
		statement_bind_text(change, 3, pool->uuid);
		statement_bind_text(change, 4, pool->path);
		statement_bind_int(change, 5, pool->active);
		statement_bind_int(change, 6, (int64_t)pool->capacity);
		statement_bind_int(change, 7, (int64_t)pool->available);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

static bool insert_networks(Store *store, const FleetHost *host, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store, "INSERT INTO fleet_network (host, name, bridge, active) VALUES (?1, ?2, ?3, ?4)",
	    error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < host->networks->len; i++) {
		const FleetNetwork *network = host->networks->pdata[i];

		statement_bind_int(change, 1, host->id);
		statement_bind_text(change, 2, network->name);
		statement_bind_text(change, 3, network->bridge);
		statement_bind_int(change, 4, network->active);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

static bool update_places(Store *store, const FleetHost *host, GError **error)
{
	g_autoptr(Statement) change =
	    store_prepare(store,
			  "UPDATE fleet_place SET problem = ?3, capacity = ?4, available = ?5"
			  " WHERE host = ?1 AND name = ?2",
			  error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < host->places->len; i++) {
		const FleetPlace *place = host->places->pdata[i];

		statement_bind_int(change, 1, host->id);
		statement_bind_text(change, 2, place->name);
		statement_bind_text(change, 3, place->problem);
		statement_bind_int(change, 4, (int64_t)place->capacity);
		statement_bind_int(change, 5, (int64_t)place->available);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

bool host_row_write_facts(Store *store, const FleetHost *host, GError **error)
{
	return update_host(store, host, error) && delete_lists(store, host->id, error) &&
	       host_row_insert_words(store, host->id, "machine", host->machines, error) &&
	       host_row_insert_words(store, host->id, "bridge", host->bridges, error) &&
	       insert_pools(store, host, error) && insert_networks(store, host, error) &&
	       update_places(store, host, error);
}

bool host_row_write_failure(Store *store, int64_t host, int64_t when, const char *failure,
			    GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Statement) change = NULL;

	if (!transaction_begin(&transaction, store, error))
		return false;
	change =
	    store_prepare(store, "UPDATE fleet_host SET tried = ?2, failure = ?3 WHERE id = ?1",
			  error);
	if (!change)
		return false;
	statement_bind_int(change, 1, host);
	statement_bind_int(change, 2, when);
	statement_bind_text(change, 3, failure);
	return statement_run(change, error) && transaction_commit(&transaction, error);
}
