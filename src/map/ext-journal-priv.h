/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a journal lies on the disk; also for tests and fuzzing, which make some. */
#pragma once

#include "base/be.h"

#include <assert.h>
#include <stddef.h>

#define JBD2_MAGIC 0xc03b3998u

enum jbd2_block_type {
	JBD2_DESCRIPTOR = 1,
	JBD2_COMMIT = 2,
	JBD2_SUPERBLOCK_V1 = 3, /* without features */
	JBD2_SUPERBLOCK_V2 = 4,
	JBD2_REVOKE = 5,
};

enum jbd2_compat {
	JBD2_COMPAT_CHECKSUM = 1 << 0, /* of a transaction, in its commit block */
};

enum jbd2_incompat {
	JBD2_INCOMPAT_REVOKE = 1 << 0,
	JBD2_INCOMPAT_64BIT = 1 << 1,
	JBD2_INCOMPAT_ASYNC_COMMIT = 1 << 2,
	JBD2_INCOMPAT_CSUM_V2 = 1 << 3,
	JBD2_INCOMPAT_CSUM_V3 = 1 << 4,
	JBD2_INCOMPAT_FAST_COMMIT = 1 << 5,
};

enum jbd2_tag_flags {
	JBD2_TAG_ESCAPE = 1 << 0,    /* its first four bytes were the magic, and are 0 in the log */
	JBD2_TAG_SAME_UUID = 1 << 1, /* else 16 bytes of UUID follow the tag */
	JBD2_TAG_DELETED = 1 << 2,   /* never written, and nobody looks at it */
	JBD2_TAG_LAST = 1 << 3,
};

enum jbd2_checksum_type {
	JBD2_CRC32 = 1,
	JBD2_CRC32C = 4,
};

struct jbd2_header {
	be32 magic;
	be32 type;
	be32 sequence;
};

struct jbd2_superblock {
	struct jbd2_header header;
	be32 block_size;
	be32 n_blocks; /* of the journal, with this one */
	be32 first;    /* block of the log */
	be32 sequence; /* of the first transaction in the log */
	be32 start;    /* the block where it begins; 0: the log is empty */
	be32 errnum;
	be32 compat;
	be32 incompat;
	be32 ro_compat;
	uint8_t uuid[16];
	uint8_t unused[16];
	uint8_t checksum_type;
	uint8_t padding[3];
	be32 n_fast_commit_blocks;
	uint8_t unused2[164];
	be32 checksum;
	uint8_t users[768];
};
static_assert(offsetof(struct jbd2_superblock, uuid) == 0x30, "as on the disk");
static_assert(offsetof(struct jbd2_superblock, checksum_type) == 0x50, "as on the disk");
static_assert(offsetof(struct jbd2_superblock, checksum) == 0xfc, "as on the disk");
static_assert(sizeof(struct jbd2_superblock) == 1024, "as on the disk");

/*
 * Behind the header of a descriptor block, one for each block in the log behind it.  With
 * checksums of version 2 there are two unused bytes at its end, which came by mistake and stayed.
 */
struct jbd2_tag {
	be32 block;
	be16 checksum; /* low half of the CRC-32C */
	be16 flags;
	be32 block_high; /* only with JBD2_INCOMPAT_64BIT */
};
static_assert(sizeof(struct jbd2_tag) == 12, "as on the disk");

/* The same with JBD2_INCOMPAT_CSUM_V3. */
struct jbd2_tag3 {
	be32 block;
	be32 flags;
	be32 block_high;
	be32 checksum;
};
static_assert(sizeof(struct jbd2_tag3) == 16, "as on the disk");

/* Behind it, numbers of blocks: be32, or be64 with JBD2_INCOMPAT_64BIT. */
struct jbd2_revoke {
	struct jbd2_header header;
	be32 n_bytes; /* with this struct */
};
static_assert(sizeof(struct jbd2_revoke) == 16, "as on the disk");

/* The last bytes of descriptor and revoke blocks, with checksums of version 2 or 3. */
struct jbd2_tail {
	be32 checksum;
};

struct jbd2_commit {
	struct jbd2_header header;
	uint8_t checksum_type; /* these two only with JBD2_COMPAT_CHECKSUM */
	uint8_t checksum_size;
	uint8_t padding[2];
	be32 checksum[8]; /* only the first is used */
	be64 seconds;
	be32 nanoseconds;
};
static_assert(offsetof(struct jbd2_commit, checksum) == 16, "as on the disk");
static_assert(offsetof(struct jbd2_commit, seconds) == 48, "as on the disk");

/* CRC-32C of a block with zeros in place of the four bytes at @at, which hold it. */
uint32_t jbd2_checksum_around(uint32_t seed, const uint8_t *block, size_t size, size_t at);
