/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs as it lies on a disk.
 *
 * From the btrfs documentation, https://btrfs.readthedocs.io: "On-disk Format" (the structures and
 * their offsets) and "Btrees" (which tree holds which items).  Features, states of a replacement
 * and types of block groups: the kernel's include/uapi/linux/btrfs.h and btrfs_tree.h.
 */
#pragma once

#include "base/le.h"

#include <assert.h>
#include <stddef.h>

#define BTRFS_MAGIC          "_BHRfS_M"
#define BTRFS_SUPER_SIZE     4096u
#define BTRFS_SYS_ARRAY_SIZE 2048u
#define BTRFS_MAX_LEVEL      7 /* of the root of a tree; leaves are on level 0 */
#define BTRFS_STRIPE_LEN     UINT64_C(65536)

/* No device extent begins before it: what is there may be a boot loader's. */
#define BTRFS_RESERVED (UINT64_C(1) << 20)

/* What a tree or an item is of. */
#define BTRFS_ROOT_TREE        UINT64_C(1)
#define BTRFS_EXTENT_TREE      UINT64_C(2)
#define BTRFS_CHUNK_TREE       UINT64_C(3)
#define BTRFS_DEVICE_TREE      UINT64_C(4)
#define BTRFS_BLOCK_GROUP_TREE UINT64_C(11)
#define BTRFS_LOG_TREE         ((uint64_t)-6)
#define BTRFS_DEVICES          UINT64_C(1) /* in the chunk tree */
#define BTRFS_FIRST_CHUNK_TREE UINT64_C(256)

enum btrfs_item_type {
	BTRFS_EXTENT_DATA = 108,
	BTRFS_ROOT_ITEM = 132,
	BTRFS_EXTENT_ITEM = 168,
	BTRFS_METADATA_ITEM = 169,
	BTRFS_BLOCK_GROUP_ITEM = 192,
	BTRFS_DEVICE_EXTENT = 204,
	BTRFS_DEVICE_ITEM = 216,
	BTRFS_CHUNK_ITEM = 228,
	BTRFS_DEVICE_REPLACE = 250,
};

struct btrfs_disk_key {
	le64 object;
	uint8_t type;
	le64 offset;
};
static_assert(sizeof(struct btrfs_disk_key) == 17, "On-disk Format, key");

struct btrfs_disk_device {
	le64 id;
	le64 total_bytes;
	le64 used_bytes;
	le32 io_align;
	le32 io_width;
	le32 sector_size;
	le64 type;
	le64 generation;
	le64 start_offset;
	le32 group;
	uint8_t seek_speed;
	uint8_t bandwidth;
	uint8_t uuid[16];
	uint8_t fsid[16];
};
static_assert(sizeof(struct btrfs_disk_device) == 98, "On-disk Format, DEV_ITEM");

struct btrfs_disk_super {
	uint8_t checksum[32]; /* of all that follows */
	uint8_t fsid[16];
	le64 bytenr; /* where on the device this copy lies */
	le64 flags;
	char magic[8];
	le64 generation;
	le64 root; /* logical, as are the two below */
	le64 chunk_root;
	le64 log_root;
	le64 log_root_transid;
	le64 total_bytes;
	le64 used_bytes;
	le64 root_dir;
	le64 n_devices;
	le32 sector_size;
	le32 node_size;
	le32 leaf_size;
	le32 stripe_size;
	le32 sys_array_size;
	le64 chunk_root_generation;
	le64 compat;
	le64 compat_ro;
	le64 incompat;
	le16 checksum_type;
	uint8_t root_level;
	uint8_t chunk_root_level;
	uint8_t log_root_level;
	struct btrfs_disk_device device; /* that this copy lies on */
	char label[256];
	le64 cache_generation;
	le64 uuid_tree_generation;
	uint8_t metadata_uuid[16];
	uint8_t reserved[224];
	uint8_t sys_array[BTRFS_SYS_ARRAY_SIZE];
	uint8_t backup_roots[4][168];
	uint8_t padding[565];
};
static_assert(offsetof(struct btrfs_disk_super, checksum_type) == 0xc4, "On-disk Format");
static_assert(offsetof(struct btrfs_disk_super, label) == 0x12b, "On-disk Format");
static_assert(offsetof(struct btrfs_disk_super, sys_array) == 0x32b, "On-disk Format");
static_assert(sizeof(struct btrfs_disk_super) == BTRFS_SUPER_SIZE, "On-disk Format");

#define BTRFS_INCOMPAT_MIXED_BACKREF   UINT64_C(0x1)
#define BTRFS_INCOMPAT_DEFAULT_SUBVOL  UINT64_C(0x2)
#define BTRFS_INCOMPAT_MIXED_GROUPS    UINT64_C(0x4)
#define BTRFS_INCOMPAT_COMPRESS_LZO    UINT64_C(0x8)
#define BTRFS_INCOMPAT_COMPRESS_ZSTD   UINT64_C(0x10)
#define BTRFS_INCOMPAT_BIG_METADATA    UINT64_C(0x20)
#define BTRFS_INCOMPAT_EXTENDED_IREF   UINT64_C(0x40)
#define BTRFS_INCOMPAT_RAID56          UINT64_C(0x80)
#define BTRFS_INCOMPAT_SKINNY_METADATA UINT64_C(0x100)
#define BTRFS_INCOMPAT_NO_HOLES        UINT64_C(0x200)
#define BTRFS_INCOMPAT_METADATA_UUID   UINT64_C(0x400)
#define BTRFS_INCOMPAT_RAID1C34        UINT64_C(0x800)
#define BTRFS_INCOMPAT_SIMPLE_QUOTA    UINT64_C(0x10000)

#define BTRFS_COMPAT_RO_FREE_SPACE_TREE       UINT64_C(0x1)
#define BTRFS_COMPAT_RO_FREE_SPACE_TREE_VALID UINT64_C(0x2)
#define BTRFS_COMPAT_RO_VERITY                UINT64_C(0x4)
#define BTRFS_COMPAT_RO_BLOCK_GROUP_TREE      UINT64_C(0x8)

/* The flags of a superblock and of a node. */
#define BTRFS_FLAG_WRITTEN UINT64_C(0x1)
#define BTRFS_FLAG_RELOC   UINT64_C(0x2)

struct btrfs_disk_header {
	uint8_t checksum[32]; /* of all of the node that follows */
	uint8_t fsid[16];
	le64 bytenr; /* logical */
	le64 flags;
	uint8_t chunk_tree_uuid[16];
	le64 generation;
	le64 owner;
	le32 n_items;
	uint8_t level;
};
static_assert(sizeof(struct btrfs_disk_header) == 101, "On-disk Format, header");

/* Of an internal node. */
struct btrfs_disk_pointer {
	struct btrfs_disk_key key;
	le64 bytenr; /* logical */
	le64 generation;
};
static_assert(sizeof(struct btrfs_disk_pointer) == 33, "On-disk Format, key pointer");

/* Of a leaf. */
struct btrfs_disk_item {
	struct btrfs_disk_key key;
	le32 offset; /* from the end of the header */
	le32 size;
};
static_assert(sizeof(struct btrfs_disk_item) == 25, "On-disk Format, item");

struct btrfs_disk_stripe {
	le64 device;
	le64 offset; /* bytes, on the device */
	uint8_t uuid[16];
};
static_assert(sizeof(struct btrfs_disk_stripe) == 32, "On-disk Format, stripe");

/* Its stripes follow it. */
struct btrfs_disk_chunk {
	le64 length;
	le64 owner;
	le64 stripe_len;
	le64 type;
	le32 io_align;
	le32 io_width;
	le32 sector_size;
	le16 n_stripes;
	le16 sub_stripes;
};
static_assert(sizeof(struct btrfs_disk_chunk) == 48, "On-disk Format, CHUNK_ITEM");

#define BTRFS_GROUP_DATA     UINT64_C(0x1)
#define BTRFS_GROUP_SYSTEM   UINT64_C(0x2)
#define BTRFS_GROUP_METADATA UINT64_C(0x4)
#define BTRFS_GROUP_RAID0    UINT64_C(0x8)
#define BTRFS_GROUP_RAID1    UINT64_C(0x10)
#define BTRFS_GROUP_DUP      UINT64_C(0x20)
#define BTRFS_GROUP_RAID10   UINT64_C(0x40)
#define BTRFS_GROUP_RAID5    UINT64_C(0x80)
#define BTRFS_GROUP_RAID6    UINT64_C(0x100)
#define BTRFS_GROUP_RAID1C3  UINT64_C(0x200)
#define BTRFS_GROUP_RAID1C4  UINT64_C(0x400)

struct btrfs_disk_group {
	le64 used;
	le64 chunk_object;
	le64 flags;
};
static_assert(sizeof(struct btrfs_disk_group) == 24, "On-disk Format, BLOCK_GROUP_ITEM");

struct btrfs_disk_device_extent {
	le64 chunk_tree;
	le64 chunk_object;
	le64 chunk_offset; /* logical */
	le64 length;
	uint8_t chunk_tree_uuid[16];
};
static_assert(sizeof(struct btrfs_disk_device_extent) == 48, "On-disk Format, DEV_EXTENT");

struct btrfs_disk_replace {
	le64 source_device;
	le64 cursor_left;
	le64 cursor_right;
	le64 mode;
	le64 state;
};

#define BTRFS_REPLACE_STARTED   1
#define BTRFS_REPLACE_SUSPENDED 4

/* The start of an EXTENT_ITEM or METADATA_ITEM; who refers to it follows. */
struct btrfs_disk_extent {
	le64 refs;
	le64 generation;
	le64 flags;
};
static_assert(sizeof(struct btrfs_disk_extent) == 24, "On-disk Format, EXTENT_ITEM");

/* Of a ROOT_ITEM up to what every version has. */
struct btrfs_disk_root {
	uint8_t inode[160];
	le64 generation;
	le64 root_dir;
	le64 bytenr; /* logical */
	le64 byte_limit;
	le64 used_bytes;
	le64 last_snapshot;
	le64 flags;
	le32 refs;
	struct btrfs_disk_key drop_progress;
	uint8_t drop_level;
	uint8_t level;
};
static_assert(sizeof(struct btrfs_disk_root) == 239, "On-disk Format, ROOT_ITEM");

#define BTRFS_FILE_INLINE   0
#define BTRFS_FILE_REGULAR  1
#define BTRFS_FILE_PREALLOC 2

/* An EXTENT_DATA; in one that is inline the data begins behind the type. */
struct btrfs_disk_file_extent {
	le64 generation;
	le64 ram_bytes;
	uint8_t compression;
	uint8_t encryption;
	le16 other_encoding;
	uint8_t type;
	le64 bytenr; /* logical; 0: a hole */
	le64 disk_bytes;
	le64 offset;
	le64 n_bytes;
};
static_assert(offsetof(struct btrfs_disk_file_extent, bytenr) == 21, "On-disk Format");
static_assert(sizeof(struct btrfs_disk_file_extent) == 53, "On-disk Format, EXTENT_DATA");
