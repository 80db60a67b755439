/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the disks of a machine, through tables, layers and formats at once.  The first byte
 * says how many disks there are and how large their sectors; the others are cut in equal parts, one
 * for the start of each disk.
 *
 * A map comes out whatever there is, and it carries the first sector and the last MiB.
 */
#include "fuzz-mend.h"
#include "fuzz-volume.h"

#include "map/storage-map.h"

#define MAX_DISKS 2

static void check_volumes(const GPtrArray *volumes)
{
	for (unsigned int i = 0; i < volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(volumes, i);

		g_assert_nonnull(volume->how);
		g_assert_cmpuint(volume->used, <=, volume->size);
	}
}

static void check_disk(const DiskMap *map)
{
	const uint64_t last = UINT64_C(1) << 20;

	g_assert_null(map->failure);
	check_volumes(map->volumes);
	g_assert_cmpuint(used_map_count(map->used, 0, 512), ==, 512);
	if (strcmp(map->table, "none") != 0)
		g_assert_cmpuint(used_map_count(map->used, FUZZ_VOLUME_SIZE - last, last), ==,
				 last);
}

static Blkdev *open_disk(const uint8_t *data, size_t size, uint32_t sector_size)
{
	g_autofree uint8_t *mended = g_memdup2(data, size);
	Blkdev *disk;

	mend_gpt(mended, size, 512);
	mend_gpt(mended, size, 4096);
	mend_exfat(mended, size);
	disk = fuzz_disk(mended, size);
	disk->sector_size = sector_size;
	return disk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t sector_sizes[] = { 0, 512, 4096, 0 };
	Blkdev *disks[MAX_DISKS];
	g_autoptr(StorageMap) map = NULL;
	unsigned int n;

	if (size < 1)
		return 0;
	n = 1 + data[0] % MAX_DISKS;
	for (unsigned int i = 0; i < n; i++)
		disks[i] = open_disk(data + 1 + i * ((size - 1) / n), (size - 1) / n,
				     sector_sizes[data[0] / MAX_DISKS % 4]);
	map = storage_map_read((const Blkdev *const *)disks, n, NULL);
	g_assert_cmpuint(map->disks->len, ==, n);
	for (unsigned int i = 0; i < n; i++) {
		check_disk(g_ptr_array_index(map->disks, i));
		blkdev_free(disks[i]);
	}
	check_volumes(map->volumes);
	return 0;
}
