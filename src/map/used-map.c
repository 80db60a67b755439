/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sorted array of extents, as long as it is short.  What is added goes to the end; the array is
 * sorted and merged when somebody reads, or when it is full.
 */
#include "map/used-map.h"

struct used_map {
	uint64_t size;
	size_t max;
	GArray *extents; /* of struct extent; NULL once there is a bitmap */
	bool sorted;     /* ascending, with a gap between any two */
	uint8_t *bitmap; /* one bit for each cluster; NULL as long as there are extents */
	uint64_t n_bits;
	uint64_t cluster; /* bytes */
};

UsedMap *used_map_new(uint64_t size, size_t max_extents)
{
	UsedMap *map = g_new0(UsedMap, 1);

	map->size = size;
	map->max = max_extents;
	map->extents = g_array_new(false, false, sizeof(struct extent));
	map->sorted = true;
	return map;
}

static int compare(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static struct extent *nth(const UsedMap *map, size_t i)
{
	return &g_array_index(map->extents, struct extent, i);
}

static void sort_and_merge(UsedMap *map)
{
	unsigned int n = 0;

	if (map->sorted)
		return;
	g_array_sort(map->extents, compare);
	for (unsigned int i = 1; i < map->extents->len; i++) {
		struct extent *last = nth(map, n), *next = nth(map, i);
		uint64_t end = last->offset + last->length, next_end = next->offset + next->length;

		if (next->offset > end)
			*nth(map, ++n) = *next;
		else if (next_end > end)
			last->length = next_end - last->offset;
	}
	g_array_set_size(map->extents, n + 1);
	map->sorted = true;
}

static void set_bits(UsedMap *map, uint64_t offset, uint64_t length)
{
	uint64_t first = offset / map->cluster;
	uint64_t last = (offset + length - 1) / map->cluster;

	for (uint64_t i = first; i <= last; i++)
		map->bitmap[i / 8] |= (uint8_t)(1u << i % 8);
}

static void become_bitmap(UsedMap *map)
{
	map->cluster = USED_MAP_CLUSTER;
	while (map->size / map->cluster > USED_MAP_MAX_CLUSTERS)
		map->cluster *= 2;
	map->n_bits = map->size / map->cluster + (map->size % map->cluster != 0);
	map->bitmap = g_malloc0(map->n_bits / 8 + 1);
	for (unsigned int i = 0; i < map->extents->len; i++)
		set_bits(map, nth(map, i)->offset, nth(map, i)->length);
	g_array_free(map->extents, true);
	map->extents = NULL;
	g_debug("more than %zu extents: a bitmap of clusters of %" G_GUINT64_FORMAT
		" bytes from here on",
		map->max, map->cluster);
}

/* Make room for one more extent, or become a bitmap. */
static void make_room(UsedMap *map)
{
	if (map->extents->len < map->max)
		return;
	sort_and_merge(map);
	if (map->extents->len >= map->max / 2) /* else the next sort would come too soon */
		become_bitmap(map);
}

void used_map_add(UsedMap *map, uint64_t offset, uint64_t length)
{
	struct extent new = { offset, length };

	if (offset >= map->size || length == 0)
		return;
	if (length > map->size - offset)
		new.length = map->size - offset;

	if (map->extents)
		make_room(map);
	if (!map->extents) {
		set_bits(map, new.offset, new.length);
		return;
	}
	if (map->extents->len > 0) {
		struct extent *last = nth(map, map->extents->len - 1);

		if (last->offset + last->length == new.offset) {
			last->length += new.length;
			return;
		}
		if (new.offset < last->offset + last->length)
			map->sorted = false;
	}
	g_array_append_val(map->extents, new);
}

static bool next_in_bitmap(const UsedMap *map, uint64_t from, struct extent *ret)
{
	uint64_t i = from / map->cluster, end;

	for (; i < map->n_bits && !(map->bitmap[i / 8] & 1u << i % 8); i++)
		if (i % 8 == 0 && map->bitmap[i / 8] == 0)
			i += 7;
	if (i >= map->n_bits)
		return false;
	for (end = i; end < map->n_bits && map->bitmap[end / 8] & 1u << end % 8; end++)
		;
	ret->offset = MAX(from, i * map->cluster);
	ret->length = MIN(map->size, end * map->cluster) - ret->offset;
	return true;
}

bool used_map_next(UsedMap *map, uint64_t from, struct extent *ret)
{
	unsigned int low = 0, high;

	if (from >= map->size)
		return false;
	if (map->bitmap)
		return next_in_bitmap(map, from, ret);

	/* The first extent that ends behind @from. */
	sort_and_merge(map);
	for (high = map->extents->len; low < high;) {
		unsigned int middle = low + (high - low) / 2;

		if (nth(map, middle)->offset + nth(map, middle)->length > from)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == map->extents->len)
		return false;
	*ret = *nth(map, low);
	if (ret->offset < from) {
		ret->length -= from - ret->offset;
		ret->offset = from;
	}
	return true;
}

uint64_t used_map_count(UsedMap *map, uint64_t offset, uint64_t length)
{
	uint64_t end = length > UINT64_MAX - offset ? UINT64_MAX : offset + length, bytes = 0;
	struct extent extent;

	for (uint64_t at = offset; at < end && used_map_next(map, at, &extent);) {
		if (extent.offset >= end)
			break;
		bytes += MIN(extent.length, end - extent.offset);
		at = extent.offset + extent.length;
	}
	return bytes;
}

uint64_t used_map_count_clusters(UsedMap *map, uint64_t cluster)
{
	uint64_t n = 0, next = 0; /* @next: the first cluster that is not counted yet */
	struct extent extent;

	for (uint64_t at = 0; used_map_next(map, at, &extent); at = extent.offset + extent.length) {
		uint64_t first = MAX(next, extent.offset / cluster);
		uint64_t end = (extent.offset + extent.length - 1) / cluster + 1;

		if (end > first)
			n += end - first;
		next = MAX(next, end);
	}
	return n;
}

void used_map_free(UsedMap *map)
{
	if (!map)
		return;
	if (map->extents)
		g_array_free(map->extents, true);
	g_free(map->bitmap);
	g_free(map);
}
