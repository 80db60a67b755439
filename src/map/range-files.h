/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which files lie in ranges of a disk, through whatever volumes lie between. */
#pragma once

#include "map/storage-map.h"

/* So many are named of one range, and of all together; a last line says that there are more. */
#define RANGE_FILES_MAX       16u
#define RANGE_FILES_MAX_TOTAL 4096u

/*
 * For each of @ranges (of struct extent) of @disk, one of those of @map: what lies there, of
 * char *, may be NULL for nothing that is known.  "partition 1: /etc/passwd", "vg0/root: the
 * journal".  Names are UTF-8 without control characters: others are escaped as in C.
 *
 * Reads the disk, and takes a minute or so for each filesystem at most.  Owned by the caller.
 */
GPtrArray *range_files(const StorageMap *map, const Blkdev *disk, const GArray *ranges);
