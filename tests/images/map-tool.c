/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map-tool mask DISK OUT [DISK OUT...]: write to each OUT, a new sparse file, the bytes of its DISK
 * that the map of them all names.  What a capture carries must be this and nothing else.
 *
 * map-tool list DISK: the extents of the map, "OFFSET LENGTH" in bytes on a line each.
 *
 * map-tool mounted DIR DEVICE DISK OFFSET SIZE [DEVICE DISK OFFSET SIZE...]: what the kernel of the
 * filesystem at DIR says is in use, which was mounted from the block devices DEVICE; they are SIZE
 * bytes at OFFSET of DISK.  How is on the first line, and then "N OFFSET LENGTH" for the extents of
 * disk N.
 */
#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "base/zero.h"
#include "map/mounted-map.h"
#include "map/storage-map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
		if (blkdev_is_hole(disk, e.offset, e.length))
			continue;
		if (!blkdev_read(disk, e.offset, buf, e.length, error) ||
		    (!is_zero(buf, e.length) &&
		     !io_pwrite(fd, out, e.offset, buf, e.length, error)))
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

/* What the arguments of one device name. */
struct part {
	Blkdev *disk;
	UsedMap *used;
	Volume *whole, *volume;
};

static void part_clear(void *p)
{
	struct part *part = p;

	volume_free(part->volume);
	volume_free(part->whole);
	used_map_free(part->used);
	blkdev_free(part->disk);
}

/* @args: DEVICE DISK OFFSET SIZE. */
static bool add_part(char **args, GArray *parts, GArray *devices, GError **error)
{
	struct mounted_device device;
	struct part part = { .disk = blkdev_open(args[1], error) };
	struct stat st;

	if (!part.disk)
		return false;
	part.used = used_map_new(part.disk->size, USED_MAP_MAX_EXTENTS);
	part.whole = volume_new_disk(part.disk, part.used);
	part.volume = volume_new_part(args[0], part.whole, strtoull(args[2], NULL, 10),
				      strtoull(args[3], NULL, 10), error);
	g_array_append_val(parts, part);
	if (!part.volume)
		return false;
	if (stat(args[0], &st) < 0) {
		wherry_error_sys(error, errno, "cannot find '%s'", args[0]);
		return false;
	}
	device = (struct mounted_device){ st.st_rdev, part.volume };
	g_array_append_val(devices, device);
	return true;
}

static void print_extents(UsedMap *used, unsigned int disk)
{
	struct extent e;

	for (uint64_t at = 0; used_map_next(used, at, &e); at = e.offset + e.length)
		printf("%u %" PRIu64 " %" PRIu64 "\n", disk, e.offset, e.length);
}

/* @args: DIR, and DEVICE DISK OFFSET SIZE of each device. */
static bool mounted(char **args, unsigned int n_devices, GError **error)
{
	g_autoptr(GArray) devices = g_array_new(false, false, sizeof(struct mounted_device));
	g_autoptr(GArray) parts = g_array_new(false, false, sizeof(struct part));
	autofd int fd = open(args[0], O_RDONLY | O_CLOEXEC);
	g_autofree char *how = NULL;

	if (fd < 0) {
		wherry_error_sys(error, errno, "cannot open '%s'", args[0]);
		return false;
	}
	g_array_set_clear_func(parts, part_clear);
	for (unsigned int i = 0; i < n_devices; i++)
		if (!add_part(args + 1 + i * 4, parts, devices, error))
			return false;
	how = mounted_map_use(fd, (const struct mounted_device *)(const void *)devices->data,
			      n_devices, error);
	if (!how)
		return false;
	printf("%s\n", how);
	for (unsigned int i = 0; i < n_devices; i++)
		print_extents(g_array_index(parts, struct part, i).used, i);
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
	} else if (argc >= 7 && argc % 4 == 3 && strcmp(argv[1], "mounted") == 0) {
		ok = mounted(argv + 2, (unsigned int)argc / 4, &error);
	} else {
		fprintf(stderr, "usage: map-tool mask DISK OUT [DISK OUT...]\n"
				"       map-tool list DISK\n"
				"       map-tool mounted DIR DEVICE DISK OFFSET SIZE...\n");
		return 2;
	}
	if (!ok) {
		fprintf(stderr, "map-tool: %s\n", error->message);
		return 1;
	}
	return 0;
}
