/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON inside of a journal file: few numbers, and digests of what is long. */
#include "capture/identity.h"

#include "base/error.h"
#include "bundle/journal.h"
#include "capture/traces.h"

#include <inttypes.h>
#include <string.h>

#define IDENTITY_SCHEMA 6

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

	return json_pack("{s:I, s:i, s:s?, s:s?, s:s?, s:s}", "size", (json_int_t)disk->dev->size,
			 "sector_size", (int)disk->map->sector_size, "wwn", known->wwn, "serial",
			 known->serial, "view", disk->view, "map", map);
}

static json_t *describe_disks(const Manifest *manifest, const GPtrArray *disks)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < disks->len; i++)
		json_array_append_new(array, describe_disk(g_ptr_array_index(disks, i),
							   g_ptr_array_index(manifest->disks, i)));
	return array;
}

bool identity_write(const Bundle *bundle, const Manifest *manifest,
		    const struct identity_storage *storage, const GPtrArray *disks,
		    const json_t *traces, GError **error)
{
	json_t *all = json_pack("{s:i, s:s, s:s, s:i, s:b, s:o, s:O}", "schema", IDENTITY_SCHEMA,
				"id", manifest->id, "created", manifest->created, "level",
				storage->level, "dedupe", (int)storage->dedupe, "disks",
				describe_disks(manifest, disks), "traces", traces);
	char *text;
	bool ok;

	text = json_dumps(all, JSON_INDENT(2));
	ok = journal_write(bundle, IDENTITY_FILE, text, strlen(text), error);
	free(text);
	json_decref(all);
	return ok;
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
		json_t *now = describe_disk(disk, g_ptr_array_index(manifest->disks, i));
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

static bool check_traces(const json_t *then, const json_t *now, const GPtrArray *disks,
			 GError **error)
{
	g_autofree char *change = traces_compare(then, now, disks);

	if (!change)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "the source was in use since its capture was interrupted: %s; capture it anew",
		    change);
	return false;
}

static bool take(const json_t *all, const GPtrArray *disks, const json_t *traces,
		 Manifest *manifest, struct identity_storage *ret, GError **error)
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
	    !check_traces(json_object_get(all, "traces"), traces, disks, error))
		return false;
	g_free(manifest->id);
	g_free(manifest->created);
	manifest->id = g_strdup(id);
	manifest->created = g_strdup(created);
	*ret = (struct identity_storage){
		.level = (int)CLAMP(json_integer_value(level), 0, 19),
		.dedupe = json_is_true(json_object_get(all, "dedupe")),
	};
	return true;
}

bool identity_take_over(const Bundle *bundle, const GPtrArray *disks, const json_t *traces,
			Manifest *manifest, struct identity_storage *ret, GError **error)
{
	g_autoptr(GByteArray) text = NULL;
	int r = journal_read(bundle, IDENTITY_FILE, &text, error);
	json_t *all;
	bool ok;

	if (r < 0) {
		g_prefix_error(error, "'%s' cannot be gone on with, remove it and capture anew: ",
			       bundle->path);
		return false;
	}
	if (r == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
			    "'%s' has no '" IDENTITY_FILE
			    "': nothing was copied yet; remove it and capture anew",
			    bundle->path);
		return false;
	}
	all = json_loadb((const char *)text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
	ok = take(all, disks, traces, manifest, ret, error);
	json_decref(all);
	return ok;
}
