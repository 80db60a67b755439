/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of the writer, for the files that it is made of. */
#pragma once

#include "image/frame-table.h"
#include "image/image-refcounts.h"
#include "image/image-writer.h"
#include "image/leaf-writer.h"

struct image_writer {
	int fd;
	char *name; /* owned */
	uint64_t virtual_size;
	uint64_t n_guest_clusters;
	uint64_t next_index; /* the first guest cluster that may be put */
	bool compressed;
	bool finished;
	bool first_saved; /* the first leaf is in the file, but for its header */

	uint64_t base;          /* bytes that another writer left, and that are never written */
	uint64_t end;           /* bytes of the file; a multiple of the cluster size */
	uint64_t packed_offset; /* where the next compressed byte may go, ... */
	uint64_t packed_end;    /* ... and where the open cluster ends; the same: none is open */

	uint8_t *first;  /* the first leaf, once the window is past it; from leaf_alloc(); owned */
	uint8_t *window; /* from leaf_alloc(); owned */
	uint64_t window_start;
	LeafWriter *leaves; /* those before the window; owned */
	LeafSums *sums;     /* of these; borrowed */

	be64 *l1; /* whole clusters; owned */
	uint64_t n_l1;
	uint64_t l2_index; /* of the L2 table that is being filled; n_l1: none */
	be64 l2[QCOW2_TABLE_ENTRIES];
	ImageRefcounts *refcounts;   /* owned; NULL: they are counted when all is there */
	FrameTable *frames;          /* NULL: no bytes are shared; owned */
	uint64_t shared;             /* bytes of frames that are those of others */
	be16 block[QCOW2_REFCOUNTS]; /* on its way into the stream */
};

/* With its tables empty, and nothing taken of the file. */
ImageWriter *image_writer_alloc(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
				bool compressed, GError **error);

/* Append @n whole clusters of @data, and say at which offset. */
bool image_writer_append(ImageWriter *writer, const void *data, uint64_t n, uint64_t *ret_offset,
			 GError **error);

/* Append a guest cluster as in image_writer_put(); @ret_entry: what an L2 table says of it. */
bool image_writer_store(ImageWriter *writer, const void *data, size_t len, bool compressed,
			uint64_t *ret_entry, GError **error);

/* Nothing goes into the open cluster any more, and what is left of it is zero. */
void image_writer_close_cluster(ImageWriter *writer);

/*
 * Write the first @len bytes, which come late, after leaf_writer_wait(): those behind the header's
 * cluster are on the medium then, and a flush is short.
 */
bool image_writer_write_first(const ImageWriter *writer, uint64_t len, GError **error);

/* How many clusters an L1 table or a refcount table of @n_entries takes. */
uint64_t image_table_clusters(uint64_t n_entries);

/*
 * How many refcount blocks a file of @end bytes has once those after the first @sealed ones, which
 * are in it, and their table were appended: these count themselves, too.
 */
uint64_t image_refcount_ranges(uint64_t end, uint64_t sealed);
