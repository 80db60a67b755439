/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk, a volume or an image file, open for reading.  Read-only is the promise this program
 * makes to the machine it captures, so nothing here can ask for more.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
	char *name;           /* its path, for messages, or that of the disk it shows; owned */
	char *path;           /* by which it was opened, and could be again; owned */
	uint64_t size;        /* bytes */
	uint32_t sector_size; /* bytes, logical; 0 for a file, which does not say */
	dev_t id;             /* of the block device; 0 for a file */
	int fd;               /* owned */
} Blkdev;

/* @path is a block device or a regular file; anything else is WHERRY_ERROR_INVALID_INPUT. */
Blkdev *blkdev_open(const char *path, GError **error);

/*
 * Read @len bytes at @offset: all of them, or fail.  Beyond the end is WHERRY_ERROR_DAMAGED, for
 * what led us there was on the disk.
 */
bool blkdev_read(const Blkdev *dev, uint64_t offset, void *buf, size_t len, GError **error);

/*
 * What the kernel remembers of the block device is read anew: it knows nothing of what was written
 * through the caches of its partitions while somebody held it open.
 */
void blkdev_forget(const Blkdev *dev);

/*
 * Whether all of [@offset, @offset + @len) is known to be zero without a read: it is in a hole of a
 * sparse file.  False says nothing.
 */
bool blkdev_is_hole(const Blkdev *dev, uint64_t offset, uint64_t len);

/* Fails with WHERRY_ERROR_IO and both sizes when @dev is not as large as when it was opened. */
bool blkdev_check_size(const Blkdev *dev, GError **error);

/* Whether the kernel lets nobody write to it: 1, 0, or -1.  A file is never read-only here. */
int blkdev_is_read_only(const Blkdev *dev, GError **error);

/* Tell the kernel to let nobody write to the block device, or to do so again. */
bool blkdev_set_read_only(const Blkdev *dev, bool read_only, GError **error);

void blkdev_free(Blkdev *dev);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Blkdev, blkdev_free)
