/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Brings a complete bundle up to date with its machine: what differs is appended to the images, and
 * the next generation of the bundle takes the place of the last one all at once.
 */
#pragma once

#include "capture/capture.h"

/* What became of one disk. */
struct update_counts {
	uint64_t changed; /* bytes of the chunks that differed */
	uint64_t unused;  /* bytes of the image that nothing refers to any more */
};

typedef struct {
	char *bundle;       /* its path; owned */
	Manifest *manifest; /* owned */
	GArray *counts;     /* of struct update_counts, one for each disk; owned; NULL: no update */
	GArray *shared;     /* as of capture_run(), of a first capture; owned; or NULL */
} UpdateResult;

/*
 * Update the bundle at @options->update.  Disks that are not named are found by the WWN, serial
 * number or path that the bundle has of them; those that are come in its order.  Target, name and
 * compression are the bundle's.
 *
 * WHERRY_ERROR_DIFFERENT: it is another machine, or another disk.  Whatever fails, the old
 * generation or the new one is whole; the message says which.
 */
bool update_run(const Facts *facts, const struct capture_options *options, UpdateResult *ret,
		GError **error);

void update_result_clear(UpdateResult *result);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(UpdateResult, update_result_clear)
