/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can still be read of a piece of a disk that could not be read at once. */
#pragma once

#include "base/extent.h"
#include "capture/disk-reader.h"

struct salvage {
	DiskSource *source;       /* borrowed */
	uint32_t sector_size;     /* bytes: nothing smaller is tried */
	bool all;                 /* else it ends at the first that cannot be read */
	enum disk_reader_way way; /* DISK_READER_BEST, but in a test */
	bool (*go_on)(
	    void *userdata); /* asked some times a second; false: fail at once, unset error */
	void *userdata;
};

/*
 * Open the disk anew and read @extent into @to, in ever smaller pieces where that fails or gives no
 * answer.  Sectors that cannot be read are zero, and are appended to @gaps, of struct extent, as
 * far as they lie in @extent; @ret_errnum: of the last of them.  Fails when the disk is gone, and
 * stays so, rather than bad, or when it was told to stop.
 */
bool salvage_read(const struct salvage *salvage, const struct extent *extent, uint8_t *to,
		  GArray *gaps, int *ret_errnum, GError **error);
