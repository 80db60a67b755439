/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts every reference anew and compares with what the image has stored. */
#include "image/image-check.h"

#include "base/error.h"
#include "image/image-count.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

typedef struct {
	const struct qcow2_image *image; /* borrowed */
	ImageCount *count;               /* owned */
	uint64_t n_clusters;             /* of the file; the last may be cut short */
	uint64_t n_unused;               /* of these */
	uint64_t n_ranges;               /* that the refcount table has room for */
	be64 *refcount_table;            /* owned */
	be16 refcounts[QCOW2_REFCOUNTS]; /* a block of them */
} Check;

static void check_free(Check *check)
{
	image_count_free(check->count);
	g_free(check->refcount_table);
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
	if (!check->refcount_table) {
		wherry_error_sys(error, ENOMEM, "cannot check '%s'", image->name);
		return NULL;
	}
	check->count = image_count_new(image, check->n_clusters, error);
	if (!check->count ||
	    !qcow2_image_read(image, image->refcount_table_offset, check->refcount_table,
			      image->refcount_table_bytes, error))
		return NULL;
	return g_steal_pointer(&check);
}

static bool count_refcounts(Check *check, GError **error)
{
	const struct qcow2_image *image = check->image;

	if (!image_count_add(check->count, image->refcount_table_offset,
			     image->refcount_table_bytes, true, error))
		return false;
	for (uint64_t i = 0; i < check->n_ranges; i++) {
		uint64_t offset = be64_get(check->refcount_table[i]);

		if (offset == 0)
			continue;
		if (!qcow2_image_check_cluster(image, offset, "refcount block", i, error) ||
		    !image_count_add(check->count, offset, IMAGE_CLUSTER_SIZE, true, error))
			return false;
	}
	return true;
}

static bool compare_range(Check *check, uint64_t range, GError **error)
{
	const struct qcow2_image *image = check->image;
	uint64_t offset = range < check->n_ranges ? be64_get(check->refcount_table[range]) : 0;

	if (offset == 0)
		memset(check->refcounts, 0, sizeof(check->refcounts));
	else if (!qcow2_image_read(image, offset, check->refcounts, sizeof(check->refcounts),
				   error))
		return false;
	for (uint64_t i = 0; i < QCOW2_REFCOUNTS; i++) {
		uint64_t cluster = range * QCOW2_REFCOUNTS + i;
		uint16_t stored = be16_get(check->refcounts[i]);
		uint16_t want = image_count_get(check->count, cluster);

		check->n_unused += want == 0 && cluster < check->n_clusters;
		if (stored == want)
			continue;
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': the cluster at %" PRIu64 " has refcount %u, but %u references",
			    image->name, cluster * IMAGE_CLUSTER_SIZE, stored, want);
		return false;
	}
	return true;
}

bool image_check(const struct qcow2_image *image, uint64_t *ret_unused, GError **error)
{
	g_autoptr(Check) check = check_new(image, error);
	uint64_t range = 0;

	if (!check)
		return false;
	for (uint64_t first = 0; first < check->n_clusters; first += IMAGE_COUNT_PASS) {
		image_count_start(check->count, first);
		if (!count_refcounts(check, error) || !image_count_guest(check->count, error))
			return false;
		for (; range * QCOW2_REFCOUNTS < MIN(first + IMAGE_COUNT_PASS, check->n_clusters);
		     range++)
			if (!compare_range(check, range, error))
				return false;
	}
	/* What the refcount table has for clusters behind the file's end: nothing is there. */
	image_count_start(check->count, check->n_clusters);
	for (; range < check->n_ranges; range++)
		if (be64_get(check->refcount_table[range]) != 0 &&
		    !compare_range(check, range, error))
			return false;
	if (ret_unused)
		*ret_unused = check->n_unused * IMAGE_CLUSTER_SIZE;
	return true;
}
