/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two passes over the old sums, both in the order of the disk: one in the pipeline, which compares
 * what it read, and one here, which also sees the chunks that nobody reads any more.
 */
#include "capture/update-disk.h"

#include "base/autofd.h"
#include "base/error.h"
#include "capture/copy-progress.h"
#include "capture/gaps.h"
#include "image/image-update.h"

#include <inttypes.h>
#include <string.h>

/* Sums that are read in order, one ahead. */
struct old_sums {
	SumsReader *reader; /* owned */
	int has;            /* as sums_reader_next() answers: whether there is a next one */
	uint64_t index;     /* of the next one */
	struct digest digest;
};

typedef struct {
	const struct copy_job *job;
	int image_fd, old_fd, sums_fd; /* owned */
	struct old_sums old, known;    /* the second one is the pipeline's */
	LeafSums *leaves;              /* owned */
	ImageUpdate *image;            /* owned */
	SumsWriter *sums;              /* owned */
	Pipeline *pipeline;            /* owned */
	GArray *gaps;                  /* of struct extent; owned */
	uint64_t n_clusters;           /* of the disk */
	uint64_t changed;              /* bytes of the chunks that differ */
	struct copy_progress progress;
} Update;

static void update_clear(Update *update)
{
	pipeline_free(update->pipeline);
	image_update_free(update->image);
	leaf_sums_free(update->leaves);
	sums_writer_free(update->sums);
	sums_reader_free(update->old.reader);
	sums_reader_free(update->known.reader);
	g_clear_pointer(&update->gaps, g_array_unref);
	autofd_clear(&update->image_fd);
	autofd_clear(&update->old_fd);
	autofd_clear(&update->sums_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Update, update_clear)

/* ---- The old state ---- */

static bool advance(struct old_sums *sums, GError **error)
{
	sums->has = sums_reader_next(sums->reader, &sums->index, &sums->digest, error);
	return sums->has >= 0;
}

static bool open_sums(const Update *update, struct old_sums *sums, GError **error)
{
	sums->reader = sums_reader_new(update->old_fd, update->job->sums, error);
	return sums->reader && advance(sums, error);
}

/* A pipeline_known_fn. */
static int find_known(void *userdata, uint64_t index, struct digest *ret, GError **error)
{
	struct old_sums *sums = &((Update *)userdata)->known;

	while (sums->has && sums->index < index)
		if (!advance(sums, error))
			return -1;
	if (!sums->has || sums->index > index)
		return 0;
	*ret = sums->digest;
	return 1;
}

/* Those of the old state, in a file that nobody goes on with; the name is free until start(). */
static bool take_leaves(Update *update, GError **error)
{
	const struct copy_job *job = update->job;
	int fd = bundle_create_nameless(job->bundle, job->sums, error);

	if (fd < 0)
		return false;
	update->leaves = leaf_sums_new(fd, job->leaves);
	return sums_reader_copy_leaves(update->old.reader, fd, job->leaves, error);
}

static bool check_sizes(const Update *update, GError **error)
{
	const struct copy_job *job = update->job;
	uint64_t size = job->disk->dev->size, virtual = image_update_virtual_size(update->image);

	if (sums_reader_disk_size(update->old.reader) == size &&
	    virtual == chunk_virtual_size(size))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' has %" PRIu64 " bytes, but '%s' sums a disk of %" PRIu64
		    " and '%s' holds one of %" PRIu64,
		    job->disk->dev->name, size, job->sums,
		    sums_reader_disk_size(update->old.reader), job->image, virtual);
	return false;
}

static bool open_old(Update *update, GError **error)
{
	const struct copy_job *job = update->job;

	update->old_fd = bundle_open_file(job->bundle, job->sums, error);
	if (update->old_fd < 0 || !open_sums(update, &update->old, error) ||
	    !open_sums(update, &update->known, error) || !take_leaves(update, error))
		return false;
	update->image_fd = bundle_open_to_write(job->bundle, job->image, error);
	if (update->image_fd < 0)
		return false;
	update->image =
	    image_update_new(update->image_fd, job->image,
			     sums_reader_image_size(update->old.reader), update->leaves, error);
	return update->image && check_sizes(update, error);
}

/* ---- The new one ---- */

static bool start(Update *update, GError **error)
{
	const struct copy_job *job = update->job;
	const struct pipeline_options options = {
		.disk = job->disk->dev,
		.used = job->disk->map->used,
		.sector_size = job->disk->map->sector_size,
		.allow_bad = job->allow_bad,
		.level = image_update_compressed(update->image) ? job->level : 0,
		.share = job->share,
		.known = find_known,
		.userdata = update,
	};

	update->n_clusters = chunk_virtual_size(job->disk->dev->size) / IMAGE_CLUSTER_SIZE +
			     (chunk_virtual_size(job->disk->dev->size) % IMAGE_CLUSTER_SIZE != 0);
	update->sums_fd = bundle_create_file(job->bundle, job->sums, error);
	if (update->sums_fd < 0)
		return false;
	update->sums = sums_writer_new(update->sums_fd, job->sums, job->disk->dev->size, error);
	if (!update->sums)
		return false;
	update->pipeline = pipeline_new(&options, error);
	return update->pipeline != NULL;
}

/* The chunk is as @clusters say; NULL: all zero. */
static bool put_clusters(Update *update, uint64_t index, const struct pipeline_cluster *clusters,
			 GError **error)
{
	uint64_t first = index * CLUSTERS_PER_CHUNK;

	update->changed +=
	    MIN(SUMS_CHUNK_SIZE, update->job->disk->dev->size - index * SUMS_CHUNK_SIZE);
	for (uint64_t i = 0; i < CLUSTERS_PER_CHUNK && first + i < update->n_clusters; i++) {
		const struct pipeline_cluster *cluster = clusters ? &clusters[i] : NULL;

		if (cluster && cluster->data
			? !image_update_put(update->image, first + i, cluster->data, cluster->len,
					    cluster->compressed, error)
			: !image_update_clear(update->image, first + i, error))
			return false;
	}
	return true;
}

/* What had data before chunk @index and was not read again is free now. */
static bool clear_before(Update *update, uint64_t index, GError **error)
{
	while (update->old.has && update->old.index < index)
		if (!put_clusters(update, update->old.index, NULL, error) ||
		    !advance(&update->old, error))
			return false;
	return true;
}

static bool put_chunk(Update *update, const struct pipeline_chunk *chunk, GError **error)
{
	for (unsigned int i = 0; i < chunk->gaps->len; i++)
		gaps_add(update->gaps, &g_array_index(chunk->gaps, struct extent, i));
	if (!clear_before(update, chunk->index, error))
		return false;
	if (update->old.has && update->old.index == chunk->index && !advance(&update->old, error))
		return false;
	if (!chunk->zero && !sums_writer_put(update->sums, chunk->index, &chunk->digest, error))
		return false;
	return chunk->same ||
	       put_clusters(update, chunk->index, chunk->zero ? NULL : chunk->clusters, error);
}

static bool update_chunks(Update *update, GError **error)
{
	const struct pipeline_chunk *chunk;
	int r;

	while ((r = copy_progress_next_chunk(&update->progress, update->pipeline, &chunk, error)) >
	       0) {
		if (!put_chunk(update, chunk, error))
			return false;
		update->progress.done += chunk->used;
		if (!copy_progress_report(&update->progress, false, error))
			return false;
	}
	return r == 0 && clear_before(update, UINT64_MAX, error);
}

static bool finish(Update *update, struct copy_result *ret, GError **error)
{
	const struct copy_job *job = update->job;
	struct image_state state;

	if (!copy_progress_report(&update->progress, true, error) ||
	    !pipeline_check_disk(update->pipeline, error) ||
	    !image_update_finish(update->image, &state, error))
		return false;
	if (!sums_writer_finish(update->sums, state.size, leaf_sums_fd(update->leaves), job->leaves,
				error) ||
	    !autofd_close(&update->image_fd, job->image, error) ||
	    !autofd_close(&update->sums_fd, job->sums, error))
		return false;
	ret->image_size = state.size;
	ret->unused = state.unused;
	ret->changed = update->changed;
	memcpy(ret->head, state.header, sizeof(ret->head));
	ret->gaps = g_steal_pointer(&update->gaps);
	return true;
}

bool update_disk(const struct copy_job *job, struct copy_result *ret, GError **error)
{
	g_auto(Update) update = {
		.job = job,
		.image_fd = -1,
		.old_fd = -1,
		.sums_fd = -1,
		.progress = { .disk = job->disk, .shared = job->shared, .phase = "updating" },
	};
	g_autoptr(GError) cause = NULL;

	update.gaps = g_array_new(false, false, sizeof(struct extent));
	if (open_old(&update, &cause) && start(&update, &cause) && update_chunks(&update, &cause) &&
	    finish(&update, ret, &cause))
		return true;
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE))
		copy_progress_say_missing(&update.progress,
					  update.image ? image_update_appended(update.image) : 0,
					  update.image ? image_update_unwritten(update.image) : 0,
					  "make room and update it again", cause);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
