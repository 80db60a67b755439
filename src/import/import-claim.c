/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two imports of one machine at once: libvirt would let the second define change the VM of the
 * first.  So name, UUID and MACs are claimed in the store before anything is made: in one
 * transaction, all or none.  A claim ends when the VM is there, or when the job was rolled back.
 */
#include "base/error.h"
#include "import/import-job.h"

#include <inttypes.h>
#include <string.h>

static const char *const steps[] = {
	"CREATE TABLE import_claim ("
	" host TEXT NOT NULL," /* UUID of the cloud's host */
	" kind TEXT NOT NULL," /* "name", "UUID", "MAC" */
	" value TEXT NOT NULL,"
	" job TEXT NOT NULL,"       /* its UUID */
	" job_id INTEGER NOT NULL," /* for people */
	" PRIMARY KEY (host, kind, value)) STRICT",
	NULL,
};
static const struct store_schema schema = { "import", steps };

/* A store of our own, beside the runner's. */
static Store *open_store(const ImportJob *job, GError **error)
{
	g_autoptr(Store) store = store_open(job->plan->state, error);

	if (!store || !store_add_room(store, &schema, error))
		return NULL;
	return g_steal_pointer(&store);
}

/* EXISTS: another job has it. */
static bool claim(Store *store, const JobContext *context, const char *host, const char *kind,
		  const char *value, GError **error)
{
	g_autoptr(Statement) query = store_prepare(
	    store, "SELECT job_id FROM import_claim WHERE host = ?1 AND kind = ?2 AND value = ?3",
	    error);
	g_autoptr(Statement) insert = NULL;
	int r;

	if (!query)
		return false;
	statement_bind_text(query, 1, host);
	statement_bind_text(query, 2, kind);
	statement_bind_text(query, 3, value);
	r = statement_step(query, error);
	if (r < 0)
		return false;
	if (r > 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_EXISTS,
			    "job %" PRId64 " is importing a VM with the %s %s: wait for its end; "
			    "if it died, 'wherry job recover' ends it",
			    statement_int(query, 0), kind, value);
		return false;
	}
	insert =
	    store_prepare(store, "INSERT INTO import_claim VALUES (?1, ?2, ?3, ?4, ?5)", error);
	if (!insert)
		return false;
	statement_bind_text(insert, 1, host);
	statement_bind_text(insert, 2, kind);
	statement_bind_text(insert, 3, value);
	statement_bind_text(insert, 4, job_context_uuid(context));
	statement_bind_int(insert, 5, job_context_id(context));
	return statement_run(insert, error);
}

static bool release(Store *store, const JobContext *context, GError **error)
{
	g_autoptr(Statement) delete =
	    store_prepare(store, "DELETE FROM import_claim WHERE job = ?1", error);

	if (!delete)
		return false;
	statement_bind_text(delete, 1, job_context_uuid(context));
	return statement_run(delete, error);
}

static bool claim_all(Store *store, const JobContext *context, const ImportJob *job,
		      const char *host, GError **error)
{
	const ImportPlan *plan = job->plan;
	g_auto(Transaction) transaction = { 0 };

	if (!transaction_begin(&transaction, store, error) || !release(store, context, error) ||
	    !claim(store, context, host, "name", plan->name, error) ||
	    !claim(store, context, host, "UUID", plan->uuid, error))
		return false;
	for (unsigned int i = 0; i < plan->nics->len; i++) {
		const struct import_nic *nic = g_ptr_array_index(plan->nics, i);

		if (!claim(store, context, host, "MAC", nic->mac, error))
			return false;
	}
	return transaction_commit(&transaction, error);
}

/* Hosts whose board has no UUID are told apart by how they are reached; borrowed. */
static const char *name_host(const Cloud *cloud)
{
	const char *uuid = cloud_host_uuid(cloud);

	return uuid[strspn(uuid, "0-")] ? uuid : cloud_uri(cloud);
}

bool import_claim_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;
	Cloud *cloud = import_job_cloud(job, context, error);
	g_autoptr(GPtrArray) domains = NULL;
	g_autoptr(Store) store = NULL;

	if (!cloud)
		return false;
	store = open_store(job, error);
	if (!store || !claim_all(store, context, job, name_host(cloud), error))
		return false;
	/* Another import may have come to its end since the plan was made. */
	domains = cloud_domains(cloud, job_context_cancellable(context), error);
	return domains && import_plan_check_free(job->plan, domains, error);
}

bool import_claim_undo(JobContext *context, void *data, const void *item, GError **error)
{
	const ImportJob *job = data;
	g_auto(Transaction) transaction = { 0 };
	g_autoptr(Store) store = open_store(job, error);

	return store && transaction_begin(&transaction, store, error) &&
	       release(store, context, error) && transaction_commit(&transaction, error);
}

bool import_finish_run(JobContext *context, void *data, const void *item, GError **error)
{
	ImportJob *job = data;

	/* A last look: another import, with another store, may have come after ours. */
	return import_job_cloud(job, context, error) &&
	       import_job_check_rivals(job, context, error) &&
	       import_claim_undo(context, data, item, error);
}
