/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the log of XFS is clean: what it holds is on the disk, too, and the free space B+trees
 * are the truth.
 *
 * The log is a ring of basic blocks.  The first word of each is the cycle in which it was written,
 * so the head, where the next record will go, is where the cycle falls:
 *
 *	[3 3 3 3 3 3 3 R r r r|2 2 2 2 2 2 2 2 2 2]    R: header of the last record, r: its data
 *	                       ^ head
 */
#pragma once

#include "map/xfs-super.h"

/*
 * True: the last record before the head is that of an unmount, and whole.  Fails with
 * WHERRY_ERROR_DIRTY when there is anything else, or no saying what.
 */
bool xfs_log_check_clean(const Volume *volume, const struct xfs_super *super, GError **error);
