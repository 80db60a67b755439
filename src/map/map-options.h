/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is chosen of how maps are made. */
#pragma once

#include <glib.h>
#include <stdbool.h>

struct map_options {
	bool keep_pagefile; /* the contents of Windows' pagefile.sys and swapfile.sys are carried */
	bool resumed;       /* on one of the volumes is a system that goes on, see map_found */

	/*
	 * Names of volumes, of char *, borrowed: what is looked at is a snapshot in which a mount
	 * has replayed their logs; NULL: none.
	 */
	const GPtrArray *replayed;
};
