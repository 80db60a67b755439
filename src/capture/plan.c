/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known before the first byte is written. */
#include "capture/plan.h"

#include "base/error.h"
#include "base/zero.h"
#include "bundle/sums.h"
#include "image/compress.h"
#include "image/image-writer.h"
#include "source/device-stack.h"

#include <string.h>
#include <sys/stat.h>

#define SAMPLES 64u

static void plan_disk_free(void *p)
{
	struct plan_disk *disk = p;

	blkdev_free(disk->dev);
	blkdev_free(disk->origin);
	g_free(disk->view);
	g_free(disk);
}

static bool same_disk(const Blkdev *a, const Blkdev *b)
{
	struct stat x, y;

	if (fstat(a->fd, &x) < 0 || fstat(b->fd, &y) < 0)
		return false;
	if (a->id != 0 || b->id != 0)
		return a->id == b->id;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool check_disk(const GPtrArray *disks, const Blkdev *dev, GError **error)
{
	if (dev->size == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is empty: 0 bytes", dev->name);
		return false;
	}
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *other = g_ptr_array_index(disks, i);

		if (same_disk(dev, other->dev)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
				    "'%s' and '%s' are the same disk", other->dev->name, dev->name);
			return false;
		}
	}
	return true;
}

GPtrArray *plan_new(void)
{
	return g_ptr_array_new_with_free_func(plan_disk_free);
}

GPtrArray *plan_open(const char *const *paths, GError **error)
{
	g_autoptr(GPtrArray) disks = plan_new();

	for (size_t i = 0; paths[i]; i++) {
		g_autoptr(Blkdev) dev = blkdev_open(paths[i], error);
		struct plan_disk *disk;

		if (!dev || !check_disk(disks, dev, error))
			return NULL;
		disk = g_new0(struct plan_disk, 1);
		disk->dev = g_steal_pointer(&dev);
		g_ptr_array_add(disks, disk);
	}
	return g_steal_pointer(&disks);
}

bool plan_check_idle(const GPtrArray *disks, GError **error)
{
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		g_autofree char *mounted = device_stack_writer(disk->dev->name);

		if (mounted) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_BUSY,
				    "'%s' is in use: a filesystem on it is mounted for writing at "
				    "'%s'; unmount it, or start the machine from the medium",
				    disk->dev->name, mounted);
			return false;
		}
	}
	return true;
}

static void count(struct plan_disk *disk)
{
	uint64_t size = disk->dev->size, image;

	disk->used = used_map_count(disk->map->used, 0, size);
	disk->clusters = used_map_count_clusters(disk->map->used, IMAGE_CLUSTER_SIZE);
	image = image_size_bound(size, disk->clusters);
	disk->bytes_bound = image + sums_size_bound(disk->clusters, image);
}

void plan_carry_whole(struct plan_disk *disk)
{
	g_ptr_array_add(disk->map->warnings, g_strdup_printf("%s is carried whole: %s",
							     disk->dev->name, disk->map->failure));
	used_map_add(disk->map->used, 0, disk->dev->size);
	count(disk);
}

StorageMap *plan_map(const GPtrArray *disks, const struct map_options *options)
{
	g_autofree const Blkdev **devs = g_new(const Blkdev *, disks->len);
	StorageMap *map;

	for (unsigned int i = 0; i < disks->len; i++) {
		devs[i] = ((const struct plan_disk *)g_ptr_array_index(disks, i))->dev;
		blkdev_forget(devs[i]);
	}
	map = storage_map_read(devs, disks->len, options);
	for (unsigned int i = 0; i < disks->len; i++) {
		struct plan_disk *disk = g_ptr_array_index(disks, i);

		disk->storage = map;
		disk->map = g_ptr_array_index(map->disks, i);
		count(disk);
	}
	return map;
}

/* The used bytes of the disk in one row: where does byte @position of them lie? */
static uint64_t find_used_byte(UsedMap *map, uint64_t position)
{
	struct extent extent = { 0 };

	for (uint64_t at = 0; used_map_next(map, at, &extent); at = extent.offset + extent.length) {
		if (position < extent.length)
			return extent.offset + position;
		position -= extent.length;
	}
	return extent.offset;
}

uint64_t plan_estimate(const struct plan_disk *disk, int level)
{
	g_autofree uint8_t *in = g_malloc(IMAGE_CLUSTER_SIZE), *out = g_malloc(IMAGE_CLUSTER_SIZE);
	g_autoptr(Compressor) compressor = NULL;
	uint64_t sum = 0, empty = image_size_bound(disk->dev->size, 0);

	if (level > 0)
		compressor = compressor_new(level);
	for (unsigned int i = 0; i < SAMPLES && disk->used > 0; i++) {
		uint64_t at = find_used_byte(disk->map->used, disk->used / SAMPLES * i);
		uint64_t start = at - at % IMAGE_CLUSTER_SIZE;
		size_t len = (size_t)MIN(IMAGE_CLUSTER_SIZE, disk->dev->size - start), packed = 0;

		memset(in, 0, IMAGE_CLUSTER_SIZE);
		if (!blkdev_read(disk->dev, start, in, len, NULL)) {
			sum += IMAGE_CLUSTER_SIZE; /* the copy will say what is wrong with it */
			continue;
		}
		if (is_zero(in, IMAGE_CLUSTER_SIZE))
			continue;
		if (compressor)
			packed = compressor_run(compressor, in, out);
		sum += packed ? packed : IMAGE_CLUSTER_SIZE;
	}
	return (uint64_t)((double)sum / SAMPLES * (double)disk->clusters) + empty;
}
