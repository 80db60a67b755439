/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slot N of a ring of S holds the chunks N, N + S, N + 2 * S ... of those that are carried, so
 * that each stage knows where its next one is.  One lock covers the states; what is in a slot
 * belongs to the stage that its state names.
 */
#include "capture/pipeline.h"

#include "base/error.h"
#include "base/zero.h"
#include "capture/gaps.h"
#include "capture/salvage.h"
#include "image/compress.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* 32 MiB of chunks, and as much for their clusters compressed. */
#define SLOTS 128u
/* Enough for a disk that likes many, and few enough to end soon. */
#define DEPTH 32u

/* So often the reader looks whether it is still wanted, and the disk alive. */
#define READ_PATIENCE_MS 100u

/* What threads may take to end. */
#define END_PATIENCE G_USEC_PER_SEC

/* Used extents of one chunk that are told apart; what is between those behind is carried. */
#define MAX_EXTENTS 512u

/*
 * After so many clusters in a row that did not shrink, only one of so many is tried: it is noise,
 * or a film.
 */
#define STUBBORN_RUN  32u
#define STUBBORN_SKIP 8u

/* The reader, when it waits, is woken for so many free slots at once; a ring has more. */
#define WAKE_READER 8u

enum slot_state {
	SLOT_FREE,
	SLOT_READING,
	SLOT_READ,
	SLOT_WORKED_ON,
	SLOT_DONE,
};

struct slot {
	enum slot_state state;
	struct disk_read read; /* leads back to its slot; its memory is the chunk's data */
	bool hole;             /* all zero, and not read */
	uint64_t start;        /* bytes, on the disk */
	uint64_t end;          /* of the chunk, on the disk */
	uint8_t *packed;       /* as many; owned */
	struct extent extents[MAX_EXTENTS];
	unsigned int n_extents;
	struct pipeline_chunk chunk;
	int known;            /* as pipeline_known_fn answers */
	struct digest digest; /* the known one */
	GArray *gaps;         /* of struct extent; owned */
	GError *error;        /* owned */
};

struct pipeline {
	struct pipeline_options options;
	DiskSource *source; /* owned */
	DiskReader *reader; /* owned; of the reader thread */
	struct slot *slots; /* n_slots of them; owned */
	unsigned int n_slots;
	GThread *reading;       /* NULL: not started */
	GPtrArray *working;     /* of GThread * */
	GMutex lock;            /* covers all below, and the states of the slots */
	GCond room;             /* slots are free: for the reader */
	GCond work;             /* the next slot was read: for a worker */
	GCond done;             /* the next slot is done, or a thread: for who asked for it */
	uint64_t n_read;        /* chunks that the reader began with */
	uint64_t n_taken;       /* that the workers began with */
	uint64_t n_given;       /* that pipeline_next() gave out */
	struct slot *given;     /* the last of these, while it is out; NULL: none */
	bool end;               /* @n_read is all */
	bool stop;              /* everybody ends */
	unsigned int n_running; /* threads */
};

static struct slot *slot_of(const Pipeline *pipeline, uint64_t n)
{
	return &pipeline->slots[n % pipeline->n_slots];
}

/* Whether a worker can begin with the next slot.  The lock is held. */
static bool has_work(const Pipeline *pipeline)
{
	return pipeline->n_taken < pipeline->n_read &&
	       slot_of(pipeline, pipeline->n_taken)->state == SLOT_READ;
}

/* Whether the next slot can be given out.  The lock is held. */
static bool has_done(const Pipeline *pipeline)
{
	return pipeline->n_given < pipeline->n_read &&
	       slot_of(pipeline, pipeline->n_given)->state == SLOT_DONE;
}

static void set_read(Pipeline *pipeline, struct slot *slot)
{
	g_mutex_lock(&pipeline->lock);
	slot->state = SLOT_READ;
	if (has_work(pipeline))
		g_cond_signal(&pipeline->work);
	g_mutex_unlock(&pipeline->lock);
}

static void set_done(Pipeline *pipeline, struct slot *slot)
{
	g_mutex_lock(&pipeline->lock);
	slot->state = SLOT_DONE;
	if (has_done(pipeline))
		g_cond_signal(&pipeline->done);
	g_mutex_unlock(&pipeline->lock);
}

/* A thread is at its end. */
static void say_ended(Pipeline *pipeline)
{
	g_mutex_lock(&pipeline->lock);
	pipeline->n_running--;
	g_cond_signal(&pipeline->done);
	g_mutex_unlock(&pipeline->lock);
}

static bool is_wanted(void *userdata)
{
	Pipeline *pipeline = userdata;
	bool stop;

	g_mutex_lock(&pipeline->lock);
	stop = pipeline->stop;
	g_mutex_unlock(&pipeline->lock);
	return !stop;
}

/* ---- The reader's thread ---- */

/* What the chunk is known to have been; a failure is for who takes it out. */
static void ask_known(const Pipeline *pipeline, struct slot *slot)
{
	const struct pipeline_options *options = &pipeline->options;

	slot->known = 0;
	if (options->known)
		slot->known = options->known(options->userdata, slot->chunk.index, &slot->digest,
					     &slot->error);
}

/* Note what is in use of the chunk, and read from the first to the last byte of that. */
static void describe_slot(const Pipeline *pipeline, struct slot *slot, uint64_t index)
{
	struct extent e;
	uint64_t last;

	slot->start = index * SUMS_CHUNK_SIZE;
	slot->end = MIN(slot->start + SUMS_CHUNK_SIZE, pipeline->options.disk->size);
	slot->n_extents = 0;
	slot->chunk.index = index;
	slot->chunk.used = 0;
	for (uint64_t at = slot->start;
	     used_map_next(pipeline->options.used, at, &e) && e.offset < slot->end;
	     at = e.offset + e.length) {
		e.length = MIN(e.length, slot->end - e.offset);
		slot->chunk.used += e.length;
		if (slot->n_extents < MAX_EXTENTS)
			slot->extents[slot->n_extents++] = e;
		else
			slot->extents[MAX_EXTENTS - 1].length =
			    e.offset + e.length - slot->extents[MAX_EXTENTS - 1].offset;
	}
	slot->read.offset = slot->extents[0].offset;
	last =
	    slot->extents[slot->n_extents - 1].offset + slot->extents[slot->n_extents - 1].length;
	slot->read.len = (size_t)(last - slot->read.offset);
	slot->read.buf = slot->read.memory + (slot->read.offset - slot->start) -
			 slot->read.offset % DISK_READER_ALIGN;
}

/* Wait for the next slot to be free; false when it is time to end.  @wait: else just look. */
static bool take_free(Pipeline *pipeline, uint64_t n, bool wait, bool *ret_free)
{
	struct slot *slot = slot_of(pipeline, n);
	bool stop;

	g_mutex_lock(&pipeline->lock);
	while (wait && !pipeline->stop && slot->state != SLOT_FREE)
		g_cond_wait(&pipeline->room, &pipeline->lock);
	*ret_free = slot->state == SLOT_FREE;
	if (*ret_free)
		slot->state = SLOT_READING;
	stop = pipeline->stop;
	g_mutex_unlock(&pipeline->lock);
	return !stop;
}

static bool make_data(struct slot *slot, const char *name, GError **error)
{
	slot->read.memory = aligned_alloc(DISK_READER_ALIGN, SUMS_CHUNK_SIZE);
	if (!slot->read.memory)
		wherry_error_sys(error, ENOMEM, "cannot copy '%s'", name);
	return slot->read.memory != NULL;
}

/* A disk that gives no answer is opened anew; its reads come back as failed. */
static void look_after(Pipeline *pipeline)
{
	g_autoptr(GError) cause = NULL;

	if (!disk_reader_has_stalled(pipeline->reader))
		return;
	disk_reader_leave_behind(pipeline->reader);
	if (!disk_reader_renew(pipeline->reader, &cause))
		g_debug("%s", cause->message); /* who reads again what failed will say so */
}

/* Wait for a read to end, for a while. */
static void reap(Pipeline *pipeline)
{
	struct disk_read *read = disk_reader_wait(pipeline->reader, READ_PATIENCE_MS);
	struct slot *slot;

	if (!read) {
		look_after(pipeline);
		return;
	}
	slot = (struct slot *)(void *)((char *)read - offsetof(struct slot, read));
	if (!read->memory)
		(void)make_data(slot, pipeline->options.disk->name, &slot->error); /* kept there */
	set_read(pipeline, slot);
}

static void submit(Pipeline *pipeline, struct slot *slot)
{
	g_autoptr(GError) cause = NULL;

	if (disk_reader_renewals(pipeline->reader) != disk_source_renewals(pipeline->source) &&
	    !disk_reader_renew(pipeline->reader, &cause))
		g_debug("%s", cause->message); /* it goes on with the old handle */
	disk_reader_submit(pipeline->reader, &slot->read);
}

/* Begin to read it, or know already what is there. */
static void begin_read(Pipeline *pipeline, struct slot *slot)
{
	slot->hole = disk_source_is_hole(pipeline->source, slot->read.offset, slot->read.len);
	g_mutex_lock(&pipeline->lock);
	pipeline->n_read++;
	g_mutex_unlock(&pipeline->lock);
	if (slot->hole)
		set_read(pipeline, slot);
	else
		submit(pipeline, slot);
}

static void read_all(Pipeline *pipeline)
{
	uint64_t at = pipeline->options.from, n = 0;
	struct extent extent;

	while (used_map_next(pipeline->options.used, at, &extent)) {
		uint64_t index = extent.offset / SUMS_CHUNK_SIZE;
		bool is_free = false;

		while (!is_free) { /* ends: each turn takes the slot, or reads end, or it stalls */
			unsigned int under_way = disk_reader_count(pipeline->reader);

			if (!is_wanted(pipeline) ||
			    (under_way < DEPTH &&
			     !take_free(pipeline, n, under_way == 0, &is_free)))
				return;
			if (!is_free)
				reap(pipeline);
		}
		describe_slot(pipeline, slot_of(pipeline, n), index);
		ask_known(pipeline, slot_of(pipeline, n));
		begin_read(pipeline, slot_of(pipeline, n));
		n++;
		at = (index + 1) * SUMS_CHUNK_SIZE;
	}
}

static void *reader_thread(void *userdata)
{
	Pipeline *pipeline = userdata;

	read_all(pipeline);
	while (disk_reader_count(pipeline->reader) > 0 && is_wanted(pipeline))
		reap(pipeline);
	g_mutex_lock(&pipeline->lock);
	pipeline->end = true;
	g_cond_broadcast(&pipeline->work);
	g_cond_signal(&pipeline->done);
	g_mutex_unlock(&pipeline->lock);
	say_ended(pipeline);
	return NULL;
}

/* ---- The workers' threads ---- */

struct worker {
	Compressor *compressor;       /* owned; NULL: none */
	Fingerprinter *fingerprinter; /* owned; NULL: none */
	unsigned int stubborn;        /* clusters in a row that did not shrink */
};

/* The used extents of the chunk one by one: a bad sector between them is none of our business. */
static bool read_extents(Pipeline *pipeline, struct slot *slot)
{
	const struct pipeline_options *options = &pipeline->options;
	const struct salvage salvage = {
		.source = pipeline->source,
		.sector_size = options->sector_size,
		.all = options->allow_bad,
		.way = options->way,
		.go_on = is_wanted,
		.userdata = pipeline,
	};
	int errnum = 0;

	for (unsigned int i = 0; i < slot->n_extents; i++) {
		const struct extent *e = &slot->extents[i];

		if (!salvage_read(&salvage, e, slot->read.memory + (e->offset - slot->start),
				  slot->gaps, &errnum, &slot->error))
			return false;
		if (slot->gaps->len > 0 && !options->allow_bad) {
			wherry_error_sys(&slot->error, errnum,
					 "%s: cannot read the sector at %" PRIu64
					 " (--allow-bad-sectors carries what can be read)",
					 options->disk->name,
					 g_array_index(slot->gaps, struct extent, 0).offset);
			return false;
		}
	}
	return true;
}

/* What is not in use is zero: what the read brought along, and what the last chunk left. */
static void wipe(struct slot *slot)
{
	uint64_t wiped = slot->start;

	for (unsigned int i = 0; i < slot->n_extents; i++) {
		const struct extent *e = &slot->extents[i];

		memset(slot->read.memory + (wiped - slot->start), 0, e->offset - wiped);
		wiped = e->offset + e->length;
	}
	memset(slot->read.memory + (wiped - slot->start), 0,
	       SUMS_CHUNK_SIZE - (wiped - slot->start));
}

static size_t compress(struct worker *worker, const uint8_t *data, uint8_t *packed)
{
	size_t len;

	if (!worker->compressor)
		return 0;
	if (worker->stubborn >= STUBBORN_RUN && worker->stubborn % STUBBORN_SKIP != 0) {
		worker->stubborn++;
		return 0;
	}
	len = compressor_run(worker->compressor, data, packed);
	worker->stubborn = len > 0 ? 0 : worker->stubborn + 1;
	return len;
}

/* Whether the chunk is what it was; its digest is made. */
static bool is_same(const Pipeline *pipeline, const struct slot *slot)
{
	const struct pipeline_chunk *chunk = &slot->chunk;

	if (!pipeline->options.known)
		return false;
	if (chunk->zero || slot->known == 0)
		return chunk->zero && slot->known == 0;
	return digest_equal(&chunk->digest, &slot->digest);
}

static void compress_chunk(struct worker *worker, struct slot *slot)
{
	struct pipeline_chunk *chunk = &slot->chunk;

	for (size_t i = 0; i < CLUSTERS_PER_CHUNK; i++) {
		const uint8_t *data = slot->read.memory + i * IMAGE_CLUSTER_SIZE;
		uint8_t *packed = slot->packed + i * IMAGE_CLUSTER_SIZE;
		struct pipeline_cluster *cluster = &chunk->clusters[i];

		*cluster = (struct pipeline_cluster){ NULL };
		if (is_zero(data, IMAGE_CLUSTER_SIZE))
			continue;
		cluster->len = compress(worker, data, packed);
		cluster->compressed = cluster->len > 0;
		cluster->data = cluster->compressed ? packed : data;
		if (!cluster->compressed)
			cluster->len = IMAGE_CLUSTER_SIZE;
		else if (worker->fingerprinter)
			cluster->fingerprint =
			    fingerprinter_run(worker->fingerprinter, packed, cluster->len);
	}
}

static void work_on(Pipeline *pipeline, struct worker *worker, struct slot *slot)
{
	struct pipeline_chunk *chunk = &slot->chunk;

	g_array_set_size(slot->gaps, 0);
	chunk->gaps = slot->gaps;
	if (slot->error || (!slot->hole && slot->read.errnum != 0 && !read_extents(pipeline, slot)))
		return;
	if (!slot->hole)
		wipe(slot);
	chunk->zero = slot->hole || is_zero(slot->read.memory, SUMS_CHUNK_SIZE);
	if (!chunk->zero)
		chunk->digest = digest_of(slot->read.memory, (size_t)(slot->end - slot->start));
	chunk->same = is_same(pipeline, slot);
	if (!chunk->zero && !chunk->same)
		compress_chunk(worker, slot);
}

/* The next slot in order, once it was read; NULL: there is none any more. */
static struct slot *take_read(Pipeline *pipeline)
{
	struct slot *slot = NULL;

	g_mutex_lock(&pipeline->lock);
	/* Ends: the reader reads on, or says that it is at its end. */
	while (!pipeline->stop && !has_work(pipeline) &&
	       !(pipeline->end && pipeline->n_taken == pipeline->n_read))
		g_cond_wait(&pipeline->work, &pipeline->lock);
	if (!pipeline->stop && has_work(pipeline)) {
		slot = slot_of(pipeline, pipeline->n_taken++);
		slot->state = SLOT_WORKED_ON;
	}
	if (has_work(pipeline))
		g_cond_signal(&pipeline->work); /* it was read before the one that was waited for */
	g_mutex_unlock(&pipeline->lock);
	return slot;
}

static void *worker_thread(void *userdata)
{
	Pipeline *pipeline = userdata;
	struct worker worker = { NULL };
	struct slot *slot;

	if (pipeline->options.level > 0)
		worker.compressor = compressor_new(pipeline->options.level);
	if (pipeline->options.key)
		worker.fingerprinter = fingerprinter_new(pipeline->options.key);
	while ((slot = take_read(pipeline))) {
		work_on(pipeline, &worker, slot);
		set_done(pipeline, slot);
	}
	compressor_free(worker.compressor);
	fingerprinter_free(worker.fingerprinter);
	say_ended(pipeline);
	return NULL;
}

/* ---- Who asked for it ---- */

static bool make_slots(Pipeline *pipeline, GError **error)
{
	pipeline->n_slots = SLOTS / MAX(pipeline->options.share, 1);
	g_assert(pipeline->n_slots > WAKE_READER);
	pipeline->slots = g_new0(struct slot, pipeline->n_slots);
	for (unsigned int i = 0; i < pipeline->n_slots; i++) {
		struct slot *slot = &pipeline->slots[i];

		slot->gaps = g_array_new(false, false, sizeof(struct extent));
		if (!make_data(slot, pipeline->options.disk->name, error))
			return false;
		slot->packed = pipeline->options.level > 0 ? g_try_malloc(SUMS_CHUNK_SIZE) : NULL;
		if (pipeline->options.level > 0 && !slot->packed) {
			wherry_error_sys(error, ENOMEM, "cannot copy '%s'",
					 pipeline->options.disk->name);
			return false;
		}
	}
	return true;
}

Pipeline *pipeline_new(const struct pipeline_options *options, GError **error)
{
	unsigned int n = options->n_workers ? options->n_workers : g_get_num_processors();
	const struct disk_reader_options reader = { DEPTH, DISK_READER_ALIGN, options->way };
	g_autoptr(Pipeline) pipeline = g_new0(Pipeline, 1);

	pipeline->options = *options;
	g_mutex_init(&pipeline->lock);
	g_cond_init(&pipeline->room);
	g_cond_init(&pipeline->work);
	g_cond_init(&pipeline->done);
	pipeline->working = g_ptr_array_new();
	pipeline->source =
	    disk_source_new(options->disk, options->stall_ms ? options->stall_ms : DISK_STALL_MS);
	pipeline->reader = disk_reader_new(pipeline->source, &reader, error);
	if (!pipeline->reader || !make_slots(pipeline, error))
		return NULL;
	pipeline->n_running = n + 1;
	pipeline->reading = g_thread_new("read", reader_thread, pipeline);
	for (unsigned int i = 0; i < n; i++)
		g_ptr_array_add(pipeline->working,
				g_thread_new("compress", worker_thread, pipeline));
	return g_steal_pointer(&pipeline);
}

/* The one that was given out last is free again. */
static void give_back(Pipeline *pipeline)
{
	if (!pipeline->given)
		return;
	pipeline->given->state = SLOT_FREE;
	pipeline->given = NULL;
	if (pipeline->n_given % WAKE_READER == 0)
		g_cond_signal(&pipeline->room);
}

int pipeline_next(Pipeline *pipeline, unsigned int timeout_ms, const struct pipeline_chunk **ret,
		  GError **error)
{
	int64_t until = g_get_monotonic_time() + timeout_ms * INT64_C(1000);
	struct slot *slot = slot_of(pipeline, pipeline->n_given);
	bool ready, end;

	g_mutex_lock(&pipeline->lock);
	give_back(pipeline);
	do {
		end = pipeline->end && pipeline->n_given == pipeline->n_read;
		ready = has_done(pipeline);
	} while (!end && !ready && g_cond_wait_until(&pipeline->done, &pipeline->lock, until));
	if (ready) {
		pipeline->n_given++;
		pipeline->given = slot;
	}
	g_mutex_unlock(&pipeline->lock);
	if (end)
		return 0;
	if (!ready) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
			    "'%s' has not answered for %u ms", pipeline->options.disk->name,
			    timeout_ms);
		return -1;
	}
	if (slot->error) {
		g_propagate_error(error, g_steal_pointer(&slot->error));
		return -1;
	}
	*ret = &slot->chunk;
	return 1;
}

bool pipeline_check_disk(Pipeline *pipeline, GError **error)
{
	return disk_source_check(pipeline->source, error);
}

/* Ask all threads to end; false: they do not. */
static bool stop_threads(Pipeline *pipeline)
{
	int64_t until = g_get_monotonic_time() + END_PATIENCE;
	bool ended;

	g_mutex_lock(&pipeline->lock);
	pipeline->stop = true;
	g_cond_signal(&pipeline->room);
	g_cond_broadcast(&pipeline->work);
	do
		ended = pipeline->n_running == 0;
	while (!ended && g_cond_wait_until(&pipeline->done, &pipeline->lock, until));
	g_mutex_unlock(&pipeline->lock);
	return ended;
}

void pipeline_free(Pipeline *pipeline)
{
	if (!pipeline)
		return;
	if (!stop_threads(pipeline) ||
	    (pipeline->source && disk_source_has_left(pipeline->source))) {
		g_debug("a disk does not answer: its threads are left behind");
		return;
	}
	if (pipeline->reading)
		g_thread_join(pipeline->reading);
	for (unsigned int i = 0; i < pipeline->working->len; i++)
		g_thread_join(g_ptr_array_index(pipeline->working, i));
	g_ptr_array_unref(pipeline->working);
	disk_reader_free(pipeline->reader);
	disk_source_free(pipeline->source);
	for (unsigned int i = 0; pipeline->slots && i < pipeline->n_slots; i++) {
		free(pipeline->slots[i].read.memory);
		g_free(pipeline->slots[i].packed);
		g_clear_pointer(&pipeline->slots[i].gaps, g_array_unref);
		g_clear_error(&pipeline->slots[i].error);
	}
	g_free(pipeline->slots);
	g_cond_clear(&pipeline->room);
	g_cond_clear(&pipeline->work);
	g_cond_clear(&pipeline->done);
	g_mutex_clear(&pipeline->lock);
	g_free(pipeline);
}
