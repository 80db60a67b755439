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

/* How clusters are stored: what an interrupted capture was begun with, it goes on with. */
struct identity_storage {
	int level;   /* of zstd; 0: none */
	bool dedupe; /* equal ones share their bytes */
};

/*
 * @disks: of struct plan_disk *, mapped.  @traces: of traces_read().  Kept are the id and time of
 * @manifest, too.
 */
bool identity_write(const Bundle *bundle, const Manifest *manifest,
		    const struct identity_storage *storage, const GPtrArray *disks,
		    const json_t *traces, GError **error);

/*
 * Set the id and time of @manifest and @ret to those of the interrupted capture.
 * WHERRY_ERROR_DIFFERENT: a disk is another one, or not as it was; WHERRY_ERROR_NOT_FOUND: there is
 * nothing to go on with.
 */
bool identity_take_over(const Bundle *bundle, const GPtrArray *disks, const json_t *traces,
			Manifest *manifest, struct identity_storage *ret, GError **error);
