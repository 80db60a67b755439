/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in use of a btrfs of which all devices are there.
 *
 *	superblock --> sys_chunk_array --> chunk tree --> all chunks
 *	        \                                            |
 *	         `--> root tree --> device tree, block group tree, extent tree --> in use
 *	         `--> log tree --> in use, too
 *
 * A commit writes everything anew where nothing was, and the superblock last: after a power cut the
 * trees that it names are whole, and they are all that the kernel reads, but for the log.
 */
#pragma once

#include "map/btrfs-super.h"

struct btrfs_member {
	const Volume *volume; /* borrowed */
	struct btrfs_super super;
};

/*
 * Say volume_use() for all that is in use on @members (of struct btrfs_member), which are the
 * devices of one filesystem, each once.  @ret_logged: whether there is a log.  On any failure
 * they must be carried whole: WHERRY_ERROR_DAMAGED, _UNSUPPORTED, or what reading them said.
 */
bool btrfs_map(const GArray *members, bool *ret_logged, GError **error);
