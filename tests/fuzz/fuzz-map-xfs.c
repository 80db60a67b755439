/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any sectors as an XFS, all checksums but those of the log put right first.  test-map-xfs.c sees
 * to it that valid-* are accepted.
 */
#include "fuzz-xfs.h"

#include <fcntl.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(Blkdev) disk = fuzz_disk(NULL, 0);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", disk->fd);
	autofd int fd = open(path, O_RDWR | O_CLOEXEC);

	fuzz_lay_out(fd, data, size);
	xfs_mend(fd, data, size);
	return fuzz_try(&map_xfs, "xfs", disk);
}
