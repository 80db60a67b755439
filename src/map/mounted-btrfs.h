/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The map of a mounted btrfs: its chunks and its extents, by BTRFS_IOC_TREE_SEARCH_V2. */
#pragma once

#include "map/mounted-map.h"

/*
 * As mounted_map_use(): @devices are all of its devices, in any order.  Trees that change while
 * they are read are read again, a few times.
 */
bool mounted_btrfs_use(int fd, const struct mounted_device *devices, unsigned int n_devices,
		       GError **error);
