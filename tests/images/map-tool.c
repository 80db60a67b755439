/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map-tool mask DISK OUT [DISK OUT...]: write to each OUT, a new sparse file, the bytes of its DISK
 * that the map of them all names.  What a capture carries must be this and nothing else.
 *
 * map-tool list DISK: the extents of the map, "OFFSET LENGTH" in bytes on a line each.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "map/storage-map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE (UINT64_C(1) << 20)

static bool mask_disk(const Blkdev *disk, const DiskMap *map, const char *out, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(PIECE);
	autofd int fd = -1;
	struct extent e;

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

/* @args: DISK OUT pairs. */
static bool mask(char **args, unsigned int n_disks, GError **error)
{
	g_autoptr(GPtrArray) disks = g_ptr_array_new_with_free_func((GDestroyNotify)blkdev_free);
	g_autoptr(StorageMap) map = NULL;

	for (unsigned int i = 0; i < n_disks; i++) {
		Blkdev *disk = blkdev_open(args[2 * i], error);

		if (!disk)
			return false;
		g_ptr_array_add(disks, disk);
	}
	map = storage_map_read((const Blkdev *const *)disks->pdata, n_disks, NULL);
	for (unsigned int i = 0; i < n_disks; i++)
		if (!mask_disk(g_ptr_array_index(disks, i), g_ptr_array_index(map->disks, i),
			       args[2 * i + 1], error))
			return false;
	return true;
}

static bool list(const char *path, GError **error)
{
	g_autoptr(Blkdev) disk = blkdev_open(path, error);
	const Blkdev *disks[] = { disk };
	g_autoptr(StorageMap) map = NULL;
	const DiskMap *found;
	struct extent e;

	if (!disk)
		return false;
	map = storage_map_read(disks, 1, NULL);
	found = g_ptr_array_index(map->disks, 0);
	for (uint64_t at = 0; used_map_next(found->used, at, &e); at = e.offset + e.length)
		printf("%" PRIu64 " %" PRIu64 "\n", e.offset, e.length);
	return true;
}

int main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	bool ok;

	if (argc >= 4 && argc % 2 == 0 && strcmp(argv[1], "mask") == 0) {
		ok = mask(argv + 2, (unsigned int)argc / 2 - 1, &error);
	} else if (argc == 3 && strcmp(argv[1], "list") == 0) {
		ok = list(argv[2], &error);
	} else {
		fprintf(stderr, "usage: map-tool mask DISK OUT [DISK OUT...]\n"
				"       map-tool list DISK\n");
		return 2;
	}
	if (!ok) {
		fprintf(stderr, "map-tool: %s\n", error->message);
		return 1;
	}
	return 0;
}
