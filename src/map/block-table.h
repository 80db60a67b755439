/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of blocks, and a value for each: filled in any order first, asked afterwards. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_entry {
	uint64_t block, value;
};

typedef struct {
	GArray *entries; /* of struct block_entry */
	size_t max;
} BlockTable;

/* It takes up to @max blocks, and 32 bytes of memory for each; twice that while it is sorted. */
BlockTable *block_table_new(size_t max);

/* A value that was set before is forgotten.  False: there are too many blocks. */
bool block_table_set(BlockTable *table, uint64_t block, uint64_t value);

/* Between the last block_table_set() and the first question. */
void block_table_sort(BlockTable *table);

/* Ascending, each block once; NULL from the end on. */
const struct block_entry *block_table_nth(const BlockTable *table, unsigned int i);

/* The index of @block, or, when it is not there, of the next one that is. */
unsigned int block_table_find(const BlockTable *table, uint64_t block);

/* Whether one of [@block, @block + @count) is there. */
bool block_table_has(const BlockTable *table, uint64_t block, uint64_t count);

void block_table_free(BlockTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockTable, block_table_free)
