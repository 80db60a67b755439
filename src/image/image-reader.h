/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads qcow2 version 3 images that nobody has to trust: everything from the file is checked
 * before it is used, and what we would not write ourselves is refused with the reason.
 *
 * Refused as WHERRY_ERROR_UNSUPPORTED: a backing file, an external data file, encryption,
 * snapshots, unknown incompatible features, auto-clear features, header extensions other than the
 * names of features, extended L2 entries, a compression type other than zstd, clusters of another
 * size.  Refused as WHERRY_ERROR_DAMAGED: anything that cannot be right.
 *
 * An image that says nothing of its compression type has zlib; it is taken, and each compressed
 * cluster in it is refused.
 */
#pragma once

#include "image/image-writer.h"

typedef struct image_reader ImageReader;

/* Where the bytes of an image lie, when that is no file of this machine. */
struct image_source {
	uint64_t size; /* bytes */
	/* All of @len bytes at @offset, which lie within @size, or an error. */
	bool (*read)(void *userdata, uint64_t offset, void *buf, size_t len, GError **error);
	void *userdata; /* borrowed until image_reader_free() */
};

/*
 * @fd: a regular file open for reading, borrowed until image_reader_free().  @name is for messages.
 * Memory taken is bounded by 64 MiB whatever the header says.
 */
ImageReader *image_reader_new(int fd, const char *name, GError **error);

/* The same for any other place; @source is copied. */
ImageReader *image_reader_new_from(const struct image_source *source, const char *name,
				   GError **error);

/* Bytes of the disk that the image holds. */
uint64_t image_reader_virtual_size(const ImageReader *reader);

/*
 * Read guest cluster @index, which is one of the disk's, into @buf: IMAGE_CLUSTER_SIZE bytes (zero
 * behind the disk's end).
 * 1: done; 0: the cluster has no data and reads as zero, @buf is untouched; -1: failed.
 * Fastest with ascending indexes.
 */
int image_reader_cluster(ImageReader *reader, uint64_t index, void *buf, GError **error);

/*
 * The first cluster at or after @from that has data, in @ret_index.
 * 1: found; 0: there is none; -1: failed.
 */
int image_reader_next(ImageReader *reader, uint64_t from, uint64_t *ret_index, GError **error);

/*
 * Where in the file the data of guest cluster @index ends, at the latest, in @ret_end.
 * 1: set; 0: the cluster has no data; -1: failed.
 */
int image_reader_end(ImageReader *reader, uint64_t index, uint64_t *ret_end, GError **error);

/*
 * Check the whole of the metadata: every reference lies inside the file, refcounts are exactly what
 * the references add up to, the copied flags are right, reserved bits are zero, nothing but
 * compressed clusters shares a host cluster.  Reads no data; takes up to 25 MiB while it runs.
 */
bool image_reader_check(ImageReader *reader, GError **error);

void image_reader_free(ImageReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageReader, image_reader_free)
