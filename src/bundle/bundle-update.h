/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A complete bundle becomes the next generation of itself: all at once, by one record.
 *
 *	bundle_update_begin()   update.journal: begun            the old state counts
 *	   images are appended to, other files made as NAME.next
 *	bundle_update_commit()  update.journal: all of the rest  the new state counts
 *	   bundle_settle()      heads of the images, NAME.next -> NAME, machine.json, and the
 *	                        journal is removed
 *
 * Who only reads a bundle needs to know nothing of it: bundle.h and bundle-image.h give the state
 * that counts.  Who writes settles it first.  All of these want bundle_lock().
 */
#pragma once

#include "bundle/bundle.h"

/*
 * Finish what an update left behind: one that was committed is brought in, and one that was only
 * begun is taken out.  Either can be cut off anywhere, and is then finished by the next one.
 */
bool bundle_settle(Bundle *bundle, GError **error);

/* From now on bundle_create_file() makes files of the new state.  @bundle is settled. */
bool bundle_update_begin(Bundle *bundle, GError **error);

/*
 * Commit, and settle.  @manifest: of the new state, whose files are all there and flushed; @heads:
 * UPDATE_HEAD_SIZE bytes for each of its disks.
 *
 * @ret_committed is set even on failure: whether it was too late for the old state.
 */
bool bundle_update_commit(Bundle *bundle, const Manifest *manifest, const uint8_t *heads,
			  bool *ret_committed, GError **error);
