/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The order of the tasks, and what all of them share. */
#include "migrate/migrate.h"

#include "fleet/fleet.h"
#include "migrate/migrate-grace.h"
#include "migrate/migrate-job.h"

#include <string.h>

/* Short: whoever waits for a host that hangs still has to cancel, and to say so. */
static const struct cloud_limits limits = { .call_ms = 20000, .stall_ms = 60000 };

/* ---- Hosts ---- */

/* A job that has to stop needs its hosts, too: how it stops depends on what they say. */
static Cloud *connect_once(const MigrateJob *job, Cloud **where, const char *uri,
			   JobContext *context, GError **error)
{
	GCancellable *cancellable = job_context_cancellable(context);

	if (g_cancellable_is_cancelled(cancellable))
		cancellable = NULL;
	if (!*where)
		*where = cloud_connections_take(job->connections, uri, &limits, cancellable, error);
	return *where;
}

Cloud *migrate_job_source(MigrateJob *job, JobContext *context, GError **error)
{
	return connect_once(job, &job->source, job->plan->source_uri, context, error);
}

Cloud *migrate_job_mover(MigrateJob *job, JobContext *context, GError **error)
{
	/* Another is made while the move goes on. */
	if (!job->mover)
		job->mover = g_steal_pointer(&job->source);
	return connect_once(job, &job->mover, job->plan->source_uri, context, error);
}

Cloud *migrate_job_target(MigrateJob *job, JobContext *context, GError **error)
{
	const char *uri = migrate_job_uri(context);

	if (!uri) {
		g_set_error_literal(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
				    "no target is reserved");
		return NULL;
	}
	return connect_once(job, &job->target, uri, context, error);
}

Store *migrate_job_store(const MigrateJob *job, GError **error)
{
	g_autoptr(Store) store = store_open(job->plan->state, error);

	if (!store || !fleet_prepare(store, error) || !migrate_grace_prepare(store, error))
		return NULL;
	return g_steal_pointer(&store);
}

static bool ask(MigrateJob *job, JobContext *context,
		Cloud *(*connect)(MigrateJob *, JobContext *, GError **),
		struct cloud_standing *ret)
{
	g_autoptr(GError) cause = NULL;
	Cloud *cloud = connect(job, context, &cause);

	/* A look has to come to its end even when the job is to stop: on it depends how. */
	if (cloud && cloud_domain_standing(cloud, job->plan->uuid, ret, NULL, &cause))
		return true;
	g_free(job->silence);
	job->silence = g_strdup(cause->message);
	g_debug("%s", job->silence);
	return false;
}

enum migrate_verdict migrate_job_look(MigrateJob *job, JobContext *context,
				      struct migrate_look *ret)
{
	struct migrate_look look = { 0 };

	g_clear_pointer(&job->silence, g_free);
	look.source_known = ask(job, context, migrate_job_source, &look.source);
	look.target_known = ask(job, context, migrate_job_target, &look.target);
	if (ret)
		*ret = look;
	return migrate_judge(&look);
}

const char **migrate_job_targets(const MigrateJob *job)
{
	const GPtrArray *disks = job->plan->disks;
	const char **targets = g_new0(const char *, disks->len + 1);

	for (unsigned int i = 0; i < disks->len; i++)
		targets[i] = ((const struct migrate_disk *)g_ptr_array_index(disks, i))->target;
	return targets;
}

/* ---- The job ---- */

static void free_job(void *data)
{
	MigrateJob *job = data;

	cloud_connections_give(job->connections, job->mover);
	cloud_connections_give(job->connections, job->source);
	cloud_connections_give(job->connections, job->target);
	migrate_plan_free(job->plan);
	g_free(job->silence);
	g_free(job);
}

static void *load(const char *params, GError **error)
{
	MigratePlan *plan = migrate_plan_from_json(params, error);
	MigrateJob *job;

	if (!plan)
		return NULL;
	job = g_new0(MigrateJob, 1);
	job->plan = plan;
	return job;
}

void migrate_use_connections(Job *job, CloudConnections *connections)
{
	MigrateJob *data = job_data(job);

	data->connections = connections;
}

static void plan_tasks(void *data, JobPlan *plan)
{
	static const struct job_task before[] = {
		{ .name = "reserve", .run = migrate_reserve_run, .undo = migrate_reserve_undo },
		{ .name = "preflight", .run = migrate_check_run },
		{ .name = "directory",
		  .run = migrate_directory_run,
		  .undo = migrate_directory_undo },
		{ .name = "pool", .run = migrate_pool_run, .undo = migrate_pool_undo },
	};
	static const struct job_task after[] = {
		{ .name = "timer", .run = migrate_timer_run },
		{ .name = "migrate", .run = migrate_move_run, .undo = migrate_move_undo },
		{ .name = "commit", .run = migrate_start_run },
		{ .name = "undefine source", .run = migrate_undefine_run },
		{ .name = "record", .run = migrate_record_run },
		{ .name = "finish", .run = migrate_clean_run },
	};
	const MigrateJob *job = data;

	for (size_t i = 0; i < G_N_ELEMENTS(before); i++)
		job_plan_add(plan, &before[i]);
	for (unsigned int i = 0; i < job->plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(job->plan->disks, i);
		g_autofree char *name = g_strdup_printf("disk %s", disk->target);

		job_plan_add(plan, &(struct job_task){ .name = name,
						       .item = disk,
						       .run = migrate_disk_run,
						       .undo = migrate_disk_undo,
						       .group = "disks" });
	}
	for (size_t i = 0; i < G_N_ELEMENTS(after); i++)
		job_plan_add(plan, &after[i]);
}

/* Whatever was left by a dead process is found out by the tasks themselves, from both hosts. */
static int resume(JobContext *context, void *data, char **ret_reason, GError **error)
{
	MigrateJob *job = data;

	if (!migrate_job_source(job, context, error))
		return -1;
	return !migrate_job_uri(context) || migrate_job_target(job, context, error) ? 1 : -1;
}

const struct job_kind migrate_job_kind = {
	.name = "migrate",
	.load = load,
	.plan = plan_tasks,
	.resume = resume,
	.settle = migrate_move_settle,
	.free = free_job,
};

const char *migrate_target_of(const JobRecord *record)
{
	const struct task_record *task = g_ptr_array_index(record->tasks, 0);

	for (unsigned int i = 0; i < task->notes->len; i++) {
		const struct task_note *note = g_ptr_array_index(task->notes, i);

		if (strcmp(note->key, "host") == 0)
			return note->value;
	}
	return NULL;
}
