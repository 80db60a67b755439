/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the volumes of the disks and asks the driver of each for its map.  What a layer makes of
 * them is looked at in the same way, until nothing new is found.
 */
#include "map/storage-map.h"

#include "base/error.h"
#include "map/disk-table.h"
#include "map/identify.h"
#include "map/layer-assembly.h"
#include "map/map-driver.h"

#include <inttypes.h>
#include <string.h>

#define DEFAULT_SECTOR 512u

/* More are nobody's; those behind are carried whole. */
#define MAX_LAYER_VOLUMES 4096u

/* Between partitions, boot loaders and others keep things that no table speaks of. */
#define EDGE_SIZE      (UINT64_C(1) << 20)
#define SMALL_GAP_SIZE (UINT64_C(8) << 20)

static const struct map_driver *const drivers[] = {
	&map_exfat, &map_ext, &map_fat, &map_ntfs, &map_swap, &map_xfs,
};

/* A volume and what is told of it. */
struct node {
	Volume *volume;          /* borrowed */
	struct map_volume *info; /* borrowed */
	GPtrArray *warnings;     /* borrowed */

	const struct map_driver *driver; /* that was asked; NULL: none */
	bool resumes, mounted;           /* see map_found */
};

typedef struct {
	StorageMap *map; /* borrowed */
	struct map_options options;
	LayerAssembly *assembly;
	GPtrArray *volumes;    /* of Volume *, owned */
	GPtrArray *nodes;      /* of struct node *, owned */
	unsigned int n_looked; /* how many of them were looked at */
} Storage;

static void owned_volume_free(void *volume)
{
	volume_free(volume);
}

static void storage_start(Storage *storage, StorageMap *map)
{
	storage->map = map;
	storage->nodes = g_ptr_array_new_with_free_func(g_free);
	storage->volumes = g_ptr_array_new_with_free_func(owned_volume_free);
	storage->assembly = layer_assembly_new(map->warnings);
}

static void storage_clear(Storage *storage)
{
	g_clear_pointer(&storage->assembly, layer_assembly_free);
	g_clear_pointer(&storage->nodes, g_ptr_array_unref);
	g_clear_pointer(&storage->volumes, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Storage, storage_clear)

static void map_volume_free(void *p)
{
	struct map_volume *volume = p;

	g_free(volume->type);
	g_free(volume->uuid);
	g_free(volume->label);
	g_free(volume->content_uuid);
	g_free(volume->content);
	g_free(volume->how);
	g_free(volume->name);
	g_free(volume);
}

static Volume *keep(Storage *storage, Volume *volume)
{
	g_ptr_array_add(storage->volumes, volume);
	return volume;
}

/* @infos and @warnings are where it is told of. */
static struct node *add_node(Storage *storage, Volume *volume, GPtrArray *infos,
			     GPtrArray *warnings)
{
	struct node *node = g_new0(struct node, 1);

	node->volume = volume;
	node->warnings = warnings;
	node->info = g_new0(struct map_volume, 1);
	node->info->size = volume->size;
	g_ptr_array_add(infos, node->info);
	g_ptr_array_add(storage->nodes, node);
	return node;
}

static void add_warning(GPtrArray *warnings, char *warning)
{
	if (warning)
		g_ptr_array_add(warnings, warning);
}

static void carry_whole(const struct node *node, const char *why)
{
	node->info->how = g_strdup_printf("carried whole: %s", why);
	volume_use(node->volume, 0, node->volume->size);
}

static void map_dirty_free(void *p)
{
	struct map_dirty *dirty = p;

	g_clear_pointer(&dirty->pieces, g_array_unref);
	g_free(dirty->why_not);
	g_free(dirty->content);
	g_free(dirty->name);
	g_free(dirty);
}

static void add_dirty(Storage *storage, const struct node *node)
{
	struct map_dirty *dirty = g_new0(struct map_dirty, 1);
	g_autoptr(GError) cause = NULL;

	dirty->name = g_strdup(node->volume->name);
	dirty->content = g_strdup(node->info->content);
	dirty->pieces = volume_list_pieces(node->volume, MAP_DIRTY_MAX_PIECES, &cause);
	if (cause)
		dirty->why_not = g_strdup(cause->message);
	g_ptr_array_add(storage->map->dirty, dirty);
}

static bool was_replayed(const Storage *storage, const struct node *node)
{
	const GPtrArray *names = storage->options.replayed;

	for (unsigned int i = 0; names && i < names->len; i++)
		if (strcmp(g_ptr_array_index(names, i), node->volume->name) == 0)
			return true;
	return false;
}

const struct map_driver *storage_map_driver(const char *content)
{
	for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++)
		if (g_strv_contains(drivers[i]->contents, content))
			return drivers[i];
	return NULL;
}

/*
 * A partition that a VM had for its disk has a table of its own, and next to it may lie what is
 * left of a filesystem that was there before.
 */
static bool check_no_table(const Volume *volume, const char *content, GError **error)
{
	bool boot_code;
	int mbr = mbr_classify(volume, &boot_code, error);

	if (mbr == MBR_TABLE || mbr == MBR_PROTECTIVE)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "both a partition table and %s", identify_words(content));
	return mbr == MBR_NONE;
}

static void ask_driver(Storage *storage, struct node *node, const struct map_driver *driver)
{
	struct map_volume *info = node->info;
	struct map_found found = { NULL };
	g_autoptr(GError) cause = NULL;

	node->driver = driver;
	if (!driver->map(node->volume, info->content, &storage->options, &found, &cause)) {
		carry_whole(node, cause->message);
		if (g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_DIRTY))
			add_dirty(storage, node);
		return;
	}
	info->how = found.how;
	if (was_replayed(storage, node)) {
		g_free(info->how);
		info->how = g_strdup_printf("%s, log replayed in a snapshot",
					    identify_words(info->content));
	}
	add_warning(node->warnings, found.warning);
	node->resumes = found.resumes;
	node->mounted = found.mounted;
	storage->map->resumes |= found.resumes;
}

/*
 * Let the driver of what the volume holds make the map, or keep it for its layer; on any failure
 * all of it is in use.
 */
static void look_at(Storage *storage, unsigned int index)
{
	struct node *node = g_ptr_array_index(storage->nodes, index);
	struct map_volume *info = node->info;
	const struct map_driver *driver;
	g_autoptr(GError) cause = NULL;
	int known;

	if (info->how)
		return;
	known = identify(node->volume, &info->content, &info->content_uuid, &cause);
	if (known == 0)
		carry_whole(node, "no known content");
	if (known <= 0 || !check_no_table(node->volume, info->content, &cause)) {
		if (cause)
			carry_whole(node, cause->message);
		return;
	}
	driver = storage_map_driver(info->content);
	if (driver)
		ask_driver(storage, node, driver);
	else if (!layer_assembly_add(storage->assembly, node->volume, info->content, &info->how))
		carry_whole(node, identify_words(info->content));
}

static int compare_offsets(const void *a, const void *b)
{
	const struct partition *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static void use_gap(const Volume *disk, uint64_t start, uint64_t end)
{
	if (end - start <= SMALL_GAP_SIZE) {
		volume_use(disk, start, end - start);
	} else {
		volume_use(disk, start, EDGE_SIZE);
		volume_use(disk, end - EDGE_SIZE, EDGE_SIZE);
	}
}

/* All before the first partition, the gaps, and the end of the disk; they are by offset. */
static void use_gaps(const Volume *disk, const GArray *partitions)
{
	uint64_t at = 0;

	for (unsigned int i = 0; i < partitions->len; i++) {
		const struct partition *p = &g_array_index(partitions, struct partition, i);

		if (i == 0)
			volume_use(disk, 0, p->offset);
		else if (p->offset > at)
			use_gap(disk, at, p->offset);
		at = MAX(at, p->offset + p->size);
	}
	if (disk->size > at)
		use_gap(disk, at, disk->size);
	at = MIN(EDGE_SIZE, disk->size);
	volume_use(disk, disk->size - at, at);
}

/*
 * The partitions of @disk become nodes.  @layer: what it is made by, or NULL for a real disk.
 */
static void use_table(Storage *storage, Volume *disk, const PartitionTable *table,
		      const char *layer, GPtrArray *infos, GPtrArray *warnings)
{
	g_array_sort(table->partitions, compare_offsets);
	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);
		g_autoptr(GError) cause = NULL;
		Volume *volume = disk_table_volume(disk, p, &cause);
		struct map_volume *info;

		if (!volume) {
			add_warning(warnings, g_strdup_printf("%s is carried whole: %s", disk->name,
							      cause->message));
			volume_use(disk, 0, disk->size);
			continue;
		}
		info = add_node(storage, keep(storage, volume), infos, warnings)->info;
		info->number = p->number;
		info->offset = p->offset;
		info->type = g_strdup(p->type);
		info->uuid = g_strdup(p->uuid);
		info->label = g_strdup(p->label);
		info->layer = layer;
		info->name = layer ? g_strdup(volume->name) : NULL;
	}
	for (unsigned int i = 0; i < table->structures->len; i++) {
		const struct extent *where = &g_array_index(table->structures, struct extent, i);

		volume_use(disk, where->offset, where->length);
	}
	use_gaps(disk, table->partitions);
	add_warning(warnings, g_strdup(table->warning));
}

static void map_disk(Storage *storage, const Blkdev *dev, DiskMap *map)
{
	Volume *disk = keep(storage, volume_new_disk(dev, map->used));
	g_autoptr(PartitionTable) table = NULL;
	g_autoptr(GError) cause = NULL;
	int mbr = mbr_classify(disk, &map->boot_code, &cause), found;
	struct node *node;

	if (mbr < 0) {
		map->failure = g_strdup(cause->message);
		return;
	}
	found = disk_table_find(disk, (enum mbr_kind)mbr, dev->sector_size, &table, &cause);
	if (found == 1) {
		map->table = table->kind;
		map->table_id = g_strdup(table->id);
		map->sector_size = table->sector_size;
		use_table(storage, disk, table, NULL, map->volumes, map->warnings);
		return;
	}
	node = add_node(storage, disk, map->volumes, map->warnings);
	if (found < 0)
		carry_whole(node, cause->message);
}

/* An array may have partitions, as a disk. */
static void find_table(Storage *storage, const struct node *node, const char *layer)
{
	g_autoptr(PartitionTable) table = NULL;
	g_autoptr(GError) cause = NULL;
	bool boot_code;
	int mbr = mbr_classify(node->volume, &boot_code, &cause), found = -1;

	if (mbr >= 0)
		found = disk_table_find(node->volume, (enum mbr_kind)mbr, 0, &table, &cause);
	if (found < 0)
		carry_whole(node, cause->message);
	if (found <= 0)
		return;
	node->info->how = g_strdup_printf("partition table: %s", table->kind);
	use_table(storage, node->volume, table, layer, storage->map->volumes,
		  storage->map->warnings);
}

static void add_layer_volume(const struct map_layer *layer, struct layer_volume *found,
			     void *userdata)
{
	Storage *storage = userdata;
	GPtrArray *infos = storage->map->volumes;
	struct node *node = add_node(storage, keep(storage, g_steal_pointer(&found->volume)), infos,
				     storage->map->warnings);

	node->info->layer = layer->name;
	node->info->name = g_strdup(node->volume->name);
	node->info->how = g_steal_pointer(&found->how);
	if (node->info->how)
		return;
	if (infos->len > MAX_LAYER_VOLUMES)
		carry_whole(node, "too many volumes");
	else if (node->volume->depth > VOLUME_MAX_DEPTH)
		carry_whole(node, "volumes on volumes too deep");
	else if (found->may_have_table)
		find_table(storage, node, layer->name);
}

/* Until nothing new is found: each turn looks at a node or settles a member, and a layer makes no
 * volume without settling its members. */
static void look_at_all(Storage *storage)
{
	do {
		while (storage->n_looked < storage->nodes->len)
			look_at(storage, storage->n_looked++);
	} while (layer_assembly_run(storage->assembly, add_layer_volume, storage));
}

/*
 * A hibernated system may have swapped out to any volume, also one that was looked at before it was
 * found.  What was in use stays so.
 */
static void keep_swapped_out(Storage *storage)
{
	storage->options.resumed = true;
	for (unsigned int i = 0; i < storage->nodes->len; i++) {
		struct node *node = g_ptr_array_index(storage->nodes, i);

		if (!node->driver || !node->driver->may_swap || node->resumes)
			continue;
		g_clear_pointer(&node->info->how, g_free);
		ask_driver(storage, node, node->driver);
	}
}

/*
 * A hibernated Linux goes on with what it has mounted, and may have given blocks to files of which
 * the disk does not know yet.  A btrfs does not say whether it is mounted.
 */
static void keep_mounted(Storage *storage)
{
	bool hibernated = false;

	for (unsigned int i = 0; i < storage->nodes->len; i++) {
		const struct node *node = g_ptr_array_index(storage->nodes, i);

		hibernated |= node->resumes && node->driver == &map_swap;
	}
	for (unsigned int i = 0; hibernated && i < storage->nodes->len; i++) {
		const struct node *node = g_ptr_array_index(storage->nodes, i);

		if (!node->mounted && g_strcmp0(node->info->content, "btrfs") != 0)
			continue;
		g_clear_pointer(&node->info->how, g_free);
		carry_whole(node, "a hibernated Linux may have it mounted");
	}
}

static DiskMap *disk_map_new(const Blkdev *disk)
{
	DiskMap *map = g_new0(DiskMap, 1);

	map->table = "none";
	map->sector_size = disk->sector_size ? disk->sector_size : DEFAULT_SECTOR;
	map->volumes = g_ptr_array_new_with_free_func(map_volume_free);
	map->warnings = g_ptr_array_new_with_free_func(g_free);
	map->used = used_map_new(disk->size, USED_MAP_MAX_EXTENTS);
	return map;
}

static void disk_map_free(void *p)
{
	DiskMap *map = p;

	g_clear_pointer(&map->volumes, g_ptr_array_unref);
	g_clear_pointer(&map->warnings, g_ptr_array_unref);
	used_map_free(map->used);
	g_free(map->table_id);
	g_free(map->failure);
	g_free(map);
}

static void keep_places(Storage *storage)
{
	StorageMap *map = storage->map;

	map->places = g_ptr_array_new_with_free_func(g_free);
	for (unsigned int i = 0; i < storage->nodes->len; i++) {
		const struct node *node = g_ptr_array_index(storage->nodes, i);
		struct map_place *place = g_new(struct map_place, 1);

		*place = (struct map_place){ node->volume, node->info };
		g_ptr_array_add(map->places, place);
	}
	map->kept = g_steal_pointer(&storage->volumes);
}

StorageMap *storage_map_read(const Blkdev *const *disks, unsigned int n_disks,
			     const struct map_options *options)
{
	g_autoptr(StorageMap) map = g_new0(StorageMap, 1);
	g_auto(Storage) storage = { NULL };

	map->disks = g_ptr_array_new_with_free_func(disk_map_free);
	map->volumes = g_ptr_array_new_with_free_func(map_volume_free);
	map->warnings = g_ptr_array_new_with_free_func(g_free);
	map->dirty = g_ptr_array_new_with_free_func(map_dirty_free);
	storage_start(&storage, map);
	if (options)
		storage.options = *options;
	for (unsigned int i = 0; i < n_disks; i++) {
		DiskMap *disk = disk_map_new(disks[i]);

		g_ptr_array_add(map->disks, disk);
		map_disk(&storage, disks[i], disk);
	}
	look_at_all(&storage);
	if (map->resumes) {
		keep_swapped_out(&storage);
		keep_mounted(&storage);
	}
	for (unsigned int i = 0; i < storage.nodes->len; i++) {
		const struct node *node = g_ptr_array_index(storage.nodes, i);

		node->info->used = volume_count_used(node->volume, 0, node->volume->size);
		g_debug("%s, %" PRIu64 " bytes: %s", node->volume->name, node->info->size,
			node->info->how);
	}
	keep_places(&storage);
	return g_steal_pointer(&map);
}

void storage_map_free(StorageMap *map)
{
	if (!map)
		return;
	g_clear_pointer(&map->places, g_ptr_array_unref);
	g_clear_pointer(&map->kept, g_ptr_array_unref);
	g_clear_pointer(&map->volumes, g_ptr_array_unref);
	g_clear_pointer(&map->warnings, g_ptr_array_unref);
	g_clear_pointer(&map->dirty, g_ptr_array_unref);
	g_clear_pointer(&map->disks, g_ptr_array_unref);
	g_free(map);
}
