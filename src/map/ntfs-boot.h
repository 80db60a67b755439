/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The boot sector of NTFS, which is checked here before libntfs-3g allocates by it. */
#pragma once

#include "map/volume.h"

struct ntfs_boot {
	uint32_t cluster_size; /* bytes */
	uint64_t n_clusters;   /* whole ones; they end on the volume */
};

/* Fails with WHERRY_ERROR_DAMAGED when it does not fit the volume or itself. */
bool ntfs_boot_read(const Volume *volume, struct ntfs_boot *ret, GError **error);
