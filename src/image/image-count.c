/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image/image-count.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct image_count {
	const struct qcow2_image *image; /* borrowed */
	uint16_t *counts;                /* of the clusters of a pass; owned */
	uint8_t *exclusive;              /* a bit for each: a table, or a plain one; owned */
	uint64_t n_counts;
	uint64_t first; /* the first cluster of this pass */
	be64 l2[QCOW2_TABLE_ENTRIES];
};

ImageCount *image_count_new(const struct qcow2_image *image, uint64_t n_clusters, GError **error)
{
	g_autoptr(ImageCount) count = g_new0(ImageCount, 1);

	count->image = image;
	count->n_counts = MIN(n_clusters, IMAGE_COUNT_PASS);
	count->counts = g_try_new(uint16_t, count->n_counts);
	count->exclusive = g_try_malloc(count->n_counts / 8 + 1);
	if (!count->counts || !count->exclusive) {
		wherry_error_sys(error, ENOMEM, "cannot count what '%s' refers to", image->name);
		return NULL;
	}
	return g_steal_pointer(&count);
}

void image_count_start(ImageCount *count, uint64_t first)
{
	count->first = first;
	memset(count->counts, 0, count->n_counts * sizeof(*count->counts));
	memset(count->exclusive, 0, count->n_counts / 8 + 1);
}

/* Whether cluster @i of the pass may have one reference more. */
static bool has_room(const ImageCount *count, uint64_t i, bool exclusive)
{
	if (exclusive)
		return count->counts[i] == 0;
	return count->counts[i] < UINT16_MAX && !(count->exclusive[i / 8] & 1u << i % 8);
}

bool image_count_add(ImageCount *count, uint64_t offset, uint64_t len, bool exclusive,
		     GError **error)
{
	uint64_t last = (offset + len - 1) / IMAGE_CLUSTER_SIZE;

	for (uint64_t i = offset / IMAGE_CLUSTER_SIZE; i <= last; i++) {
		uint64_t at = i - count->first;

		if (i < count->first || at >= count->n_counts)
			continue;
		if (!has_room(count, at, exclusive)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': the cluster at %" PRIu64
				    " is used for more than one thing",
				    count->image->name, i * IMAGE_CLUSTER_SIZE);
			return false;
		}
		count->counts[at]++;
		if (exclusive)
			count->exclusive[at / 8] |= (uint8_t)(1u << at % 8);
	}
	return true;
}

static bool count_l2(ImageCount *count, uint64_t l1_index, GError **error)
{
	const struct qcow2_image *image = count->image;

	for (uint64_t i = 0; i < QCOW2_TABLE_ENTRIES; i++) {
		uint64_t index = l1_index * QCOW2_TABLE_ENTRIES + i;
		struct qcow2_place place;

		if (!qcow2_image_l2_entry(image, index, count->l2[i], &place, error))
			return false;
		if (place.kind == QCOW2_KIND_NONE)
			continue;
		if (index >= image->n_guest_clusters) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': guest cluster %" PRIu64 " is behind the disk's end",
				    image->name, index);
			return false;
		}
		if (place.length > 0 && !image_count_add(count, place.offset, place.length,
							 place.kind != QCOW2_KIND_PACKED, error))
			return false;
	}
	return true;
}

bool image_count_guest(ImageCount *count, GError **error)
{
	const struct qcow2_image *image = count->image;

	if (!image_count_add(count, 0, IMAGE_CLUSTER_SIZE, true, error) ||
	    !image_count_add(count, image->l1_offset, image->l1_bytes, true, error))
		return false;
	for (uint64_t i = 0; i < image->n_l1; i++) {
		uint64_t offset;
		int r = qcow2_image_l1_entry(image, i, &offset, error);

		if (r < 0)
			return false;
		if (r == 0)
			continue;
		if (!image_count_add(count, offset, IMAGE_CLUSTER_SIZE, true, error) ||
		    !qcow2_image_read(image, offset, count->l2, sizeof(count->l2), error) ||
		    !count_l2(count, i, error))
			return false;
	}
	return true;
}

uint16_t image_count_get(const ImageCount *count, uint64_t cluster)
{
	if (cluster < count->first || cluster - count->first >= count->n_counts)
		return 0;
	return count->counts[cluster - count->first];
}

void image_count_free(ImageCount *count)
{
	if (!count)
		return;
	g_free(count->counts);
	g_free(count->exclusive);
	g_free(count);
}
