/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One lock covers what is handed out.  A chunk is handed out once all leaves that it lies in were
 * read, or there are no more leaves.
 */
#include "capture/verify-image.h"

#include "base/error.h"
#include "capture/chunk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_THREADS 8u

#define REPORT_INTERVAL (G_USEC_PER_SEC / 10)

struct chunk {
	uint64_t from;  /* the chunks from here to @index have no sums */
	uint64_t index; /* of the guest's chunks */
	uint64_t end;   /* bytes: where it ends in the file */
	struct digest want;
};

/* The first of some failures, in the order of the file or of the disk. */
struct failure {
	uint64_t at;
	GError *error; /* owned; NULL: none */
};

struct shared;

struct worker {
	struct shared *shared;
	GThread *thread;
	ImageReader *image; /* owned */
	uint8_t *buf;       /* IMAGE_LEAF_SIZE bytes; owned */
	uint64_t leaf;      /* that it reads; UINT64_MAX: none */
};

struct shared {
	const struct verify_image *job;
	GMutex lock; /* covers all below */
	GCond changed;
	struct worker workers[MAX_THREADS];
	unsigned int n_workers, n_running;
	uint64_t next_leaf, n_leaves;
	struct chunk chunk; /* the next one, if @has_chunk */
	bool has_chunk;
	bool no_more_chunks;
	uint64_t next_chunk; /* all before it were handed out */
	uint64_t bytes;      /* that were read, and not yet reported */
	bool stop;
	struct failure leaf, guest;
};

enum work {
	WORK_NONE,
	WORK_LEAF,
	WORK_CHUNK,
};

static void fail_at(struct failure *failure, uint64_t at, GError *error)
{
	if (failure->error && failure->at <= at) {
		g_error_free(error);
		return;
	}
	g_clear_error(&failure->error);
	failure->at = at;
	failure->error = error;
}

static void differs(GError **error, const char *name, const char *where, const struct digest *got,
		    const struct digest *want)
{
	g_autofree char *got_hex = digest_to_hex(got), *want_hex = digest_to_hex(want);

	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' was altered%s: its SHA-256 is %s, but %s was recorded", name, where,
		    got_hex, want_hex);
}

/* ---- Handing out, under the lock ---- */

/* Where the data of chunk @index ends in the file. */
static bool find_end(const struct verify_image *job, uint64_t index, uint64_t *ret, GError **error)
{
	uint64_t n_clusters =
	    (image_reader_virtual_size(job->image) + IMAGE_CLUSTER_SIZE - 1) / IMAGE_CLUSTER_SIZE;
	uint64_t first = index * CLUSTERS_PER_CHUNK;

	*ret = 0;
	for (uint64_t i = first; i < MIN(first + CLUSTERS_PER_CHUNK, n_clusters); i++) {
		uint64_t end;
		int r = image_reader_end(job->image, i, &end, error);

		if (r < 0)
			return false;
		if (r > 0)
			*ret = MAX(*ret, end);
	}
	return true;
}

static void fetch_chunk(struct shared *shared)
{
	struct chunk *chunk = &shared->chunk;
	GError *error = NULL;
	int r;

	if (shared->has_chunk || shared->no_more_chunks)
		return;
	r = sums_reader_next(shared->job->sums, &chunk->index, &chunk->want, &error);
	if (r > 0 && !find_end(shared->job, chunk->index, &chunk->end, &error))
		r = -1;
	if (r > 0) {
		chunk->from = shared->next_chunk;
		shared->next_chunk = chunk->index + 1;
		shared->has_chunk = true;
		return;
	}
	shared->no_more_chunks = true;
	if (r < 0)
		fail_at(&shared->guest, shared->next_chunk, error);
}

/* The leaves before this one were read. */
static uint64_t count_read_leaves(const struct shared *shared)
{
	uint64_t first = shared->next_leaf;

	for (unsigned int i = 0; i < shared->n_workers; i++)
		first = MIN(first, shared->workers[i].leaf);
	return first;
}

static enum work take_work(struct worker *worker, struct chunk *ret_chunk)
{
	struct shared *shared = worker->shared;

	if (shared->stop || shared->leaf.error)
		return WORK_NONE;
	fetch_chunk(shared);
	if (shared->has_chunk &&
	    (shared->next_leaf == shared->n_leaves ||
	     shared->chunk.end <= count_read_leaves(shared) * IMAGE_LEAF_SIZE)) {
		shared->has_chunk = false;
		*ret_chunk = shared->chunk;
		return WORK_CHUNK;
	}
	if (shared->next_leaf == shared->n_leaves)
		return WORK_NONE;
	worker->leaf = shared->next_leaf++;
	return WORK_LEAF;
}

/* ---- The work ---- */

/* The bytes of the image file. */
static bool check_leaf(struct worker *worker, uint64_t i, uint64_t *ret_bytes, GError **error)
{
	const struct verify_image *job = worker->shared->job;
	uint64_t at = i * IMAGE_LEAF_SIZE;
	size_t len = (size_t)MIN(IMAGE_LEAF_SIZE, job->disk->image_size - at);
	g_autofree char *where = NULL;
	struct digest got, want;

	if (!bundle_image_read(job->file, at, worker->buf, len, error) ||
	    !sums_reader_leaf(job->sums, i, &want, error))
		return false;
	*ret_bytes = len;
	got = digest_of(worker->buf, len);
	if (digest_equal(&got, &want))
		return true;
	where = g_strdup_printf(" between bytes %" PRIu64 " and %" PRIu64, at, at + len);
	differs(error, job->disk->image, where, &got, &want);
	return false;
}

/* No cluster in chunks [@from, @to) may hold data: they have no digest, so they are zero. */
static bool check_hole(const struct verify_image *job, ImageReader *image, uint64_t from,
		       uint64_t to, GError **error)
{
	uint64_t cluster;
	int r = image_reader_next(image, from * CLUSTERS_PER_CHUNK, &cluster, error);

	if (r < 0)
		return false;
	if (r == 1 && cluster / CLUSTERS_PER_CHUNK < to) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' has data at byte %" PRIu64 " of the disk, where '%s' has none",
			    job->disk->image, cluster * IMAGE_CLUSTER_SIZE, job->disk->sums);
		return false;
	}
	return true;
}

/* What the guest will read. */
static bool check_chunk(struct worker *worker, const struct chunk *chunk, GError **error)
{
	const struct verify_image *job = worker->shared->job;
	uint64_t start = chunk->index * SUMS_CHUNK_SIZE;
	size_t len = (size_t)MIN(SUMS_CHUNK_SIZE, job->disk->size - start);
	g_autofree char *where = NULL;
	struct digest got;

	if (chunk->from < chunk->index &&
	    !check_hole(job, worker->image, chunk->from, chunk->index, error))
		return false;
	memset(worker->buf, 0, SUMS_CHUNK_SIZE);
	for (uint64_t i = 0; i * IMAGE_CLUSTER_SIZE < len; i++)
		if (image_reader_cluster(worker->image, chunk->index * CLUSTERS_PER_CHUNK + i,
					 worker->buf + i * IMAGE_CLUSTER_SIZE, error) < 0)
			return false;
	got = digest_of(worker->buf, len);
	if (digest_equal(&got, &chunk->want))
		return true;
	where = g_strdup_printf(" where it holds byte %" PRIu64 " and on of the disk", start);
	differs(error, job->disk->image, where, &got, &chunk->want);
	return false;
}

static void *worker_thread(void *userdata)
{
	struct worker *worker = userdata;
	struct shared *shared = worker->shared;
	struct chunk chunk;
	enum work work;

	g_mutex_lock(&shared->lock);
	while ((work = take_work(worker, &chunk)) != WORK_NONE) {
		uint64_t bytes = SUMS_CHUNK_SIZE, leaf = worker->leaf;
		GError *error = NULL;
		bool ok;

		g_mutex_unlock(&shared->lock);
		ok = work == WORK_LEAF ? check_leaf(worker, leaf, &bytes, &error)
				       : check_chunk(worker, &chunk, &error);
		g_mutex_lock(&shared->lock);
		worker->leaf = UINT64_MAX;
		shared->bytes += bytes;
		if (ok)
			continue;
		if (work == WORK_LEAF) {
			fail_at(&shared->leaf, leaf, error);
		} else { /* but the leaves are still looked at */
			fail_at(&shared->guest, chunk.index, error);
			shared->no_more_chunks = true;
			shared->has_chunk = false;
		}
	}
	shared->n_running--;
	g_cond_broadcast(&shared->changed);
	g_mutex_unlock(&shared->lock);
	return NULL;
}

/* ---- All together ---- */

ImageReader *verify_image_reader(BundleImage *image, GError **error)
{
	const struct image_source source = { image->size, bundle_image_read, image };

	return image_reader_new_from(&source, image->name, error);
}

static bool start_workers(struct shared *shared, GError **error)
{
	const struct verify_image *job = shared->job;
	unsigned int n = MIN(g_get_num_processors(), MAX_THREADS);

	for (unsigned int i = 0; i < n; i++) {
		struct worker *worker = &shared->workers[i];

		worker->shared = shared;
		worker->leaf = UINT64_MAX;
		worker->image = verify_image_reader(job->file, error);
		worker->buf = g_try_malloc(IMAGE_LEAF_SIZE);
		if (!worker->image)
			return false;
		if (!worker->buf) {
			wherry_error_sys(error, ENOMEM, "cannot read '%s'", job->disk->image);
			return false;
		}
	}
	shared->n_workers = shared->n_running = n;
	for (unsigned int i = 0; i < n; i++)
		shared->workers[i].thread =
		    g_thread_new("verify", worker_thread, &shared->workers[i]);
	return true;
}

/* Report until all threads have ended; false: it was to stop. */
static bool wait_for_workers(struct shared *shared)
{
	const struct verify_image *job = shared->job;
	bool running = true;

	while (running) { /* ends with the image, or when it is to stop */
		uint64_t bytes;

		g_mutex_lock(&shared->lock);
		(void)g_cond_wait_until(&shared->changed, &shared->lock,
					g_get_monotonic_time() + REPORT_INTERVAL);
		running = shared->n_running > 0;
		bytes = shared->bytes;
		shared->bytes = 0;
		g_mutex_unlock(&shared->lock);
		if (!job->advance(bytes, job->userdata)) {
			g_mutex_lock(&shared->lock);
			shared->stop = true;
			g_mutex_unlock(&shared->lock);
		}
	}
	for (unsigned int i = 0; i < shared->n_workers; i++)
		g_thread_join(shared->workers[i].thread);
	return !shared->stop;
}

static bool judge(struct shared *shared, bool whole, GError **error)
{
	struct failure *failure = shared->leaf.error ? &shared->leaf : &shared->guest;

	if (failure->error) {
		g_propagate_error(error, g_steal_pointer(&failure->error));
		return false;
	}
	if (!whole) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_CANCELLED, "interrupted");
		return false;
	}
	return shared->job->leaves_only ||
	       check_hole(shared->job, shared->job->image, shared->next_chunk, UINT64_MAX, error);
}

bool verify_image(const struct verify_image *job, GError **error)
{
	struct shared shared = {
		.job = job,
		.n_leaves = job->disk->image_size / IMAGE_LEAF_SIZE +
			    (job->disk->image_size % IMAGE_LEAF_SIZE > 0),
		.no_more_chunks = job->leaves_only,
	};
	bool ok;

	g_mutex_init(&shared.lock);
	g_cond_init(&shared.changed);
	ok = start_workers(&shared, error) && judge(&shared, wait_for_workers(&shared), error);
	for (unsigned int i = 0; i < MAX_THREADS; i++) {
		image_reader_free(shared.workers[i].image);
		g_free(shared.workers[i].buf);
	}
	g_clear_error(&shared.leaf.error);
	g_clear_error(&shared.guest.error);
	g_cond_clear(&shared.changed);
	g_mutex_clear(&shared.lock);
	return ok;
}
