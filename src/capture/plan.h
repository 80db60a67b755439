/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The disks of a capture, open and mapped, and how much they will take on the medium. */
#pragma once

#include "base/blkdev.h"
#include "map/storage-map.h"

#include <glib.h>

struct plan_disk {
	Blkdev *dev;               /* what is read: the disk, or a view of it; owned */
	Blkdev *origin;            /* the disk of which @dev is a view; owned; NULL: none */
	char *view;                /* the digest of what makes it one, in hex; owned; NULL: none */
	const StorageMap *storage; /* borrowed; NULL until it was read */
	DiskMap *map;              /* borrowed; NULL until it was read */
	uint64_t used;             /* bytes in use */
	uint64_t clusters;         /* of the image that hold bytes in use */
	uint64_t bytes_bound;      /* image and sums can take no more */
};

/* An empty plan: of struct plan_disk *, each owned. */
GPtrArray *plan_new(void);

/*
 * Open the disks at @paths (NULL ends), none of them twice and none of them empty.  Of struct
 * plan_disk *, owned by the caller.
 */
GPtrArray *plan_open(const char *const *paths, GError **error);

/*
 * No filesystem on any of @disks is mounted for writing: its bytes would change while they are
 * read.
 */
bool plan_check_idle(const GPtrArray *disks, GError **error);

/*
 * Read the maps of @disks and count.  Theirs are parts of what is returned, which the caller owns.
 * A disk that cannot be read has a map that says so, and counts as empty.  @options: as those of
 * storage_map_read().
 */
StorageMap *plan_map(const GPtrArray *disks, const struct map_options *options);

/* Its map has failed, and all of it is in use: what can be read of it will be. */
void plan_carry_whole(struct plan_disk *disk);

/*
 * About how many bytes the image of @disk will take with zstd @level: some of its clusters, spread
 * evenly, are compressed and the rest is taken to be like them.  One that cannot be read counts
 * as a whole one.
 */
uint64_t plan_estimate(const struct plan_disk *disk, int level);
