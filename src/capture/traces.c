/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON, as it goes into capture.journal: arrays of digests, in the order of disks and places. */
#include "capture/traces.h"

#include "base/digest.h"
#include "base/error.h"
#include "capture/origin.h"

/* At both ends of a disk lies its partition table. */
#define DISK_END_SIZE (UINT64_C(1) << 20)

/* At those of a volume a filesystem keeps its superblock (btrfs: at 64 KiB), a layer its own. */
#define VOLUME_END_SIZE (UINT64_C(128) << 10)

/* They are summed in pieces, since one that cannot be read proves nothing of the others. */
#define PIECE_SIZE (UINT64_C(64) << 10)

/* Append the digest of each piece of [@from, @to); null: it cannot be read. */
static void digest_end(const GPtrArray *disks, const Volume *volume, uint64_t from, uint64_t to,
		       json_t *ends)
{
	g_autofree uint8_t *buf = g_malloc(PIECE_SIZE);

	for (uint64_t at = from; at < to; at += PIECE_SIZE) {
		size_t len = (size_t)MIN(PIECE_SIZE, to - at);
		g_autofree char *hex = NULL;
		struct digest digest;

		if (!origin_read(disks, volume, at, buf, len, NULL)) {
			json_array_append_new(ends, json_null());
			continue;
		}
		digest = digest_of(buf, len);
		hex = digest_to_hex(&digest);
		json_array_append_new(ends, json_string(hex));
	}
}

static json_t *digest_ends(const GPtrArray *disks, const Volume *volume, uint64_t len)
{
	json_t *ends = json_array();

	len = MIN(len, volume->size);
	digest_end(disks, volume, 0, len, ends);
	digest_end(disks, volume, volume->size - len, volume->size, ends);
	return ends;
}

static json_t *read_disks(const GPtrArray *disks)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		g_autoptr(Volume) whole = volume_new_disk(disk->dev, NULL);

		json_array_append_new(array, digest_ends(disks, whole, DISK_END_SIZE));
	}
	return array;
}

/* All that was looked at on the disks, in the order in which the same map finds it again. */
static const GPtrArray *list_places(const GPtrArray *disks)
{
	static const GPtrArray none = { 0 };
	const struct plan_disk *first = g_ptr_array_index(disks, 0);

	return first->storage ? first->storage->places : &none;
}

static json_t *read_volumes(const GPtrArray *disks)
{
	const GPtrArray *places = list_places(disks);
	json_t *array = json_array();

	for (unsigned int i = 0; i < places->len; i++) {
		const struct map_place *place = g_ptr_array_index(places, i);

		json_array_append_new(array, digest_ends(disks, place->volume, VOLUME_END_SIZE));
	}
	return array;
}

json_t *traces_read(const GPtrArray *disks)
{
	return json_pack("{s:o, s:o}", "disks", read_disks(disks), "volumes", read_volumes(disks));
}

/* What could be read of both is the same. */
static bool same_ends(const json_t *then, const json_t *now)
{
	if (json_array_size(then) != json_array_size(now))
		return false;
	for (size_t i = 0; i < json_array_size(now); i++) {
		const json_t *a = json_array_get(then, i), *b = json_array_get(now, i);

		if (!json_is_null(a) && !json_is_null(b) && !json_equal(a, b))
			return false;
	}
	return true;
}

/* The index of the first that differs; -1: none does. */
static int find_change(const json_t *then, const json_t *now, const char *key)
{
	const json_t *a = json_object_get(then, key), *b = json_object_get(now, key);

	for (size_t i = 0; i < json_array_size(b); i++)
		if (!same_ends(json_array_get(a, i), json_array_get(b, i)))
			return (int)i;
	return json_array_size(a) > json_array_size(b) ? 0 : -1;
}

char *traces_compare(const json_t *then, const json_t *now, const GPtrArray *disks)
{
	const GPtrArray *places = list_places(disks);
	int i = find_change(then, now, "volumes");

	if (i >= 0 && (unsigned int)i < places->len) {
		const struct map_place *place = g_ptr_array_index(places, i);

		return g_strdup_printf("what lies at the ends of '%s' has changed",
				       place->volume->name);
	}
	if (i >= 0)
		return g_strdup("there are other volumes");
	i = find_change(then, now, "disks");
	if (i < 0)
		return NULL;
	return g_strdup_printf("the partition table of '%s', or what else lies at its ends, has "
			       "changed",
			       ((const struct plan_disk *)g_ptr_array_index(disks, i))->dev->name);
}

/* ---- After the last read ---- */

/* With disks of their own, borrowing the rest. */
static void free_fresh(void *p)
{
	struct plan_disk *disk = p;

	blkdev_free(disk->origin);
	g_free(disk);
}

/* As they are now: opened by their paths, since a disk may have been opened anew while it was read.
 */
static GPtrArray *open_fresh(const GPtrArray *disks)
{
	GPtrArray *fresh = g_ptr_array_new_with_free_func(free_fresh);

	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		struct plan_disk *now = g_new0(struct plan_disk, 1);

		*now = (struct plan_disk){ .dev = disk->dev, .storage = disk->storage };
		now->origin = blkdev_open(origin_of(disk)->path, NULL);
		if (now->origin)
			blkdev_forget(now->origin);
		g_ptr_array_add(fresh, now);
	}
	return fresh;
}

bool traces_check_idle(const json_t *then, const GPtrArray *disks, GError **error)
{
	g_autoptr(GPtrArray) fresh = open_fresh(disks);
	g_autofree char *change = NULL;
	json_t *now;

	if (!plan_check_idle(disks, error))
		return false;
	now = traces_read(fresh);
	change = traces_compare(then, now, disks);
	json_decref(now);
	if (!change)
		return true;
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
	    "the source was in use while it was captured: %s; see that nothing mounts it, and "
	    "begin anew",
	    change);
	return false;
}
