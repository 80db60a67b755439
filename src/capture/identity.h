/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture.journal: what a capture that goes on must have in common with the one that was
 * interrupted.
 */
#pragma once

#include "bundle/bundle.h"

#include <glib.h>
#include <jansson.h>

#define IDENTITY_FILE "capture.journal"

/*
 * @disks: of struct plan_disk *, mapped.  @traces: of traces_read().  Kept are the id and time of
 * @manifest, too.
 */
bool identity_write(const Bundle *bundle, const Manifest *manifest, int level,
		    const GPtrArray *disks, const json_t *traces, GError **error);

/*
 * Set the id and time of @manifest and @ret_level to those of the interrupted capture.
 * WHERRY_ERROR_DIFFERENT: a disk is another one, or not as it was; WHERRY_ERROR_NOT_FOUND: there is
 * nothing to go on with.
 */
bool identity_take_over(const Bundle *bundle, const GPtrArray *disks, const json_t *traces,
			Manifest *manifest, int *ret_level, GError **error);
