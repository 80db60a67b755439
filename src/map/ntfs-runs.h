/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters of which it is known whose they are: those of NTFS' own files, which its bitmap must
 * call in use, and those that it calls in use and that need not be carried all the same.
 */
#pragma once

#include "map/ntfs-io.h"

struct nt_run {
	uint64_t first; /* cluster */
	uint64_t count; /* of clusters */
	bool exempt;    /* need not be carried */
};

/* An empty array of struct nt_run. */
GArray *nt_runs_new(void);

/* NTFS' own files.  One that has no place, or a hole, is WHERRY_ERROR_DAMAGED. */
bool nt_runs_add_system(GArray *runs, ntfs_volume *volume, GError **error);

/* The clusters that cannot be read, by $BadClus; they are exempt.  @ret: how many. */
bool nt_runs_add_bad(GArray *runs, ntfs_volume *volume, uint64_t *ret, GError **error);

/*
 * What the file @name of the root directory holds is exempt.  Returns 1, and in @ret how many bytes
 * that are; 0 if there is no such file, or one that is not as Windows makes it; or -1.
 */
int nt_runs_add_contents(GArray *runs, ntfs_volume *volume, const char *name, uint64_t *ret,
			 GError **error);

/* Sort them.  WHERRY_ERROR_DAMAGED: two files share a cluster. */
bool nt_runs_settle(GArray *runs, GError **error);
