/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bytes of its devices a mounted filesystem uses, by what its kernel says: a hot capture
 * cannot read them off the disk, where they lag.
 *
 * The answer is of no single moment, for the filesystem goes on while it is given.  It holds what
 * was in use all the time, and perhaps not what was taken into use meanwhile.  So whoever asks
 * either
 *
 *	freezes it (FIFREEZE), asks, and reads what is in use before it thaws; or
 *	begins to note which bytes are written, asks, reads; then freezes it and reads those noted:
 *	what was taken into use after the question began was written after it, or is to be read as
 *	zeros.
 *
 * What is read in the end is then the frozen filesystem: as after a power cut, but for its journal
 * or log, which freezing has emptied.  btrfs has to be frozen once or synced (syncfs()) between the
 * start of the notes and the question, too: else it may have trees of an fsync, or data that was
 * written before the notes, that no answer knows.
 *
 * Files that are deleted but open are in use.
 */
#pragma once

#include "map/volume.h"

#include <sys/types.h>

/* A block device that the filesystem was mounted from. */
struct mounted_device {
	dev_t id;             /* its st_rdev */
	const Volume *volume; /* the same bytes; borrowed */
};

/*
 * Say volume_use() on @devices for everything that the filesystem of @fd, any file on it, does not
 * call free: its metadata, what has an unknown owner and what it does not speak of, too.
 *
 * Returns how, owned by the caller: "ext4, mounted".  It fails, and the caller carries all of the
 * devices, for a filesystem or kernel that cannot be asked (WHERRY_ERROR_UNSUPPORTED), one on other
 * devices than these, external journals among them, and answers that make no sense
 * (WHERRY_ERROR_DAMAGED).  What was added by then does no harm.
 */
char *mounted_map_use(int fd, const struct mounted_device *devices, unsigned int n_devices,
		      GError **error);
