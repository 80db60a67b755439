/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes NAME.partial, flushes it, renames it to NAME, flushes the directory.  A leftover of an
 * earlier, killed run is overwritten.
 */
#include "base/atomic-file.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A file under a temporary name, removed on every way out but the good one. */
typedef struct {
	int dirfd;        /* borrowed */
	const char *name; /* borrowed; NULL while there is nothing of ours to remove */
} PendingFile;

static void pending_file_discard(PendingFile *pending)
{
	/* Why we gave up is reported already, and worth more than a leftover. */
	if (pending->name)
		(void)unlinkat(pending->dirfd, pending->name, 0);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PendingFile, pending_file_discard)

bool atomic_file_write(int dirfd, const char *name, const void *data, size_t len, GError **error)
{
	g_autofree char *partial = g_strdup_printf("%s.partial", name); /* outlives pending */
	g_auto(PendingFile) pending = { .dirfd = dirfd };
	autofd int fd = -1;

	fd = openat(dirfd, partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot create '%s'", partial);
		return false;
	}
	pending.name = partial;

	if (!io_write(fd, partial, data, len, error) || !io_flush(fd, partial, error) ||
	    !autofd_close(&fd, partial, error))
		return false;
	if (renameat(dirfd, partial, dirfd, name) < 0) {
		wherry_error_sys(error, errno, "cannot rename '%s' to '%s'", partial, name);
		return false;
	}
	pending.name = NULL;

	return io_flush(dirfd, name, error); /* the new name is in the directory, not in the file */
}
