/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MBR partition tables with logical partitions.
 *
 * There is no standard; this is what Linux's block/partitions/msdos.c and util-linux's libfdisk
 * agree on: four entries at 446, numbers in sectors; an extended partition starts a chain of
 * sectors of the same form, whose first entry is a logical partition relative to that sector, and
 * whose second is the next link relative to the extended partition.
 */
#include "map/partition-table.h"

#include "base/error.h"
#include "base/le.h"
#include "base/zero.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>

#define MBR_SIGNATURE   0xaa55
#define MBR_ENTRIES     4
#define FIRST_LOGICAL   5
#define TYPE_PROTECTIVE 0xee

struct mbr_entry {
	uint8_t boot;
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	le32 start_sector;
	le32 sectors;
};
static_assert(sizeof(struct mbr_entry) == 16, "msdos.c, struct msdos_partition");

struct mbr_sector {
	uint8_t code[440];
	le32 disk_id;
	uint8_t skip[2];
	struct mbr_entry entries[MBR_ENTRIES];
	le16 signature;
};
static_assert(offsetof(struct mbr_sector, entries) == 446, "msdos.c, msdos_partition()");
static_assert(sizeof(struct mbr_sector) == 512, "msdos.c, msdos_partition()");

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

static bool is_empty(const struct mbr_entry *entry)
{
	return entry->type == 0 || le32_get(entry->sectors) == 0;
}

int mbr_classify(const Volume *disk, bool *ret_boot_code, GError **error)
{
	struct mbr_sector sector;
	enum mbr_kind kind = MBR_NONE;

	*ret_boot_code = false;
	if (disk->size < sizeof(sector))
		return MBR_NONE;
	if (!volume_read(disk, 0, &sector, sizeof(sector), error))
		return -1;
	if (le16_get(sector.signature) != MBR_SIGNATURE)
		return MBR_NONE;
	*ret_boot_code = !is_zero(sector.code, sizeof(sector.code));
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *entry = &sector.entries[i];

		/* Code of a boot sector lies here; Linux tells it from a table in the same way. */
		if (entry->boot != 0 && entry->boot != 0x80)
			return MBR_NONE;
		if (entry->type == TYPE_PROTECTIVE)
			return MBR_PROTECTIVE;
		if (!is_empty(entry))
			kind = MBR_TABLE;
	}
	return (int)kind;
}

static bool add_partition(PartitionTable *table, unsigned int number, const Volume *disk,
			  uint64_t start_sector, const struct mbr_entry *entry, GError **error)
{
	uint64_t sectors = le32_get(entry->sectors), total = disk->size / table->sector_size;
	struct partition new = {
		.number = number,
		.offset = start_sector * table->sector_size,
		.size = sectors * table->sector_size,
		.type = g_strdup_printf("0x%02x", entry->type),
	};

	if (start_sector == 0 || start_sector > total || sectors > total - start_sector) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "partition %u of %" PRIu64 " sectors at %" PRIu64
			    " lies beyond the %" PRIu64 " sectors of %s",
			    number, sectors, start_sector, total, disk->name);
		g_free(new.type);
		return false;
	}
	if (table->id && sectors > 0)
		new.uuid = g_strdup_printf("%s-%02x", table->id + 2, number);
	g_array_append_val(table->partitions, new);
	return true;
}

/* One link: its logical partition, and in @ret_next the sector of the next link, 0 at the end. */
static bool read_link(PartitionTable *table, const Volume *disk, uint64_t link,
		      uint64_t extended_start, unsigned int number, uint64_t *ret_next,
		      GError **error)
{
	struct extent where = { link * table->sector_size, table->sector_size };
	struct mbr_sector sector;

	if (!volume_read(disk, where.offset, &sector, sizeof(sector), error))
		return false;
	if (le16_get(sector.signature) != MBR_SIGNATURE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "no table of logical partitions at sector %" PRIu64 " of %s", link,
			    disk->name);
		return false;
	}
	g_array_append_val(table->structures, where);

	*ret_next = 0;
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *entry = &sector.entries[i];

		if (is_empty(entry))
			continue;
		if (is_extended(entry->type) && *ret_next == 0) {
			*ret_next = extended_start + le32_get(entry->start_sector);
		} else if (i == 0) {
			if (!add_partition(table, number, disk,
					   link + le32_get(entry->start_sector), entry, error))
				return false;
		} else {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "entry %u of the logical partitions at sector %" PRIu64
				    " of %s has type 0x%02x",
				    i + 1, link, disk->name, entry->type);
			return false;
		}
	}
	return true;
}

/*
 * Logical partitions count from @first on.  The chain ends: each link lies behind the one before,
 * and there are at most PARTITION_MAX.
 */
static bool read_chain(PartitionTable *table, const Volume *disk, uint64_t extended_start,
		       unsigned int first, GError **error)
{
	unsigned int number = first;
	uint64_t link = extended_start, next;

	for (;; link = next) {
		unsigned int before = table->partitions->len;

		if (!read_link(table, disk, link, extended_start, number, &next, error))
			return false;
		number += table->partitions->len - before;
		if (next == 0)
			return true;
		if (next <= link || number > PARTITION_MAX) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "the logical partitions of %s go from sector %" PRIu64
				    " back to %" PRIu64 " after %u of them",
				    disk->name, link, next, number - first);
			return false;
		}
	}
}

PartitionTable *mbr_read(const Volume *disk, uint32_t sector_size, GError **error)
{
	g_autoptr(PartitionTable) table = partition_table_new("mbr", sector_size);
	const struct extent first = { 0, sector_size };
	struct mbr_sector sector;
	unsigned int primaries;

	if (!volume_read(disk, 0, &sector, sizeof(sector), error))
		return NULL;
	table->id = g_strdup_printf("0x%08" PRIx32, le32_get(sector.disk_id));
	g_array_append_val(table->structures, first);

	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *entry = &sector.entries[i];

		if (!is_empty(entry) && !is_extended(entry->type) &&
		    !add_partition(table, i + 1, disk, le32_get(entry->start_sector), entry, error))
			return NULL;
	}
	primaries = table->partitions->len;
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *entry = &sector.entries[i];
		unsigned int logicals = table->partitions->len - primaries;

		if (!is_empty(entry) && is_extended(entry->type) &&
		    !read_chain(table, disk, le32_get(entry->start_sector),
				FIRST_LOGICAL + logicals, error))
			return NULL;
	}
	return g_steal_pointer(&table);
}

static bool has_partition(const PartitionTable *table, const struct extent *where)
{
	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);

		if (p->offset == where->offset && p->size == where->length)
			return true;
	}
	return false;
}

bool mbr_add_hybrid(PartitionTable *gpt, const Volume *disk, GError **error)
{
	struct mbr_sector sector;

	if (!volume_read(disk, 0, &sector, sizeof(sector), error))
		return false;
	for (unsigned int i = 0; i < MBR_ENTRIES; i++) {
		const struct mbr_entry *entry = &sector.entries[i];
		const struct extent where = {
			(uint64_t)le32_get(entry->start_sector) * gpt->sector_size,
			(uint64_t)le32_get(entry->sectors) * gpt->sector_size,
		};

		if (is_empty(entry) || entry->type == TYPE_PROTECTIVE || has_partition(gpt, &where))
			continue;
		g_array_append_val(gpt->structures, where);
		if (!gpt->warning)
			gpt->warning = g_strdup_printf("%s: partition %u of the MBR is not in the "
						       "GPT: it is carried whole",
						       disk->name, i + 1);
	}
	return true;
}
