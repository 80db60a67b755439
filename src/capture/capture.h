/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Captures a machine that stands still: its disks are read, never written, and what is in use on
 * them becomes a bundle.
 *
 *	open disks -> check target -> map -> will it fit? -> make bundle -> copy each disk
 *	                                                         -> domain.xml, log -> machine.json
 *	[--------- nothing is changed until here --------]
 */
#pragma once

#include "base/progress.h"
#include "bundle/manifest.h"
#include "map/map-options.h"
#include "source/facts.h"

/* zstd level 0: clusters are stored as they are. */
#define CAPTURE_LEVEL_NONE    0
#define CAPTURE_LEVEL_DEFAULT 1

struct capture_options {
	const char *target;          /* a directory on the medium */
	const char *name;            /* of the bundle */
	const char *const *disks;    /* block devices or raw images, at least one; NULL ends */
	const char *const *left_out; /* words on each disk that is not carried; NULL: none */
	int level;                   /* of zstd, or CAPTURE_LEVEL_NONE; not asked on a resume */
	bool dedupe;                 /* equal compressed clusters share their bytes; neither */
	bool allow_bad;              /* what cannot be read of a disk is zero, and listed */
	bool resume;                 /* go on with the bundle that is there, unfinished */
	const char *update;          /* a bundle, for update_run(), which asks for no target */
	struct map_options map;      /* on a resume as they were */
	progress_fn progress;
	void (*warn)(const char *text, void *userdata); /* what the user should know at once */
	void (*say)(const char *text, void *userdata);  /* each line of the log; NULL: not asked */
	void *userdata;                                 /* of all three */
};

/*
 * Capture; @ret_bundle: the path of the bundle; @ret: its manifest; @ret_shared: of uint64_t, bytes
 * that equal clusters share, one for each disk, or NULL when nothing was read; all owned by the
 * caller.
 *
 * Until the bundle is made a failure changes nothing.  After that it leaves a bundle without
 * machine.json, which the message names, and which can be resumed.
 */
bool capture_run(const Facts *facts, const struct capture_options *options, char **ret_bundle,
		 Manifest **ret, GArray **ret_shared, GError **error);
