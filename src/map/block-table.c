/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An array with up to twice as many entries as there may be blocks: sorted when it is full. */
#include "map/block-table.h"

BlockTable *block_table_new(size_t max)
{
	BlockTable *table = g_new0(BlockTable, 1);

	table->entries = g_array_new(false, false, sizeof(struct block_entry));
	table->max = max;
	return table;
}

static struct block_entry *nth(const BlockTable *table, unsigned int i)
{
	return &g_array_index(table->entries, struct block_entry, i);
}

static int compare(const void *a, const void *b)
{
	const struct block_entry *x = a, *y = b;

	return (x->block > y->block) - (x->block < y->block);
}

void block_table_sort(BlockTable *table)
{
	unsigned int n = 0;

	g_array_sort(table->entries, compare); /* stable: what was set last comes last */
	for (unsigned int i = 0; i < table->entries->len; i++) {
		if (n > 0 && nth(table, n - 1)->block == nth(table, i)->block)
			n--;
		*nth(table, n++) = *nth(table, i);
	}
	g_array_set_size(table->entries, n);
}

bool block_table_set(BlockTable *table, uint64_t block, uint64_t value)
{
	const struct block_entry entry = { block, value };

	if (table->entries->len >= 2 * table->max) {
		block_table_sort(table);
		if (table->entries->len > table->max)
			return false;
	}
	g_array_append_val(table->entries, entry);
	return true;
}

const struct block_entry *block_table_nth(const BlockTable *table, unsigned int i)
{
	return i < table->entries->len ? nth(table, i) : NULL;
}

unsigned int block_table_find(const BlockTable *table, uint64_t block)
{
	unsigned int low = 0, high = table->entries->len;

	while (low < high) { /* ends: it halves */
		unsigned int middle = low + (high - low) / 2;

		if (nth(table, middle)->block >= block)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool block_table_has(const BlockTable *table, uint64_t block, uint64_t count)
{
	const struct block_entry *entry = block_table_nth(table, block_table_find(table, block));

	return entry && entry->block - block < count;
}

void block_table_free(BlockTable *table)
{
	if (!table)
		return;
	g_array_unref(table->entries);
	g_free(table);
}
