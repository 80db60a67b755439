/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buckets of a few entries.  A fingerprint is random already, so its first bytes name its bucket.
 * In a full one the entries take turns to be forgotten.
 */
#include "image/frame-table.h"

#include <string.h>

#define BUCKET 8u

struct entry {
	struct fingerprint fingerprint;
	uint64_t offset; /* 0: empty */
};

struct frame_table {
	uint64_t n_buckets;
	unsigned int turn;
	struct entry *entries; /* n_buckets * BUCKET; owned */
};

FrameTable *frame_table_new(size_t n)
{
	FrameTable *table = g_new0(FrameTable, 1);

	table->n_buckets = MAX(n / BUCKET, 1);
	table->entries = g_try_new0(struct entry, table->n_buckets * BUCKET);
	if (table->entries)
		return table;
	g_free(table);
	return NULL;
}

static struct entry *bucket_of(const FrameTable *table, const struct fingerprint *fingerprint)
{
	uint64_t n;

	memcpy(&n, fingerprint->b, sizeof(n));
	return &table->entries[n % table->n_buckets * BUCKET];
}

/* The entry of @fingerprint, or NULL. */
static struct entry *find(const FrameTable *table, const struct fingerprint *fingerprint)
{
	struct entry *bucket = bucket_of(table, fingerprint);

	for (unsigned int i = 0; i < BUCKET && bucket[i].offset != 0; i++)
		if (memcmp(&bucket[i].fingerprint, fingerprint, sizeof(*fingerprint)) == 0)
			return &bucket[i];
	return NULL;
}

bool frame_table_find(const FrameTable *table, const struct fingerprint *fingerprint,
		      uint64_t *ret_offset)
{
	const struct entry *entry = find(table, fingerprint);

	if (entry)
		*ret_offset = entry->offset;
	return entry != NULL;
}

/* The first that is empty, or the one whose turn it is. */
static struct entry *make_room(FrameTable *table, const struct fingerprint *fingerprint)
{
	struct entry *bucket = bucket_of(table, fingerprint);

	for (unsigned int i = 0; i < BUCKET; i++)
		if (bucket[i].offset == 0)
			return &bucket[i];
	return &bucket[table->turn++ % BUCKET];
}

void frame_table_put(FrameTable *table, const struct fingerprint *fingerprint, uint64_t offset)
{
	struct entry *entry = find(table, fingerprint);

	g_assert(offset != 0);
	if (!entry)
		entry = make_room(table, fingerprint);
	*entry = (struct entry){ *fingerprint, offset };
}

void frame_table_free(FrameTable *table)
{
	if (!table)
		return;
	g_free(table->entries);
	g_free(table);
}
