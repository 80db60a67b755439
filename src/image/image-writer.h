/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a qcow2 version 3 image in one sequential pass.
 *
 * Format: QEMU, docs/interop/qcow2.txt.  Clusters of 64 KiB, 16-bit refcounts, no snapshots, no
 * backing file; compression type zstd, or none.  The first leaf of the file, with the header, is
 * written last: until then the file is no image.
 */
#pragma once

#include "base/fingerprint.h"
#include "image/leaf-sums.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define IMAGE_CLUSTER_SIZE 65536u

/* The file is summed in leaves of this many bytes; the last one may be shorter. */
#define IMAGE_LEAF_SIZE (UINT64_C(4) << 20)

typedef struct image_writer ImageWriter;

/*
 * @fd: an empty regular file, open for reading and writing, borrowed until image_writer_free().
 * @name is for messages.  @sums: with none put, borrowed as @fd is.  @virtual_size: bytes, a
 * multiple of 512, at least 512 and at most 2 PiB.  @compressed: whether image_writer_put() may be
 * given compressed clusters.
 */
ImageWriter *image_writer_new(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
			      bool compressed, GError **error);

/*
 * Make @data the content of guest cluster @index; the indexes ascend, and a cluster left out reads
 * as zero.  @compressed: @data is one zstd frame of @len < IMAGE_CLUSTER_SIZE bytes that makes
 * IMAGE_CLUSTER_SIZE bytes; else it is IMAGE_CLUSTER_SIZE plain bytes (zero behind the disk's end).
 * After a failure the writer is good for nothing but image_writer_free().
 */
bool image_writer_put(ImageWriter *writer, uint64_t index, const void *data, size_t len,
		      bool compressed, GError **error);

/* Bytes that may wait for the medium, at most; 16 MiB if it is not called. */
void image_writer_set_queue(ImageWriter *writer, uint64_t bytes);

/*
 * From now on equal frames share their bytes, as far as @n_frames of them are remembered, of 24
 * bytes of memory each.  Memory that cannot be had is a failure.
 */
bool image_writer_dedupe(ImageWriter *writer, size_t n_frames, GError **error);

/*
 * As image_writer_put() of a compressed cluster, whose @frame has @fingerprint: all are made with
 * one key.  After image_writer_dedupe() it may end up in the bytes of an equal one.
 */
bool image_writer_put_frame(ImageWriter *writer, uint64_t index, const void *frame, size_t len,
			    const struct fingerprint *fingerprint, GError **error);

/*
 * Get all that was put so far to the medium, and append to @state what image_writer_resume() needs
 * to go on from here, in another process, too.
 */
bool image_writer_checkpoint(ImageWriter *writer, GByteArray *state, GError **error);

/*
 * As image_writer_new(), but @fd is the file, and @sums has that of a writer that died after the
 * checkpoint that @state, of @len bytes, is from.  What it wrote later is cut off.
 * WHERRY_ERROR_DAMAGED: files and state do not belong together.
 */
ImageWriter *image_writer_resume(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
				 bool compressed, const void *state, size_t len, GError **error);

/*
 * Write the tables and the header and flush the file.  @ret_size: bytes of the file.  The sums of
 * all of its leaves are in their file then.
 */
bool image_writer_finish(ImageWriter *writer, uint64_t *ret_size, GError **error);

/* The first guest cluster that may be put. */
uint64_t image_writer_next(const ImageWriter *writer);

/* Bytes of the file so far. */
uint64_t image_writer_size(const ImageWriter *writer);

/* Of these, what is not in the file yet, since it waits or could not be written. */
uint64_t image_writer_unwritten(const ImageWriter *writer);

/* Bytes of frames so far that were not written, since equal ones were there. */
uint64_t image_writer_shared(const ImageWriter *writer);

/*
 * The most bytes that an image of @virtual_size with @data_clusters clusters of data can take,
 * whatever the data is: for the question whether it will fit.
 */
uint64_t image_size_bound(uint64_t virtual_size, uint64_t data_clusters);

void image_writer_free(ImageWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageWriter, image_writer_free)
