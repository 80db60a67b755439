/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/update-match.h"

#include "base/error.h"

#include <inttypes.h>

/* Whether a disk of the machine is @disk; one without WWN and serial number is none. */
static bool is_disk(const struct facts_disk *known, const struct manifest_disk *disk)
{
	if (disk->wwn)
		return g_strcmp0(known->wwn, disk->wwn) == 0;
	return disk->serial && g_strcmp0(known->serial, disk->serial) == 0 &&
	       g_strcmp0(known->model, disk->model) == 0;
}

static const char *find_disk(const Facts *facts, const struct manifest_disk *disk)
{
	for (unsigned int i = 0; i < facts->disks->len; i++) {
		const struct facts_disk *known = g_ptr_array_index(facts->disks, i);

		if (is_disk(known, disk))
			return known->path;
	}
	return disk->wwn || disk->serial ? NULL : disk->path;
}

static char **check_number(const Manifest *old, const char *const *named, GError **error)
{
	g_autoptr(GStrvBuilder) paths = g_strv_builder_new();
	unsigned int n = 0;

	for (; named[n]; n++)
		g_strv_builder_add(paths, named[n]);
	if (n == old->disks->len)
		return g_strv_builder_end(paths);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "the bundle holds %u disks, but %u are named: name all of them in its order, "
		    "or none",
		    old->disks->len, n);
	return NULL;
}

char **update_match_disks(const Facts *facts, const Manifest *old, const char *const *named,
			  GError **error)
{
	g_autoptr(GStrvBuilder) paths = g_strv_builder_new();

	if (named)
		return check_number(old, named, error);
	for (unsigned int i = 0; i < old->disks->len; i++) {
		const struct manifest_disk *disk = g_ptr_array_index(old->disks, i);
		const char *path = find_disk(facts, disk);

		if (!path) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND,
				    "this machine has no disk with the %s %s, which was '%s' when "
				    "it was captured",
				    disk->wwn ? "WWN" : "serial number", disk->wwn ?: disk->serial,
				    disk->path);
			return NULL;
		}
		g_strv_builder_add(paths, path);
	}
	return g_strv_builder_end(paths);
}

static bool check_text(const struct manifest_disk *now, const char *image, const char *what,
		       const char *then, const char *text, GError **error)
{
	if (g_strcmp0(then, text) == 0)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' is not the disk that '%s' was made of: its %s is %s, and was %s; capture "
		    "it anew",
		    now->path, image, what, text ?: "not known", then ?: "not known");
	return false;
}

static bool check_number_of(const struct manifest_disk *now, const char *image, const char *what,
			    uint64_t then, uint64_t number, GError **error)
{
	if (then == number)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' is not the disk that '%s' was made of: its %s is %" PRIu64
		    " bytes, and was %" PRIu64 "; capture it anew",
		    now->path, image, what, number, then);
	return false;
}

static bool holds_uuid(const struct manifest_disk *disk, const char *uuid)
{
	for (unsigned int i = 0; i < disk->volumes->len; i++)
		if (g_strcmp0(
			((const struct manifest_volume *)g_ptr_array_index(disk->volumes, i))->uuid,
			uuid) == 0)
			return true;
	return false;
}

/* 1: something that @then held is there again; 0: nothing of it is; -1: no UUID of it is known. */
static int find_content_again(const struct manifest_disk *then, const struct manifest_disk *now)
{
	int found = -1;

	for (unsigned int i = 0; i < then->volumes->len && found <= 0; i++) {
		const struct manifest_volume *volume = g_ptr_array_index(then->volumes, i);

		if (volume->uuid)
			found = holds_uuid(now, volume->uuid);
	}
	return found;
}

/* Path and size are what many disks have. */
static bool match_content(const struct manifest_disk *then, const struct manifest_disk *now,
			  GError **error)
{
	if (then->table_id && !check_text(now, then->image, "partition table's identifier",
					  then->table_id, now->table_id, error))
		return false;
	if (find_content_again(then, now) != 0)
		return true;
	g_set_error(
	    error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
	    "'%s' may not be the disk that '%s' was made of: it has neither WWN nor serial "
	    "number, and none of its filesystems has a UUID that was there; capture it anew",
	    now->path, then->image);
	return false;
}

static bool match_disk(const struct manifest_disk *then, const struct manifest_disk *now,
		       GError **error)
{
	return check_number_of(now, then->image, "size", then->size, now->size, error) &&
	       check_number_of(now, then->image, "sector size", then->sector_size, now->sector_size,
			       error) &&
	       check_text(now, then->image, "WWN", then->wwn, now->wwn, error) &&
	       check_text(now, then->image, "serial number", then->serial, now->serial, error) &&
	       (then->wwn || then->serial || match_content(then, now, error));
}

bool update_match_manifests(const Manifest *old, const Manifest *now, GError **error)
{
	g_assert(old->disks->len == now->disks->len);
	if (old->generation == UINT32_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "the bundle has generation %u, the last one there can be: capture anew",
			    old->generation);
		return false;
	}
	if (old->uuid && now->uuid && g_strcmp0(old->uuid, now->uuid) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "this machine is %s, but the bundle holds machine %s; capture it anew",
			    now->uuid, old->uuid);
		return false;
	}
	for (unsigned int i = 0; i < old->disks->len; i++)
		if (!match_disk(g_ptr_array_index(old->disks, i), g_ptr_array_index(now->disks, i),
				error))
			return false;
	return true;
}
