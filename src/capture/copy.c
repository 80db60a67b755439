/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One chunk at a time, in the order of the disk: read what the map names, leave the rest zero, sum
 * it, compress its clusters, write them.
 */
#include "capture/copy.h"

#include "base/error.h"
#include "base/zero.h"
#include "capture/chunk.h"
#include "image/compress.h"

#include <inttypes.h>
#include <string.h>

#define PROGRESS_INTERVAL (G_USEC_PER_SEC / 10)

typedef struct {
	const struct copy_job *job;
	ImageWriter *image;
	SumsWriter *sums;
	Compressor *compressor; /* NULL: none */
	uint8_t *chunk;         /* SUMS_CHUNK_SIZE bytes */
	uint8_t *packed;        /* IMAGE_CLUSTER_SIZE bytes */
	uint64_t done;          /* bytes in use that were read */
	int64_t next_progress;  /* of g_get_monotonic_time() */
} Copy;

static void copy_clear(Copy *copy)
{
	image_writer_free(copy->image);
	sums_writer_free(copy->sums);
	compressor_free(copy->compressor);
	g_free(copy->chunk);
	g_free(copy->packed);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copy, copy_clear)

static bool copy_start(Copy *copy, const struct copy_job *job, GError **error)
{
	uint64_t size = job->disk->dev->size;
	uint64_t virtual_size = chunk_virtual_size(size);

	copy->job = job;
	copy->chunk = g_malloc(SUMS_CHUNK_SIZE);
	copy->packed = g_malloc(IMAGE_CLUSTER_SIZE);
	if (job->level > 0)
		copy->compressor = compressor_new(job->level);
	copy->image =
	    image_writer_new(job->image_fd, job->image_name, virtual_size, job->level > 0, error);
	if (!copy->image)
		return false;
	copy->sums = sums_writer_new(job->sums_fd, job->sums_name, size, error);
	return copy->sums != NULL;
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

/* The used extents of the chunk one by one: a bad sector between them is none of our business. */
static bool read_extents(Copy *copy, uint64_t start, uint64_t end, GError **error)
{
	const struct plan_disk *disk = copy->job->disk;
	struct extent e;

	memset(copy->chunk, 0, SUMS_CHUNK_SIZE);
	for (uint64_t at = start; used_map_next(disk->map->used, at, &e) && e.offset < end;
	     at = e.offset + e.length) {
		e.length = MIN(e.length, end - e.offset);
		if (!blkdev_read(disk->dev, e.offset, copy->chunk + (e.offset - start), e.length,
				 error))
			return false;
	}
	return true;
}

/*
 * Fill the chunk with the used bytes of [@start, @end), and zero elsewhere.  One read for all of
 * them is faster than one each, and what lies between is wiped.
 */
static bool read_chunk(Copy *copy, uint64_t start, uint64_t end, GError **error)
{
	const struct plan_disk *disk = copy->job->disk;
	uint64_t first = end, last = start, wiped = start;
	struct extent e;

	for (uint64_t at = start; used_map_next(disk->map->used, at, &e) && e.offset < end;
	     at = e.offset + e.length) {
		e.length = MIN(e.length, end - e.offset);
		first = MIN(first, e.offset);
		last = e.offset + e.length;
		copy->done += e.length;
	}
	if (!blkdev_read(disk->dev, first, copy->chunk + (first - start), last - first, NULL))
		return read_extents(copy, start, end, error);

	for (uint64_t at = start; used_map_next(disk->map->used, at, &e) && e.offset < end;
	     at = e.offset + e.length) {
		e.length = MIN(e.length, end - e.offset);
		memset(copy->chunk + (wiped - start), 0, e.offset - wiped);
		wiped = e.offset + e.length;
	}
	memset(copy->chunk + (wiped - start), 0, SUMS_CHUNK_SIZE - (wiped - start));
	return true;
}

static bool put_cluster(Copy *copy, uint64_t index, const uint8_t *data, GError **error)
{
	size_t len = 0;

	if (is_zero(data, IMAGE_CLUSTER_SIZE))
		return true;
	if (copy->compressor)
		len = compressor_run(copy->compressor, data, copy->packed);
	if (len > 0)
		return image_writer_put(copy->image, index, copy->packed, len, true, error);
	return image_writer_put(copy->image, index, data, IMAGE_CLUSTER_SIZE, false, error);
}

static bool copy_chunk(Copy *copy, uint64_t index, GError **error)
{
	uint64_t start = index * SUMS_CHUNK_SIZE;
	uint64_t end = MIN(start + SUMS_CHUNK_SIZE, copy->job->disk->dev->size);
	struct digest digest;

	g_debug("%s: chunk %" PRIu64 " at %" PRIu64, copy->job->disk->dev->name, index, start);
	if (!read_chunk(copy, start, end, error))
		return false;
	if (is_zero(copy->chunk, SUMS_CHUNK_SIZE))
		return true;
	digest = digest_of(copy->chunk, end - start);
	if (!sums_writer_put(copy->sums, index, &digest, error))
		return false;
	for (uint64_t i = 0; i < CLUSTERS_PER_CHUNK; i++)
		if (!put_cluster(copy, index * CLUSTERS_PER_CHUNK + i,
				 copy->chunk + i * IMAGE_CLUSTER_SIZE, error))
			return false;
	return true;
}

bool copy_disk(const struct copy_job *job, uint64_t *ret_image_size, GError **error)
{
	g_autoptr(GArray) leaves = NULL;
	g_auto(Copy) copy = { NULL };
	struct extent extent;
	uint64_t at = 0;

	if (!copy_start(&copy, job, error))
		return false;
	while (used_map_next(job->disk->map->used, at, &extent)) {
		uint64_t index = extent.offset / SUMS_CHUNK_SIZE;

		if (!copy_chunk(&copy, index, error) || !report(&copy, false, error))
			return false;
		at = (index + 1) * SUMS_CHUNK_SIZE;
	}
	return report(&copy, true, error) && blkdev_check_size(job->disk->dev, error) &&
	       image_writer_finish(copy.image, ret_image_size, &leaves, error) &&
	       sums_writer_finish(copy.sums, *ret_image_size, leaves, error);
}
