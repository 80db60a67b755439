/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target: chosen and reserved in one transaction of the fleet's.  As long as the reservation is
 * there the VM's state is "migrating".
 */
#include "fleet/choose.h"
#include "migrate/migrate-job.h"
#include "migrate/migrate.h"

#include <jansson.h>

#define TASK "reserve"

/* For the answers of one host. */
enum { ANSWER_MS = 20000 };

const char *migrate_job_host(const JobContext *context)
{
	return job_noted(context, TASK, "host");
}

const char *migrate_job_uri(const JobContext *context)
{
	return job_noted(context, TASK, "uri");
}

const char *migrate_job_address(const JobContext *context)
{
	return job_noted(context, TASK, "address");
}

static struct fleet_limits limits_of(const MigratePlan *plan)
{
	return (struct fleet_limits){
		.min_free_memory = plan->min_free_memory,
		.min_free_cpus = plan->min_free_cpus,
		.max_load = plan->max_load,
		.min_free_space = plan->min_free_space,
		.max_inbound = plan->max_inbound,
		.max_age = plan->max_age,
		.labels = (const char *const *)plan->labels,
		.roots = (const char *const *)plan->roots,
	};
}

/* @job: NULL only asks. */
static FleetChoice *choose(Store *store, const MigratePlan *plan, CloudConnections *connections,
			   const char *job, int64_t job_id, GCancellable *cancellable,
			   GError **error)
{
	g_autoptr(FleetVm) vm = fleet_vm_find(store, plan->uuid, plan->source, error);
	const struct fleet_limits limits = limits_of(plan);
	const struct fleet_request request = {
		.vm = vm,
		.limits = &limits,
		.only = plan->to,
		.except = (const char *const *)plan->except,
		.timeout_ms = ANSWER_MS,
		.connections = connections,
	};

	if (!vm)
		return NULL;
	return job ? fleet_choose_and_reserve(store, &request, job, job_id, cancellable, error)
		   : fleet_choose(store, &request, cancellable, error);
}

FleetChoice *migrate_choose(Store *store, const MigratePlan *plan, CloudConnections *connections,
			    GCancellable *cancellable, GError **error)
{
	return choose(store, plan, connections, NULL, 0, cancellable, error);
}

/* With how every host was judged, for `job show`. */
static bool note_target(JobContext *context, Store *store, const FleetChoice *choice,
			GError **error)
{
	const FleetReservation *reservation = choice->reservation;
	g_autoptr(FleetHost) host = fleet_host_find(store, reservation->target, error);
	json_t *judged = fleet_choice_json(choice);
	char *text = json_dumps(judged, JSON_COMPACT);
	const struct job_pair pairs[] = {
		{ "place", reservation->place_name },
		{ "path", reservation->place_path },
		{ "address", host ? host->address : NULL },
		{ "uri", host ? host->uri : NULL },
		{ "host", host ? host->name : NULL },
		/* Of one that was reserved before this attempt nothing was judged now. */
		{ "choice", text },
	};
	bool ok = host && job_note_all(context, pairs,
				       G_N_ELEMENTS(pairs) - (choice->verdicts->len == 0), error);

	free(text);
	json_decref(judged);
	return ok;
}

/* Of a choice that found none. */
static bool note_choice(JobContext *context, const FleetChoice *choice, GError **error)
{
	json_t *object = fleet_choice_json(choice);
	char *text = json_dumps(object, JSON_COMPACT);
	bool ok = job_note(context, "choice", text, error);

	free(text);
	json_decref(object);
	return ok;
}

bool migrate_reserve_run(JobContext *context, void *data, const void *item, GError **error)
{
	const MigrateJob *job = data;
	g_autoptr(Store) store = migrate_job_store(job, error);
	g_autoptr(FleetChoice) choice = NULL;

	if (!store)
		return false;
	choice = choose(store, job->plan, job->connections, job_context_uuid(context),
			job_context_id(context), job_context_cancellable(context), error);
	if (!choice)
		return false;
	if (!choice->reservation) {
		if (!note_choice(context, choice, error))
			return false;
		job_give_up(context);                    /* it was asked just now */
		(void)fleet_choice_check(choice, error); /* fails, with every host's reasons */
		return false;
	}
	return note_target(context, store, choice, error);
}

/* It may have been switched off meanwhile; what cannot be asked now the next refresh learns. */
static void set_true_state(MigrateJob *job, JobContext *context, Store *store)
{
	const MigratePlan *plan = job->plan;
	Cloud *source = migrate_job_source(job, context, NULL);
	g_autoptr(FleetVm) vm = fleet_vm_find(store, plan->uuid, plan->source, NULL);
	struct cloud_standing standing;

	if (source && vm && cloud_domain_standing(source, plan->uuid, &standing, NULL, NULL) &&
	    standing.defined)
		(void)fleet_vm_set_state(store, vm->host_id, plan->uuid,
					 cloud_domain_state_name(standing.state), NULL);
}

bool migrate_reserve_undo(JobContext *context, void *data, const void *item, GError **error)
{
	g_autoptr(Store) store = migrate_job_store(data, error);

	if (!store || !fleet_release(store, job_context_uuid(context), error))
		return false;
	set_true_state(data, context, store);
	return true;
}
