/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes out of the pipeline, in the order of the disk, goes into the image and the sums.  At a
 * checkpoint all of these files are flushed before the journal speaks of them.
 */
#include "capture/copy.h"

#include "base/autofd.h"
#include "base/error.h"
#include "capture/chunk-read.h"
#include "capture/copy-journal.h"
#include "capture/copy-progress.h"
#include "capture/gaps.h"

#include <inttypes.h>

/* No more than this is lost: in time, and in bytes in use. */
#define CHECKPOINT_INTERVAL (15 * G_USEC_PER_SEC)
#define CHECKPOINT_BYTES    (UINT64_C(896) << 20)

/* Compressed clusters that equal ones are looked for among: 48 MiB of memory, 128 GiB in use. */
#define DEDUPE_FRAMES (UINT64_C(1) << 21)

/* Of an image, that wait for the medium, together with the disks that are copied beside it. */
#define QUEUE_BYTES       (UINT64_C(64) << 20)
#define QUEUE_BYTES_LARGE (UINT64_C(16) << 20)
#define LARGE_USE         (UINT64_C(16) << 40)

/* Of those that were copied, so many are read again before a capture goes on. */
#define SAMPLES 256u

typedef struct {
	const struct copy_job *job;
	int image_fd, sums_fd; /* owned */
	LeafSums *leaves;
	ImageWriter *image;
	SumsWriter *sums;
	Pipeline *pipeline;
	GArray *gaps;               /* of struct extent; owned */
	struct fingerprint_key key; /* of compressed clusters, if they may be shared */
	struct copy_progress progress;
	uint64_t next;           /* bytes: where on the disk it goes on */
	uint64_t saved;          /* done at the last checkpoint */
	uint64_t save_after;     /* bytes in use between checkpoints */
	int64_t next_checkpoint; /* of g_get_monotonic_time() */
} Copy;

static void copy_clear(Copy *copy)
{
	pipeline_free(copy->pipeline);
	image_writer_free(copy->image);
	leaf_sums_free(copy->leaves);
	sums_writer_free(copy->sums);
	g_clear_pointer(&copy->gaps, g_array_unref);
	autofd_clear(&copy->image_fd);
	autofd_clear(&copy->sums_fd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copy, copy_clear)

/* ---- Begin, or go on ---- */

/* Files that were begun, and that no journal speaks of, are begun anew. */
static int make_file(const struct copy_job *job, const char *name, GError **error)
{
	if (job->resume && !bundle_remove_file(job->bundle, name, error))
		return -1;
	return bundle_create_file(job->bundle, name, error);
}

static int reopen_file(const struct copy_job *job, const char *name, GError **error)
{
	return bundle_open_to_write(job->bundle, name, error);
}

/* Open all files by @open. */
static bool open_files(Copy *copy, const struct copy_job *job,
		       int (*open)(const struct copy_job *, const char *, GError **),
		       GError **error)
{
	int leaves_fd;

	copy->image_fd = open(job, job->image, error);
	if (copy->image_fd < 0)
		return false;
	copy->sums_fd = open(job, job->sums, error);
	if (copy->sums_fd < 0)
		return false;
	leaves_fd = open(job, job->leaves, error);
	if (leaves_fd < 0)
		return false;
	copy->leaves = leaf_sums_new(leaves_fd, job->leaves);
	return true;
}

static bool begin(Copy *copy, const struct copy_job *job, GError **error)
{
	uint64_t size = job->disk->dev->size;

	if (!open_files(copy, job, make_file, error))
		return false;
	copy->image = image_writer_new(copy->image_fd, job->image, copy->leaves,
				       chunk_virtual_size(size), job->level > 0, error);
	if (!copy->image)
		return false;
	copy->sums = sums_writer_new(copy->sums_fd, job->sums, size, error);
	return copy->sums != NULL;
}

/* Chunk @index of the disk is as it was, or cannot be read any more: that can happen to a disk. */
static bool check_sample(const Copy *copy, uint64_t index, const struct digest *want,
			 GError **error)
{
	const struct plan_disk *disk = copy->job->disk;
	g_autoptr(GError) cause = NULL;
	struct digest got;

	if (!chunk_digest(disk, index, &got, &cause)) {
		g_debug("%s, which was copied already", cause->message);
		return true;
	}
	if (digest_equal(&got, want))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' has changed at byte %" PRIu64
		    " since its capture was interrupted; capture it anew",
		    disk->dev->name, index * SUMS_CHUNK_SIZE);
	return false;
}

/* Some of the chunks that were copied are read once more: the disk must not have changed. */
static bool check_samples(Copy *copy, const CopyJournal *journal, GError **error)
{
	uint64_t n = MIN(SAMPLES, journal->chunks);

	for (uint64_t i = 0; i < n; i++) {
		uint64_t index, entry = n > 1 ? (journal->chunks - 1) * i / (n - 1) : 0;
		struct digest want;

		if (!sums_writer_entry(copy->sums, entry, &index, &want, error))
			return false;
		if (gaps_touch(journal->gaps, index * SUMS_CHUNK_SIZE, SUMS_CHUNK_SIZE))
			continue; /* that takes its time, and may end otherwise now */
		if (!check_sample(copy, index, &want, error))
			return false;
	}
	return true;
}

/* The same of a disk that was finished. */
static bool check_finished(const Copy *copy, const CopyJournal *journal, GError **error)
{
	const struct copy_job *job = copy->job;
	autofd int fd = bundle_open_file(job->bundle, job->sums, error);
	g_autoptr(SumsReader) sums = fd < 0 ? NULL : sums_reader_new(fd, job->sums, error);
	uint64_t chunks = job->disk->clusters / (SUMS_CHUNK_SIZE / IMAGE_CLUSTER_SIZE);
	uint64_t index, step = MAX(chunks / SAMPLES, 1);
	struct digest want;
	int more = -1;

	if (!sums)
		return false;
	if (sums_reader_image_size(sums) != journal->image_size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' says that the image was finished with %" PRIu64
			    " bytes, and '%s' speaks of %" PRIu64,
			    job->journal, journal->image_size, job->sums,
			    sums_reader_image_size(sums));
		return false;
	}
	for (uint64_t i = 0; (more = sums_reader_next(sums, &index, &want, error)) > 0; i++)
		if (i % step == 0 &&
		    !gaps_touch(journal->gaps, index * SUMS_CHUNK_SIZE, SUMS_CHUNK_SIZE) &&
		    !check_sample(copy, index, &want, error))
			return false;
	return more == 0;
}

static bool go_on(Copy *copy, const struct copy_job *job, const CopyJournal *journal,
		  GError **error)
{
	uint64_t size = job->disk->dev->size;

	if (!open_files(copy, job, reopen_file, error))
		return false;
	copy->image =
	    image_writer_resume(copy->image_fd, job->image, copy->leaves, chunk_virtual_size(size),
				job->level > 0, journal->image->data, journal->image->len, error);
	if (!copy->image)
		return false;
	copy->sums = sums_writer_resume(copy->sums_fd, job->sums, size, journal->chunks, error);
	if (!copy->sums)
		return false;
	if (image_writer_next(copy->image) > journal->next / IMAGE_CLUSTER_SIZE ||
	    sums_writer_next(copy->sums) > journal->next / SUMS_CHUNK_SIZE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' goes on at byte %" PRIu64 ", but '%s' or '%s' reaches further",
			    job->journal, journal->next, job->image, job->sums);
		return false;
	}
	if (!check_samples(copy, journal, error))
		return false;
	g_array_append_vals(copy->gaps, journal->gaps->data, journal->gaps->len);
	copy->progress.done = copy->saved = journal->done;
	copy->next = journal->next;
	return true;
}

/*
 * What a test cannot wait for: WHERRY_CHECKPOINT_BYTES, see tests/scripts/cancel.sh, and
 * WHERRY_STALL_MS, see stall.sh.  Only less than the @limit is taken.
 */
static uint64_t number_of_test(const char *name, uint64_t limit)
{
	const char *text = g_getenv(name);
	uint64_t number;

	return text && g_ascii_string_to_unsigned(text, 10, 1, limit, &number, NULL) ? number
										     : limit;
}

/*
 * Noise needs the medium, and text the cores: what waits lets both work where one follows the
 * other. On the largest disks other things take that memory.
 */
static uint64_t queue_size(const struct copy_job *job)
{
	return (job->disk->used > LARGE_USE ? QUEUE_BYTES_LARGE : QUEUE_BYTES) / MAX(job->share, 1);
}

static bool start_pipeline(Copy *copy, GError **error)
{
	bool dedupe = copy->job->dedupe && copy->job->level > 0;
	const struct pipeline_options options = {
		.disk = copy->job->disk->dev,
		.used = copy->job->disk->map->used,
		.sector_size = copy->job->disk->map->sector_size,
		.allow_bad = copy->job->allow_bad,
		.from = copy->next,
		.level = copy->job->level,
		.key = dedupe ? &copy->key : NULL,
		.share = copy->job->share,
		.stall_ms = (unsigned int)number_of_test("WHERRY_STALL_MS", DISK_STALL_MS),
	};

	if (dedupe &&
	    (!fingerprint_key_draw(&copy->key, error) ||
	     !image_writer_dedupe(copy->image, DEDUPE_FRAMES / MAX(copy->job->share, 1), error)))
		return false;
	image_writer_set_queue(copy->image, queue_size(copy->job));
	copy->save_after = number_of_test("WHERRY_CHECKPOINT_BYTES", CHECKPOINT_BYTES);
	copy->next_checkpoint = g_get_monotonic_time() + CHECKPOINT_INTERVAL;
	copy->pipeline = pipeline_new(&options, error);
	return copy->pipeline != NULL;
}

/* ---- On the way ---- */

static bool checkpoint(Copy *copy, GError **error)
{
	g_autoptr(GByteArray) state = g_byte_array_new();
	CopyJournal journal = {
		.done = copy->progress.done,
		.next = copy->next,
		.gaps = copy->gaps,
		.image = state,
	};

	if (!image_writer_checkpoint(copy->image, state, error) ||
	    !sums_writer_checkpoint(copy->sums, &journal.chunks, error) ||
	    !copy_journal_write(copy->job->bundle, copy->job->journal, &journal, error))
		return false;
	copy->saved = copy->progress.done;
	copy->next_checkpoint = g_get_monotonic_time() + CHECKPOINT_INTERVAL;
	return true;
}

static bool put_cluster(Copy *copy, uint64_t index, const struct pipeline_cluster *cluster,
			GError **error)
{
	if (cluster->compressed)
		return image_writer_put_frame(copy->image, index, cluster->data, cluster->len,
					      &cluster->fingerprint, error);
	return image_writer_put(copy->image, index, cluster->data, cluster->len, false, error);
}

static bool put_chunk(Copy *copy, const struct pipeline_chunk *chunk, GError **error)
{
	for (unsigned int i = 0; i < chunk->gaps->len; i++)
		gaps_add(copy->gaps, &g_array_index(chunk->gaps, struct extent, i));
	if (chunk->zero)
		return true;
	if (!sums_writer_put(copy->sums, chunk->index, &chunk->digest, error))
		return false;
	for (uint64_t i = 0; i < CLUSTERS_PER_CHUNK; i++) {
		const struct pipeline_cluster *cluster = &chunk->clusters[i];

		if (cluster->data &&
		    !put_cluster(copy, chunk->index * CLUSTERS_PER_CHUNK + i, cluster, error))
			return false;
	}
	return true;
}

static bool copy_chunks(Copy *copy, GError **error)
{
	const struct pipeline_chunk *chunk;
	int r;

	while ((r = copy_progress_next_chunk(&copy->progress, copy->pipeline, &chunk, error)) > 0) {
		if (!put_chunk(copy, chunk, error))
			return false;
		copy->progress.done += chunk->used;
		copy->next = (chunk->index + 1) * SUMS_CHUNK_SIZE;
		if (!copy_progress_report(&copy->progress, false, error))
			return false;
		if ((copy->progress.done - copy->saved >= copy->save_after ||
		     g_get_monotonic_time() >= copy->next_checkpoint) &&
		    !checkpoint(copy, error))
			return false;
	}
	return r == 0;
}

static bool finish(Copy *copy, struct copy_result *ret, GError **error)
{
	const struct copy_job *job = copy->job;
	CopyJournal journal = {
		.finished = true,
		.shared = image_writer_shared(copy->image),
		.done = copy->progress.done,
		.gaps = copy->gaps,
	};

	if (!copy_progress_report(&copy->progress, true, error) ||
	    !pipeline_check_disk(copy->pipeline, error) ||
	    !image_writer_finish(copy->image, &journal.image_size, error) ||
	    !sums_writer_finish(copy->sums, journal.image_size, leaf_sums_fd(copy->leaves),
				job->leaves, error) ||
	    !autofd_close(&copy->image_fd, job->image, error) ||
	    !autofd_close(&copy->sums_fd, job->sums, error) ||
	    !copy_journal_write(job->bundle, job->journal, &journal, error))
		return false;
	ret->image_size = journal.image_size;
	ret->shared = journal.shared;
	ret->gaps = g_steal_pointer(&copy->gaps);
	return true;
}

static bool run(Copy *copy, const CopyJournal *known, struct copy_result *ret, GError **error)
{
	return (known ? go_on(copy, copy->job, known, error) : begin(copy, copy->job, error)) &&
	       start_pipeline(copy, error) && copy_chunks(copy, error) && finish(copy, ret, error);
}

void copy_result_free(void *p)
{
	struct copy_result *result = p;

	g_clear_pointer(&result->gaps, g_array_unref);
	g_free(result);
}

bool copy_disk(const struct copy_job *job, struct copy_result *ret, GError **error)
{
	g_auto(Copy) copy = {
		.job = job,
		.image_fd = -1,
		.sums_fd = -1,
		.progress = { .disk = job->disk, .shared = job->shared, .phase = "copying" },
	};
	g_auto(CopyJournal) journal = { 0 };
	g_autoptr(GError) cause = NULL;
	int known = 0;

	copy.gaps = g_array_new(false, false, sizeof(struct extent));

	if (job->resume)
		known = copy_journal_read(job->bundle, job->journal, &journal, error);
	if (known < 0)
		return false;
	if (journal.finished) {
		copy.progress.done = journal.done;
		if (!check_finished(&copy, &journal, error) ||
		    !copy_progress_report(&copy.progress, true, error))
			return false;
		ret->image_size = journal.image_size;
		ret->shared = journal.shared;
		ret->gaps = g_steal_pointer(&journal.gaps);
		return true;
	}
	if (run(&copy, known ? &journal : NULL, ret, &cause))
		return true;
	if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NO_SPACE))
		copy_progress_say_missing(&copy.progress,
					  copy.image ? image_writer_size(copy.image) : 0,
					  copy.image ? image_writer_unwritten(copy.image) : 0,
					  "make room and go on", cause);
	g_propagate_error(error, g_steal_pointer(&cause));
	return false;
}
