/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk with an XFS that is right but for some changes, from a seed of the fuzzer. */
#pragma once

#include "disk.h"

#include "../fuzz/fuzz-xfs.h"

/* A change, and the words with which it is refused; NULL: it is mapped all the same. */
struct change {
	uint64_t at;
	const char *bytes;
	size_t len;
	const char *words;
};

/* Of valid-v4-512: its log does not end with an unmount any more. */
static const struct change xfs_not_unmounted = { 40968 * 512 + 9, "\0", 1, NULL };

/* @changes: @n of them.  @mend: with right checksums. */
static inline Blkdev *xfs_seed_open(const char *name, const struct change *changes, size_t n,
				    bool mend)
{
	g_autofree char *path =
	    g_build_filename(g_getenv("SOURCE_ROOT"), "tests/fuzz/corpus/map-xfs", name, NULL);
	Blkdev *disk = disk_new(FUZZ_VOLUME_SIZE, 0);
	g_autofree char *data = NULL;
	size_t size;

	assert_true(g_file_get_contents(path, &data, &size, NULL));
	fuzz_lay_out(disk->fd, (const uint8_t *)data, size);
	for (size_t i = 0; i < n; i++)
		disk_write(disk, changes[i].at, changes[i].bytes, changes[i].len);
	if (mend)
		xfs_mend(disk->fd, (const uint8_t *)data, size);
	return disk;
}
