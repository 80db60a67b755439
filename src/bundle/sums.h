/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk-N.sums: a digest of every guest chunk that is not all zero, and of every leaf of the image
 * file.  The first are for verify (through the image's own metadata), resume and updates; the
 * second find a changed byte anywhere in the image file.  Layout: docs/bundle.md.
 */
#pragma once

#include "base/digest.h"

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes of a guest chunk; the last one of a disk may be shorter. */
#define SUMS_CHUNK_SIZE (UINT64_C(256) << 10)
/* Bytes of a leaf of the image file; the last one may be shorter. */
#define SUMS_LEAF_SIZE (UINT64_C(4) << 20)

typedef struct sums_writer SumsWriter;

/*
 * @fd: an empty file, borrowed until sums_writer_free().  @name: for messages.  @disk_size: bytes,
 * 1 to 2 PiB.
 */
SumsWriter *sums_writer_new(int fd, const char *name, uint64_t disk_size, GError **error);

/*
 * The digest of guest chunk @index; indexes ascend; all-zero chunks are left out.  Memory is
 * bounded.
 */
bool sums_writer_put(SumsWriter *writer, uint64_t index, const struct digest *digest,
		     GError **error);

/*
 * Add the digests of the image file's leaves, which lie one behind the other from the start of
 * @leaves_fd; flush, write the header, flush.  Until then the file is no sums file.
 */
bool sums_writer_finish(SumsWriter *writer, uint64_t image_size, int leaves_fd,
			const char *leaves_name, GError **error);

/*
 * Get all that was put so far to the medium, and say how many chunks that is, for
 * sums_writer_resume().
 */
bool sums_writer_checkpoint(SumsWriter *writer, uint64_t *ret_chunks, GError **error);

/*
 * As sums_writer_new(), but @fd is the file of a writer that died after a checkpoint with @chunks.
 * What it wrote later is cut off.
 */
SumsWriter *sums_writer_resume(int fd, const char *name, uint64_t disk_size, uint64_t chunks,
			       GError **error);

/* The first chunk that may be put. */
uint64_t sums_writer_next(const SumsWriter *writer);

/* Chunk @i of those that were put until the last checkpoint, in their order. */
bool sums_writer_entry(SumsWriter *writer, uint64_t i, uint64_t *ret_index, struct digest *ret,
		       GError **error);

/*
 * The bytes that sums of @chunks guest chunks and an image of @image_size bytes take, until they
 * are finished: the leaves are on the medium twice.
 */
uint64_t sums_size_bound(uint64_t chunks, uint64_t image_size);

void sums_writer_free(SumsWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SumsWriter, sums_writer_free)

typedef struct sums_reader SumsReader;

/*
 * Checks the header, the order of the chunks as they come, and that all sizes fit the file.
 * @fd: a regular file, borrowed until sums_reader_free(); its position is not used.
 * WHERRY_ERROR_DAMAGED: it cannot be right; WHERRY_ERROR_UNSUPPORTED: a newer version.
 */
SumsReader *sums_reader_new(int fd, const char *name, GError **error);
uint64_t sums_reader_disk_size(const SumsReader *reader);
uint64_t sums_reader_image_size(const SumsReader *reader);

/* The next chunk in ascending order.  1: @ret_index and @ret are set; 0: no more; -1: failed. */
int sums_reader_next(SumsReader *reader, uint64_t *ret_index, struct digest *ret, GError **error);

/*
 * The digest of leaf @index of the image file; may be asked by several threads at once.
 * WHERRY_ERROR_DAMAGED: the image, going by its size here, has no such leaf.
 */
bool sums_reader_leaf(SumsReader *reader, uint64_t index, struct digest *ret, GError **error);

/* Put the digests of all leaves into the empty file @fd, as sums_writer_finish() takes them. */
bool sums_reader_copy_leaves(const SumsReader *reader, int fd, const char *name, GError **error);

/*
 * Read the sums file @fd once from its first to its last byte, compare its size and digest with
 * @size and @want, and keep its header and leaves in a file of our own without a name (in TMPDIR,
 * else /var/tmp), open for reading and owned by the caller: the medium may answer a second read
 * otherwise.  The chunks in it are zero, so only leaves may be asked of a SumsReader of it.
 * -1: failed; WHERRY_ERROR_DIFFERENT: other bytes than were recorded.
 */
int sums_keep_leaves(int fd, const char *name, uint64_t size, const struct digest *want,
		     GError **error);

void sums_reader_free(SumsReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SumsReader, sums_reader_free)
