/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block bitmaps of a filesystem, group by group. */
#pragma once

#include "map/ext-io.h"

/*
 * Say volume_use() for what the bitmaps say.  Fails with WHERRY_ERROR_DAMAGED unless they, their
 * checksums, the counts in the group descriptors and the places of the filesystem's own structures
 * agree.
 */
bool ext_bitmap_use(ExtFilesystem *fs, const Volume *volume, GError **error);

/*
 * Say it, too, for what the bitmaps of @disk say, the same filesystem before a replay, of which
 * @fs is known to be right.  They may lag and contradict their descriptors, and count all the same.
 */
bool ext_bitmap_use_before(ExtFilesystem *disk, ExtFilesystem *fs, const ExtReplay *replay,
			   const Volume *volume, GError **error);
