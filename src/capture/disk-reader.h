/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads of one disk, many at a time, past the page cache where that can be: by io_uring, or by some
 * threads where the kernel refuses that.
 */
#pragma once

#include "base/blkdev.h"

/* What buffers are aligned to, and how far a read may reach beyond what was asked for. */
#define DISK_READER_ALIGN 4096u

/* One read.  It belongs to the reader from its submit to its return by disk_reader_wait(). */
struct disk_read {
	uint64_t offset; /* bytes, on the disk */
	size_t len;      /* bytes, more than 0; they end on the disk */
	/*
	 * Where they go: @buf + @offset % DISK_READER_ALIGN; borrowed.  Aligned, with room for what
	 * was asked for, rounded out to whole DISK_READER_ALIGN on both sides.
	 */
	uint8_t *buf;
	bool ok; /* set: whether all of it was read; if not, why can be asked by blkdev_read() */
};

typedef struct disk_reader DiskReader;

enum disk_reader_way {
	DISK_READER_BEST,
	DISK_READER_THREADS,
};

/* @disk is borrowed.  At most @depth reads are under way at a time. */
DiskReader *disk_reader_new(const Blkdev *disk, unsigned int depth, enum disk_reader_way way,
			    GError **error);

/* What is used: "io_uring" or "threads". */
const char *disk_reader_way_name(const DiskReader *reader);

/* Begin @read.  There must be room for it. */
void disk_reader_submit(DiskReader *reader, struct disk_read *read);

/* How many reads are under way. */
unsigned int disk_reader_count(const DiskReader *reader);

/* Wait for one of them to end, in no order.  There must be one. */
struct disk_read *disk_reader_wait(DiskReader *reader);

/*
 * Read [@offset, @offset + @len) now, by the caller, from any thread: 0, or an errno, which is
 * ENODATA also where the disk ends too early.  All three are aligned as the disk wants it, @buf to
 * DISK_READER_ALIGN and with room for @len rounded up to that.
 */
int disk_reader_read_now(const DiskReader *reader, uint64_t offset, size_t len, void *buf);

/* Waits for what is under way. */
void disk_reader_free(DiskReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskReader, disk_reader_free)
