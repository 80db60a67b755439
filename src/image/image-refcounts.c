/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ranges that are not sealed are a queue of arrays, the oldest first. */
#include "image/image-refcounts.h"

#include <string.h>

struct image_refcounts {
	GArray *table;   /* of be64, one for each sealed range; owned */
	GPtrArray *open; /* of uint16_t[QCOW2_REFCOUNTS]: the ranges after those; owned */
	unsigned int max_open;
};

ImageRefcounts *image_refcounts_new(void)
{
	ImageRefcounts *refcounts = g_new0(ImageRefcounts, 1);

	refcounts->table = g_array_new(false, false, sizeof(be64));
	refcounts->open = g_ptr_array_new_with_free_func(g_free);
	refcounts->max_open = IMAGE_REFCOUNTS_OPEN_MIN;
	return refcounts;
}

void image_refcounts_keep_open(ImageRefcounts *refcounts, unsigned int n)
{
	g_assert(n >= IMAGE_REFCOUNTS_OPEN_MIN);
	refcounts->max_open = n;
}

/* The counts of range @i of those that are open. */
static uint16_t *open_range(const ImageRefcounts *refcounts, uint64_t i)
{
	while (i >= refcounts->open->len)
		g_ptr_array_add(refcounts->open, g_new0(uint16_t, QCOW2_REFCOUNTS));
	return g_ptr_array_index(refcounts->open, i);
}

bool image_refcounts_has_room(const ImageRefcounts *refcounts, uint64_t offset, uint64_t len)
{
	uint64_t last = (offset + len - 1) / IMAGE_CLUSTER_SIZE;

	for (uint64_t i = offset / IMAGE_CLUSTER_SIZE; i <= last; i++) {
		uint64_t range = i / QCOW2_REFCOUNTS;

		if (range < refcounts->table->len)
			return false;
		if (open_range(refcounts, range - refcounts->table->len)[i % QCOW2_REFCOUNTS] ==
		    UINT16_MAX)
			return false;
	}
	return true;
}

void image_refcounts_add(ImageRefcounts *refcounts, uint64_t offset, uint64_t len)
{
	uint64_t last = (offset + len - 1) / IMAGE_CLUSTER_SIZE;

	for (uint64_t i = offset / IMAGE_CLUSTER_SIZE; i <= last; i++) {
		uint64_t range = i / QCOW2_REFCOUNTS;
		uint16_t *count;

		g_assert(range >= refcounts->table->len);
		count = &open_range(refcounts, range - refcounts->table->len)[i % QCOW2_REFCOUNTS];
		g_assert(*count < UINT16_MAX);
		++*count;
	}
}

uint64_t image_refcounts_range_end(const ImageRefcounts *refcounts)
{
	return (refcounts->table->len + UINT64_C(1)) * QCOW2_REFCOUNTS_BYTES;
}

bool image_refcounts_is_full(const ImageRefcounts *refcounts, uint64_t end)
{
	return end / QCOW2_REFCOUNTS_BYTES >= refcounts->table->len + refcounts->max_open - 1;
}

void image_refcounts_seal(ImageRefcounts *refcounts, uint64_t offset, be16 *ret_block)
{
	const uint16_t *counts = open_range(refcounts, 0);
	be64 entry = be64_make(offset);

	for (size_t i = 0; i < QCOW2_REFCOUNTS; i++)
		ret_block[i] = be16_make(counts[i]);
	g_ptr_array_remove_index(refcounts->open, 0);
	g_array_append_val(refcounts->table, entry);
}

uint64_t image_refcounts_sealed(const ImageRefcounts *refcounts)
{
	return refcounts->table->len;
}

be64 image_refcounts_table_entry(const ImageRefcounts *refcounts, uint64_t i)
{
	g_assert(i < refcounts->table->len);
	return g_array_index(refcounts->table, be64, i);
}

void image_refcounts_save(const ImageRefcounts *refcounts, GByteArray *state)
{
	be64 n_sealed = be64_make(refcounts->table->len), n_open = be64_make(refcounts->open->len);

	g_byte_array_append(state, n_sealed.b, sizeof(n_sealed));
	g_byte_array_append(state, n_open.b, sizeof(n_open));
	g_byte_array_append(state, (const uint8_t *)refcounts->table->data,
			    refcounts->table->len * (unsigned int)sizeof(be64));
	for (unsigned int range = 0; range < refcounts->open->len; range++) {
		const uint16_t *counts = g_ptr_array_index(refcounts->open, range);

		for (size_t i = 0; i < QCOW2_REFCOUNTS; i++) {
			be16 count = be16_make(counts[i]);

			g_byte_array_append(state, count.b, sizeof(count));
		}
	}
}

ImageRefcounts *image_refcounts_restore(const uint8_t *state, size_t len, size_t *ret_len)
{
	const size_t range_bytes = QCOW2_REFCOUNTS * sizeof(be16);
	ImageRefcounts *refcounts;
	uint64_t n_sealed, n_open;
	be64 head[2];
	be16 count;

	if (len < sizeof(head))
		return NULL;
	memcpy(head, state, sizeof(head));
	n_sealed = be64_get(head[0]);
	n_open = be64_get(head[1]);
	len -= sizeof(head);
	if (n_sealed > len / sizeof(be64) || n_open > (len - n_sealed * sizeof(be64)) / range_bytes)
		return NULL;
	refcounts = image_refcounts_new();
	state += sizeof(head);
	g_array_append_vals(refcounts->table, state, (unsigned int)n_sealed);
	state += n_sealed * sizeof(be64);
	for (uint64_t range = 0; range < n_open; range++) {
		uint16_t *counts = g_new(uint16_t, QCOW2_REFCOUNTS);

		for (size_t i = 0; i < QCOW2_REFCOUNTS; i++, state += sizeof(count)) {
			memcpy(&count, state, sizeof(count));
			counts[i] = be16_get(count);
		}
		g_ptr_array_add(refcounts->open, counts);
	}
	*ret_len = sizeof(head) + n_sealed * sizeof(be64) + n_open * range_bytes;
	return refcounts;
}

void image_refcounts_free(ImageRefcounts *refcounts)
{
	if (!refcounts)
		return;
	g_array_free(refcounts->table, true);
	g_ptr_array_unref(refcounts->open);
	g_free(refcounts);
}
