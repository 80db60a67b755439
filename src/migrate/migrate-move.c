/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The move.  What counts is not what its call says but where the VM is afterwards: a failed one may
 * have arrived, and a process that died knows nothing at all.
 */
#include "migrate/migrate-watch.h"

#include <string.h>

/* How long a state that passes by itself is looked at again; a look at a host that hangs takes
 * long. */
enum { SETTLE_SECONDS = 30 };

/* ---- The call ---- */

static const char *scheme_host(const char *uri)
{
	const char *begin = strstr(uri, "://");

	return begin && begin[3] != '/' && begin[3] != '?' && begin[3] ? begin : NULL;
}

/* The target as the source reaches it; one that is local to us is not local to the source. */
static char *peer_uri(const JobContext *context)
{
	const char *uri = migrate_job_uri(context), *address = migrate_job_address(context);

	if (scheme_host(uri))
		return g_strdup(uri);
	return g_strdup_printf(strchr(address, ':') ? "qemu+ssh://[%s]/system"
						    : "qemu+ssh://%s/system",
			       address);
}

static struct cloud_move *make_moves(const MigrateJob *job, const JobContext *context)
{
	struct cloud_move *moves = g_new0(struct cloud_move, job->plan->disks->len);

	for (unsigned int i = 0; i < job->plan->disks->len; i++) {
		const struct migrate_disk *disk = g_ptr_array_index(job->plan->disks, i);

		moves[i].target = disk->target;
		moves[i].path = migrate_job_path(context, disk);
	}
	return moves;
}

static void free_moves(struct cloud_move *moves, size_t count)
{
	for (size_t i = 0; i < count; i++)
		g_free((char *)(uintptr_t)moves[i].path);
	g_free(moves);
}

static CloudMigration *start(MigrateJob *job, JobContext *context, GError **error)
{
	const MigratePlan *plan = job->plan;
	Cloud *mover = migrate_job_mover(job, context, error);
	struct cloud_move *moves = make_moves(job, context);
	g_autofree char *to = peer_uri(context);
	const struct cloud_migration_request request = {
		.uuid = plan->uuid,
		.to = to,
		.address = migrate_job_address(context),
		.moves = moves,
		.move_count = plan->disks->len,
		/* libvirt gives it to each disk. */
		.bandwidth = plan->bandwidth / MAX(1, plan->disks->len),
		.parallel = plan->parallel,
		.paused = plan->commit == MIGRATE_COMMIT_GUARDED,
		.tls = plan->tls,
		.auto_converge = true,
		.postcopy = plan->on_timeout == MIGRATE_POSTCOPY,
	};
	CloudMigration *migration = mover ? cloud_migration_start(mover, &request, error) : NULL;

	free_moves(moves, plan->disks->len);
	return migration;
}

/* ---- Making sure ---- */

static bool resume_source(MigrateJob *job, JobContext *context, GError **error)
{
	return cloud_domain_resume(job->source, job->plan->uuid, NULL, error);
}

/*
 * One step towards a state that lasts.  The target's is ended before the source's may run: never
 * both.  1: it lasts; 0: look again; -1: failed.
 */
static int step(MigrateJob *job, JobContext *context, enum migrate_verdict verdict, GError **error)
{
	const char *uuid = job->plan->uuid;

	switch (verdict) {
	case MIGRATE_REMAINS:
		return cloud_domain_destroy(job->target, uuid, NULL, error) ? 0 : -1;
	case MIGRATE_STUCK:
		if (!cloud_domain_destroy(job->target, uuid, NULL, error))
			return -1;
		return resume_source(job, context, error) ? 0 : -1;
	case MIGRATE_LINGERING:
		return cloud_domain_destroy(job->source, uuid, NULL, error) ? 0 : -1;
	case MIGRATE_SPLIT:
		job_give_up(context);
		/* The target's is the younger one.  What its guest has written there is somebody's
		 * to look at. */
		if (!job_note(context, "keep", "both hosts ran the VM: the target's was stopped",
			      error))
			return -1;
		job_warn(context,
			 "THE VM '%s' RAN ON BOTH HOSTS: the one on '%s' is stopped, and its disks "
			 "are kept; look whether they hold what the others have not",
			 job->plan->name, migrate_job_host(context));
		return cloud_domain_destroy(job->target, uuid, NULL, error) ? 0 : -1;
	case MIGRATE_GOING:
	case MIGRATE_UNKNOWN:
		g_usleep(G_USEC_PER_SEC);
		return 0;
	case MIGRATE_AT_SOURCE:
	case MIGRATE_OFF:
	case MIGRATE_ARRIVED:
	case MIGRATE_LOST:
	case MIGRATE_TORN:
	case MIGRATE_DOUBT:
		break;
	}
	return 1;
}

/* Until it lasts; *ret is that.  Fails with IO if it does not come to last. */
static bool make_sure(MigrateJob *job, JobContext *context, enum migrate_verdict *ret,
		      GError **error)
{
	int64_t end = g_get_monotonic_time() + SETTLE_SECONDS * G_USEC_PER_SEC;
	g_autofree char *waits = NULL;
	enum migrate_verdict verdict;

	do {
		int r;

		verdict = migrate_job_look(job, context, NULL);
		r = step(job, context, verdict, error);
		if (r < 0)
			return false;
		if (r > 0) {
			*ret = verdict;
			return true;
		}
	} while (g_get_monotonic_time() < end);
	if (verdict == MIGRATE_UNKNOWN && job->plan->commit == MIGRATE_COMMIT_GUARDED)
		waits = g_strdup_printf("; if it has arrived it waits PAUSED on '%s', and 'wherry "
					"job recover' goes on",
					migrate_job_host(context));
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
		    "where the VM '%s' is did not become clear in %d s: %s%s%s; nothing is "
		    "deleted%s",
		    job->plan->name, SETTLE_SECONDS, migrate_verdict_text(verdict),
		    job->silence ? ": " : "", job->silence ? job->silence : "", waits ? waits : "");
	return false;
}

/* The VM is at the source, and was brought back there: as if nothing had been. */
static bool restore_source(MigrateJob *job, JobContext *context, GError **error)
{
	g_autofree const char **targets = migrate_job_targets(job);
	g_autoptr(GError) cause = NULL;
	g_autofree char *found = NULL;

	/* A definition without a VM may be left at the target; its files are not its. */
	if (!cloud_domain_undefine(job->target, job->plan->uuid, NULL, error))
		return false;
	if (job_noted(context, NULL, "paused") && !job->plan->paused &&
	    !resume_source(job, context, error))
		return false;
	if (!cloud_domain_heal(job->source, job->plan->uuid, targets, &found, NULL, &cause))
		g_debug("%s, ignoring: the next migration does", cause->message);
	return job_note(context, "paused", NULL, error);
}

/* ---- The task ---- */

/* One that goes on, begun by a process that is dead now, or none. */
static bool watch_old(MigrateJob *job, JobContext *context, enum migrate_verdict *ret,
		      char **ret_why, GError **error)
{
	*ret = migrate_job_look(job, context, NULL);
	if (*ret == MIGRATE_GOING) {
		job_say(context, "the VM '%s' is being moved: watching", job->plan->name);
		(void)migrate_watch(job, context, NULL, ret_why); /* the hosts say how it ended */
	}
	return make_sure(job, context, ret, error);
}

static bool move_now(MigrateJob *job, JobContext *context, enum migrate_verdict *ret,
		     char **ret_why, GError **ret_cause, GError **error)
{
	CloudMigration *migration = start(job, context, error);

	if (!migration)
		return false;
	(void)migrate_watch(job, context, migration, ret_why); /* as above */
	(void)cloud_migration_end(migration, ret_cause);
	return make_sure(job, context, ret, error);
}

static void set_failure(const MigrateJob *job, enum migrate_verdict verdict, const char *why,
			const GError *cause, GError **error)
{
	if (verdict == MIGRATE_OFF)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the VM '%s' was switched off while it was being moved",
			    job->plan->name);
	else if (why)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_TIMED_OUT, "the move was ended: %s",
			    why);
	else if (cause)
		g_propagate_error(error, g_error_copy(cause));
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "the move of the VM '%s' ended, and %s", job->plan->name,
			    migrate_verdict_text(verdict));
}

/* Only somebody who looks can go on: nothing is started, stopped or deleted. */
static bool fail_hopeless(const MigrateJob *job, JobContext *context, enum migrate_verdict verdict,
			  GError **error)
{
	const char *name = job->plan->name, *source = job->plan->source;
	const char *target = migrate_job_host(context);

	job_give_up(context);
	if (verdict == MIGRATE_TORN)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "THE MEMORY OF THE VM '%s' IS ON BOTH HOSTS IN PARTS: post-copy from "
			    "'%s' to '%s' broke, so neither is stopped and no disk is deleted; "
			    "'virsh migrate --postcopy --postcopy-resume' on '%s' may still end "
			    "it, then 'wherry job recover' goes on",
			    name, source, target, source);
	else if (verdict == MIGRATE_DOUBT)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "the VM '%s' came to an end of its own on '%s', and '%s' has one, too, "
			    "that does not run: nothing is started or deleted; undefine the one "
			    "that is not wanted, then 'wherry job recover' goes on",
			    name, source, target);
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "the VM '%s' is neither on '%s' nor on '%s'; nothing is deleted", name,
			    source, target);
	return false;
}

/* Another move would write over what the target's guest has written. */
static bool fail_kept(const MigrateJob *job, JobContext *context, GError **error)
{
	job_give_up(context);
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_IO,
	    "the VM '%s' ran on both hosts; its disks on '%s' are kept, and not copied over",
	    job->plan->name, migrate_job_host(context));
	return false;
}

bool migrate_move_run(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	enum migrate_verdict verdict;
	g_autoptr(GError) cause = NULL;
	g_autofree char *why = NULL;
	/* Before the first attempt there is nothing of ours that could go on, or be left. */
	bool again = job_noted(context, NULL, "begun") != NULL;

	if (!migrate_job_source(job, context, error) || !migrate_job_target(job, context, error) ||
	    !job_note(context, "begun", migrate_job_host(context), error) ||
	    (again && !watch_old(job, context, &verdict, &why, error)))
		return false;
	if (again && verdict == MIGRATE_AT_SOURCE && job_noted(context, NULL, "keep"))
		return fail_kept(job, context, error);
	if (!again || (verdict == MIGRATE_AT_SOURCE && !why)) {
		if ((again && !restore_source(job, context, error)) ||
		    !job_context_check(context, error) ||
		    !move_now(job, context, &verdict, &why, &cause, error))
			return false;
	}
	if (verdict == MIGRATE_ARRIVED)
		return job_commit(context, error);
	if (migrate_verdict_is_hopeless(verdict))
		return fail_hopeless(job, context, verdict, error);
	if (!restore_source(job, context, error))
		return false;
	set_failure(job, verdict, why, cause, error);
	return false;
}

bool migrate_move_undo(JobContext *context, void *data, const void *item, GError **error)
{
	MigrateJob *job = data;
	enum migrate_verdict verdict;

	if (!job_noted(context, NULL, "begun"))
		return true;
	if (!migrate_job_source(job, context, error) || !migrate_job_target(job, context, error))
		return false;
	if (migrate_job_look(job, context, NULL) == MIGRATE_GOING)
		migrate_watch_abort(job, context, NULL);
	if (!make_sure(job, context, &verdict, error))
		return false;
	if (migrate_verdict_lets_delete(verdict))
		return restore_source(job, context, error);
	/* Its end came too late: the hosts had done it. */
	return verdict == MIGRATE_ARRIVED ? job_commit(context, error)
					  : fail_hopeless(job, context, verdict, error);
}

/* A host that is about to start or end a QEMU may keep silent for some seconds. */
static enum migrate_verdict look_until_known(MigrateJob *job, JobContext *context)
{
	int64_t end = g_get_monotonic_time() + SETTLE_SECONDS * G_USEC_PER_SEC;
	enum migrate_verdict verdict = migrate_job_look(job, context, NULL);

	while (verdict == MIGRATE_UNKNOWN && g_get_monotonic_time() < end) {
		g_usleep(G_USEC_PER_SEC);
		verdict = migrate_job_look(job, context, NULL);
	}
	return verdict;
}

bool migrate_move_settle(JobContext *context, void *data, GError **error)
{
	MigrateJob *job = data;
	enum migrate_verdict verdict;

	if (!job_noted(context, "migrate", "begun"))
		return true;
	if (!migrate_job_source(job, context, error) || !migrate_job_target(job, context, error))
		return false;
	verdict = look_until_known(job, context);
	if (verdict == MIGRATE_UNKNOWN) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
			    "not both hosts say where the VM '%s' is: %s", job->plan->name,
			    job->silence);
		return false;
	}
	/* What is still going is watched, or ended, by the task or its undo. */
	return verdict != MIGRATE_ARRIVED || job_commit(context, error);
}
