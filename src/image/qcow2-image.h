/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The top of an image, checked: its header and its L1 table; and the one place where the entries
 * of its tables are believed or not.  The reader and the check stand on it.
 */
#pragma once

#include "image/image-reader.h"
#include "image/qcow2-format.h"

struct qcow2_image {
	struct image_source source;
	char *name;         /* for messages; owned */
	uint64_t file_size; /* of the source */
	uint64_t virtual_size;
	uint64_t n_guest_clusters;
	bool zstd; /* the compression type; else zlib, and no compressed cluster is taken */

	uint64_t l1_offset;
	uint64_t l1_bytes; /* as the header has it; those after the first n_l1 entries are zero */
	be64 *l1;          /* owned */
	uint64_t n_l1;     /* what the virtual size asks for */

	uint64_t refcount_table_offset;
	uint64_t refcount_table_bytes;
};

enum qcow2_kind {
	QCOW2_KIND_NONE, /* reads as zero, there is nothing in the file */
	QCOW2_KIND_ZERO, /* reads as zero, may have a host cluster */
	QCOW2_KIND_PLAIN,
	QCOW2_KIND_PACKED, /* compressed */
};

/* Where a guest cluster lies. */
struct qcow2_place {
	enum qcow2_kind kind;
	uint64_t offset; /* in the file; 0: nowhere */
	uint64_t length; /* bytes; a packed one has its frame somewhere in them */
};

/* Fill the zeroed @image.  On failure as on success it is to be cleared. */
bool qcow2_image_open(struct qcow2_image *image, const struct image_source *source,
		      const char *name, GError **error);

/* Read exactly @len bytes at @offset; beyond the end is WHERRY_ERROR_DAMAGED. */
bool qcow2_image_read(const struct qcow2_image *image, uint64_t offset, void *buf, size_t len,
		      GError **error);

/* 1: entry @i, below n_l1, has an L2 table at @ret_offset; 0: it has none; -1: it is damaged. */
int qcow2_image_l1_entry(const struct qcow2_image *image, uint64_t i, uint64_t *ret_offset,
			 GError **error);

/* What @entry of an L2 table says of guest cluster @index. */
bool qcow2_image_l2_entry(const struct qcow2_image *image, uint64_t index, be64 entry,
			  struct qcow2_place *ret, GError **error);

/*
 * A whole cluster may lie at @offset: there is one in the file, and neither the header nor the
 * tables of the top are there.  @what and @i are for the message.
 */
bool qcow2_image_check_cluster(const struct qcow2_image *image, uint64_t offset, const char *what,
			       uint64_t i, GError **error);

void qcow2_image_clear(struct qcow2_image *image);
