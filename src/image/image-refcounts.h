/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The references to host clusters, counted while the file grows.  A block of refcounts covers a
 * range of 2 GiB of the file.  Only some ranges are open at a time, those at the end of the file;
 * the older ones are sealed.  So the memory does not grow with the file but for 8 bytes a range.
 */
#pragma once

#include "image/qcow2-format.h"

typedef struct image_refcounts ImageRefcounts;

/* The range that the file ends in, and the one before it, whose last cluster may still be open. */
#define IMAGE_REFCOUNTS_OPEN_MIN 2u

ImageRefcounts *image_refcounts_new(void);

/* From now on @n ranges are open, IMAGE_REFCOUNTS_OPEN_MIN or more; each takes 64 KiB of memory. */
void image_refcounts_keep_open(ImageRefcounts *refcounts, unsigned int n);

/*
 * Whether each cluster that [@offset, @offset + @len) touches can get one more reference: it has
 * less than 65,535, the most that 16 bits hold, and is in an open range.  @len is not 0.
 */
bool image_refcounts_has_room(const ImageRefcounts *refcounts, uint64_t offset, uint64_t len);

/* One more reference to each of those clusters, which have room. */
void image_refcounts_add(ImageRefcounts *refcounts, uint64_t offset, uint64_t len);

/* Where the oldest range that is not sealed ends, in bytes of the file. */
uint64_t image_refcounts_range_end(const ImageRefcounts *refcounts);

/* Whether a file of @end bytes has as many open ranges as may be, so that the oldest is due. */
bool image_refcounts_is_full(const ImageRefcounts *refcounts, uint64_t end);

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
