/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2 version 3 as it lies in the file, after QEMU's docs/interop/qcow2.txt, for the one shape
 * that is written and read here: clusters of 64 KiB and refcounts of 16 bits.
 */
#pragma once

#include "base/be.h"
#include "image/image-writer.h"

#include <assert.h>
#include <stddef.h>

#define QCOW2_MAGIC             UINT32_C(0x514649fb) /* "QFI\xfb" */
#define QCOW2_VERSION           3u
#define QCOW2_CLUSTER_BITS      16u
#define QCOW2_REFCOUNT_ORDER    4u
#define QCOW2_HEADER_LENGTH     112u
#define QCOW2_HEADER_LENGTH_MIN 104u
#define QCOW2_SECTOR_SIZE       512u
#define QCOW2_COMPRESSION_ZSTD  1u

#define QCOW2_INCOMPAT_DIRTY       (UINT64_C(1) << 0)
#define QCOW2_INCOMPAT_CORRUPT     (UINT64_C(1) << 1)
#define QCOW2_INCOMPAT_DATA_FILE   (UINT64_C(1) << 2)
#define QCOW2_INCOMPAT_COMPRESSION (UINT64_C(1) << 3)
#define QCOW2_INCOMPAT_EXTENDED_L2 (UINT64_C(1) << 4)

/* QEMU opens no image with larger tables: so at most 2 PiB, of the disk and of the file. */
#define QCOW2_L1_BYTES_MAX             (UINT64_C(32) << 20)
#define QCOW2_REFCOUNT_TABLE_BYTES_MAX (UINT64_C(8) << 20)
#define QCOW2_VIRTUAL_SIZE_MAX         (UINT64_C(1) << 51)
#define QCOW2_FILE_SIZE_MAX            (UINT64_C(1) << 51)

#define QCOW2_TABLE_ENTRIES   8192u  /* be64 in a cluster */
#define QCOW2_REFCOUNTS       32768u /* be16 in a refcount block, ... */
#define QCOW2_REFCOUNTS_BYTES ((uint64_t)QCOW2_REFCOUNTS * IMAGE_CLUSTER_SIZE) /* ... of 2 GiB */

/* An entry of an L1 or L2 table.  Of an offset, bits 0-15 are zero, as it is that of a cluster. */
#define QCOW2_COPIED      (UINT64_C(1) << 63) /* the refcount is exactly 1 */
#define QCOW2_COMPRESSED  (UINT64_C(1) << 62)
#define QCOW2_ZERO        (UINT64_C(1) << 0) /* reads as zero, whatever the offset */
#define QCOW2_OFFSET_MASK ((UINT64_C(1) << 56) - (UINT64_C(1) << 9))

/* The rest of a compressed one: bits 0-53 offset in bytes, 54-61 sectors after the first. */
#define QCOW2_PACKED_OFFSET_BITS 54u
#define QCOW2_PACKED_OFFSET_MASK ((UINT64_C(1) << QCOW2_PACKED_OFFSET_BITS) - 1)
#define QCOW2_PACKED_SECTORS_MAX 0xffu

struct qcow2_header {
	be32 magic;
	be32 version;
	be64 backing_file_offset;
	be32 backing_file_size;
	be32 cluster_bits;
	be64 size; /* of the disk, in bytes */
	be32 crypt_method;
	be32 l1_size; /* entries */
	be64 l1_table_offset;
	be64 refcount_table_offset;
	be32 refcount_table_clusters;
	be32 nb_snapshots;
	be64 snapshots_offset;
	be64 incompatible_features;
	be64 compatible_features;
	be64 autoclear_features;
	be32 refcount_order;
	be32 header_length;
	uint8_t compression_type; /* there only if header_length is above 104 */
	uint8_t padding[7];
};
static_assert(offsetof(struct qcow2_header, l1_table_offset) == 40, "qcow2.txt");
static_assert(offsetof(struct qcow2_header, incompatible_features) == 72, "qcow2.txt");
static_assert(offsetof(struct qcow2_header, header_length) == 100, "qcow2.txt");
static_assert(sizeof(struct qcow2_header) == QCOW2_HEADER_LENGTH, "qcow2.txt");

/* Header extensions follow the header, each padded to a multiple of 8 bytes. */
#define QCOW2_EXTENSION_END            UINT32_C(0)
#define QCOW2_EXTENSION_FEATURE_NAMES  UINT32_C(0x6803f857)
#define QCOW2_EXTENSION_BACKING_FORMAT UINT32_C(0xe2792aca)
#define QCOW2_EXTENSION_BITMAPS        UINT32_C(0x23852875)
#define QCOW2_EXTENSION_ENCRYPTION     UINT32_C(0x0537be77)
#define QCOW2_EXTENSION_DATA_FILE      UINT32_C(0x44415441)

struct qcow2_extension {
	be32 type;
	be32 length; /* of the data that follows, without the padding */
};
static_assert(sizeof(struct qcow2_extension) == 8, "qcow2.txt");
