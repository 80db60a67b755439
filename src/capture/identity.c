/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON inside of a journal file: few numbers, and digests of what is long. */
#include "capture/identity.h"

#include "base/error.h"
#include "bundle/journal.h"
#include "capture/origin.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define IDENTITY_SCHEMA 4

/* At both ends of a disk lies its partition table. */
#define END_SIZE (UINT64_C(1) << 20)

/*
 * At those of a volume a filesystem keeps its superblock (btrfs: at 64 KiB), a layer its own: who
 * has mounted or assembled it for writing has left a trace there.
 */
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

/* Of what lies on the disks themselves: a view hides what was written to them since. */
static json_t *digest_ends(const GPtrArray *disks, const Volume *volume, uint64_t len)
{
	json_t *ends = json_array();

	len = MIN(len, volume->size);
	digest_end(disks, volume, 0, len, ends);
	digest_end(disks, volume, volume->size - len, volume->size, ends);
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

static json_t *describe_disk(const GPtrArray *disks, const struct plan_disk *disk,
			     const struct manifest_disk *known)
{
	g_autoptr(Volume) whole = volume_new_disk(disk->dev, NULL);
	g_autofree char *map = digest_map(disk);

	return json_pack("{s:I, s:i, s:s?, s:s?, s:s?, s:o, s:s}", "size",
			 (json_int_t)disk->dev->size, "sector_size", (int)disk->map->sector_size,
			 "wwn", known->wwn, "serial", known->serial, "view", disk->view, "ends",
			 digest_ends(disks, whole, END_SIZE), "map", map);
}

static json_t *describe_disks(const Manifest *manifest, const GPtrArray *disks)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < disks->len; i++)
		json_array_append_new(array, describe_disk(disks, g_ptr_array_index(disks, i),
							   g_ptr_array_index(manifest->disks, i)));
	return array;
}

/* All that was looked at on the disks, in the order in which the same map finds it again. */
static const GPtrArray *list_places(const GPtrArray *disks)
{
	static const GPtrArray none = { 0 };
	const struct plan_disk *first = g_ptr_array_index(disks, 0);

	return first->storage ? first->storage->places : &none;
}

static json_t *describe_volumes(const GPtrArray *disks)
{
	const GPtrArray *places = list_places(disks);
	json_t *array = json_array();

	for (unsigned int i = 0; i < places->len; i++) {
		const struct map_place *place = g_ptr_array_index(places, i);

		json_array_append_new(array, digest_ends(disks, place->volume, VOLUME_END_SIZE));
	}
	return array;
}

bool identity_write(const Bundle *bundle, const Manifest *manifest, int level,
		    const GPtrArray *disks, GError **error)
{
	json_t *all =
	    json_pack("{s:i, s:s, s:s, s:i, s:o, s:o}", "schema", IDENTITY_SCHEMA, "id",
		      manifest->id, "created", manifest->created, "level", level, "disks",
		      describe_disks(manifest, disks), "volumes", describe_volumes(disks));
	char *text;
	bool ok;

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

static bool check_disks(const json_t *then, const Manifest *manifest, const GPtrArray *disks,
			GError **error)
{
	if (json_array_size(then) != disks->len) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "the interrupted capture was of %zu disks, this one is of %u",
			    json_array_size(then), disks->len);
		return false;
	}
	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		json_t *now = describe_disk(disks, disk, g_ptr_array_index(manifest->disks, i));
		const char *what = find_change(json_array_get(then, i), now);

		json_decref(now);
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

/* Nothing was written to a volume since, as far as its ends tell. */
static bool check_volumes(const json_t *then, const GPtrArray *disks, GError **error)
{
	const GPtrArray *places = list_places(disks);
	json_t *now = describe_volumes(disks);
	bool same = json_array_size(then) == places->len;
	unsigned int i;

	for (i = 0; same && i < places->len; i++)
		same = same_ends(json_array_get(then, i), json_array_get(now, i));
	json_decref(now);
	if (same)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' was in use since its capture was interrupted: what lies at its ends has "
		    "changed; capture it anew",
		    i > 0
			? ((const struct map_place *)g_ptr_array_index(places, i - 1))->volume->name
			: "the source");
	return false;
}

static bool take(const json_t *all, const GPtrArray *disks, Manifest *manifest, int *ret_level,
		 GError **error)
{
	const char *id = json_string_value(json_object_get(all, "id"));
	const char *created = json_string_value(json_object_get(all, "created"));
	const json_t *level = json_object_get(all, "level");

	if (json_integer_value(json_object_get(all, "schema")) != IDENTITY_SCHEMA || !id ||
	    !created || !json_is_array(json_object_get(all, "disks")) || !json_is_integer(level)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'" IDENTITY_FILE "' is none of this version");
		return false;
	}
	if (!check_disks(json_object_get(all, "disks"), manifest, disks, error) ||
	    !check_volumes(json_object_get(all, "volumes"), disks, error))
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
	json_t *all;
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
	all = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
	ok = take(all, disks, manifest, ret_level, error);
	json_decref(all);
	return ok;
}
