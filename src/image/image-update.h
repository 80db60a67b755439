/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A finished image, brought to another state of the disk by appending only: the old state stays
 * whole until a new header is put in place of its own.
 *
 *	0        base (the size of the old state)                        size (of the new one)
 *	| old .. | clusters | L2 tables | L1 table | refcount blocks and their table |
 *	  header <- the only bytes of the old state that change, when the update is committed
 *
 * What the new state does not refer to any more keeps its place, with a refcount of 0: a guest may
 * use it, an update does not, for the leaves of the old state cover it, too.
 */
#pragma once

#include "image/image-writer.h"

/* So many bytes at the start of the file are what makes a state the one that counts. */
#define IMAGE_HEADER_SIZE 112u

struct image_state {
	uint64_t size;   /* bytes of the file */
	uint64_t unused; /* bytes of it that nothing refers to */
	uint8_t header[IMAGE_HEADER_SIZE];
};

typedef struct image_update ImageUpdate;

/*
 * @fd: an image of ours, open for reading and writing, borrowed until image_update_free().  @size:
 * bytes of its state; what an update that was never committed left behind them is cut off.
 * @sums: its file has those of all leaves of that state, and gets those of the new one; borrowed as
 * @fd is.
 *
 * All of its metadata is checked, and the leaves that the new state begins with are compared:
 * WHERRY_ERROR_DAMAGED, WHERRY_ERROR_DIFFERENT.
 */
ImageUpdate *image_update_new(int fd, const char *name, uint64_t size, LeafSums *sums,
			      GError **error);

/* Bytes of the disk that the image holds. */
uint64_t image_update_virtual_size(const ImageUpdate *update);

/* Whether compressed clusters may be put. */
bool image_update_compressed(const ImageUpdate *update);

/* As image_writer_put(): what guest cluster @index holds from now on. */
bool image_update_put(ImageUpdate *update, uint64_t index, const void *data, size_t len,
		      bool compressed, GError **error);

/* Guest cluster @index, not below what was put or cleared before, reads as zero from now on. */
bool image_update_clear(ImageUpdate *update, uint64_t index, GError **error);

/*
 * Append the tables and flush.  Old and new state are both on the medium now; which one counts is
 * decided by the header.  When nothing was put or cleared, they are the same.
 */
bool image_update_finish(ImageUpdate *update, struct image_state *ret, GError **error);

/* Bytes that were appended so far. */
uint64_t image_update_appended(const ImageUpdate *update);

/* Of these, what is not in the file yet, since it waits or could not be written. */
uint64_t image_update_unwritten(const ImageUpdate *update);

void image_update_free(ImageUpdate *update);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageUpdate, image_update_free)
