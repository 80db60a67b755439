/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries all disks of a capture, each by copy_disk() or update_disk(): those on different devices
 * side by side, those on the same one after the other.
 */
#pragma once

#include "capture/copy.h"

struct copy_all {
	const Bundle *bundle;     /* borrowed, as is all else */
	const GPtrArray *disks;   /* of struct plan_disk * */
	const Manifest *manifest; /* names their files in the bundle */
	bool (*copy)(const struct copy_job *job, struct copy_result *ret, GError **error);
	int level;
	bool dedupe, allow_bad, resume; /* as in struct copy_job */
	progress_fn progress;           /* called by one thread at a time */
	void *userdata;
};

/*
 * @ret: of struct copy_result *, one for each disk; owned by the caller.  When one fails all end.
 */
bool copy_all(const struct copy_all *all, GPtrArray **ret, GError **error);

/*
 * The names of what disk @i has in an unfinished bundle, owned by the caller: its journal, and the
 * sums of its image's leaves.
 */
char *copy_journal_name(unsigned int i);
char *copy_leaves_name(unsigned int i);
