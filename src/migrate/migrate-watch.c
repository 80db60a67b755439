/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking for its end once is not enough: libvirt may miss it, and a copy over a network that has
 * gone waits for TCP.  So: every few seconds again, and after a while its connections are cut.
 */
#include "migrate/migrate-watch.h"

#include "base/units.h"
#include "migrate/migrate-stall.h"

#include <inttypes.h>

enum {
	LOOK_MS = 500, /* between two looks at the numbers, each of which stops QEMU for a moment */
	ABORT_MS = 3000, /* between two requests for its end */
	YANK_MS = 10000, /* after the first of them */
	ABORT_LONGEST_MS = 60000,
	DOWNTIME_FIRST_MS = 300, /* QEMU's own */
	DOWNTIME_MOST_MS = 2000,
	DOWNTIME_PASSES = 4, /* over memory, before the guest may stand still for longer */
};

struct watch {
	MigrateJob *job;
	JobContext *context;
	CloudMigration *migration; /* NULL: of another process */
	struct cloud_progress progress;
	struct migrate_stall stall;
	uint64_t downtime_ms;
	bool wide; /* memory has the whole bandwidth */
	bool began_noted;
	bool forced; /* --on-timeout has done its part */
};

static int64_t now_ms(void)
{
	return g_get_monotonic_time() / 1000;
}

/* Waits a little; true: it has ended. */
static bool has_ended(struct watch *watch)
{
	enum migrate_verdict verdict;

	if (watch->migration)
		return cloud_migration_wait(watch->migration, LOOK_MS);
	verdict = migrate_job_look(watch->job, watch->context, NULL);
	if (verdict != MIGRATE_GOING && verdict != MIGRATE_UNKNOWN)
		return true;
	g_usleep(LOOK_MS * 1000);
	return false;
}

/* ---- Telling ---- */

static void read_numbers(struct watch *watch)
{
	g_autoptr(GError) cause = NULL;
	Cloud *source = migrate_job_source(watch->job, watch->context, NULL);

	/* No answer: the old numbers stay, and the stall timer runs. */
	if (source && !cloud_migration_progress(source, watch->job->plan->uuid, &watch->progress,
						NULL, &cause))
		g_debug("%s, ignoring", cause->message);
}

/* Once: a host counts from its own begin, which only the running one tells. */
static void note_begin(struct watch *watch)
{
	int64_t began = g_get_real_time() - (int64_t)watch->progress.elapsed_ms * 1000;
	g_autofree char *text = g_strdup_printf("%" PRId64, began);

	if (watch->began_noted || watch->progress.elapsed_ms == 0)
		return;
	watch->began_noted = job_note(watch->context, MIGRATE_NOTE_BEGAN, text, NULL);
}

static bool tell(const struct watch *watch)
{
	const struct cloud_progress *it = &watch->progress;
	g_autofree char *dirty = units_bytes(it->dirty_rate), *rate = units_bytes(it->memory_rate);
	g_autofree char *item = g_strdup_printf("(%s/s, the guest changes %s/s)", rate, dirty);
	struct progress now = { .phase = "moving the VM" };

	if (it->phase == CLOUD_PHASE_DISKS) {
		now.phase = "copying the disks";
		now.item = "(zeros count)";
		now.done = now.all_done = it->disk_done;
		now.total = now.all_total = it->disk_total;
		now.rate = it->disk_rate;
	} else if (it->phase == CLOUD_PHASE_MEMORY) {
		now.phase = "copying the memory";
		now.item = item;
		now.rate = it->memory_rate;
		now.dirty_rate = it->dirty_rate;
		now.total = now.all_total = it->memory_total;
		now.done = now.all_done = it->memory_total - MIN(it->memory_left, it->memory_total);
	}
	return job_progress(&now, watch->context);
}

/* ---- Helping ---- */

/* What fails here is tried again at the next look. */
static void tune(struct watch *watch)
{
	const struct cloud_progress *it = &watch->progress;
	const MigratePlan *plan = watch->job->plan;
	Cloud *source = migrate_job_source(watch->job, watch->context, NULL);
	uint64_t steps, wanted;

	if (!source || it->phase != CLOUD_PHASE_MEMORY)
		return;
	if (!watch->wide && plan->bandwidth > 0 && plan->disks->len > 1)
		watch->wide =
		    cloud_migration_set_bandwidth(source, plan->uuid, plan->bandwidth, NULL, NULL);
	steps = (it->iteration - MIN(watch->stall.first, it->iteration)) / DOWNTIME_PASSES;
	wanted = DOWNTIME_FIRST_MS << MIN(steps, 3);
	wanted = MIN(wanted, DOWNTIME_MOST_MS);
	if (wanted > watch->downtime_ms &&
	    cloud_migration_tune(source, plan->uuid, wanted, NULL, NULL)) {
		watch->downtime_ms = wanted;
		job_say(watch->context,
			"after %" PRIu64
			" passes over memory the guest may stand still for %" PRIu64
			" ms at the end",
			it->iteration, wanted);
	}
}

/* The half of its time is over that it has without being forced. */
static bool is_time_to_force(const struct watch *watch)
{
	const MigratePlan *plan = watch->job->plan;
	int64_t deadline = job_context_deadline(watch->context);
	int64_t half = (int64_t)plan->timeout * G_USEC_PER_SEC;

	return plan->on_timeout != MIGRATE_ABORT && !watch->forced && deadline > 0 &&
	       g_get_real_time() >= deadline - half;
}

static void force(struct watch *watch)
{
	const MigratePlan *plan = watch->job->plan;
	Cloud *source = migrate_job_source(watch->job, watch->context, NULL);
	g_autoptr(GError) cause = NULL;
	bool ok = false;

	if (plan->on_timeout == MIGRATE_PAUSE) {
		/* Noted first: whoever rolls back has to let it run again. */
		ok = job_note(watch->context, "paused", "by --on-timeout", &cause) && source &&
		     cloud_domain_suspend(source, plan->uuid, NULL, &cause);
	} else if (watch->progress.phase == CLOUD_PHASE_MEMORY) {
		/* Noted first: whoever watches it after us has to know. */
		ok = job_note(watch->context, "postcopy", "by --on-timeout", &cause) && source &&
		     cloud_migration_postcopy(source, plan->uuid, NULL, &cause);
		watch->stall.postcopy = ok;
	} else {
		return; /* memory has not begun: later */
	}
	watch->forced = ok;
	job_warn(watch->context, "%" PRIu64 " s are over: %s%s", plan->timeout,
		 plan->on_timeout == MIGRATE_PAUSE ? "the guest is paused until it has moved"
						   : "the guest runs at the target from now on",
		 ok ? "" : ", which failed and is tried again");
}

/* ---- Its end ---- */

void migrate_watch_abort(MigrateJob *job, JobContext *context, CloudMigration *migration)
{
	g_autofree const char **targets = migrate_job_targets(job);
	int64_t begin = now_ms(), next = 0;
	struct watch watch = { .job = job, .context = context, .migration = migration };
	bool yanked = false;

	/* A call of ours is waited for as long as it takes: what it began must be over. */
	while (!has_ended(&watch) && (migration || now_ms() < begin + ABORT_LONGEST_MS)) {
		Cloud *source = migrate_job_source(job, context, NULL);
		g_autoptr(GError) cause = NULL;

		if (!source || now_ms() < next)
			continue;
		if (!cloud_migration_abort(source, job->plan->uuid, NULL, &cause))
			g_debug("%s, again in %d ms", cause->message, ABORT_MS);
		if (!yanked && now_ms() >= begin + YANK_MS)
			yanked = cloud_migration_yank(source, job->plan->uuid, targets, NULL, NULL);
		next = now_ms() + ABORT_MS;
	}
}

/* Why it has to end; owned.  NULL: it has not to. */
static char *why_end(struct watch *watch, bool told)
{
	const char *what = watch->progress.phase == CLOUD_PHASE_DISKS ? "the disks" : "the memory";

	if (!told || !job_context_check(watch->context, NULL))
		return g_strdup("asked to end, or out of time");
	if (!migrate_stall_look(&watch->stall, &watch->progress, now_ms()))
		return NULL;
	job_give_up(watch->context);
	return g_strdup_printf("for %" PRIu64 " s the copy of %s has not got further",
			       watch->job->plan->stall, what);
}

int migrate_watch(MigrateJob *job, JobContext *context, CloudMigration *migration, char **ret_why)
{
	struct watch watch = {
		.job = job,
		.context = context,
		.migration = migration,
		.downtime_ms = DOWNTIME_FIRST_MS,
	};

	migrate_stall_init(&watch.stall, job->plan->stall * 1000, now_ms());
	watch.stall.postcopy = watch.forced = job_noted(context, NULL, "postcopy") != NULL;
	while (!has_ended(&watch)) {
		g_autofree char *why = NULL;

		read_numbers(&watch);
		note_begin(&watch);
		tune(&watch);
		if (is_time_to_force(&watch))
			force(&watch);
		why = why_end(&watch, tell(&watch));
		if (!why)
			continue;
		job_say(context, "ending the move: %s", why);
		migrate_watch_abort(job, context, migration);
		*ret_why = g_steal_pointer(&why);
		return 0;
	}
	return 1;
}
