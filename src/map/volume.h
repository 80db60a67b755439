/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run of bytes of a disk that is looked at as one thing: the disk itself, or a partition. */
#pragma once

#include "base/blkdev.h"

struct volume {
	const Blkdev *disk; /* borrowed */
	const char *name;   /* for messages; borrowed */
	uint64_t offset;    /* bytes, on the disk */
	uint64_t size;      /* bytes; it ends on the disk */
};

/* Read @len bytes at @offset of the volume.  Beyond its end is WHERRY_ERROR_DAMAGED. */
bool volume_read(const struct volume *volume, uint64_t offset, void *buf, size_t len,
		 GError **error);
