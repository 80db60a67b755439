/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where anything is ambiguous, the answer is to carry all of the disk: a table that might be
 * misread is worse than none.
 */
#include "map/disk-table.h"

#include "base/error.h"
#include "map/identify.h"

#include <inttypes.h>

Volume *disk_table_volume(Volume *disk, const struct partition *partition, GError **error)
{
	g_autofree char *name =
	    g_strdup_printf("partition %u of %s", partition->number, disk->name);

	return volume_new_part(name, disk, partition->offset, partition->size, error);
}

/*
 * A GPT in the sectors of the disk; a file does not say how large those are, but where the GPT lies
 * does.  As gpt_read().
 */
static int find_gpt(const Volume *disk, uint32_t sector_size, PartitionTable **ret, GError **error)
{
	g_autoptr(PartitionTable) small = NULL, large = NULL;
	g_autoptr(GError) cause = NULL;
	int n_small, n_large;

	if (sector_size != 0)
		return gpt_read(disk, sector_size, ret, error);
	n_small = gpt_read(disk, 512, &small, &cause);
	n_large = gpt_read(disk, 4096, &large, NULL);
	if (n_small == 1 && n_large == 1) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "two GPTs, in sectors of 512 and of 4096 bytes");
		return -1;
	}
	if (n_small < 0) { /* also when there is a large one: it may be the older */
		g_propagate_error(error, g_steal_pointer(&cause));
		return -1;
	}
	*ret = n_small == 1 ? g_steal_pointer(&small) : g_steal_pointer(&large);
	return n_small == 1 || n_large == 1;
}

/* How many of the partitions hold something that libblkid knows. */
static unsigned int count_known(Volume *disk, const PartitionTable *table)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);
		g_autoptr(Volume) volume = disk_table_volume(disk, p, NULL);
		g_autofree char *content = NULL;

		n += volume && identify(volume, &content, NULL, NULL) == 1;
	}
	return n;
}

/*
 * In the sectors that the disk has; but behind some USB adapters a disk has others, and its table
 * stays as it was made there.
 */
static PartitionTable *find_mbr_on_device(Volume *disk, uint32_t sector_size, GError **error)
{
	g_autoptr(PartitionTable) own = mbr_read(disk, sector_size, error), other = NULL;
	uint32_t other_size = sector_size == 512 ? 4096 : 512;

	if (!own || count_known(disk, own) > 0)
		return g_steal_pointer(&own);
	other = mbr_read(disk, other_size, NULL);
	if (!other || count_known(disk, other) == 0)
		return g_steal_pointer(&own);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "an MBR that counts in sectors of %" PRIu32 " bytes, but those of the disk "
		    "have %" PRIu32,
		    other_size, sector_size);
	return NULL;
}

/*
 * An MBR counts in sectors whose size a file does not say.  Taken wrongly, data would lie in what
 * looks like gaps; so the size is that for which known things start where the table says.
 */
static PartitionTable *find_mbr(Volume *disk, uint32_t sector_size, GError **error)
{
	g_autoptr(PartitionTable) small = NULL, large = NULL;
	unsigned int n_small, n_large;

	if (sector_size != 0)
		return find_mbr_on_device(disk, sector_size, error);
	small = mbr_read(disk, 512, error);
	if (!small) /* counted in larger sectors, everything would lie even farther out */
		return NULL;
	large = mbr_read(disk, 4096, NULL);
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
static bool check_not_dynamic(const PartitionTable *table, GError **error)
{
	static const char *const types[] = {
		"0x42",
		"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", /* the database */
		"af9b60a0-1431-4f62-bc68-3311714a69ad", /* the data */
		NULL,
	};

	for (unsigned int i = 0; i < table->partitions->len; i++) {
		const struct partition *p = &g_array_index(table->partitions, struct partition, i);

		if (g_strv_contains(types, p->type)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "a Windows dynamic disk, whose table does not say all");
			return false;
		}
	}
	return true;
}

/* All of the disk would be a gap, and whoever uses it without partitions would lose it. */
static bool check_not_empty(const PartitionTable *table, GError **error)
{
	if (table->partitions->len > 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "a partition table (%s) with no partitions", table->kind);
	return false;
}

static bool check_no_content(const Volume *disk, GError **error)
{
	g_autofree char *content = NULL;
	int known = identify(disk, &content, NULL, error);

	if (known < 0)
		g_prefix_error(error, "both a partition table and ");
	else if (known > 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "both a partition table and %s", identify_words(content));
	return known == 0;
}

int disk_table_find(Volume *disk, enum mbr_kind mbr, uint32_t sector_size, PartitionTable **ret,
		    GError **error)
{
	g_autoptr(PartitionTable) table = NULL;
	int gpt = find_gpt(disk, sector_size, &table, error);

	if (gpt < 0)
		return -1;
	if ((gpt == 1) != (mbr == MBR_PROTECTIVE)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    gpt == 1 ? "a GPT without a protective MBR, which Linux does not use"
				     : "a protective MBR without a GPT");
		return -1;
	}
	if (mbr == MBR_NONE)
		return 0;
	if (!check_no_content(disk, error))
		return -1;
	if (mbr == MBR_TABLE)
		table = find_mbr(disk, sector_size, error);
	else if (!mbr_add_hybrid(table, disk, error))
		return -1;
	if (!table || !check_not_dynamic(table, error) || !check_not_empty(table, error))
		return -1;
	*ret = g_steal_pointer(&table);
	return 1;
}
