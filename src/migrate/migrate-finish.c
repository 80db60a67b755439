/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After the point of no return: the guest runs at the target, and the source forgets it. */
#include "fleet/reservation.h"
#include "migrate/migrate-grace.h"
#include "migrate/migrate-job.h"

#include <inttypes.h>
#include <jansson.h>

/* Milliseconds, as the task `commit` notes them. */
#define NOTE_TOTAL    "total"
#define NOTE_DOWNTIME "downtime"

/* ---- When ---- */

bool migrate_timer_run(JobContext *context, void *data, const void *item, GError **error)
{
	const MigratePlan *plan = ((const MigrateJob *)data)->plan;
	/* --on-timeout forces it when the time is over, and gives it the same once more. */
	uint64_t seconds = plan->on_timeout == MIGRATE_ABORT ? plan->timeout : 2 * plan->timeout;

	return job_context_set_timeout(context, seconds, error);
}

/* ---- Commit ---- */

/*
 * How long the guest stood still: what the hosts say, and then, until now, for the source's end if
 * it waited for that.
 */
static uint64_t downtime_of(const JobContext *context, const struct cloud_progress *it, bool waited)
{
	const char *began = job_noted(context, "migrate", MIGRATE_NOTE_BEGAN);
	int64_t since = began ? g_ascii_strtoll(began, NULL, 10) : 0;
	int64_t more = (g_get_real_time() - since) / 1000 - (int64_t)it->elapsed_ms;

	return it->downtime_ms + (waited && since > 0 && more > 0 ? (uint64_t)more : 0);
}

/* As far as a host still knows them; numbers are no reason to fail. */
static void note_numbers(MigrateJob *job, JobContext *context, bool waited)
{
	struct cloud_progress it;
	g_autofree char *total = NULL, *downtime = NULL;
	Cloud *source = migrate_job_source(job, context, NULL);

	if (!source || !cloud_migration_result(source, job->plan->uuid, &it, NULL, NULL))
		return;
	downtime = g_strdup_printf("%" PRIu64, downtime_of(context, &it, waited));
	total = g_strdup_printf("%" PRIu64, it.elapsed_ms);
	(void)job_note_all(context,
			   (const struct job_pair[]){ { NOTE_TOTAL, total },
						      { NOTE_DOWNTIME, downtime } },
			   2, NULL);
}

/* Never both: somebody may have started the source's since it stopped.  No answer: it had. */
static bool check_source(MigrateJob *job, JobContext *context, GError **error)
{
	const MigratePlan *plan = job->plan;
	Cloud *source = migrate_job_source(job, context, NULL);
	struct cloud_standing standing;

	if (!source || !cloud_domain_standing(source, plan->uuid, &standing, NULL, NULL) ||
	    !standing.defined || standing.state == CLOUD_DOMAIN_OFF)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
		    "the VM '%s' was started again on '%s'; it stays paused on '%s'", plan->name,
		    plan->source, migrate_job_host(context));
	return false;
}

/* What has to be true before a guarded target runs; @target is what its host says. */
static bool check_guarded(MigrateJob *job, JobContext *context, const struct cloud_standing *target,
			  GError **error)
{
	if (target->defined)
		return target->state != CLOUD_DOMAIN_PAUSED || check_source(job, context, error);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
		    "the VM '%s' had arrived on '%s' and is not there any more; nothing is deleted",
		    job->plan->name, migrate_job_host(context));
	return false;
}

/* For @error, of a target that cannot be asked or does not run it. */
static bool fail_waiting(const MigrateJob *job, const JobContext *context, GError **error)
{
	if (job->plan->commit == MIGRATE_COMMIT_GUARDED)
		g_prefix_error(error,
			       "the VM '%s' waits PAUSED on '%s', and 'wherry job recover' goes "
			       "on: ",
			       job->plan->name, migrate_job_host(context));
	return false;
}

bool migrate_start_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	const MigratePlan *plan = job->plan;
	Cloud *target = migrate_job_target(job, context, error);
	struct cloud_standing standing;

	if (!target || !cloud_domain_standing(target, plan->uuid, &standing, NULL, error))
		return fail_waiting(job, context, error);
	if (plan->commit == MIGRATE_COMMIT_GUARDED &&
	    !check_guarded(job, context, &standing, error))
		return false;
	if (standing.state == CLOUD_DOMAIN_PAUSED && !plan->paused &&
	    !cloud_domain_resume(target, plan->uuid, NULL, error))
		return fail_waiting(job, context, error);
	note_numbers(job, context, standing.state == CLOUD_DOMAIN_PAUSED);
	return true;
}

/* ---- The source forgets ---- */

/* The last definition is never taken away: a target that is not defined is gone when it stops. */
static bool check_defined(MigrateJob *job, const JobContext *context, GError **error)
{
	const MigratePlan *plan = job->plan;
	struct cloud_standing standing;

	if (!cloud_domain_standing(job->target, plan->uuid, &standing, NULL, error))
		return false;
	if (standing.defined && standing.persistent)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
		    "the VM '%s' is %s on '%s', so '%s' still keeps its definition: define it "
		    "there ('virsh define'), then 'wherry job recover' goes on",
		    plan->name, standing.defined ? "not defined for its next start" : "not there",
		    migrate_job_host(context), plan->source);
	return false;
}

bool migrate_undefine_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	const char *uuid = job->plan->uuid;
	Cloud *source = migrate_job_source(job, context, error);
	Cloud *target = source ? migrate_job_target(job, context, error) : NULL;
	struct cloud_standing standing;

	if (!target || !check_defined(job, context, error) ||
	    !cloud_domain_standing(source, uuid, &standing, NULL, error))
		return false;
	return (!standing.autostart ||
		cloud_domain_set_autostart(target, uuid, true, NULL, error)) &&
	       cloud_domain_undefine(source, uuid, NULL, error);
}

/* ---- The store learns ---- */

static const char *state_now(MigrateJob *job, JobContext *context)
{
	struct cloud_standing standing;
	Cloud *target = migrate_job_target(job, context, NULL);

	if (!target || !cloud_domain_standing(target, job->plan->uuid, &standing, NULL, NULL) ||
	    !standing.defined)
		return cloud_domain_state_name(CLOUD_DOMAIN_RUNNING);
	return cloud_domain_state_name(standing.state);
}

bool migrate_record_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	const GPtrArray *disks = job->plan->disks;
	g_autofree struct fleet_moved_disk *moved = g_new0(struct fleet_moved_disk, disks->len);
	g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(Store) store = migrate_job_store(job, error);

	for (unsigned int i = 0; i < disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(disks, i);

		moved[i].target = disk->target;
		moved[i].source = migrate_job_path(context, disk);
		g_ptr_array_add(paths, (char *)(uintptr_t)moved[i].source);
	}
	return store && fleet_moved(store, job_context_uuid(context), state_now(job, context),
				    moved, disks->len, error);
}

/* ---- The old copies ---- */

static void warn(const char *text, void *context)
{
	job_warn(context, "%s", text);
}

static json_int_t noted_number(const JobContext *context, const char *key)
{
	const char *text = job_noted(context, "commit", key);

	return text ? g_ascii_strtoll(text, NULL, 10) : 0;
}

/* What came of the job, as JSON; owned by the caller. */
static char *describe(const MigrateJob *job, const JobContext *context)
{
	json_t *object =
	    json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "vm", job->plan->name, "uuid",
		      job->plan->uuid, "from", job->plan->source, "to", migrate_job_host(context),
		      "total_ms", noted_number(context, NOTE_TOTAL), "downtime_ms",
		      noted_number(context, NOTE_DOWNTIME));
	char *dumped = json_dumps(object, JSON_COMPACT);
	char *text = g_strdup(dumped);

	free(dumped);
	json_decref(object);
	return text;
}

bool migrate_clean_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	int64_t due = g_get_real_time() + (int64_t)job->plan->grace * G_USEC_PER_SEC;
	const GPtrArray *disks = job->plan->disks;
	g_autofree const char **paths = g_new0(const char *, disks->len);
	g_autofree char *result = describe(job, context);
	g_autoptr(Store) store = migrate_job_store(job, error);

	if (!store)
		return false;
	cloud_connections_give(job->connections,
			       g_steal_pointer(&job->source)); /* to be used here */
	for (unsigned int i = 0; i < disks->len; i++)
		paths[i] = ((const struct migrate_disk *)g_ptr_array_index(disks, i))->source;
	job_set_result(context, result);
	return migrate_grace_add(store, job->plan->source_uri, paths, disks->len, job->plan->uuid,
				 due, error) &&
	       (job->plan->grace > 0 ||
		migrate_grace_purge(store, due, job->connections, warn, context, NULL, error));
}
