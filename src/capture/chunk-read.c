/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/chunk-read.h"

#include "capture/chunk.h"

bool chunk_digest(const struct plan_disk *disk, uint64_t index, struct digest *ret, GError **error)
{
	g_autofree uint8_t *data = g_malloc0(SUMS_CHUNK_SIZE);
	uint64_t start = index * SUMS_CHUNK_SIZE, end;
	struct extent e;

	end = MIN(start + SUMS_CHUNK_SIZE, disk->dev->size);
	for (uint64_t at = start; used_map_next(disk->map->used, at, &e) && e.offset < end;
	     at = e.offset + e.length) {
		e.length = MIN(e.length, end - e.offset);
		if (!blkdev_read(disk->dev, e.offset, data + (e.offset - start), e.length, error))
			return false;
	}
	*ret = digest_of(data, end > start ? (size_t)(end - start) : 0);
	return true;
}
