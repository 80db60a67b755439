/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads of one disk, many at a time, past the page cache where that can be: by io_uring, or by some
 * threads where the kernel refuses that.
 */
#pragma once

#include "capture/disk-source.h"

/* What buffers are aligned to, and how far a read may reach beyond what was asked for. */
#define DISK_READER_ALIGN 4096u

/* One read.  It belongs to the reader from its submit to its return by disk_reader_wait(). */
struct disk_read {
	uint64_t offset; /* bytes, on the disk */
	size_t len;      /* bytes, more than 0; they end on the disk */
	/*
	 * Where they go: @buf + @offset % the reader's alignment.  Aligned to DISK_READER_ALIGN,
	 * with room for what was asked for, rounded out to whole alignments on both sides.
	 */
	uint8_t *buf;
	/*
	 * What @buf lies in, for free(); owned.  NULL on return: the read was left behind, and the
	 * memory with it.
	 */
	uint8_t *memory;
	int errnum; /* set: 0, or why not all of it was read; ENODATA: the disk ends too early */
};

typedef struct disk_reader DiskReader;

enum disk_reader_way {
	DISK_READER_BEST,
	DISK_READER_THREADS,
};

struct disk_reader_options {
	unsigned int depth; /* at most so many reads are under way at a time */
	unsigned int align; /* bytes: nothing smaller is asked of the disk */
	enum disk_reader_way way;
};

/* @source is borrowed. */
DiskReader *disk_reader_new(DiskSource *source, const struct disk_reader_options *options,
			    GError **error);

/* What is used: "io_uring" or "threads". */
const char *disk_reader_way_name(const DiskReader *reader);

/* Begin @read.  There must be room for it. */
void disk_reader_submit(DiskReader *reader, struct disk_read *read);

/* How many reads are under way. */
unsigned int disk_reader_count(const DiskReader *reader);

/* One of them that has ended, in no order; NULL: none does within @timeout_ms. */
struct disk_read *disk_reader_wait(DiskReader *reader, unsigned int timeout_ms);

/* Whether reads are under way, and none has ended for as long as the disk may give no answer. */
bool disk_reader_has_stalled(const DiskReader *reader);

/* All that are under way end now, with ETIMEDOUT: the next calls of disk_reader_wait() say so. */
void disk_reader_leave_behind(DiskReader *reader);

/* Open the disk anew for the reads to come; on failure they still go to the old handle. */
bool disk_reader_renew(DiskReader *reader, GError **error);

/* How often disk_source_renewals() was asked for when it opened the disk. */
int disk_reader_renewals(const DiskReader *reader);

/* What is still under way is left behind. */
void disk_reader_free(DiskReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskReader, disk_reader_free)
