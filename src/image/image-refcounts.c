/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two arrays of counts that take turns: range N is counted in counts[N % 2]. */
#include "image/image-refcounts.h"

#include <string.h>

/* No cluster is touched by more frames, each of 4 bytes and more. */
#define MAX_TOUCHING (IMAGE_CLUSTER_SIZE / 4 + 1)

struct image_refcounts {
	GArray *table; /* of be64, one for each sealed range; owned */
	uint16_t counts[2][QCOW2_REFCOUNTS];
};

ImageRefcounts *image_refcounts_new(void)
{
	ImageRefcounts *refcounts = g_new0(ImageRefcounts, 1);

	refcounts->table = g_array_new(false, false, sizeof(be64));
	return refcounts;
}

void image_refcounts_add(ImageRefcounts *refcounts, uint64_t offset, uint64_t len)
{
	uint64_t last = (offset + len - 1) / IMAGE_CLUSTER_SIZE;

	for (uint64_t i = offset / IMAGE_CLUSTER_SIZE; i <= last; i++) {
		uint64_t range = i / QCOW2_REFCOUNTS;
		uint16_t *count = &refcounts->counts[range % 2][i % QCOW2_REFCOUNTS];

		g_assert(range == refcounts->table->len || range == refcounts->table->len + 1);
		g_assert(*count < UINT16_MAX);
		++*count;
	}
}

uint64_t image_refcounts_range_end(const ImageRefcounts *refcounts)
{
	return (refcounts->table->len + UINT64_C(1)) * QCOW2_REFCOUNTS_BYTES;
}

void image_refcounts_seal(ImageRefcounts *refcounts, uint64_t offset, be16 *ret_block)
{
	uint16_t *counts = refcounts->counts[refcounts->table->len % 2];
	be64 entry = be64_make(offset);

	for (size_t i = 0; i < QCOW2_REFCOUNTS; i++)
		ret_block[i] = be16_make(counts[i]);
	memset(counts, 0, sizeof(refcounts->counts[0]));
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
	be64 n = be64_make(refcounts->table->len);

	g_byte_array_append(state, n.b, sizeof(n));
	g_byte_array_append(state, (const uint8_t *)refcounts->table->data,
			    refcounts->table->len * (unsigned int)sizeof(be64));
	for (size_t range = 0; range < 2; range++)
		for (size_t i = 0; i < QCOW2_REFCOUNTS; i++) {
			be16 count = be16_make(refcounts->counts[range][i]);

			g_byte_array_append(state, count.b, sizeof(count));
		}
}

ImageRefcounts *image_refcounts_restore(const uint8_t *state, size_t len, size_t *ret_len)
{
	const size_t counts_bytes = sizeof(((ImageRefcounts *)NULL)->counts);
	ImageRefcounts *refcounts;
	uint64_t n;
	be64 head;
	be16 count;
	bool sane = true;

	if (len < sizeof(head) + counts_bytes)
		return NULL;
	memcpy(&head, state, sizeof(head));
	n = be64_get(head);
	if (n > (len - sizeof(head) - counts_bytes) / sizeof(be64))
		return NULL;
	refcounts = image_refcounts_new();
	g_array_append_vals(refcounts->table, state + sizeof(head), (unsigned int)n);
	state += sizeof(head) + n * sizeof(be64);
	for (size_t range = 0; range < 2; range++)
		for (size_t i = 0; i < QCOW2_REFCOUNTS; i++, state += sizeof(count)) {
			memcpy(&count, state, sizeof(count));
			refcounts->counts[range][i] = be16_get(count);
			sane = sane && be16_get(count) <= MAX_TOUCHING;
		}
	if (!sane) {
		image_refcounts_free(refcounts);
		return NULL;
	}
	*ret_len = sizeof(head) + n * sizeof(be64) + counts_bytes;
	return refcounts;
}

void image_refcounts_free(ImageRefcounts *refcounts)
{
	if (!refcounts)
		return;
	g_array_free(refcounts->table, true);
	g_free(refcounts);
}
