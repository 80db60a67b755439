/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory of one carried machine: <data partition>/wherry/<name>/.
 *
 * Files are only ever opened relative to the directory, by a plain name, without following
 * symlinks, and only regular files: a medium is hostile until checked.
 */
#pragma once

#include "bundle/manifest.h"
#include "bundle/update-record.h"

typedef struct {
	char *path; /* for messages */
	int fd;     /* the directory; owned */
	UpdateRecord
	    *update;   /* that was begun, or committed and not yet brought in; owned; or NULL */
	bool updating; /* by us: files that are created are those of the new state */
} Bundle;

/* Whether @name may name a bundle: 1 to 64 letters, digits, '.', '_', '-', not first '.' or '-'. */
bool bundle_name_valid(const char *name);

/*
 * Make <@target>/wherry/<@name>.  WHERRY_ERROR_INVALID_INPUT: it is there already; the message says
 * whether it holds a complete bundle or an unfinished one, and what to do.
 */
Bundle *bundle_create(const char *target, const char *name, GError **error);

/*
 * Open <@target>/wherry/<@name>, which holds an unfinished bundle.  WHERRY_ERROR_NOT_FOUND: it is
 * not there.
 */
Bundle *bundle_open_unfinished(const char *target, const char *name, GError **error);

enum bundle_lock {
	BUNDLE_LOCK_SHARED, /* others may read it, too */
	BUNDLE_LOCK_ALONE,
};

/*
 * Nobody writes to it, or nobody else works on it at all, from now until bundle_free().  The record
 * of an update is read anew.  WHERRY_ERROR_BUSY: somebody does.
 */
bool bundle_lock(Bundle *bundle, enum bundle_lock how, GError **error);

/* Whether there is a machine.json. */
bool bundle_is_complete(const Bundle *bundle);

/* Remove a file that is to be made anew, if it is there. */
bool bundle_remove_file(const Bundle *bundle, const char *name, GError **error);

/*
 * Open an existing directory; nothing in it is looked at but the record of an update.
 * WHERRY_ERROR_NOT_FOUND: none there; WHERRY_ERROR_DAMAGED: the record is.
 */
Bundle *bundle_open(const char *path, GError **error);

/* Look again for the record of an update. */
bool bundle_read_update(Bundle *bundle, GError **error);

/* A new, empty file, open for reading and writing; -1: failed.  Of an update: NAME.next. */
int bundle_create_file(const Bundle *bundle, const char *name, GError **error);

/* As bundle_create_file(), but @name is free again at once: the file is gone when it is closed. */
int bundle_create_nameless(const Bundle *bundle, const char *name, GError **error);

/* As bundle_open_file(), but for reading and writing. */
int bundle_open_to_write(const Bundle *bundle, const char *name, GError **error);

/*
 * Open a regular file of the state that counts for reading.  -1: failed; WHERRY_ERROR_NOT_FOUND:
 * missing; WHERRY_ERROR_DAMAGED: a symlink, a directory, a fifo, a device.
 */
int bundle_open_file(const Bundle *bundle, const char *name, GError **error);

/*
 * Read and check machine.json, that of the state that counts.  WHERRY_ERROR_INVALID_INPUT: there is
 * none, so the bundle is incomplete; else as manifest_parse().
 */
Manifest *bundle_read_manifest(const Bundle *bundle, GError **error);

/* Write @len bytes as @name and add it with size and digest to @manifest's files. */
bool bundle_write_file(const Bundle *bundle, const char *name, const void *data, size_t len,
		       Manifest *manifest, GError **error);

/* Add the size and digest of @name, which was written and flushed before, to @manifest's files. */
bool bundle_record_file(const Bundle *bundle, const char *name, Manifest *manifest, GError **error);

/* Whether a file of the state that counts is what @want says: WHERRY_ERROR_DIFFERENT. */
bool bundle_check_file(const Bundle *bundle, const struct manifest_file *want, GError **error);

/* The last step: machine.json, by a rename, with all flushes.  If any fails there is none. */
bool bundle_write_manifest(const Bundle *bundle, const Manifest *manifest, GError **error);

void bundle_free(Bundle *bundle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bundle, bundle_free)
