/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/copy-progress.h"

#include "base/error.h"

#include <inttypes.h>

#define INTERVAL (G_USEC_PER_SEC / 10)

/* So often it is asked whether to go on, also when the disk does not answer. */
#define PATIENCE_MS 200u

bool copy_progress_report(struct copy_progress *progress, bool always, GError **error)
{
	struct copy_shared *shared = progress->shared;
	int64_t now = g_get_monotonic_time();
	struct progress told = {
		.phase = progress->phase,
		.item = progress->disk->dev->name,
		.done = progress->done,
		.total = progress->disk->used,
	};
	bool stop;

	if (!always && now < progress->next)
		return true;
	progress->next = now + INTERVAL;
	g_mutex_lock(&shared->lock);
	shared->done += progress->done - progress->reported;
	progress->reported = progress->done;
	told.all_done = shared->done;
	told.all_total = shared->total;
	stop = shared->stop = shared->stop || !shared->progress(&told, shared->userdata);
	if (stop)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
			    "interrupted after %" PRIu64 " of %" PRIu64 " bytes", told.all_done,
			    told.all_total);
	g_mutex_unlock(&shared->lock);
	return !stop;
}

int copy_progress_next_chunk(struct copy_progress *progress, Pipeline *pipeline,
			     const struct pipeline_chunk **ret, GError **error)
{
	for (;;) { /* ends: with the disk, or the user */
		g_autoptr(GError) cause = NULL;
		int r = pipeline_next(pipeline, PATIENCE_MS, ret, &cause);

		if (r >= 0)
			return r;
		if (!g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_BUSY)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return -1;
		}
		if (!copy_progress_report(progress, true, error))
			return -1;
	}
}

void copy_progress_say_missing(const struct copy_progress *progress, uint64_t placed,
			       uint64_t unwritten, const char *then, GError *cause)
{
	struct copy_shared *shared = progress->shared;
	g_autofree char *text = g_steal_pointer(&cause->message);
	uint64_t done, total = shared->total;
	double ratio = 1;

	g_mutex_lock(&shared->lock);
	done = shared->done + progress->done - progress->reported;
	g_mutex_unlock(&shared->lock);

	if (placed > 0 && progress->done > 0)
		ratio = (double)placed / (double)progress->done;
	cause->message = g_strdup_printf("%s; %" PRIu64 " of %" PRIu64
					 " bytes in use are done, the rest needs about %.0f "
					 "bytes more: %s",
					 text, done, total,
					 (double)(total - done) * ratio + (double)unwritten, then);
}
