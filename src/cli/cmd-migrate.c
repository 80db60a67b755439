/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry migrate: a running VM moves to another host, or stays as it was. */
#include "cli/commands.h"

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/jobs.h"
#include "cli/migrate-print.h"
#include "cli/migrate-words.h"
#include "fleet/fleet.h"
#include "migrate/migrate-grace.h"

/* Lines of --json: so many a second at most. */
#define EVENT_US (G_USEC_PER_SEC / 2)

/* One run of the verb. */
struct migrate_call {
	const struct common_options *common;
	const MigrateWords *words;
	MigrateMeaning *meaning;
	Store *store;
	CloudConnections *connections;
	Display *display;
	struct job_runner runner;
	GPtrArray *tried; /* char *, and NULL at the end: hosts that failed */
	int64_t next_event;
	int64_t began;
};

/* ---- Progress ---- */

static bool on_progress(const struct progress *now, void *userdata)
{
	struct migrate_call *call = userdata;
	int64_t time = g_get_monotonic_time();

	if (!call->common->json)
		return display_progress(now, call->display);
	if (time >= call->next_event) {
		migrate_print_event(now);
		call->next_event = time + EVENT_US;
	}
	return !interrupt_asked();
}

static void on_say(const char *text, void *userdata)
{
	display_say(text, ((struct migrate_call *)userdata)->display);
}

static void on_warn(const char *text, void *userdata)
{
	display_warn(text, ((struct migrate_call *)userdata)->display);
}

static bool on_stop(void *userdata)
{
	return interrupt_asked();
}

/* ---- A dry run ---- */

static bool show_plan(struct migrate_call *call, const MigratePlan *plan, GError **error)
{
	g_autoptr(InterruptRelay) relay = interrupt_relay_new();
	g_autoptr(FleetChoice) choice = NULL;

	choice = migrate_choose(call->store, plan, call->connections,
				interrupt_relay_cancellable(relay), error);
	if (!choice)
		return false;
	migrate_print_plan(plan, choice, call->common->json);
	return fleet_choice_check(choice, error);
}

/* ---- The job ---- */

/* The job is there, and nobody works on it: so another process recovers it, by its number. */
static bool detach(struct migrate_call *call, const MigratePlan *plan, Job *job, GError **error)
{
	int64_t id = job_id(job);
	g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, id);
	char *argv[] = {
		(char[]){ "/proc/self/exe" }, (char[]){ "job" },     (char[]){ "recover" }, number,
		(char[]){ "--quiet" },        (char[]){ "--state" }, plan->state,           NULL
	};
	const GSpawnFlags flags =
	    G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL | G_SPAWN_DEFAULT;
	g_autoptr(GError) cause = NULL;

	job_free(job);
	if (!g_spawn_async("/", argv, NULL, flags, jobs_own_session, NULL, NULL, &cause)) {
		g_set_error(
		    error, WHERRY_ERROR, WHERRY_ERROR_IO,
		    "cannot start a process for job %s: %s; 'wherry job recover %s' runs it",
		    number, cause->message, number);
		return false;
	}
	migrate_print_detached(plan, id, call->common->json);
	return true;
}

static bool print_done(struct migrate_call *call, const MigratePlan *plan, int64_t id,
		       GError **error)
{
	g_autoptr(JobRecord) record = job_record_read(call->store, id, error);
	double seconds = (double)(g_get_monotonic_time() - call->began) / G_USEC_PER_SEC;

	if (!record)
		return false;
	display_clear(call->display);
	migrate_print_done(plan, record, seconds, call->common->json);
	return true;
}

/*
 * Which host job @id failed with goes to those that were tried.  One that 'wherry job cancel' ended
 * did not fail with it: no other is to be tried.
 */
static void remember_host(struct migrate_call *call, int64_t id)
{
	g_autoptr(JobRecord) record = job_record_read(call->store, id, NULL);
	const char *host = record ? migrate_target_of(record) : NULL;

	if (host && record->failure_code != WHERRY_ERROR_CANCELLED)
		g_ptr_array_insert(call->tried, (int)call->tried->len - 1, g_strdup(host));
}

static bool run_job(struct migrate_call *call, const MigratePlan *plan, GError **error)
{
	g_autofree char *params = migrate_plan_to_json(plan);
	g_autofree char *title =
	    g_strdup_printf("migration of %s from %s", plan->name, plan->source);
	struct job_spec spec = call->meaning->spec;
	g_autoptr(Job) job = NULL;
	int64_t id;

	spec.title = title;
	spec.params = params;
	job = job_create(call->store, &migrate_job_kind, &spec, error);
	if (!job)
		return false;
	if (call->words->detach)
		return detach(call, plan, g_steal_pointer(&job), error);
	migrate_use_connections(job, call->connections);
	id = job_id(job);
	if (job_run(job, &call->runner, error))
		return print_done(call, plan, id, error);
	remember_host(call, id);
	return false;
}

/* ---- The verb ---- */

static MigratePlan *prepare(struct migrate_call *call, GError **error)
{
	struct migrate_options options = call->meaning->options;
	g_autoptr(InterruptRelay) relay = interrupt_relay_new();
	MigratePlan *plan;

	options.connections = call->connections;
	options.except = (const char *const *)call->tried->pdata;
	plan = migrate_prepare(call->store, &options, interrupt_relay_cancellable(relay), error);
	for (unsigned int i = 0; plan && i < plan->warnings->len; i++)
		display_warn(g_ptr_array_index(plan->warnings, i), call->display);
	return plan;
}

/* 1: done; 0: rolled back on this host, another may do; -1: failed. */
static int try_host(struct migrate_call *call, GError **error)
{
	g_autoptr(MigratePlan) plan = prepare(call, error);
	g_autoptr(GError) cause = NULL;
	unsigned int tried = call->tried->len;
	bool ok, again;

	if (!plan)
		return -1;
	ok = call->words->dry_run ? show_plan(call, plan, &cause) : run_job(call, plan, &cause);
	if (ok)
		return 1;
	again = g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_ROLLED_BACK) &&
		call->tried->len > tried;
	g_propagate_error(error, g_steal_pointer(&cause));
	return again ? 0 : -1;
}

static bool migrate_vm(struct migrate_call *call, GError **error)
{
	for (uint64_t left = call->meaning->alternates;; left--) {
		g_autoptr(GError) cause = NULL;
		int r = try_host(call, &cause);

		if (r > 0)
			return true;
		if (r < 0 || left == 0 || call->meaning->options.to) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return false;
		}
		display_warn(cause->message, call->display);
	}
}

static bool run_words(const char *vm, MigrateWords *words, const struct common_options *common,
		      GError **error)
{
	g_auto(Display) display = { 0 };
	g_auto(MigrateMeaning) meaning = { 0 };
	g_autoptr(GPtrArray) tried = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(CloudConnections) connections = cloud_connections_new();
	g_autoptr(Store) store = NULL;
	struct migrate_call call = {
		.common = common,
		.words = words,
		.meaning = &meaning,
		.display = &display,
		.runner = { on_progress, common->verbose ? on_say : NULL, on_warn, on_stop, &call },
		.connections = connections,
		.tried = tried,
		.began = g_get_monotonic_time(),
	};

	g_ptr_array_add(tried, NULL);
	if (!migrate_words_parse(words, vm, &meaning, error))
		return false;
	interrupt_catch();
	display_init(&display, common->quiet);
	call.store = store = jobs_open(words->state, error);
	return store && fleet_prepare(store, error) && migrate_grace_prepare(store, error) &&
	       jobs_recover_left(store, &call.runner, error) &&
	       migrate_grace_purge(store, g_get_real_time(), connections, on_warn, &call, NULL,
				   error) &&
	       migrate_vm(&call, error);
}

static bool run_migrate(int argc, char **argv, GError **error)
{
	struct common_options common = { 0 };
	g_auto(GStrv) args = NULL;
	g_auto(MigrateWords) w = { 0 };
	const GOptionEntry entries[] = {
		option_value("to", &w.to, "this host; else the best", "HOST"),
		option_value("from", &w.from, "host of the VM, if several have its name", "HOST"),
		CHOOSE_OPTIONS(&w.choose),
		option_values("label", &w.choose.typed_labels, "target: has this label; repeatable",
			      "KEY=VALUE"),
		option_value("attempts", &w.attempts, "how often a task may fail; else 3", "N"),
		option_value("alternates", &w.alternates,
			     "so many other hosts, when one fails; else 0", "N"),
		option_value("timeout", &w.timeout, "of the move; else by its forecast", "SECONDS"),
		option_value("stall-timeout", &w.stall, "without getting further; else 120",
			     "SECONDS"),
		option_value("on-timeout", &w.on_timeout, "abort, pause or postcopy; else abort",
			     "ACTION"),
		option_flag("accept-postcopy-risk", 0, &w.accept_postcopy, "needed for postcopy"),
		option_value("commit", &w.commit, "guarded or fast; else guarded", "HOW"),
		option_value("bandwidth", &w.bandwidth, "a second, of all together; else no limit",
			     "SIZE"),
		option_value("parallel", &w.parallel, "connections for memory", "N"),
		option_flag("tls", 0, &w.tls, "encrypt memory and disks on their way"),
		option_value("disks", &w.disks, "that are copied: vda,vdb; else all", "LIST"),
		option_value("delete-source-after", &w.delete_after,
			     "old copies of the disks; else 24h; 0: at once", "TIME"),
		option_flag("dry-run", 0, &w.dry_run, "judge the hosts, tell the plan, do nothing"),
		option_flag("detach", 0, &w.detach, "begin it, and let it go on by itself"),
		option_flag("force", 0, &w.force, "also against forecast and ports"),
		option_config(&w.config),
		option_state(&w.state),
		G_OPTION_ENTRY_NULL,
	};
	int r = command_parse(&cmd_migrate, entries, argc, argv, &common, &args, error);

	return r <= 0 ? r == 0 : run_words(args[0], &w, &common, error);
}

const struct command cmd_migrate = {
	.name = "migrate",
	.args = "VM",
	.min_args = 1,
	.max_args = 1,
	.summary = "Move a running VM to another host without shared storage.",
	.description =
	    "VM is a full name or UUID that 'wherry vm list' shows.  The target is chosen among the\n"
	    "hosts of 'wherry host', its disks are made there, and the VM moves with its memory while\n"
	    "it runs.  When all is over it is defined there, and the source has forgotten it.\n"
	    "\n"
	    "A migration is a job.  A step that fails is tried again, at most --attempts times; then,\n"
	    "or on Ctrl-C, when --timeout is over or the copy does not get further, all that was made\n"
	    "is removed, and the VM is where it was.  If the process is killed, 'wherry job recover'\n"
	    "goes on.  Once the VM has left its source there is no way back: the job is finished.\n"
	    "\n"
	    "--commit guarded lets the VM run at the target only when it has surely stopped at the\n"
	    "source; fast leaves that to libvirt, which can be wrong if a host hangs.\n"
	    "\n"
	    "Exit status: 0 it has moved; 1 nothing was begun; 2 wrong usage; 4 it failed and was\n"
	    "rolled back; 5 something is left, which the message names; 130 interrupted and rolled\n"
	    "back.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry migrate web1 --dry-run\n"
	    "  wherry migrate web1 --to host2 --bandwidth 200M\n"
	    "  wherry migrate web1 --alternates 2 --timeout 1800 --min-free-memory 8G",
	.run = run_migrate,
};
