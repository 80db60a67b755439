/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libntfs-3g on a volume: it reads through volume_read(), writes nothing and prints nothing.
 *
 * Its names begin with ntfs_ and its le16 is a number, so ours begin with nt_, and no file that
 * includes this one has base/le.h.
 */
#pragma once

#include "map/volume.h"

/* Its own headers take these to be there. */
#include <endian.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/volume.h>

struct nt_source {
	const Volume *volume;  /* borrowed */
	uint64_t n_reads_left; /* then it fails: what a disk makes the library read ends */
};

/*
 * The boot sector was checked by ntfs_boot_read().  @source must live as long.  Fails with
 * WHERRY_ERROR_DAMAGED, $MFT and its mirror being different, too.
 */
ntfs_volume *nt_open(struct nt_source *source, GError **error);

void nt_volume_free(ntfs_volume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ntfs_volume, nt_volume_free)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ntfs_inode, ntfs_inode_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ntfs_attr, ntfs_attr_close)

/* "NTFS @what: ", and the library's first words since nt_expect(), else those of @code, an errno.
 */
void nt_set_error(GError **error, int code, const char *what);
void nt_expect(void);

/*
 * The file @name, in ASCII, of the root directory; case does not matter.  Returns 1 and sets @ret,
 * owned by the caller; or 0, when there is none; or -1.
 */
int nt_open_in_root(ntfs_volume *volume, const char *name, ntfs_inode **ret, GError **error);
