/* SPDX-License-Identifier: GPL-2.0-or-later */
/* wherry job: what jobs there are, what they did, and an end for those that have none. */
#include "cli/commands.h"

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/job-kinds.h"
#include "cli/job-print.h"
#include "cli/jobs.h"
#include "job/recover.h"
#include "migrate/migrate-grace.h"

#include <string.h>

#define WAIT_STEP_US (100 * 1000)

/* What every action gets. */
struct job_call {
	const struct common_options *common;
	Store *store;
	const struct job_runner *runner;
	int64_t id; /* 0: none was given */
};

struct job_action {
	const char *name;
	bool takes_id, needs_id;
	bool (*run)(const struct job_call *call, GError **error);
};

static bool list_jobs(const struct job_call *call, GError **error)
{
	g_autoptr(GArray) views = g_array_new(false, false, sizeof(struct job_view));
	g_autoptr(GPtrArray) records = NULL;

	if (!jobs_recover_left(call->store, call->runner, error))
		return false;
	records = job_record_list(call->store, error);
	if (!records)
		return false;
	for (unsigned int i = 0; i < records->len; i++) {
		const JobRecord *record = g_ptr_array_index(records, i);
		struct job_view view = { .record = record };
		int r = job_has_owner(call->store, record->id, error);

		if (r < 0)
			return false;
		view.owned = r > 0;
		g_array_append_val(views, view);
	}
	job_print_list(views, call->common->json);
	return true;
}

static bool print_one(const struct job_call *call, GError **error)
{
	g_autoptr(JobRecord) record = job_record_read(call->store, call->id, error);
	int r = record ? job_has_owner(call->store, call->id, error) : -1;

	if (r < 0)
		return false;
	job_print_one(&(struct job_view){ .record = record, .owned = r > 0 }, call->common->json);
	return true;
}

static bool show_job(const struct job_call *call, GError **error)
{
	return jobs_recover_left(call->store, call->runner, error) && print_one(call, error);
}

/* Until the job that somebody else works on has ended.  What its process leaves is recovered. */
static bool wait_for_end(const struct job_call *call, GError **error)
{
	bool said = call->common->quiet;

	for (;;) {
		/* First who works on it: if nobody does, what the record says stays true. */
		int owned = job_has_owner(call->store, call->id, error);
		g_autoptr(JobRecord) record =
		    owned < 0 ? NULL : job_record_read(call->store, call->id, error);
		g_autofree char *text = NULL;

		if (!record)
			return false;
		if (!owned || !job_record_is_open(record) || record->state == JOB_DEBT)
			return true;
		text = g_strdup_printf("waiting until process %" G_GINT64_FORMAT
				       " has rolled job %" G_GINT64_FORMAT " back",
				       record->owner, record->id);
		if (!said)
			display_say(text, call->runner->userdata);
		said = true;
		if (interrupt_asked()) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
				    "not waiting any longer; job %" G_GINT64_FORMAT
				    " will be rolled back all the same",
				    call->id);
			return false;
		}
		g_usleep(WAIT_STEP_US);
	}
}

/* What is asked for is an end without a trace; anything else is a failure. */
static bool check_cancelled(const struct job_call *call, GError **error)
{
	g_autoptr(JobRecord) record = job_record_read(call->store, call->id, error);

	if (!record)
		return false;
	switch (record->state) {
	case JOB_ROLLED_BACK:
		return true;
	case JOB_DONE:
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "job %" G_GINT64_FORMAT " was done before the cancel reached it",
			    call->id);
		return false;
	case JOB_DEBT:
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND,
			    "job %" G_GINT64_FORMAT " is cancelled, but something of it is left; "
			    "'wherry job show %" G_GINT64_FORMAT "' lists what, "
			    "'wherry job recover %" G_GINT64_FORMAT "' tries again",
			    call->id, call->id, call->id);
		return false;
	case JOB_RUNNING:
	case JOB_FINISHING:
	case JOB_ROLLING_BACK:
		break;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_IO,
		    "job %" G_GINT64_FORMAT
		    " is marked to be cancelled, but could not be rolled back "
		    "now; 'wherry job recover %" G_GINT64_FORMAT "' tries again",
		    call->id, call->id);
	return false;
}

static bool cancel_job(const struct job_call *call, GError **error)
{
	/* Marked first, so that what recovers it rolls it back. */
	return job_cancel(call->store, call->id, error) && wait_for_end(call, error) &&
	       jobs_recover_left(call->store, call->runner, error) &&
	       check_cancelled(call, error) && print_one(call, error);
}

/* The worst of what came of them: left behind, not recovered, rolled back. */
static const GError *find_worst(const GPtrArray *done, unsigned int *ret_failed)
{
	const GError *worst = NULL;
	int worst_rank = 0;

	*ret_failed = 0;
	for (unsigned int i = 0; i < done->len; i++) {
		const GError *failure =
		    ((const struct job_recovery *)g_ptr_array_index(done, i))->failure;
		int rank = 2;

		if (!failure)
			continue;
		++*ret_failed;
		if (g_error_matches(failure, WHERRY_ERROR, WHERRY_ERROR_LEFT_BEHIND))
			rank = 3;
		else if (g_error_matches(failure, WHERRY_ERROR, WHERRY_ERROR_ROLLED_BACK))
			rank = 1;
		if (rank > worst_rank) {
			worst = failure;
			worst_rank = rank;
		}
	}
	return worst;
}

/* Those that are not ours to recover, for a process works on them: not silently. */
static bool say_busy(const struct job_call *call, GError **error)
{
	g_autoptr(GPtrArray) records = job_record_list(call->store, error);

	if (!records)
		return false;
	for (unsigned int i = 0; i < records->len; i++) {
		const JobRecord *record = g_ptr_array_index(records, i);
		g_autofree char *text = g_strdup_printf("process %" G_GINT64_FORMAT
							" works on job %" G_GINT64_FORMAT " (%s)",
							record->owner, record->id, record->title);
		int r =
		    job_record_is_open(record) ? job_has_owner(call->store, record->id, error) : 0;

		if (r < 0)
			return false;
		if (r > 0)
			display_say(text, call->runner->userdata);
	}
	return true;
}

/* What migrations left at their sources, and whose time is over. */
static bool purge(const struct job_call *call, GError **error)
{
	return migrate_grace_prepare(call->store, error) &&
	       migrate_grace_purge(call->store, g_get_real_time(), NULL, display_warn,
				   call->runner->userdata, NULL, error);
}

static bool recover_jobs(const struct job_call *call, GError **error)
{
	g_autoptr(GPtrArray) done =
	    job_recover(call->store, job_kinds, call->id, JOB_RECOVER_DEBTS, call->runner, error);
	const GError *worst;
	unsigned int failed;

	if (!done || !jobs_release_ended(call->store, error) || !purge(call, error))
		return false;
	worst = find_worst(done, &failed);
	job_print_recovered(done, call->common->json);
	if (!call->common->quiet && !say_busy(call, error))
		return false;
	if (!worst)
		return true;
	for (unsigned int i = 0; i < done->len; i++) {
		const struct job_recovery *recovery = g_ptr_array_index(done, i);

		if (recovery->failure && recovery->failure != worst)
			display_warn(recovery->failure->message, call->runner->userdata);
	}
	g_propagate_error(error, g_error_copy(worst));
	return false;
}

static const struct job_action actions[] = {
	{ .name = "list", .run = list_jobs },
	{ .name = "show", .takes_id = true, .needs_id = true, .run = show_job },
	{ .name = "cancel", .takes_id = true, .needs_id = true, .run = cancel_job },
	{ .name = "recover", .takes_id = true, .run = recover_jobs },
};

static const struct job_action *find_action(const char *name, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(actions); i++)
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
		    "no action '%s'; there are list, show, cancel and recover", name);
	return NULL;
}

static bool parse_id(const struct job_action *action, const char *text, int64_t *ret,
		     GError **error)
{
	uint64_t id = 0;

	if (!text && action->needs_id) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "which job? 'wherry job %s' needs an ID; 'wherry job list' shows them",
			    action->name);
		return false;
	}
	if (text && !action->takes_id) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "'wherry job %s' takes no ID, got '%s'", action->name, text);
		return false;
	}
	if (text && !g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &id, NULL)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_USAGE,
			    "the ID of a job is a number from 1 on, not '%s'", text);
		return false;
	}
	*ret = (int64_t)id;
	return true;
}

static bool run_job(int argc, char **argv, GError **error)
{
	struct common_options common = { 0 };
	g_autofree char *state = NULL;
	const struct job_action *action;
	g_autoptr(Store) store = NULL;
	g_auto(Display) display = { 0 };
	g_auto(GStrv) args = NULL;
	struct job_runner runner;
	struct job_call call;
	const GOptionEntry entries[] = { option_state(&state), G_OPTION_ENTRY_NULL };
	int r = command_parse(&cmd_job, entries, argc, argv, &common, &args, error);

	if (r <= 0)
		return r == 0;
	action = find_action(args[0], error);
	if (!action || !parse_id(action, args[1], &call.id, error))
		return false;
	store = jobs_open(state, error);
	if (!store)
		return false;
	interrupt_catch();
	display_init(&display, common.quiet);
	runner = jobs_runner(&common, &display);
	call.common = &common;
	call.store = store;
	call.runner = &runner;
	return action->run(&call, error);
}

const struct command cmd_job = {
	.name = "job",
	.args = "list|show|cancel|recover [ID]",
	.min_args = 1,
	.max_args = 2,
	.summary = "Show jobs, end one, or go on with what a dead process left.",
	.description =
	    "list          all jobs: ID, when it began, its kind, what it is about, its state\n"
	    "show ID       every task of it with attempts, times, errors and what it noted\n"
	    "cancel ID     ask a running job to end, and wait until it is rolled back\n"
	    "recover [ID]  resume or roll back what was left by a process that died, and try\n"
	    "              again to undo what could not be undone before\n"
	    "\n"
	    "Each of them first recovers the jobs whose process is gone: they are resumed if\n"
	    "all that they need is still there, else rolled back.\n"
	    "\n"
	    "Exit status: 0 done, 1 failed, 2 wrong usage, 4 a job was rolled back, 5 a job\n"
	    "could not be rolled back completely, 130 interrupted.\n"
	    "\n"
	    "Examples:\n"
	    "  wherry job list\n"
	    "  wherry job show 3\n"
	    "  wherry job recover --json",
	.run = run_job,
};
