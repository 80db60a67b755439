/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAT12, FAT16 and FAT32: a cluster is free when its entry is 0 in a table of which all copies are
 * equal.  One that is marked bad holds nothing either, and could perhaps not be read; it is free
 * here as long as no chain leads to it.  Everything before the first cluster and behind the last
 * one is carried.
 *
 * The layout is that of Microsoft's "FAT: General Overview of On-Disk Format", version 1.03; as in
 * Linux, FAT32 is told by its 16-bit table size of 0, and not by the number of clusters.  The state
 * in the boot sector is that of Windows NT and Linux (fs/fat/inode.c, FAT_STATE_DIRTY): bit 0 while
 * it is mounted, bit 1 after errors of the medium.
 */
#include "map/map-driver.h"

#include "base/error.h"
#include "base/le.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define STATE_NOT_CLEAN    0x03
#define FAT16_CLEAN        0xc000u     /* entry 1: shut down cleanly, no disk errors */
#define FAT32_CLEAN        0x0c000000u /* the same */
#define FAT32_ENTRY_MASK   0x0fffffffu /* the upper four bits are reserved */
#define FAT32_NOT_MIRRORED 0x80u
#define FAT12_MAX_CLUSTERS 4084u
#define FAT16_MAX_CLUSTERS 65524u
#define FAT32_MAX_CLUSTERS 0x0ffffff5u
#define READ_SIZE          (256u << 10) /* of a table at a time; a multiple of 3, 2 and 4 below */
#define TABLE_CHUNK        (READ_SIZE / 12 * 12)

struct fat_boot_sector {
	uint8_t jump[3];
	char oem[8];
	le16 bytes_per_sector;
	uint8_t sectors_per_cluster;
	le16 reserved_sectors;
	uint8_t tables;
	le16 root_entries;
	le16 total_sectors_16;
	uint8_t media;
	le16 table_sectors_16;
	uint8_t skip_a[8];
	le32 total_sectors_32;
	union {
		struct {
			uint8_t drive;
			uint8_t state;
		} fat16;
		struct {
			le32 table_sectors;
			le16 flags;
			le16 version;
			le32 root_cluster;
			le16 info_sector;
			le16 backup_sector;
			uint8_t skip_b[12];
			uint8_t drive;
			uint8_t state;
		} fat32;
	} u;
};
static_assert(offsetof(struct fat_boot_sector, bytes_per_sector) == 11, "FAT 1.03, BPB_BytsPerSec");
static_assert(offsetof(struct fat_boot_sector, total_sectors_32) == 32, "FAT 1.03, BPB_TotSec32");
static_assert(offsetof(struct fat_boot_sector, u.fat16.state) == 37, "FAT 1.03, BS_Reserved1");
static_assert(offsetof(struct fat_boot_sector, u.fat32.state) == 65, "FAT 1.03, BS_Reserved1");

/* Of FAT32 only. */
struct fat_info_sector {
	le32 lead;
	uint8_t skip[480];
	le32 structure;
	le32 free_clusters;
	le32 next_free;
	uint8_t reserved[12];
	le32 trail;
};
static_assert(sizeof(struct fat_info_sector) == 512, "FAT 1.03, FSInfo");
static_assert(offsetof(struct fat_info_sector, free_clusters) == 488, "FAT 1.03, FSI_Free_Count");

/* What the rest may believe, after the checks. */
struct fat {
	unsigned int bits; /* of an entry: 12, 16 or 32 */
	uint8_t media;
	uint8_t state;         /* of the boot sector */
	uint32_t sector_size;  /* bytes */
	uint32_t reserved;     /* sectors before the first table */
	uint32_t root_cluster; /* of FAT32; else 0 */
	uint32_t cluster_size; /* bytes */
	uint32_t clusters;     /* numbered from 2 */
	unsigned int tables;
	uint64_t table_offset; /* bytes; the first one */
	uint64_t table_size;   /* bytes; of each */
	uint64_t data_offset;  /* bytes; of cluster 2 */
};

/* What the table says, a bit for every cluster, from cluster 2 on. */
typedef struct {
	uint8_t *used;
	uint8_t *target; /* a chain goes on there */
	uint32_t n_free;
} Clusters;

static void clusters_clear(Clusters *clusters)
{
	g_clear_pointer(&clusters->used, g_free);
	g_clear_pointer(&clusters->target, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Clusters, clusters_clear)

static bool power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* Sizes and counts that no FAT can have. */
static bool check_fields(const struct fat_boot_sector *boot, GError **error)
{
	uint32_t sector = le16_get(boot->bytes_per_sector);

	if (!power_of_two(sector) || sector < 512 || sector > 4096 ||
	    !power_of_two(boot->sectors_per_cluster)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT with sectors of %" PRIu32 " bytes and clusters of %u sectors",
			    sector, boot->sectors_per_cluster);
		return false;
	}
	if (le16_get(boot->reserved_sectors) == 0 || boot->tables < 1 || boot->tables > 4) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT with %u reserved sectors and %u tables",
			    le16_get(boot->reserved_sectors), boot->tables);
		return false;
	}
	return true;
}

/* FAT32 has fields of its own, which can say that we must not read it. */
static bool check_fat32(const struct fat_boot_sector *boot, GError **error)
{
	unsigned int flags = le16_get(boot->u.fat32.flags);
	unsigned int version = le16_get(boot->u.fat32.version);

	if (le16_get(boot->root_entries) != 0 || version != 0 || flags & FAT32_NOT_MIRRORED) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "FAT32 version %u with flags 0x%x and %u root entries", version, flags,
			    le16_get(boot->root_entries));
		return false;
	}
	return true;
}

/* The kind of table, and whether one holds an entry for every cluster. */
static bool check_table(const struct fat_boot_sector *boot, struct fat *fat, GError **error)
{
	uint32_t most = FAT32_MAX_CLUSTERS;

	fat->bits = 32;
	if (le16_get(boot->table_sectors_16) != 0) {
		fat->bits = fat->clusters <= FAT12_MAX_CLUSTERS ? 12 : 16;
		most = FAT16_MAX_CLUSTERS;
	}
	if (fat->clusters > most || fat->table_size / 4 * 32 / fat->bits < fat->clusters + 2u) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT%u with %" PRIu32 " clusters and tables of %" PRIu64 " bytes",
			    fat->bits, fat->clusters, fat->table_size);
		return false;
	}
	return true;
}

/* No product here can overflow: 32 bits of sectors of at most 4096 bytes. */
static bool check_boot_sector(const Volume *volume, const struct fat_boot_sector *boot,
			      struct fat *ret, GError **error)
{
	uint64_t sector = le16_get(boot->bytes_per_sector), total, table, data;
	bool is_32 = le16_get(boot->table_sectors_16) == 0;
	struct fat fat = {
		.tables = boot->tables,
		.media = boot->media,
		.state = is_32 ? boot->u.fat32.state : boot->u.fat16.state,
		.sector_size = (uint32_t)sector,
		.reserved = le16_get(boot->reserved_sectors),
		.root_cluster = is_32 ? le32_get(boot->u.fat32.root_cluster) : 0,
	};

	if (!check_fields(boot, error) || (is_32 && !check_fat32(boot, error)))
		return false;

	total = le16_get(boot->total_sectors_16);
	if (total == 0)
		total = le32_get(boot->total_sectors_32);
	table = is_32 ? le32_get(boot->u.fat32.table_sectors) : le16_get(boot->table_sectors_16);
	data = le16_get(boot->reserved_sectors) + fat.tables * table +
	       (le16_get(boot->root_entries) * 32u + sector - 1) / sector;
	if (table == 0 || data >= total || total * sector > volume->size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT of %" PRIu64 " sectors of %" PRIu64
			    " bytes, data from sector %" PRIu64 ", on a volume of %" PRIu64
			    " bytes",
			    total, sector, data, volume->size);
		return false;
	}

	fat.cluster_size = (uint32_t)sector * boot->sectors_per_cluster;
	fat.clusters = (uint32_t)MIN((total - data) / boot->sectors_per_cluster, UINT32_MAX - 2);
	fat.table_offset = le16_get(boot->reserved_sectors) * sector;
	fat.table_size = table * sector;
	fat.data_offset = data * sector;
	if (!check_table(boot, &fat, error))
		return false;
	*ret = fat;
	return true;
}

static uint32_t get_entry(const uint8_t *table, unsigned int bits, uint32_t i)
{
	const uint8_t *at = table + (uint64_t)i * bits / 8;

	switch (bits) {
	case 12:
		return i % 2 ? (uint32_t)(at[0] >> 4 | at[1] << 4)
			     : (uint32_t)(at[0] | (at[1] & 0x0f) << 8);
	case 16:
		return (uint32_t)(at[0] | at[1] << 8);
	default:
		return (at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
			(uint32_t)at[3] << 24) &
		       FAT32_ENTRY_MASK;
	}
}

/* Entries 0 and 1 are none: they hold the media byte and whether all was well at the end. */
static bool check_state(const struct fat *fat, const uint8_t *table, GError **error)
{
	uint32_t media = get_entry(table, fat->bits, 0), state = get_entry(table, fat->bits, 1);
	bool clean = !(fat->state & STATE_NOT_CLEAN);

	if ((media & 0xff) != fat->media) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT%u with media 0x%02x in the boot sector and 0x%02x in the table",
			    fat->bits, fat->media, media & 0xff);
		return false;
	}
	if (fat->bits == 16)
		clean = clean && (state & FAT16_CLEAN) == FAT16_CLEAN;
	if (fat->bits == 32)
		clean = clean && (state & FAT32_CLEAN) == FAT32_CLEAN;
	if (!clean) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT%u that was not cleanly unmounted or has errors", fat->bits);
		return false;
	}
	return true;
}

/* Read @len bytes at @at of every table into @buf; they must be the same in all. */
static bool read_tables(const Volume *volume, const struct fat *fat, uint64_t at, size_t len,
			uint8_t *buf, uint8_t *other, GError **error)
{
	if (!volume_read(volume, fat->table_offset + at, buf, len, error))
		return false;
	for (unsigned int i = 1; i < fat->tables; i++) {
		if (!volume_read(volume, fat->table_offset + i * fat->table_size + at, other, len,
				 error))
			return false;
		if (memcmp(buf, other, len) != 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "FAT%u whose table %u differs from the first", fat->bits,
				    i + 1);
			return false;
		}
	}
	return true;
}

static void set_bit(uint8_t *bits, uint32_t i)
{
	bits[i / 8] |= (uint8_t)(1 << i % 8);
}

/*
 * Note what the entry of cluster @i says.  0x...f7 marks it as bad, what is above ends a chain; 1
 * and what is below but beyond the last cluster has no meaning.
 */
static bool take_entry(const struct fat *fat, uint32_t i, uint32_t entry, Clusters *clusters,
		       GError **error)
{
	uint32_t bad = fat->bits == 12 ? 0xff7 : fat->bits == 16 ? 0xfff7 : 0x0ffffff7;

	if (entry == 0)
		clusters->n_free++;
	if (entry == 0 || entry == bad)
		return true;
	set_bit(clusters->used, i - 2);
	if (entry > bad)
		return true;
	if (entry >= 2 && entry - 2 < fat->clusters) {
		set_bit(clusters->target, entry - 2);
		return true;
	}
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "FAT%u whose cluster %" PRIu32 " goes on to %" PRIu32 " of %" PRIu32, fat->bits,
		    i, entry, fat->clusters);
	return false;
}

/* In chunks that hold whole entries of each kind, so that none lies across two. */
static bool walk_tables(const Volume *volume, const struct fat *fat, Clusters *clusters,
			GError **error)
{
	g_autofree uint8_t *buf = g_malloc(TABLE_CHUNK), *other = g_malloc(TABLE_CHUNK);
	uint32_t per_chunk = TABLE_CHUNK / 12 * (96 / fat->bits), end = fat->clusters + 2;

	for (uint32_t first = 0; first < end; first += per_chunk) {
		uint64_t at = (uint64_t)first * fat->bits / 8;
		size_t len = (size_t)MIN(TABLE_CHUNK, fat->table_size - at);

		if (!read_tables(volume, fat, at, len, buf, other, error))
			return false;
		if (first == 0 && !check_state(fat, buf, error))
			return false;
		for (uint32_t i = MAX(first, 2u); i < MIN(first + per_chunk, end); i++)
			if (!take_entry(fat, i, get_entry(buf, fat->bits, i - first), clusters,
					error))
				return false;
	}
	return true;
}

/* A chain that goes on where nothing is in use has lost its end. */
static bool check_targets(const struct fat *fat, const Clusters *clusters, GError **error)
{
	for (uint32_t i = 0; i < fat->clusters; i++)
		if (clusters->target[i / 8] & ~clusters->used[i / 8] & 1 << i % 8) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "FAT%u with a chain that goes on to cluster %" PRIu32
				    ", which is free or bad",
				    fat->bits, i + 2);
			return false;
		}
	return true;
}

static bool is_used(const Clusters *clusters, uint32_t i)
{
	return clusters->used[i / 8] >> i % 8 & 1;
}

/*
 * The count of free clusters is only a hint, and one that is too large, as 0xffffffff for unknown,
 * says nothing.  But one that is too small says that the table may have lost some.
 */
static bool check_info(const Volume *volume, const struct fat *fat, uint32_t sector,
		       uint32_t n_free, GError **error)
{
	struct fat_info_sector info;
	uint32_t hint;

	if (sector == 0 || sector >= fat->reserved)
		return true;
	if (!volume_read(volume, (uint64_t)sector * fat->sector_size, &info, sizeof(info), error))
		return false;
	hint = le32_get(info.free_clusters);
	if (le32_get(info.lead) != 0x41615252 || le32_get(info.structure) != 0x61417272 ||
	    hint >= n_free)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "FAT32 with %" PRIu32 " free clusters, but %" PRIu32 " by its table", hint,
		    n_free);
	return false;
}

/* The backup says the same of sizes and places; its state, label and code may be older. */
static bool check_backup(const Volume *volume, const struct fat *fat,
			 const struct fat_boot_sector *boot, GError **error)
{
	uint32_t sector = le16_get(boot->u.fat32.backup_sector);
	const size_t hidden = offsetof(struct fat_boot_sector, skip_a) + 4,
		     total = offsetof(struct fat_boot_sector, total_sectors_32),
		     end = offsetof(struct fat_boot_sector, u.fat32.skip_b),
		     start = offsetof(struct fat_boot_sector, bytes_per_sector);
	struct fat_boot_sector backup;

	if (sector == 0 || sector >= fat->reserved)
		return true;
	if (!volume_read(volume, (uint64_t)sector * fat->sector_size, &backup, sizeof(backup),
			 error))
		return false;
	if (memcmp((const char *)boot + start, (const char *)&backup + start, hidden - start) ==
		0 &&
	    memcmp((const char *)boot + total, (const char *)&backup + total, end - total) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "FAT32 whose boot sector differs from its backup in sector %" PRIu32, sector);
	return false;
}

static bool check_only_fat32(const Volume *volume, const struct fat *fat,
			     const struct fat_boot_sector *boot, const Clusters *clusters,
			     GError **error)
{
	if (fat->root_cluster < 2 || fat->root_cluster - 2 >= fat->clusters ||
	    !is_used(clusters, fat->root_cluster - 2)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "FAT32 whose root directory is in cluster %" PRIu32 " of %" PRIu32
			    ", which is free, bad or none",
			    fat->root_cluster, fat->clusters);
		return false;
	}
	return check_backup(volume, fat, boot, error) &&
	       check_info(volume, fat, le16_get(boot->u.fat32.info_sector), clusters->n_free,
			  error);
}

static bool clusters_new(const struct fat *fat, Clusters *ret, GError **error)
{
	size_t size = fat->clusters / 8 + 1; /* at most 32 MiB */

	ret->used = g_try_malloc0(size);
	ret->target = g_try_malloc0(size);
	if (!ret->used || !ret->target) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "FAT%u of %" PRIu32 " clusters, for which there is no memory",
			    fat->bits, fat->clusters);
		return false;
	}
	return true;
}

static void use_clusters(const Volume *volume, const struct fat *fat, const Clusters *clusters)
{
	for (uint32_t i = 0, end; i < fat->clusters; i = end) {
		end = i + 1;
		if (!is_used(clusters, i))
			continue;
		while (end < fat->clusters && is_used(clusters, end))
			end++;
		volume_use(volume, fat->data_offset + (uint64_t)i * fat->cluster_size,
			   (uint64_t)(end - i) * fat->cluster_size);
	}
}

static bool fat_map(const Volume *volume, const char *content, const struct map_options *options,
		    struct map_found *ret, GError **error)
{
	g_auto(Clusters) clusters = { NULL };
	struct fat_boot_sector boot;
	uint64_t data_end;
	struct fat fat;

	if (!volume_read(volume, 0, &boot, sizeof(boot), error) ||
	    !check_boot_sector(volume, &boot, &fat, error) ||
	    !clusters_new(&fat, &clusters, error) || !walk_tables(volume, &fat, &clusters, error) ||
	    !check_targets(&fat, &clusters, error) ||
	    (fat.bits == 32 && !check_only_fat32(volume, &fat, &boot, &clusters, error)))
		return false;

	data_end = fat.data_offset + (uint64_t)fat.clusters * fat.cluster_size;
	use_clusters(volume, &fat, &clusters);
	volume_use(volume, 0, fat.data_offset);
	volume_use(volume, data_end, volume->size - data_end);
	ret->how = g_strdup_printf("FAT%u, clean", fat.bits);
	return true;
}

static const char *const fat_contents[] = { "vfat", NULL };

const struct map_driver map_fat = {
	.contents = fat_contents,
	.map = fat_map,
};
