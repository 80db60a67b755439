/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The runner's words go to the display. */
#include "cli/jobs.h"

#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/job-kinds.h"
#include "fleet/fleet.h"
#include "fleet/reservation.h"
#include "job/recover.h"

#include <string.h>
#include <unistd.h>

Store *jobs_open(const char *state, GError **error)
{
	g_autofree char *path = state ? g_strdup(state) : store_default_path();

	return store_open(path, error);
}

static bool stop(void *userdata)
{
	return interrupt_asked();
}

struct job_runner jobs_runner(const struct common_options *common, Display *display)
{
	return (struct job_runner){
		.progress = display_progress,
		.say = common->verbose ? display_say : NULL,
		.warn = display_warn,
		.stop = stop,
		.userdata = display,
	};
}

/* Whether a job with a reservation has ended; recovery has been at those that died. */
static int has_ended(Store *store, int64_t id, const char *uuid, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(JobRecord) record = job_record_read(store, id, &cause);

	if (record)
		return strcmp(record->uuid, uuid) != 0 || !job_record_is_open(record);
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return 1;
	g_propagate_error(error, g_steal_pointer(&cause));
	return -1;
}

bool jobs_release_ended(Store *store, GError **error)
{
	return fleet_prepare(store, error) && fleet_release_ended(store, has_ended, error);
}

void jobs_own_session(void *nothing)
{
	(void)setsid(); /* fails only where it is one already */
}

bool jobs_recover_left(Store *store, const struct job_runner *runner, GError **error)
{
	g_autoptr(GPtrArray) done = job_recover(store, job_kinds, 0, 0, runner, error);

	for (unsigned int i = 0; done && i < done->len; i++) {
		const struct job_recovery *recovery = g_ptr_array_index(done, i);
		g_autofree char *text =
		    g_strdup_printf("job %" G_GINT64_FORMAT " (%s) is %s", recovery->id,
				    recovery->title, job_state_name(recovery->state));

		runner->warn(recovery->failure ? recovery->failure->message : text,
			     runner->userdata);
	}
	if (done && interrupt_asked()) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "interrupted");
		return false;
	}
	return done && jobs_release_ended(store, error);
}
