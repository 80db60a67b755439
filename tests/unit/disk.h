/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk for tests: a memfd that is written at will and read through a Blkdev. */
#pragma once

#include "unit.h"

#include "base/blkdev.h"

#include <sys/mman.h>
#include <unistd.h>

/* @sector_size 0: as a file, which does not say. */
static inline Blkdev *disk_new(uint64_t size, uint32_t sector_size)
{
	int fd = memfd_create("disk", MFD_CLOEXEC);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
	g_autoptr(GError) error = NULL;
	Blkdev *disk;

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	disk = blkdev_open(path, &error);
	assert_ok(disk, error);
	disk->sector_size = sector_size;
	close(disk->fd);
	disk->fd = fd; /* for writing, too */
	return disk;
}

static inline void disk_write(Blkdev *disk, uint64_t offset, const void *data, size_t len)
{
	assert_int_equal(pwrite(disk->fd, data, len, (off_t)offset), len);
}
