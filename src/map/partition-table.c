/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both kinds of table share: how one is made and ends. */
#include "map/partition-table.h"

static void partition_clear(void *p)
{
	struct partition *partition = p;

	g_free(partition->type);
	g_free(partition->uuid);
	g_free(partition->label);
}

PartitionTable *partition_table_new(const char *kind, uint32_t sector_size)
{
	PartitionTable *table = g_new0(PartitionTable, 1);

	table->kind = kind;
	table->sector_size = sector_size;
	table->partitions = g_array_new(false, true, sizeof(struct partition));
	g_array_set_clear_func(table->partitions, partition_clear);
	table->structures = g_array_new(false, true, sizeof(struct extent));
	return table;
}

void partition_table_free(PartitionTable *table)
{
	if (!table)
		return;
	g_array_free(table->partitions, true);
	g_array_free(table->structures, true);
	g_free(table->id);
	g_free(table->warning);
	g_free(table);
}
