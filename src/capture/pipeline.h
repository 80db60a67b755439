/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the disk to what goes into the image, on all cores: the chunks of a disk that hold bytes in
 * use come out in the order of the disk, summed and compressed.
 *
 *	reader thread          worker threads            pipeline_next()
 *	reads, many at a time  wipe, sum, compress       in order
 *	     |                       |                        |
 *	[free] --> [reading] --> [read] --> [worked on] --> [done] --> [free]
 *
 * A fixed ring of chunks goes round, so memory does not depend on the disk.
 */
#pragma once

#include "base/fingerprint.h"
#include "capture/chunk.h"
#include "capture/disk-reader.h"
#include "map/used-map.h"

/* A cluster of a chunk, as it goes into the image. */
struct pipeline_cluster {
	const uint8_t *data; /* borrowed from the chunk; NULL: it is all zero */
	size_t len;          /* bytes */
	bool compressed;
	struct fingerprint fingerprint; /* of one that is compressed, if there is a key */
};

struct pipeline_chunk {
	uint64_t index; /* of the disk's chunks of SUMS_CHUNK_SIZE */
	uint64_t used;  /* bytes of it that are in use */
	bool zero;      /* all of it; then the rest has no meaning */
	struct digest digest;
	bool same;          /* as it is known to have been; then there are no clusters */
	const GArray *gaps; /* of struct extent: what of it could not be read; borrowed */
	struct pipeline_cluster clusters[CLUSTERS_PER_CHUNK];
};

/*
 * What chunk @index, which ascends, was when it was last captured.  1: @ret is set; 0: all zero;
 * -1: failed.
 */
typedef int (*pipeline_known_fn)(void *userdata, uint64_t index, struct digest *ret,
				 GError **error);

struct pipeline_options {
	const Blkdev *disk;   /* borrowed */
	UsedMap *used;        /* borrowed; nobody else uses it meanwhile */
	uint32_t sector_size; /* bytes, of the disk: 512 or 4096 */
	bool allow_bad;       /* carry what can be read; else a bad sector is a failure */
	uint64_t from;        /* bytes, a multiple of SUMS_CHUNK_SIZE: what is before is done */
	int level;            /* of zstd; 0: none */
	const struct fingerprint_key *key; /* NULL: no fingerprints; borrowed */
	unsigned int share;                /* so many pipelines share the memory for one; 0 is 1 */
	unsigned int n_workers;            /* 0: one for each core */
	enum disk_reader_way way;          /* DISK_READER_BEST, but in a test */
	pipeline_known_fn known;           /* called from one thread; NULL: nothing is known */
	void *userdata;                    /* of it */
	unsigned int stall_ms;             /* the disk may give no answer; 0: DISK_STALL_MS */
};

typedef struct pipeline Pipeline;

Pipeline *pipeline_new(const struct pipeline_options *options, GError **error);

/*
 * The next chunk, which is borrowed until the next call.  1: @ret is set.  0: there are no more.
 * -1: failed.  Waits at most @timeout_ms, and then fails with WHERRY_ERROR_BUSY: ask again.
 */
int pipeline_next(Pipeline *pipeline, unsigned int timeout_ms, const struct pipeline_chunk **ret,
		  GError **error);

/* The disk has still the size that it had, also when it was opened anew in between. */
bool pipeline_check_disk(Pipeline *pipeline, GError **error);

/*
 * Ends its threads.  One that waits for a disk which does not answer is left behind with what it
 * uses: the process will not last much longer.
 */
void pipeline_free(Pipeline *pipeline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pipeline, pipeline_free)
