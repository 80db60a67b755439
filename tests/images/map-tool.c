/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map-tool mask DISK OUT: write to OUT, a new sparse file, the bytes of DISK that its map names.
 * What a capture carries must be this and nothing else.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "map/disk-map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE (UINT64_C(1) << 20)

static bool mask(const char *path, const char *out, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(PIECE);
	g_autoptr(Blkdev) disk = blkdev_open(path, error);
	g_autoptr(DiskMap) map = NULL;
	autofd int fd = -1;
	struct extent e;

	if (!disk)
		return false;
	map = disk_map_read(disk, error);
	if (!map)
		return false;
	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)disk->size) < 0) {
		wherry_error_sys(error, errno, "cannot make '%s'", out);
		return false;
	}
	for (uint64_t at = 0; used_map_next(map->used, at, &e); at = e.offset + e.length) {
		e.length = MIN(e.length, PIECE);
		if (!blkdev_read(disk, e.offset, buf, e.length, error) ||
		    !io_pwrite(fd, out, e.offset, buf, e.length, error))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;

	if (argc != 4 || strcmp(argv[1], "mask") != 0) {
		fprintf(stderr, "usage: map-tool mask DISK OUT\n");
		return 2;
	}
	if (!mask(argv[2], argv[3], &error)) {
		fprintf(stderr, "map-tool: %s\n", error->message);
		return 1;
	}
	return 0;
}
