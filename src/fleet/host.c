/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an administrator changes of hosts, and how hosts are found; facts come from refresh.c. */
#include "fleet/host.h"

#include "fleet/host-check.h"
#include "fleet/host-row.h"

#include <string.h>

static void free_place(FleetPlace *place)
{
	g_free(place->name);
	g_free(place->path);
	g_free(place->problem);
	g_free(place);
}

static void free_pool(FleetPool *pool)
{
	g_free(pool->name);
	g_free(pool->uuid);
	g_free(pool->path);
	g_free(pool);
}

static void free_network(FleetNetwork *network)
{
	g_free(network->name);
	g_free(network->bridge);
	g_free(network);
}

FleetHost *fleet_host_new(void)
{
	FleetHost *host = g_new0(FleetHost, 1);

	host->labels = g_ptr_array_new_with_free_func(g_free);
	host->machines = g_ptr_array_new_with_free_func(g_free);
	host->bridges = g_ptr_array_new_with_free_func(g_free);
	host->places = g_ptr_array_new_with_free_func((GDestroyNotify)free_place);
	host->pools = g_ptr_array_new_with_free_func((GDestroyNotify)free_pool);
	host->networks = g_ptr_array_new_with_free_func((GDestroyNotify)free_network);
	return host;
}

void fleet_host_free(FleetHost *host)
{
	if (!host)
		return;
	g_free(host->name);
	g_free(host->uri);
	g_free(host->address);
	g_free(host->failure);
	g_free(host->uuid);
	g_free(host->host_name);
	g_free(host->arch);
	g_free(host->cpu_model);
	g_ptr_array_unref(host->labels);
	g_ptr_array_unref(host->machines);
	g_ptr_array_unref(host->bridges);
	g_ptr_array_unref(host->places);
	g_ptr_array_unref(host->pools);
	g_ptr_array_unref(host->networks);
	g_free(host);
}

/* ---- Add ---- */

static bool insert_host(Store *store, const FleetHost *host, int64_t *ret_id, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store, "INSERT INTO fleet_host (name, uri, address, insecure) VALUES (?1, ?2, ?3, ?4)",
	    error);

	if (!change)
		return false;
	statement_bind_text(change, 1, host->name);
	statement_bind_text(change, 2, host->uri);
	statement_bind_text(change, 3, host->address);
	statement_bind_int(change, 4, host->insecure);
	if (!statement_run(change, error))
		return false;
	*ret_id = store_last_id(store);
	return true;
}

static bool insert_places(Store *store, int64_t id, const GPtrArray *places, GError **error)
{
	g_autoptr(Statement) change = store_prepare(
	    store, "INSERT INTO fleet_place (host, position, name, path) VALUES (?1, ?2, ?3, ?4)",
	    error);

	if (!change)
		return false;
	for (unsigned int i = 0; i < places->len; i++) {
		const FleetPlace *place = places->pdata[i];

		statement_bind_int(change, 1, id);
		statement_bind_int(change, 2, i);
		statement_bind_text(change, 3, place->name);
		statement_bind_text(change, 4, place->path);
		if (!statement_run(change, error))
			return false;
		statement_reset(change);
	}
	return true;
}

/* Fail if another host has the @value in @column. */
static bool check_free(Store *store, const char *column, const char *what, const char *value,
		       GError **error)
{
	g_autofree char *sql = g_strdup_printf("SELECT name FROM fleet_host WHERE %s = ?1", column);
	g_autoptr(Statement) query = store_prepare(store, sql, error);
	int r;

	if (!query)
		return false;
	statement_bind_text(query, 1, value);
	r = statement_step(query, error);
	if (r > 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
			    "the host '%s' has the %s '%s' already", statement_text(query, 0), what,
			    value);
	return r == 0;
}

bool fleet_host_add(Store *store, const struct fleet_host_spec *spec, GError **error)
{
	g_autoptr(FleetHost) host = host_check_spec(spec, error);
	g_auto(Transaction) transaction = { 0 };
	int64_t id;

	return host && transaction_begin(&transaction, store, error) &&
	       check_free(store, "name", "name", host->name, error) &&
	       check_free(store, "uri", "URI", host->uri, error) &&
	       check_free(store, "address", "address", host->address, error) &&
	       insert_host(store, host, &id, error) &&
	       host_row_insert_words(store, id, "label", host->labels, error) &&
	       insert_places(store, id, host->places, error) &&
	       transaction_commit(&transaction, error);
}

/* ---- Change and remove ---- */

/* Run @sql, whose ?1 is the host's name and ?2 @value; NOT_FOUND if it touched no row. */
static bool change_by_name(Store *store, const char *sql, const char *name, int64_t value,
			   GError **error)
{
	g_autoptr(Statement) change = store_prepare(store, sql, error);

	if (!change)
		return false;
	statement_bind_text(change, 1, name);
	if (value >= 0)
		statement_bind_int(change, 2, value);
	return statement_run(change, error);
}

/* Fail with BUSY while a job has a VM on its way to or from the host. */
static bool check_not_reserved(Store *store, const FleetHost *host, GError **error)
{
	g_autoptr(Statement) query = store_prepare(store,
						   "SELECT job_id, vm_name FROM fleet_reservation"
						   " WHERE source = ?1 OR target = ?1",
						   error);
	int r;

	if (!query)
		return false;
	statement_bind_int(query, 1, host->id);
	r = statement_step(query, error);
	if (r > 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "host '%s' cannot be removed: job %" G_GINT64_FORMAT
			    " migrates the VM '%s' to or from it",
			    host->name, statement_int(query, 0), statement_text(query, 1));
	return r == 0;
}

bool fleet_host_remove(Store *store, const char *name, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(FleetHost) host = NULL;

	if (!transaction_begin(&transaction, store, error))
		return false;
	host = fleet_host_find(store, name, error);
	return host && check_not_reserved(store, host, error) &&
	       change_by_name(store, "DELETE FROM fleet_host WHERE name = ?1", host->name, -1,
			      error) &&
	       transaction_commit(&transaction, error);
}

bool fleet_host_set_maintenance(Store *store, const char *name, bool on, GError **error)
{
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(FleetHost) host = NULL;

	if (!transaction_begin(&transaction, store, error))
		return false;
	host = fleet_host_find(store, name, error);
	return host &&
	       change_by_name(store, "UPDATE fleet_host SET maintenance = ?2 WHERE name = ?1",
			      host->name, on, error) &&
	       transaction_commit(&transaction, error);
}

/* ---- Find ---- */

/* NOT_FOUND, with the names that there are. */
static void set_not_found(Store *store, const char *name, GError **error)
{
	g_autoptr(GPtrArray) hosts = fleet_host_list(store, NULL);
	g_autoptr(GString) names = g_string_new(NULL);

	for (unsigned int i = 0; hosts && i < hosts->len; i++)
		g_string_append_printf(names, "%s%s", i ? ", " : "",
				       ((FleetHost *)hosts->pdata[i])->name);
	if (names->len)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "no host '%s'; there are: %s", name, names->str);
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "no host '%s': none is known; 'wherry host add' adds one", name);
}

FleetHost *fleet_host_find(Store *store, const char *name, GError **error)
{
	g_autofree char *address = host_check_canonical_address(name);
	g_autoptr(GPtrArray) hosts = NULL;

	hosts = host_row_list(store, "WHERE name = ?1 OR address = ?2", name, address, error);
	if (!hosts)
		return NULL;
	/* A name may look like another host's address; it is the name that counts. */
	for (unsigned int i = 0; i < hosts->len; i++)
		if (hosts->len == 1 || strcmp(((FleetHost *)hosts->pdata[i])->name, name) == 0)
			return g_ptr_array_steal_index(hosts, i);
	set_not_found(store, name, error);
	return NULL;
}

GPtrArray *fleet_host_list(Store *store, GError **error)
{
	return host_row_list(store, "", NULL, NULL, error);
}

/* ---- Abnormal ---- */

char *fleet_host_abnormal(const FleetHost *host, int64_t now, uint64_t max_age)
{
	int64_t age = (now - host->read) / G_USEC_PER_SEC;

	if (host->maintenance)
		return g_strdup("it is in maintenance");
	if (host->failure)
		return g_strdup_printf("it does not answer: %s", host->failure);
	if (host->read == 0)
		return g_strdup_printf("it was never read; 'wherry host refresh %s' does it",
				       host->name);
	if ((uint64_t)age > max_age) /* or of the future, which is a huge number, too */
		return g_strdup_printf("its facts are %" G_GINT64_FORMAT
				       " s old, %" G_GUINT64_FORMAT
				       " s are allowed; 'wherry host refresh %s' reads it",
				       age, max_age, host->name);
	return NULL;
}

char *fleet_version_text(uint64_t version)
{
	return g_strdup_printf("%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT ".%" G_GUINT64_FORMAT,
			       version / 1000000, version / 1000 % 1000, version % 1000);
}
