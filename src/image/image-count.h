/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The references to host clusters, counted from the tables of an image.
 *
 * A file is counted in passes of 512 GiB, so that the counts fit into memory (17 MiB); every pass
 * walks all tables.  Whatever is no compressed cluster has its host cluster for itself: QEMU would
 * let two guest clusters share a plain one, but nothing writes that without snapshots.
 */
#pragma once

#include "image/qcow2-image.h"

/* Host clusters of a pass: of 256 refcount blocks. */
#define IMAGE_COUNT_PASS (256u * QCOW2_REFCOUNTS)

typedef struct image_count ImageCount;

/* For a file of @n_clusters; @image is borrowed. */
ImageCount *image_count_new(const struct qcow2_image *image, uint64_t n_clusters, GError **error);

/* Begin a pass: what is counted from now on are the IMAGE_COUNT_PASS clusters from @first on. */
void image_count_start(ImageCount *count, uint64_t first);

/*
 * One more reference to each cluster that @len bytes at @offset touch; @len is not 0.
 * WHERRY_ERROR_DAMAGED: one that is @exclusive has another, or there are more than 65,535.
 */
bool image_count_add(ImageCount *count, uint64_t offset, uint64_t len, bool exclusive,
		     GError **error);

/* The header, the L1 table, the L2 tables, and all that these refer to. */
bool image_count_guest(ImageCount *count, GError **error);

/* The references of host cluster @cluster; 0 where it is none of this pass. */
uint16_t image_count_get(const ImageCount *count, uint64_t cluster);

void image_count_free(ImageCount *count);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageCount, image_count_free)
