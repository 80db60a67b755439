/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/origin.h"

const Blkdev *origin_of(const struct plan_disk *disk)
{
	return disk->origin ? disk->origin : disk->dev;
}

/* The disk of which @dev is read; @dev itself, if it is none of @disks. */
static const Blkdev *origin_below(const GPtrArray *disks, const Blkdev *dev)
{
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);

		if (disk->dev == dev)
			return origin_of(disk);
	}
	return dev;
}

bool origin_read(const GPtrArray *disks, const Volume *volume, uint64_t offset, void *buf,
		 size_t len, GError **error)
{
	g_autoptr(GArray) pieces = volume_list_pieces(volume, MAP_DIRTY_MAX_PIECES, NULL);
	uint8_t *to = buf;

	if (!pieces || offset > volume->size || len > volume->size - offset)
		return volume_read(volume, offset, buf, len, error);
	for (unsigned int i = 0; i < pieces->len && len > 0; i++) {
		const struct volume_piece *piece = &g_array_index(pieces, struct volume_piece, i);
		size_t n;

		if (offset >= piece->length) {
			offset -= piece->length;
			continue;
		}
		n = (size_t)MIN(len, piece->length - offset);
		if (!blkdev_read(origin_below(disks, piece->disk), piece->offset + offset, to, n,
				 error))
			return false;
		to += n;
		len -= n;
		offset = 0;
	}
	return true;
}
