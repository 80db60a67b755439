/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which device serves the reads of a disk: two on the same one only make each other wait. */
#pragma once

#include "base/blkdev.h"

/*
 * A word that is the same for disks on the same device: a partition is on its disk, a file and a
 * loop device are on the filesystem of the file.  Owned by the caller.
 */
char *disk_device(const Blkdev *disk);
