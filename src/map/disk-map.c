/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the volumes of a disk and asks the driver of each for its map.  Where anything is
 * ambiguous, the answer is to carry all of it: a table that might be misread is worse than none.
 */
#include "map/disk-map.h"

#include "base/error.h"
#include "map/identify.h"
#include "map/map-driver.h"
#include "map/partition-table.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_SECTOR 512u

/* Between partitions, boot loaders and others keep things that no table speaks of. */
#define EDGE_SIZE      (UINT64_C(1) << 20)
#define SMALL_GAP_SIZE (UINT64_C(8) << 20)

static const struct map_driver *const drivers[] = {
	&map_ext,
	&map_fat,
	&map_swap,
};

static void map_volume_free(void *p)
{
	struct map_volume *volume = p;

	g_free(volume->type);
	g_free(volume->uuid);
	g_free(volume->label);
	g_free(volume->content);
	g_free(volume->how);
	g_free(volume);
}

static const struct map_driver *find_driver(const char *content)
{
	for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
		for (size_t j = 0; drivers[i]->contents[j]; j++)
			if (strcmp(drivers[i]->contents[j], content) == 0)
				return drivers[i];
	return NULL;
}

static void add_warning(DiskMap *map, char *warning)
{
	if (warning)
		g_ptr_array_add(map->warnings, warning);
}

/*
 * A partition that a VM had for its disk has a table of its own, and next to it may lie what is
 * left of a filesystem that was there before.
 */
static bool check_no_table(const struct volume *volume, const char *content, GError **error)
{
	bool boot_code;
	int mbr = mbr_classify(volume, &boot_code, error);

	if (mbr == MBR_TABLE || mbr == MBR_PROTECTIVE)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "both a partition table and %s", content);
	return mbr == MBR_NONE;
}

/* Let the driver of what @volume holds make the map; on any failure all of it is in use. */
static void map_content(DiskMap *map, const struct volume *volume, struct map_volume *info)
{
	const struct map_driver *driver;
	g_autoptr(GError) cause = NULL;
	struct map_found found = { NULL };
	int known = identify(volume, &info->content, &cause);

	if (known > 0) {
		driver = find_driver(info->content);
		if (driver && check_no_table(volume, info->content, &cause) &&
		    driver->map(volume, info->content, map->used, &found, &cause)) {
			info->how = found.how;
			add_warning(map, found.warning);
			return;
		}
		if (!driver)
			info->how = g_strdup_printf("carried whole: %s", info->content);
	} else if (known == 0) {
		info->how = g_strdup("carried whole: no known content");
	}
	if (cause)
		info->how = g_strdup_printf("carried whole: %s", cause->message);
	used_map_add(map->used, volume->offset, volume->size);
}

static void add_volume(DiskMap *map, const Blkdev *disk, const struct partition *partition)
{
	struct map_volume *info = g_new0(struct map_volume, 1);
	g_autofree char *name = NULL;
	struct volume volume = { .disk = disk };

	name = partition->number
		   ? g_strdup_printf("partition %u of %s", partition->number, disk->name)
		   : g_strdup(disk->name);
	volume.name = name;
	volume.offset = partition->offset;
	volume.size = partition->size;

	info->number = partition->number;
	info->offset = partition->offset;
	info->size = partition->size;
	info->type = g_strdup(partition->type);
	info->uuid = g_strdup(partition->uuid);
	info->label = g_strdup(partition->label);
	map_content(map, &volume, info);
	g_debug("%s, %" PRIu64 " bytes at %" PRIu64 ": %s", name, info->size, info->offset,
		info->how);
	g_ptr_array_add(map->volumes, info);
}

/* The whole disk as one volume of which all is in use. */
static void carry_whole(DiskMap *map, const Blkdev *disk, const char *why)
{
	struct map_volume *info = g_new0(struct map_volume, 1);

	info->size = disk->size;
	info->how = g_strdup_printf("carried whole: %s", why);
	g_debug("%s: %s", disk->name, info->how);
	g_ptr_array_set_size(map->volumes, 0);
	g_ptr_array_add(map->volumes, info);
	used_map_add(map->used, 0, disk->size);
}

static int compare_offsets(const void *a, const void *b)
{
	const struct map_volume *x = *(struct map_volume *const *)a;
	const struct map_volume *y = *(struct map_volume *const *)b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void add_gap(DiskMap *map, uint64_t start, uint64_t end)
{
	if (end - start <= SMALL_GAP_SIZE) {
		used_map_add(map->used, start, end - start);
	} else {
		used_map_add(map->used, start, EDGE_SIZE);
		used_map_add(map->used, end - EDGE_SIZE, EDGE_SIZE);
	}
}

/* All before the first volume, the gaps, and the end of the disk. */
static void add_gaps(DiskMap *map, const Blkdev *disk)
{
	uint64_t at = 0;

	for (unsigned int i = 0; i < map->volumes->len; i++) {
		const struct map_volume *volume = g_ptr_array_index(map->volumes, i);

		if (i == 0)
			used_map_add(map->used, 0, volume->offset);
		else if (volume->offset > at)
			add_gap(map, at, volume->offset);
		at = MAX(at, volume->offset + volume->size);
	}
	if (disk->size > at)
		add_gap(map, at, disk->size);
	at = MIN(EDGE_SIZE, disk->size);
	used_map_add(map->used, disk->size - at, at);
}

static void use_table(DiskMap *map, const Blkdev *disk, const PartitionTable *table)
{
	map->table = table->kind;
	map->table_id = g_strdup(table->id);
	map->sector_size = table->sector_size;
	add_warning(map, g_strdup(table->warning));
	for (unsigned int i = 0; i < table->partitions->len; i++)
		add_volume(map, disk, &g_array_index(table->partitions, struct partition, i));
	for (unsigned int i = 0; i < table->structures->len; i++) {
		const struct extent *where = &g_array_index(table->structures, struct extent, i);

		used_map_add(map->used, where->offset, where->length);
	}
	g_ptr_array_sort(map->volumes, compare_offsets);
	add_gaps(map, disk);
}

/*
 * A GPT in the sectors of the disk; a file does not say how large those are, but where the GPT lies
 * does.  As gpt_read().
 */
static int find_gpt(const Blkdev *disk, const struct volume *whole, PartitionTable **ret,
		    GError **error)
{
	g_autoptr(GError) cause = NULL;
	int r;

	if (disk->sector_size != 0)
		return gpt_read(whole, disk->sector_size, ret, error);
	r = gpt_read(whole, 512, ret, &cause);
	if (r != 1) {
		int other = gpt_read(whole, 4096, ret, NULL);

		if (other == 1)
			return 1;
	}
	if (r < 0)
		g_propagate_error(error, g_steal_pointer(&cause));
	return r;
}

/* How many of the partitions hold something that libblkid knows. */
static unsigned int count_known(const Blkdev *disk, const PartitionTable *table)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);
		const struct volume volume = { disk, disk->name, p->offset, p->size };
		g_autofree char *content = NULL;

		n += identify(&volume, &content, NULL) == 1;
	}
	return n;
}

/*
 * In the sectors that the disk has; but behind some USB adapters a disk has others, and its table
 * stays as it was made there.
 */
static PartitionTable *find_mbr_on_device(const Blkdev *disk, const struct volume *whole,
					  GError **error)
{
	g_autoptr(PartitionTable) own = mbr_read(whole, disk->sector_size, error), other = NULL;
	uint32_t other_size = disk->sector_size == 512 ? 4096 : 512;

	if (!own || count_known(disk, own) > 0)
		return g_steal_pointer(&own);
	other = mbr_read(whole, other_size, NULL);
	if (!other || count_known(disk, other) == 0)
		return g_steal_pointer(&own);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "an MBR that counts in sectors of %" PRIu32 " bytes, but those of the disk "
		    "have %" PRIu32,
		    other_size, disk->sector_size);
	return NULL;
}

/*
 * An MBR counts in sectors whose size a file does not say.  Taken wrongly, data would lie in what
 * looks like gaps; so the size is that for which known things start where the table says.
 */
static PartitionTable *find_mbr(const Blkdev *disk, const struct volume *whole, GError **error)
{
	g_autoptr(PartitionTable) small = NULL, large = NULL;
	unsigned int n_small, n_large;

	if (disk->sector_size != 0)
		return find_mbr_on_device(disk, whole, error);
	small = mbr_read(whole, 512, error);
	if (!small) /* counted in larger sectors, everything would lie even farther out */
		return NULL;
	large = mbr_read(whole, 4096, NULL);
	if (!large)
		return g_steal_pointer(&small);

	n_small = count_known(disk, small);
	n_large = count_known(disk, large);
	if (n_small > 0 && n_large == 0)
		return g_steal_pointer(&small);
	if (n_large > 0 && n_small == 0)
		return g_steal_pointer(&large);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "an MBR, and nothing shows whether it counts in sectors of 512 or 4096 bytes");
	return NULL;
}

/*
 * Windows' Logical Disk Manager: a volume that was made on a dynamic disk is only in its own
 * database, and one that is in the table may go on elsewhere.
 */
static bool is_dynamic(const PartitionTable *table)
{
	static const char *const types[] = {
		"0x42",
		"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", /* the database */
		"af9b60a0-1431-4f62-bc68-3311714a69ad", /* the data */
		NULL,
	};

	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);

		if (g_strv_contains(types, p->type))
			return true;
	}
	return false;
}

/* What Linux would do with the first sectors, as long as nothing contradicts it. */
static void map_whole(DiskMap *map, const Blkdev *disk, int mbr)
{
	const struct volume whole = { disk, disk->name, 0, disk->size };
	const struct partition all = { .size = disk->size };
	g_autoptr(PartitionTable) table = NULL;
	g_autofree char *content = NULL;
	g_autoptr(GError) cause = NULL;
	int gpt, known;

	gpt = find_gpt(disk, &whole, &table, &cause);
	if (gpt < 0) {
		carry_whole(map, disk, cause->message);
		return;
	}
	if ((gpt == 1) != (mbr == MBR_PROTECTIVE)) {
		carry_whole(map, disk,
			    gpt == 1 ? "a GPT without a protective MBR, which Linux does not use"
				     : "a protective MBR without a GPT");
		return;
	}
	if (mbr == MBR_NONE) {
		add_volume(map, disk, &all);
		return;
	}

	known = identify(&whole, &content, &cause);
	if (known != 0) {
		g_autofree char *why = g_strdup_printf("both a partition table and %s",
						       cause ? cause->message : content);

		carry_whole(map, disk, why);
		return;
	}
	if (mbr == MBR_TABLE)
		table = find_mbr(disk, &whole, &cause);
	else if (!mbr_add_hybrid(table, &whole, &cause))
		g_clear_pointer(&table, partition_table_free);
	if (!table)
		carry_whole(map, disk, cause->message);
	else if (is_dynamic(table))
		carry_whole(map, disk, "a Windows dynamic disk, whose table does not say all");
	else
		use_table(map, disk, table);
}

DiskMap *disk_map_read(const Blkdev *disk, GError **error)
{
	const struct volume whole = { disk, disk->name, 0, disk->size };
	g_autoptr(DiskMap) map = g_new0(DiskMap, 1);
	int mbr;

	map->table = "none";
	map->sector_size = disk->sector_size ? disk->sector_size : DEFAULT_SECTOR;
	map->volumes = g_ptr_array_new_with_free_func(map_volume_free);
	map->warnings = g_ptr_array_new_with_free_func(g_free);
	map->used = used_map_new(disk->size, USED_MAP_MAX_EXTENTS);

	mbr = mbr_classify(&whole, &map->boot_code, error);
	if (mbr < 0)
		return NULL;
	map_whole(map, disk, mbr);
	for (unsigned int i = 0; i < map->volumes->len; i++) {
		struct map_volume *volume = g_ptr_array_index(map->volumes, i);

		volume->used = used_map_count(map->used, volume->offset, volume->size);
	}
	return g_steal_pointer(&map);
}

void disk_map_free(DiskMap *map)
{
	if (!map)
		return;
	g_clear_pointer(&map->volumes, g_ptr_array_unref);
	g_clear_pointer(&map->warnings, g_ptr_array_unref);
	used_map_free(map->used);
	g_free(map->table_id);
	g_free(map);
}
