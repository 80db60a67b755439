/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of a journal: its transactions, one after the other.  Only for ext-journal.c. */
#pragma once

#include "map/block-table.h"
#include "map/volume.h"

/* What the superblock of the journal says, checked. */
struct ext_log {
	const Volume *journal;
	uint32_t block_size; /* bytes */
	uint32_t first, end; /* blocks of the journal: the log is [first, end), a ring */
	uint32_t start;      /* a block of it */
	uint32_t sequence;   /* number of the transaction there */
	uint32_t seed;       /* of each CRC-32C */
	bool sums;           /* a commit block has the CRC-32 of its transaction */
	bool csum2, csum3;   /* every block has a CRC-32C */
	bool wide;           /* numbers of blocks have 64 bits */
	bool async;          /* a commit block may be there before its transaction is */
};

/* The value of a block: where in the journal its bytes lie. */
#define EXT_LOG_ESCAPED   UINT64_C(1) /* all but the first four, which are JBD2_MAGIC */
#define EXT_LOG_AT(value) ((value) >> 1)
#define EXT_LOG_VALUE(at) ((uint64_t)(at) << 1)

/*
 * Set in @blocks what a replay would write, each block below @n_blocks.  Fails with
 * WHERRY_ERROR_DAMAGED where a replay would fail.
 */
bool ext_log_replay(const struct ext_log *log, uint64_t n_blocks, BlockTable *blocks,
		    GError **error);
