/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries one disk: what its map names goes into the image, and its sums.  Every now and then all
 * that was done is brought to the medium, and the disk's journal says how far it is.
 */
#pragma once

#include "base/progress.h"
#include "bundle/bundle.h"
#include "capture/plan.h"

struct copy_job {
	const Bundle *bundle;
	const struct plan_disk *disk;
	const char *image, *sums, *journal; /* names in the bundle */
	int level;                          /* of zstd; 0: none */
	bool allow_bad;                     /* sectors that cannot be read are zero */
	bool resume;                        /* go on where the journal says, if there is one */
	uint64_t before, all_total;         /* bytes of the disks before this one, and of all */
	progress_fn progress;
	void *userdata;
};

/*
 * @ret_image_size: bytes of the image, which is complete and flushed, as are the sums.  @ret_gaps:
 * of struct extent, what could not be read; owned by the caller.  What fails can be resumed.
 * WHERRY_ERROR_DIFFERENT: the disk is not as it was when the journal was written.
 */
bool copy_disk(const struct copy_job *job, uint64_t *ret_image_size, GArray **ret_gaps,
	       GError **error);
