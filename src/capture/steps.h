/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that a first capture and an update of it have in common, in their order. */
#pragma once

#include "capture/capture.h"
#include "capture/log.h"
#include "capture/plan.h"
#include "capture/views.h"

#include <jansson.h>

/* The source as it was found, before anything of it is carried. */
typedef struct {
	GPtrArray *disks; /* of struct plan_disk */
	StorageMap *map;
	Views *views;   /* NULL: none are needed */
	json_t *traces; /* of who writes to the disks */
	Manifest *manifest;
} Survey;

void survey_clear(Survey *survey);

/*
 * Open the disks, check that nobody writes to them and that @target may take them, and map them:
 * the first two of @survey.
 */
bool steps_survey(const struct capture_options *options, const char *target, Survey *survey,
		  GError **error);

/* The maps of @disks, whose maps are parts of it; a disk that cannot be read is a failure. */
StorageMap *steps_map(const struct capture_options *options, const GPtrArray *disks,
		      GError **error);

/*
 * The manifest of a first generation, without what is not known before the disks were read.  It
 * could be written: better found now than after hours of copying.  The user is told its warnings.
 */
Manifest *steps_describe(const Facts *facts, const struct capture_options *options,
			 const GPtrArray *disks, const StorageMap *map, GError **error);

/* What is going to be done. */
void steps_log(CaptureLog *log, const struct capture_options *options, const Manifest *manifest);

/*
 * What could not be read of @disk, and which files lie there: into the manifest, the log, and to
 * the user.
 */
void steps_note_gaps(const struct capture_options *options, const struct plan_disk *plan,
		     const GArray *gaps, struct manifest_disk *disk, Manifest *manifest,
		     CaptureLog *log);

bool steps_write_domain(const Bundle *bundle, Manifest *manifest, GError **error);

/* A complete bundle has no journals; one that was killed just then may have kept them. */
void steps_remove_journals(const Bundle *bundle, const Manifest *manifest);
