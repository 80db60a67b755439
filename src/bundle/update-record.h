/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * update.journal: what an update of a bundle left behind.  It was begun, and the old state is the
 * one that counts; or it was committed, and then this record holds all that makes the new state of
 * what is on the medium.  Layout: docs/bundle.md.
 */
#pragma once

#include "bundle/manifest.h"

#define UPDATE_FILE "update.journal"

/* The file of the new state that takes the place of NAME is NAME.next until then. */
#define UPDATE_SUFFIX ".next"

/* So many bytes at the start of an image are replaced; see docs/bundle.md. */
#define UPDATE_HEAD_SIZE 112u

typedef struct {
	Manifest *manifest; /* of the new state; owned; NULL: it was begun only */
	char *text;         /* machine.json of the new state; owned */
	size_t len;         /* bytes of it */
	uint8_t *heads;     /* UPDATE_HEAD_SIZE bytes for each disk of it; owned */
} UpdateRecord;

/* The data of a record that says that an update has begun; owned by the caller. */
GByteArray *update_record_begun(void);

/*
 * The data of a record that commits: @heads are UPDATE_HEAD_SIZE bytes for each disk of @manifest.
 * Owned by the caller.  Fails when machine.json would not be readable.
 */
GByteArray *update_record_committed(const Manifest *manifest, const uint8_t *heads, GError **error);

/* WHERRY_ERROR_DAMAGED: it cannot be right; else as manifest_parse(). */
UpdateRecord *update_record_parse(const void *data, size_t len, GError **error);

/* The first UPDATE_HEAD_SIZE bytes that @image has in the new state; NULL: it has none there. */
const uint8_t *update_record_head(const UpdateRecord *record, const char *image);

/* Whether @name is one of the files that the new state lists. */
bool update_record_has_file(const UpdateRecord *record, const char *name);

void update_record_free(UpdateRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UpdateRecord, update_record_free)
