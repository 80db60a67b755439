/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the sums of bundle/ and the images of image/, which do not know each other, fit together. */
#pragma once

#include "bundle/sums.h"
#include "image/image-writer.h"

#include <assert.h>

#define CLUSTERS_PER_CHUNK (SUMS_CHUNK_SIZE / IMAGE_CLUSTER_SIZE)

static_assert(SUMS_CHUNK_SIZE % IMAGE_CLUSTER_SIZE == 0, "a chunk is whole clusters");
static_assert(SUMS_LEAF_SIZE == IMAGE_LEAF_SIZE, "the sums keep the image's leaves");

/* Bytes of the disk that a VM sees: a file of any size becomes whole sectors of 512 bytes. */
static inline uint64_t chunk_virtual_size(uint64_t disk_size)
{
	return (disk_size + 511) / 512 * 512;
}
