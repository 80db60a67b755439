/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A failing read costs seconds on a disk that is dying, so the pieces shrink fast: one bad sector
 * fails some four times, whatever the size of what was asked for.
 */
#include "capture/salvage.h"

#include "base/error.h"
#include "capture/gaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHRINK 8u

/* Where the pieces go first: whole sectors, aligned, whatever was asked for. */
typedef struct {
	uint8_t *data; /* owned */
} Bounce;

static void bounce_clear(Bounce *bounce)
{
	free(bounce->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bounce, bounce_clear)

/* What a disk says of sectors, not of itself. */
static bool is_bad_sector(int errnum)
{
	return errnum == EIO || errnum == ENODATA || errnum == EREMOTEIO || errnum == EILSEQ ||
	       errnum == ETIMEDOUT;
}

/* @piece: whole sectors, but for the disk's end. */
static bool read_piece(const struct salvage *salvage, const struct extent *piece, uint8_t *to,
		       GArray *bad, int *ret_errnum, GError **error)
{
	uint64_t smaller = piece->length / SHRINK;
	int errnum;

	if (salvage->go_on && !salvage->go_on(salvage->userdata))
		return false;
	errnum = disk_reader_read_now(salvage->reader, piece->offset, (size_t)piece->length, to);
	if (errnum == 0)
		return true;
	if (!is_bad_sector(errnum)) {
		wherry_error_sys(error, errnum, "%s: cannot read at %" G_GUINT64_FORMAT,
				 salvage->disk->name, piece->offset);
		return false;
	}
	if (piece->length <= salvage->sector_size) {
		memset(to, 0, piece->length);
		gaps_add(bad, piece);
		*ret_errnum = errnum;
		return blkdev_check_size(salvage->disk, error); /* one that is gone has none */
	}
	smaller = MAX(smaller - smaller % salvage->sector_size, salvage->sector_size);
	for (uint64_t done = 0; done < piece->length && (salvage->all || bad->len == 0);
	     done += smaller) {
		const struct extent next = {
			piece->offset + done,
			MIN(smaller, piece->length - done),
		};

		if (!read_piece(salvage, &next, to + done, bad, ret_errnum, error))
			return false;
	}
	return true;
}

bool salvage_read(const struct salvage *salvage, const struct extent *extent, uint8_t *to,
		  GArray *gaps, int *ret_errnum, GError **error)
{
	uint64_t end = extent->offset + extent->length, sector = salvage->sector_size;
	struct extent whole = { extent->offset - extent->offset % sector, 0 };
	g_autoptr(GArray) bad = g_array_new(false, false, sizeof(struct extent));
	g_auto(Bounce) bounce = { NULL };

	whole.length =
	    MIN((end + sector - 1) / sector * sector, salvage->disk->size) - whole.offset;
	bounce.data = aligned_alloc(DISK_READER_ALIGN,
				    (whole.length / DISK_READER_ALIGN + 1) * DISK_READER_ALIGN);
	if (!bounce.data) {
		wherry_error_sys(error, ENOMEM, "%s: cannot read %" G_GUINT64_FORMAT " bytes",
				 salvage->disk->name, extent->length);
		return false;
	}
	if (!read_piece(salvage, &whole, bounce.data, bad, ret_errnum, error))
		return false;
	memcpy(to, bounce.data + (extent->offset - whole.offset), extent->length);
	for (unsigned int i = 0; i < bad->len; i++) {
		struct extent *e = &g_array_index(bad, struct extent, i);
		uint64_t from = MAX(e->offset, extent->offset);
		const struct extent inside = { from, MIN(e->offset + e->length, end) - from };

		gaps_add(gaps, &inside);
	}
	return true;
}
