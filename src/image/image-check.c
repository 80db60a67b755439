/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts every reference anew and compares with what the image has stored.
 *
 * The file is counted in passes of 1 TiB, so that the counts fit into memory; every pass walks all
 * tables.  Whatever is no compressed cluster has its host cluster for itself: QEMU would let two
 * guest clusters share a plain one, but nothing writes that without snapshots.
 */
#include "image/image-check.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PASS_CLUSTERS (512u * QCOW2_REFCOUNTS)

/* In place of a count: a table, or a plain cluster. */
#define EXCLUSIVE UINT16_MAX

typedef struct {
	const struct qcow2_image *image; /* borrowed */
	uint64_t n_clusters;             /* of the file; the last may be cut short */
	uint64_t n_ranges;               /* that the refcount table has room for */
	be64 *refcount_table;            /* owned */
	uint16_t *counts;                /* of the clusters of a pass; owned */
	uint64_t n_counts;
	uint64_t first; /* the first cluster of this pass */
	union {
		be64 l2[QCOW2_TABLE_ENTRIES];
		be16 refcounts[QCOW2_REFCOUNTS];
	} block;
} Check;

static void check_free(Check *check)
{
	g_free(check->refcount_table);
	g_free(check->counts);
	g_free(check);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Check, check_free)

static Check *check_new(const struct qcow2_image *image, GError **error)
{
	g_autoptr(Check) check = g_new0(Check, 1);

	check->image = image;
	check->n_clusters =
	    image->file_size / IMAGE_CLUSTER_SIZE + (image->file_size % IMAGE_CLUSTER_SIZE != 0);
	check->n_ranges = image->refcount_table_bytes / sizeof(be64);
	check->refcount_table = g_try_malloc(image->refcount_table_bytes);
	check->n_counts = MIN(check->n_clusters, PASS_CLUSTERS);
	check->counts = g_try_new(uint16_t, check->n_counts);
	if (!check->refcount_table || !check->counts) {
		wherry_error_sys(error, ENOMEM, "cannot check '%s'", image->name);
		return NULL;
	}
	if (!qcow2_image_read(image, image->refcount_table_offset, check->refcount_table,
			      image->refcount_table_bytes, error))
		return NULL;
	return g_steal_pointer(&check);
}

/* One more reference to each cluster that @len bytes at @offset touch. */
static bool count(Check *check, uint64_t offset, uint64_t len, bool exclusive, GError **error)
{
	uint64_t last = (offset + len - 1) / IMAGE_CLUSTER_SIZE;

	for (uint64_t i = offset / IMAGE_CLUSTER_SIZE; i <= last; i++) {
		uint16_t *n;

		if (i < check->first || i - check->first >= check->n_counts)
			continue;
		n = &check->counts[i - check->first];
		if (exclusive ? *n != 0 : *n >= EXCLUSIVE - 1) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': the cluster at %" PRIu64
				    " is used for more than one thing",
				    check->image->name, i * IMAGE_CLUSTER_SIZE);
			return false;
		}
		*n = exclusive ? EXCLUSIVE : (uint16_t)(*n + 1);
	}
	return true;
}

static bool count_l2(Check *check, uint64_t l1_index, GError **error)
{
	const struct qcow2_image *image = check->image;

	for (uint64_t i = 0; i < QCOW2_TABLE_ENTRIES; i++) {
		uint64_t index = l1_index * QCOW2_TABLE_ENTRIES + i;
		struct qcow2_place place;

		if (!qcow2_image_l2_entry(image, index, check->block.l2[i], &place, error))
			return false;
		if (place.kind == QCOW2_KIND_NONE)
			continue;
		if (index >= image->n_guest_clusters) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': guest cluster %" PRIu64 " is behind the disk's end",
				    image->name, index);
			return false;
		}
		if (place.length > 0 && !count(check, place.offset, place.length,
					       place.kind != QCOW2_KIND_PACKED, error))
			return false;
	}
	return true;
}

static bool count_guest(Check *check, GError **error)
{
	const struct qcow2_image *image = check->image;

	for (uint64_t i = 0; i < image->n_l1; i++) {
		uint64_t offset;
		int r = qcow2_image_l1_entry(image, i, &offset, error);

		if (r < 0)
			return false;
		if (r == 0)
			continue;
		if (!count(check, offset, IMAGE_CLUSTER_SIZE, true, error) ||
		    !qcow2_image_read(image, offset, check->block.l2, sizeof(check->block.l2),
				      error) ||
		    !count_l2(check, i, error))
			return false;
	}
	return true;
}

static bool count_top(Check *check, GError **error)
{
	const struct qcow2_image *image = check->image;

	if (!count(check, 0, IMAGE_CLUSTER_SIZE, true, error) ||
	    !count(check, image->l1_offset, image->l1_bytes, true, error) ||
	    !count(check, image->refcount_table_offset, image->refcount_table_bytes, true, error))
		return false;
	for (uint64_t i = 0; i < check->n_ranges; i++) {
		uint64_t offset = be64_get(check->refcount_table[i]);

		if (offset == 0)
			continue;
		if (!qcow2_image_check_cluster(image, offset, "refcount block", i, error) ||
		    !count(check, offset, IMAGE_CLUSTER_SIZE, true, error))
			return false;
	}
	return true;
}

static uint16_t counted(const Check *check, uint64_t cluster)
{
	uint16_t n;

	if (cluster < check->first || cluster - check->first >= check->n_counts)
		return 0;
	n = check->counts[cluster - check->first];
	return n == EXCLUSIVE ? 1 : n;
}

static bool compare_range(Check *check, uint64_t range, GError **error)
{
	const struct qcow2_image *image = check->image;
	uint64_t offset = range < check->n_ranges ? be64_get(check->refcount_table[range]) : 0;

	if (offset == 0)
		memset(check->block.refcounts, 0, sizeof(check->block.refcounts));
	else if (!qcow2_image_read(image, offset, check->block.refcounts,
				   sizeof(check->block.refcounts), error))
		return false;
	for (uint64_t i = 0; i < QCOW2_REFCOUNTS; i++) {
		uint64_t cluster = range * QCOW2_REFCOUNTS + i;
		uint16_t stored = be16_get(check->block.refcounts[i]);
		uint16_t want = counted(check, cluster);

		if (stored == want)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': the cluster at %" PRIu64 " has refcount %u, but %u references",
			    image->name, cluster * IMAGE_CLUSTER_SIZE, stored, want);
		return false;
	}
	return true;
}

bool image_check(const struct qcow2_image *image, GError **error)
{
	g_autoptr(Check) check = check_new(image, error);
	uint64_t range = 0;

	if (!check)
		return false;
	for (; check->first < check->n_clusters; check->first += PASS_CLUSTERS) {
		memset(check->counts, 0, check->n_counts * sizeof(*check->counts));
		if (!count_top(check, error) || !count_guest(check, error))
			return false;
		for (;
		     range * QCOW2_REFCOUNTS < MIN(check->first + PASS_CLUSTERS, check->n_clusters);
		     range++)
			if (!compare_range(check, range, error))
				return false;
	}
	/* What the refcount table has for clusters behind the file's end: nothing is there. */
	for (; range < check->n_ranges; range++)
		if (be64_get(check->refcount_table[range]) != 0 &&
		    !compare_range(check, range, error))
			return false;
	return true;
}
