/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which partition table of a disk, if any, is the one that Linux would use. */
#pragma once

#include "map/partition-table.h"

/*
 * @mbr: what mbr_classify() said of @disk.  @sector_size: that of the disk, or 0 when it does not
 * say.  1: @ret is set.  0: there is no table.  -1: there may be one, but nothing can be built on
 * it; the message says why all of the disk must be carried.
 */
int disk_table_find(Volume *disk, enum mbr_kind mbr, uint32_t sector_size, PartitionTable **ret,
		    GError **error);

/* The partition as a volume.  It lives no longer than @disk. */
Volume *disk_table_volume(Volume *disk, const struct partition *partition, GError **error);
