/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON inside of a journal file: few numbers, and digests of what is long. */
#include "capture/identity.h"

#include "base/error.h"
#include "bundle/journal.h"
#include "capture/plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define IDENTITY_SCHEMA 3

/* At both ends of a disk lies its partition table. */
#define END_SIZE (UINT64_C(1) << 20)

/* They are summed in pieces, since one that cannot be read proves nothing of the others. */
#define PIECE_SIZE (UINT64_C(64) << 10)

/* Append the digest of each piece of [@from, @to); null: it cannot be read. */
static void digest_end(const Blkdev *dev, uint64_t from, uint64_t to, json_t *ends)
{
	g_autofree uint8_t *buf = g_malloc(PIECE_SIZE);

	for (uint64_t at = from; at < to; at += PIECE_SIZE) {
		size_t len = (size_t)MIN(PIECE_SIZE, to - at);
		g_autofree char *hex = NULL;
		struct digest digest;

		if (!blkdev_read(dev, at, buf, len, NULL)) {
			json_array_append_new(ends, json_null());
			continue;
		}
		digest = digest_of(buf, len);
		hex = digest_to_hex(&digest);
		json_array_append_new(ends, json_string(hex));
	}
}

static json_t *digest_ends(const struct plan_disk *disk)
{
	uint64_t size = disk->dev->size, len = MIN(END_SIZE, size);
	json_t *ends = json_array();

	digest_end(disk->dev, 0, len, ends);
	digest_end(disk->dev, size - len, size, ends);
	return ends;
}

/* All extents in use. */
static char *digest_map(const struct plan_disk *disk)
{
	g_autoptr(Digester) digester = digester_new();
	struct digest digest;
	struct extent e;

	for (uint64_t at = 0; used_map_next(disk->map->used, at, &e); at = e.offset + e.length)
		digester_add(digester, &e, sizeof(e));
	digest = digester_finish(digester);
	return digest_to_hex(&digest);
}

static json_t *describe_disk(const struct plan_disk *disk, const struct manifest_disk *known)
{
	g_autofree char *map = digest_map(disk);

	return json_pack("{s:I, s:i, s:s?, s:s?, s:s?, s:o, s:s}", "size",
			 (json_int_t)disk->dev->size, "sector_size", (int)disk->map->sector_size,
			 "wwn", known->wwn, "serial", known->serial, "view", disk->view, "ends",
			 digest_ends(disk), "map", map);
}

static json_t *describe_disks(const Manifest *manifest, const GPtrArray *disks)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < disks->len; i++)
		json_array_append_new(array, describe_disk(g_ptr_array_index(disks, i),
							   g_ptr_array_index(manifest->disks, i)));
	return array;
}

bool identity_write(const Bundle *bundle, const Manifest *manifest, int level,
		    const GPtrArray *disks, GError **error)
{
	json_t *array = describe_disks(manifest, disks), *all;
	char *text;
	bool ok;

	all = json_pack("{s:i, s:s, s:s, s:i, s:o}", "schema", IDENTITY_SCHEMA, "id", manifest->id,
			"created", manifest->created, "level", level, "disks", array);
	text = json_dumps(all, JSON_INDENT(2));
	ok = journal_write(bundle, IDENTITY_FILE, text, strlen(text), error);
	free(text);
	json_decref(all);
	return ok;
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

/* What of a disk was written down, and is another now; NULL: nothing. */
static const char *find_change(const json_t *then, const json_t *now)
{
	static const struct {
		const char *key, *words;
	} keys[] = {
		{ "size", "size" },
		{ "sector_size", "sector size" },
		{ "wwn", "WWN" },
		{ "serial", "serial number" },
		{ "view", "snapshot, in which a log was replayed" },
		{ "map", "map of the bytes in use, which --keep-pagefile changes, too" },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
		if (!json_equal(json_object_get(then, keys[i].key),
				json_object_get(now, keys[i].key)))
			return keys[i].words;
	if (!same_ends(json_object_get(then, "ends"), json_object_get(now, "ends")))
		return "partition table, or what lies at its ends";
	return NULL;
}

static bool check_disks(const json_t *then, const json_t *now, const GPtrArray *disks,
			GError **error)
{
	if (json_array_size(then) != json_array_size(now)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "the interrupted capture was of %zu disks, this one is of %zu",
			    json_array_size(then), json_array_size(now));
		return false;
	}
	for (size_t i = 0; i < json_array_size(now); i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		const char *what = find_change(json_array_get(then, i), json_array_get(now, i));

		if (what) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
				    "'%s' is not as it was when its capture was interrupted: its "
				    "%s; capture it anew",
				    disk->dev->name, what);
			return false;
		}
	}
	return true;
}

static bool take(const json_t *all, const json_t *now, const GPtrArray *disks, Manifest *manifest,
		 int *ret_level, GError **error)
{
	const char *id = json_string_value(json_object_get(all, "id"));
	const char *created = json_string_value(json_object_get(all, "created"));
	const json_t *then = json_object_get(all, "disks"), *level = json_object_get(all, "level");

	if (json_integer_value(json_object_get(all, "schema")) != IDENTITY_SCHEMA || !id ||
	    !created || !json_is_array(then) || !json_is_integer(level)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'" IDENTITY_FILE "' is none of this version");
		return false;
	}
	if (!check_disks(then, now, disks, error))
		return false;
	g_free(manifest->id);
	g_free(manifest->created);
	manifest->id = g_strdup(id);
	manifest->created = g_strdup(created);
	*ret_level = (int)CLAMP(json_integer_value(level), 0, 19);
	return true;
}

bool identity_take_over(const Bundle *bundle, const GPtrArray *disks, Manifest *manifest,
			int *ret_level, GError **error)
{
	g_autoptr(GByteArray) text = NULL;
	int r = journal_read(bundle, IDENTITY_FILE, &text, error);
	json_t *all, *now;
	bool ok;

	if (r < 0)
		return false;
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "'%s' has no '" IDENTITY_FILE
			    "': nothing was copied yet; remove it and capture anew",
			    bundle->path);
		return false;
	}
	now = describe_disks(manifest, disks);
	all = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
	ok = take(all, now, disks, manifest, ret_level, error);
	json_decref(all);
	json_decref(now);
	return ok;
}
