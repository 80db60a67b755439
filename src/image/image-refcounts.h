/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The references to host clusters, counted while the file grows.  A block of refcounts covers a
 * range of 2 GiB of the file.  At most two ranges are counted at a time, the oldest that is not
 * sealed and the next, so the memory does not grow with the file but for 8 bytes a range.
 */
#pragma once

#include "image/qcow2-format.h"

typedef struct image_refcounts ImageRefcounts;

ImageRefcounts *image_refcounts_new(void);

/* One more reference to each cluster that [@offset, @offset + @len) touches; @len is not 0. */
void image_refcounts_add(ImageRefcounts *refcounts, uint64_t offset, uint64_t len);

/* Where the oldest range that is not sealed ends, in bytes of the file. */
uint64_t image_refcounts_range_end(const ImageRefcounts *refcounts);

/*
 * Nothing will be added to the oldest range any more: its block is put into @ret_block, which has
 * QCOW2_REFCOUNTS, and will lie at @offset of the file.
 */
void image_refcounts_seal(ImageRefcounts *refcounts, uint64_t offset, be16 *ret_block);

/* How many ranges are sealed: the first entries of the refcount table. */
uint64_t image_refcounts_sealed(const ImageRefcounts *refcounts);

/* The offset of the block of range @i, below image_refcounts_sealed(). */
be64 image_refcounts_table_entry(const ImageRefcounts *refcounts, uint64_t i);

/* Append what image_refcounts_restore() makes the same of, in another process, too. */
void image_refcounts_save(const ImageRefcounts *refcounts, GByteArray *state);
/* From the start of @state, of which *@ret_len bytes were it; NULL: it cannot be right. */
ImageRefcounts *image_refcounts_restore(const uint8_t *state, size_t len, size_t *ret_len);

void image_refcounts_free(ImageRefcounts *refcounts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageRefcounts, image_refcounts_free)
