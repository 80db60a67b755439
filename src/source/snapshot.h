/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk as it would be if something had been written to it.  What is written goes into a store;
 * the disk itself is only read, and set read-only in the kernel meanwhile.
 *
 *	disk A  <--- snapshot A ---.                          snapshot_mount() mounts it, which
 *	 (read)      |  ^ read      >--- linear: a volume <-- replays its log into the stores,
 *	disk B  <--- snapshot B ---'     of both              and unmounts it again
 *	 (read)      |
 *	             `--> store B
 */
#pragma once

#include "base/blkdev.h"

typedef struct snapshot Snapshot;

/*
 * @disk is borrowed and must live on; of a file, @sector_size is what its sectors have, or 0.
 * @store is a regular file, as large as it may get, which is empty (all zeros), or begins with what
 * snapshot_used() bytes of another snapshot's store were: then this one is what that was.  It is
 * borrowed, and may be closed at once.
 */
Snapshot *snapshot_new(const Blkdev *disk, uint32_t sector_size, int store, GError **error);

/* Where it can be read: opened anew each time, with the name of the disk; owned by the caller. */
Blkdev *snapshot_open(const Snapshot *snapshot, GError **error);

/*
 * Bytes of its store that are in use, or -1.  WHERRY_ERROR_NO_SPACE: the store was full, or could
 * not be written to or read: nothing that was read of the snapshot can be believed.
 */
int64_t snapshot_used(const Snapshot *snapshot, GError **error);

struct snapshot_piece {
	const Snapshot *snapshot; /* borrowed */
	uint64_t offset, length;  /* bytes, whole sectors of 512 */
};

/*
 * The filesystem of kind @type (the kernel's name) on @pieces, in their order, is mounted where
 * nobody can reach it, and unmounted.
 */
bool snapshot_mount(const char *type, const struct snapshot_piece *pieces, unsigned int n_pieces,
		    GError **error);

void snapshot_free(Snapshot *snapshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Snapshot, snapshot_free)
