/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of one disk that must be carried: a set of extents, filled in any order.
 *
 * Its memory is bounded whatever the disk holds: beyond a number of extents it becomes a bitmap of
 * clusters, and then some bytes count as used that were never added.
 */
#pragma once

#include "base/extent.h"

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* 32 MiB of memory, each. */
#define USED_MAP_MAX_EXTENTS  ((size_t)2 << 20)
#define USED_MAP_MAX_CLUSTERS ((uint64_t)256 << 20)

/* Bytes of a cluster on a disk of up to 16 TiB; twice as many on one of up to 32 TiB, and so on. */
#define USED_MAP_CLUSTER 65536u

typedef struct used_map UsedMap;

/* An empty map of a disk of @size bytes.  @max_extents: USED_MAP_MAX_EXTENTS, or less in a test. */
UsedMap *used_map_new(uint64_t size, size_t max_extents);

/* Add [@offset, @offset + @length), of which only what lies on the disk counts. */
void used_map_add(UsedMap *map, uint64_t offset, uint64_t length);

/*
 * The first used bytes at or after @from, as far as they reach without a gap.  False when there are
 * none.  Ascending calls are fast.
 */
bool used_map_next(UsedMap *map, uint64_t from, struct extent *ret);

/* How many bytes of [@offset, @offset + @length) are used. */
uint64_t used_map_count(UsedMap *map, uint64_t offset, uint64_t length);

/* How many clusters of @cluster bytes hold at least one used byte. */
uint64_t used_map_count_clusters(UsedMap *map, uint64_t cluster);

void used_map_free(UsedMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UsedMap, used_map_free)
