/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries one disk: what its map names goes into the image, and its sums. */
#pragma once

#include "base/progress.h"
#include "capture/plan.h"

struct copy_job {
	const struct plan_disk *disk;
	const char *image_name, *sums_name; /* for messages */
	int image_fd, sums_fd;              /* new and empty; borrowed */
	int level;                          /* of zstd; 0: none */
	uint64_t before, all_total;         /* bytes of the disks before this one, and of all */
	progress_fn progress;
	void *userdata;
};

/* @ret_image_size: bytes of the image, which is complete and flushed, as are the sums. */
bool copy_disk(const struct copy_job *job, uint64_t *ret_image_size, GError **error);
