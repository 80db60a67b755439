/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/gaps.h"

#include "bundle/manifest.h"

void gaps_add(GArray *gaps, const struct extent *gap)
{
	struct extent *last =
	    gaps->len > 0 ? &g_array_index(gaps, struct extent, gaps->len - 1) : NULL;

	if (last && (last->offset + last->length == gap->offset || gaps->len == MANIFEST_MAX_GAPS))
		last->length = gap->offset + gap->length - last->offset;
	else
		g_array_append_val(gaps, *gap);
}

bool gaps_touch(const GArray *gaps, uint64_t offset, uint64_t length)
{
	for (unsigned int i = 0; i < gaps->len; i++) {
		const struct extent *gap = &g_array_index(gaps, struct extent, i);

		if (gap->offset < offset + length && offset < gap->offset + gap->length)
			return true;
	}
	return false;
}

uint64_t gaps_bytes(const GArray *gaps)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < gaps->len; i++)
		sum += g_array_index(gaps, struct extent, i).length;
	return sum;
}
