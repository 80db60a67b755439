/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XFS as it lies on the disk, as far as the map needs it.
 *
 * From "XFS Algorithms & Data Structures", 3rd edition: "Superblocks", "AG Free Space Management"
 * and "Journaling Log" of its part on global structures; what version 5 adds is in its chapter
 * "Self-Describing Metadata".  All numbers are big-endian but the checksums and the magic number of
 * an unmount record.
 */
#pragma once

#include "base/be.h"
#include "base/le.h"

#include <assert.h>
#include <stddef.h>

#define XFS_MAGIC_SUPER   0x58465342u /* XFSB */
#define XFS_MAGIC_AGF     0x58414746u /* XAGF */
#define XFS_MAGIC_AGFL    0x5841464cu /* XAFL */
#define XFS_MAGIC_BNO     0x41425442u /* ABTB, by block */
#define XFS_MAGIC_BNO_CRC 0x41423342u /* AB3B */
#define XFS_MAGIC_CNT     0x41425443u /* ABTC, by count */
#define XFS_MAGIC_CNT_CRC 0x41423343u /* AB3C */
#define XFS_MAGIC_RECORD  0xfeedbabeu /* of the log */
#define XFS_NULL_BLOCK    0xffffffffu
#define XFS_UUID_SIZE     16
#define XFS_BASIC_BLOCK   512u /* bytes: "basic blocks", in which logs and disks are counted */

/* Bytes of a record, of which one header holds the first words. */
#define XFS_LOG_CYCLE_SIZE 32768u

struct xfs_disk_super {
	be32 magic;
	be32 block_size;
	be64 blocks;
	be64 rt_blocks;
	be64 rt_extents;
	uint8_t uuid[XFS_UUID_SIZE];
	be64 log_start;
	be64 inodes[3]; /* root, real-time bitmap, real-time summary */
	be32 rt_extent_blocks;
	be32 ag_blocks;
	be32 ag_count;
	be32 rt_bitmap_blocks;
	be32 log_blocks;
	be16 version;
	be16 sector_size;
	be16 inode_size;
	be16 inodes_per_block;
	char name[12];
	uint8_t block_shift;
	uint8_t sector_shift;
	uint8_t inode_shift;
	uint8_t inodes_per_block_shift;
	uint8_t ag_shift; /* rounded up */
	uint8_t rt_extent_shift;
	uint8_t in_progress;
	uint8_t inodes_percent;
	be64 counters[4]; /* only a clean unmount writes them */
	be64 quota_inodes[2];
	be16 quota_flags;
	uint8_t flags;
	uint8_t shared_version;
	be32 inode_align;
	be32 stripe_unit;
	be32 stripe_width;
	uint8_t directory_shift;
	uint8_t log_sector_shift;
	be16 log_sector_size;
	be32 log_unit; /* bytes; 0 and 1: none */
	be32 features2;
	be32 bad_features2;
	/* Version 5 only. */
	be32 compat;
	be32 ro_compat;
	be32 incompat;
	be32 log_incompat;
	le32 crc;
	be32 sparse_inode_align;
	be64 project_quota_inode;
	be64 lsn;
	uint8_t meta_uuid[XFS_UUID_SIZE];
};
static_assert(offsetof(struct xfs_disk_super, log_start) == 48, "sb_logstart");
static_assert(offsetof(struct xfs_disk_super, version) == 100, "sb_versionnum");
static_assert(offsetof(struct xfs_disk_super, counters) == 128, "sb_icount");
static_assert(offsetof(struct xfs_disk_super, features2) == 200, "sb_features2");
static_assert(offsetof(struct xfs_disk_super, crc) == 224, "sb_crc");
static_assert(sizeof(struct xfs_disk_super) == 264, "xfs_dsb");

struct xfs_disk_agf {
	be32 magic;
	be32 version; /* 1 */
	be32 ag;
	be32 blocks;
	be32 roots[3]; /* by block, by count, reverse mapping */
	be32 levels[3];
	be32 list_first;
	be32 list_last;
	be32 list_count;
	be32 free_blocks;
	be32 longest;
	be32 tree_blocks; /* of the three B+trees, without their roots */
	uint8_t uuid[XFS_UUID_SIZE];
	be32 rmap_blocks; /* of the B+tree of reverse mapping, its root among them */
	be32 refcount[3]; /* blocks, root and levels of that of reference counts */
	be64 spare[14];
	be64 lsn;
	le32 crc;
	be32 spare2;
};
static_assert(offsetof(struct xfs_disk_agf, list_first) == 40, "agf_flfirst");
static_assert(offsetof(struct xfs_disk_agf, uuid) == 64, "agf_uuid");
static_assert(offsetof(struct xfs_disk_agf, rmap_blocks) == 80, "agf_rmap_blocks");
static_assert(offsetof(struct xfs_disk_agf, crc) == 216, "agf_crc");

/* Of version 5; the array of blocks behind it is all there is in version 4. */
struct xfs_disk_agfl {
	be32 magic;
	be32 ag;
	uint8_t uuid[XFS_UUID_SIZE];
	be64 lsn;
	le32 crc;
};
static_assert(sizeof(struct xfs_disk_agfl) == 36, "xfs_agfl");

/* The head of a block of a free space B+tree; version 4 ends before the address. */
struct xfs_disk_btree {
	be32 magic;
	be16 level; /* 0: a leaf */
	be16 count;
	be32 left;
	be32 right;
	be64 address; /* basic blocks, in the filesystem */
	be64 lsn;
	uint8_t uuid[XFS_UUID_SIZE];
	be32 ag;
	le32 crc;
};
static_assert(offsetof(struct xfs_disk_btree, address) == 16, "bb_blkno");
static_assert(sizeof(struct xfs_disk_btree) == 56, "xfs_btree_block_shdr");

/* A record of a leaf, and a key of a node; behind as many keys as there is room for come be32. */
struct xfs_disk_free {
	be32 start;
	be32 count;
};

struct xfs_disk_log_record {
	be32 magic;
	be32 cycle;
	be32 version; /* 1, 2 */
	be32 length;  /* bytes, behind the headers */
	be64 lsn;     /* the cycle, and the basic block that this is */
	be64 tail_lsn;
	le32 crc;
	be32 previous;
	be32 operations;
	be32 first_words[XFS_LOG_CYCLE_SIZE / XFS_BASIC_BLOCK];
	be32 format;
	uint8_t uuid[XFS_UUID_SIZE];
	be32 size; /* bytes of the kernel's buffer; version 2 */
};
static_assert(offsetof(struct xfs_disk_log_record, crc) == 32, "h_crc");
static_assert(offsetof(struct xfs_disk_log_record, size) == 320, "h_size");
static_assert(sizeof(struct xfs_disk_log_record) == 324, "xlog_rec_header");

struct xfs_disk_log_operation {
	be32 transaction; /* on the disk the cycle stands here, when it is the first of a block */
	be32 length;
	uint8_t client;
	uint8_t flags;
	be16 reserved;
};
static_assert(sizeof(struct xfs_disk_log_operation) == 12, "xlog_op_header");
#define XFS_LOG_UNMOUNT 0x20
