/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bundle that a plan was made of, read again while the job runs: perhaps much later, by another
 * process, from a medium that may be gone, another one, or hostile.  Nothing is taken from it but
 * what matches the plan.
 */
#pragma once

#include "bundle/bundle-image.h"
#include "image/image-reader.h"
#include "import/import-plan.h"

/*
 * Check it as far as it can be before anything is made: its manifest is that of the plan, its sums
 * have the digests of the manifest, and each image is one that our reader takes whole: its header,
 * its size, the disk's size and all of its metadata.  Their bytes are for import-copy.c.
 *
 * INVALID_INPUT: incomplete; NOT_FOUND, IO: it cannot be read; DIFFERENT: it is another bundle, or
 * was altered; DAMAGED, UNSUPPORTED: it cannot be right, or is not taken.
 */
bool import_medium_check(const ImportPlan *plan, GError **error);

/*
 * Whether the plan's bundle is still there.  1: yes; 0: no, and @ret_reason (owned) says why.
 */
int import_medium_present(const ImportPlan *plan, char **ret_reason);

/* Open a disk's image, which must have the size that was recorded; owned by the caller. */
BundleImage *import_medium_open_image(const ImportPlan *plan, const struct import_disk *disk,
				      GError **error);

/* The leaves of a disk's sums, as sums_keep_leaves(); -1: failed.  Owned. */
int import_medium_keep_leaves(const ImportPlan *plan, const struct import_disk *disk,
			      GError **error);

/*
 * That @reader, over an image file of the recorded size, holds a disk of the plan's size and is
 * sound.
 */
bool import_check_image(const struct import_disk *disk, ImageReader *reader, GError **error);
