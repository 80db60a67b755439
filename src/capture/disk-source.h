/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk that may have to be opened again while it is read, since it hangs or has dropped off its
 * bus, and what all who read it know of its state.  May be used by several threads.
 */
#pragma once

#include "base/blkdev.h"

/* So long a disk may give no answer at all before it is opened anew; see docs/bad-disks.md. */
#define DISK_STALL_MS 30000u

/* So often in a row, and then it is given up. */
#define DISK_MAX_STALLS 32

typedef struct disk_source DiskSource;

/* @disk is borrowed.  @stall_ms: DISK_STALL_MS, or less in a test. */
DiskSource *disk_source_new(const Blkdev *disk, unsigned int stall_ms);

/* A descriptor of it that is shared, and closed with its last user. */
typedef struct {
	int refs;       /* atomic */
	int fd;         /* owned */
	bool direct;    /* it reads past the page cache */
	bool may_block; /* a read of it can keep the kernel from taking the next one */
} DiskHandle;

/*
 * Open it by its path, again.  Fails when that takes longer than it may give no answer, and with
 * WHERRY_ERROR_DIFFERENT when it is not the disk that it was, by its size and first bytes.
 */
DiskHandle *disk_source_open(DiskSource *source, GError **error);

/* It is as large as it was, or a disk that is the same has come in its place. */
bool disk_source_check(DiskSource *source, GError **error);

DiskHandle *disk_handle_ref(DiskHandle *handle);
void disk_handle_unref(DiskHandle *handle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskHandle, disk_handle_unref)

/* As blkdev_is_hole(), but what may give no answer is not asked. */
bool disk_source_is_hole(const DiskSource *source, uint64_t offset, uint64_t length);

const Blkdev *disk_source_disk(const DiskSource *source);
unsigned int disk_source_stall_ms(const DiskSource *source);

/* A read was left behind that gave no answer; @bytes of memory go with it. */
void disk_source_note_stall(DiskSource *source, size_t bytes);
/* A read has succeeded. */
void disk_source_note_success(DiskSource *source);
/* Whether it has stalled so often, without a success between, that it is of no use any more. */
bool disk_source_is_dead(DiskSource *source);

/* Whether any was: then threads may not end, either. */
bool disk_source_has_left(DiskSource *source);

/*
 * What an older handle could not read, a new one could: all should open it anew.  The number of the
 * time that was asked for: who opened it before that number grew has an old handle.
 */
void disk_source_ask_renewal(DiskSource *source);
int disk_source_renewals(DiskSource *source);

void disk_source_free(DiskSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskSource, disk_source_free)
