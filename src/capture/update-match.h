/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a machine and its disks are those of a bundle. */
#pragma once

#include "bundle/manifest.h"
#include "source/facts.h"

/*
 * The paths of the disks of @old, in its order: @named, of which there must be as many (NULL ends),
 * or if that is NULL those of @facts with the same WWN, else the same serial number, else the path
 * that they had.  Owned by the caller.  WHERRY_ERROR_NOT_FOUND: one is not there.
 */
char **update_match_disks(const Facts *facts, const Manifest *old, const char *const *named,
			  GError **error);

/*
 * WHERRY_ERROR_DIFFERENT: @now describes another machine than @old, or other disks.  One without
 * WWN and serial number is the same if its partition table has the identifier that it had, and one
 * of what it held is there, by its UUID; what was not known is not asked.
 */
bool update_match_manifests(const Manifest *old, const Manifest *now, GError **error);
