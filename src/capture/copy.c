/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes out of the pipeline, in the order of the disk, goes into the image and the sums.
 */
#include "capture/copy.h"

#include "base/error.h"
#include "capture/pipeline.h"

#include <inttypes.h>

#define PROGRESS_INTERVAL (G_USEC_PER_SEC / 10)

/* So often it is asked whether to go on, also when the disk does not answer. */
#define PATIENCE_MS 200u

typedef struct {
	const struct copy_job *job;
	ImageWriter *image;
	SumsWriter *sums;
	Pipeline *pipeline;
	uint64_t done;         /* bytes in use that were copied */
	int64_t next_progress; /* of g_get_monotonic_time() */
} Copy;

static void copy_clear(Copy *copy)
{
	pipeline_free(copy->pipeline);
	image_writer_free(copy->image);
	sums_writer_free(copy->sums);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copy, copy_clear)

static bool copy_start(Copy *copy, const struct copy_job *job, GError **error)
{
	const struct pipeline_options options = {
		.disk = job->disk->dev,
		.used = job->disk->map->used,
		.level = job->level,
	};
	uint64_t size = job->disk->dev->size;
	uint64_t virtual_size = chunk_virtual_size(size);

	copy->job = job;
	copy->image =
	    image_writer_new(job->image_fd, job->image_name, virtual_size, job->level > 0, error);
	if (!copy->image)
		return false;
	copy->sums = sums_writer_new(job->sums_fd, job->sums_name, size, error);
	if (!copy->sums)
		return false;
	copy->pipeline = pipeline_new(&options, error);
	return copy->pipeline != NULL;
}

/* Tell how far we are, at most some times a second. */
static bool report(Copy *copy, bool always, GError **error)
{
	const struct copy_job *job = copy->job;
	int64_t now = g_get_monotonic_time();
	struct progress progress = {
		.phase = "copying",
		.item = job->disk->dev->name,
		.done = copy->done,
		.total = job->disk->used,
		.all_done = job->before + copy->done,
		.all_total = job->all_total,
	};

	if (!always && now < copy->next_progress)
		return true;
	copy->next_progress = now + PROGRESS_INTERVAL;
	if (job->progress(&progress, job->userdata))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED,
		    "interrupted after %" PRIu64 " of %" PRIu64 " bytes", progress.all_done,
		    progress.all_total);
	return false;
}

static bool put_chunk(Copy *copy, const struct pipeline_chunk *chunk, GError **error)
{
	if (chunk->zero)
		return true;
	if (!sums_writer_put(copy->sums, chunk->index, &chunk->digest, error))
		return false;
	for (uint64_t i = 0; i < CLUSTERS_PER_CHUNK; i++) {
		const struct pipeline_cluster *cluster = &chunk->clusters[i];

		if (cluster->data &&
		    !image_writer_put(copy->image, chunk->index * CLUSTERS_PER_CHUNK + i,
				      cluster->data, cluster->len, cluster->compressed, error))
			return false;
	}
	return true;
}

/* As pipeline_next(), but a disk that does not answer is waited for, until the user has enough. */
static int next_chunk(Copy *copy, const struct pipeline_chunk **ret, GError **error)
{
	for (;;) { /* ends: with the disk, or the user */
		g_autoptr(GError) cause = NULL;
		int r = pipeline_next(copy->pipeline, PATIENCE_MS, ret, &cause);

		if (r >= 0)
			return r;
		if (!g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_BUSY)) {
			g_propagate_error(error, g_steal_pointer(&cause));
			return -1;
		}
		if (!report(copy, true, error))
			return -1;
	}
}

static bool copy_chunks(Copy *copy, GError **error)
{
	const struct pipeline_chunk *chunk;
	int r;

	while ((r = next_chunk(copy, &chunk, error)) > 0) {
		if (!put_chunk(copy, chunk, error))
			return false;
		copy->done += chunk->used;
		if (!report(copy, false, error))
			return false;
	}
	return r == 0;
}

bool copy_disk(const struct copy_job *job, uint64_t *ret_image_size, GError **error)
{
	g_autoptr(GArray) leaves = NULL;
	g_auto(Copy) copy = { NULL };

	return copy_start(&copy, job, error) && copy_chunks(&copy, error) &&
	       report(&copy, true, error) && blkdev_check_size(job->disk->dev, error) &&
	       image_writer_finish(copy.image, ret_image_size, &leaves, error) &&
	       sums_writer_finish(copy.sums, *ret_image_size, leaves, error);
}
