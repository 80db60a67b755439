/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XFS of versions 4 and 5, cleanly unmounted: all but what the free space B+trees of its allocation
 * groups say is free.  With anything left in its log it fails with WHERRY_ERROR_DIRTY: the B+trees
 * on the disk are older than the log, and only a kernel can replay it.
 *
 * The format is described in "XFS Algorithms & Data Structures"; see xfs-format.h.
 */
#include "map/map-driver.h"

#include "map/xfs-free.h"
#include "map/xfs-log.h"

static bool xfs_map(const Volume *volume, const char *content, const struct map_options *options,
		    struct map_found *ret, GError **error)
{
	struct xfs_super super;
	uint64_t end;

	(void)content; /* there is one ... */
	(void)options; /* ... and nothing to choose */
	if (!xfs_super_read(volume, &super, error) ||
	    !xfs_super_check_copies(volume, &super, error) ||
	    !xfs_log_check_clean(volume, &super, error))
		return false;
	for (uint32_t ag = 0; ag < super.ag_count; ag++)
		if (!xfs_free_use_group(volume, &super, ag, error))
			return false;
	end = super.blocks * super.block_size;
	volume_use(volume, end, volume->size - end);
	ret->how = g_strdup("XFS, clean");
	return true;
}

static const char *const xfs_contents[] = { "xfs", NULL };

const struct map_driver map_xfs = {
	.contents = xfs_contents,
	.map = xfs_map,
};
