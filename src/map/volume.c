/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps what is read inside the volume: a neighbour's bytes would be taken for its own. */
#include "map/volume.h"

#include "base/error.h"

#include <inttypes.h>

bool volume_read(const struct volume *volume, uint64_t offset, void *buf, size_t len,
		 GError **error)
{
	if (offset > volume->size || len > volume->size - offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%zu bytes at %" PRIu64 " lie beyond the %" PRIu64 " bytes of %s", len,
			    offset, volume->size, volume->name);
		return false;
	}
	return blkdev_read(volume->disk, volume->offset + offset, buf, len, error);
}
