/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a bundle back, all of it, and compares it with its own sums. */
#pragma once

#include "base/progress.h"

#include <glib.h>
#include <stdbool.h>

/* What was found to be right. */
struct verify_result {
	unsigned int files; /* read and compared */
	unsigned int disks;
	uint64_t bytes; /* of all files */
};

struct verify_options {
	bool from_medium; /* not what the page cache still has of it */
	progress_fn progress;
	void (*say)(const char *text, void *userdata); /* each intact file; NULL: not asked */
	void *userdata;                                /* of both */
};

/*
 * Read every byte of every file of the bundle at @path with our own reader and compare all sums.
 *
 * WHERRY_ERROR_DIFFERENT: some byte is not what was recorded; the message names the file, and where
 * in it.  WHERRY_ERROR_INVALID_INPUT: the bundle is incomplete.  WHERRY_ERROR_UNSUPPORTED: it is of
 * a newer version.  WHERRY_ERROR_BUSY: somebody writes to it.
 */
bool verify_run(const char *path, const struct verify_options *options, struct verify_result *ret,
		GError **error);
