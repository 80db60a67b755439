/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of ext3 and ext4 (jbd2), and what a filesystem reads like once it is replayed.
 * Nothing is written: of each block that a replay would write, only where in the journal its new
 * bytes lie is kept.
 *
 *	filesystem   [..|A |..|B |C |......]         A and C are read from the journal,
 *	                 ^        ^                  B as it is
 *	journal      [sb|desc|A'|C'|commit|desc|A"|      (no commit block: not replayed)
 *
 * The format: Documentation/filesystems/ext4/journal.rst of Linux.  Where a log ends, and what a
 * replay does not forgive, is as the kernel's fs/jbd2/recovery.c (6.1) has it.
 */
#pragma once

#include "map/block-table.h"
#include "map/volume.h"

/* More different blocks than this in a log, or revoked in it, are too many to remember. */
#define EXT_REPLAY_MAX_BLOCKS ((size_t)1 << 20)

typedef struct {
	const Volume *journal; /* borrowed */
	uint32_t block_size;   /* bytes: that of the filesystem, too */
	bool is_empty;         /* there is no log to be replayed */
	BlockTable *blocks;    /* the blocks of the filesystem that would be written */
} ExtReplay;

/*
 * Read the journal of a filesystem of blocks of @block_size bytes.  WHERRY_ERROR_UNSUPPORTED: it
 * has features that are not known here, or fast commits.  WHERRY_ERROR_DAMAGED: the kernel would
 * refuse it or fail on the way, or blocks from @n_blocks on would be written.
 */
ExtReplay *ext_replay_new(const Volume *journal, uint32_t block_size, uint64_t n_blocks,
			  GError **error);

/* Read @volume, the filesystem, as after the replay; as it is when @replay is NULL. */
bool ext_replay_read(const ExtReplay *replay, const Volume *volume, uint64_t offset, void *buf,
		     size_t len, GError **error);

void ext_replay_free(ExtReplay *replay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExtReplay, ext_replay_free)
