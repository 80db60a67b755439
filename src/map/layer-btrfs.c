/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs, which spans devices as an array does, but makes no volume of them: what is in use is said
 * of the devices themselves.
 *
 * A filesystem is mapped when all its devices are there, each once.  Two of the same, as after a
 * disk was copied, or a device that is to replace another: nobody knows which of them the kernel
 * would take.
 */
#include "map/map-layer.h"

#include "base/error.h"
#include "map/btrfs-map.h"

#include <inttypes.h>
#include <string.h>

struct found {
	struct layer_member *member; /* borrowed */
	struct btrfs_super super;
};

/* The devices of one filesystem that are here. */
struct filesystem {
	GPtrArray *devices; /* of struct found *, owned by the caller */
	char *uuid;         /* owned */
};

static char *uuid_text(const uint8_t uuid[16])
{
	GString *text = g_string_new(NULL);

	for (unsigned int i = 0; i < 16; i++)
		g_string_append_printf(text, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return g_string_free(text, false);
}

static const struct found *found_at(const struct filesystem *fs, unsigned int i)
{
	return g_ptr_array_index(fs->devices, i);
}

/* What a member says, or NULL when it is settled. */
static struct found *read_member(struct layer_member *member)
{
	g_autofree struct found *found = g_new0(struct found, 1);
	g_autoptr(GError) cause = NULL;

	found->member = member;
	if (!btrfs_super_read(member->volume, &found->super, &cause)) {
		layer_carry_whole(member, cause->message);
		return NULL;
	}
	g_free(member->group);
	member->group = uuid_text(found->super.fsid);
	return g_steal_pointer(&found);
}

static bool has_device(const struct filesystem *fs, unsigned int before, uint64_t device)
{
	for (unsigned int i = 0; i < before; i++)
		if (found_at(fs, i)->super.device == device)
			return true;
	return false;
}

/* How many devices it has by that of its superblocks which says most. */
static uint64_t count_wanted(const struct filesystem *fs)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < fs->devices->len; i++)
		n = MAX(n, found_at(fs, i)->super.n_devices);
	return n;
}

static unsigned int count_different(const struct filesystem *fs)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fs->devices->len; i++)
		n += !has_device(fs, i, found_at(fs, i)->super.device);
	return n;
}

/* Why its devices cannot be taken together, as the user could mend it; NULL: they can. */
static char *find_obstacle(const struct filesystem *fs)
{
	uint64_t wanted = count_wanted(fs);
	unsigned int n = count_different(fs);

	for (unsigned int i = 0; i < fs->devices->len; i++) {
		const struct btrfs_super *super = &found_at(fs, i)->super;

		if (super->device == 0)
			return g_strdup("btrfs of which a device is being replaced");
		if (has_device(fs, i, super->device))
			return g_strdup_printf("btrfs whose device %" PRIu64 " is there twice",
					       super->device);
		if (fs->devices->len > 1 && found_at(fs, i)->member->volume->copy != 0)
			return g_strdup("btrfs of several devices, on mirrors that may differ");
	}
	if (n == wanted)
		return NULL;
	return g_strdup_printf("btrfs of %" PRIu64 " devices, of which %u %s among the disks",
			       wanted, n, n == 1 ? "is" : "are");
}

static void carry_all_whole(const struct filesystem *fs, const char *why)
{
	for (unsigned int i = 0; i < fs->devices->len; i++)
		layer_carry_whole(found_at(fs, i)->member, why);
}

static void settle(const struct filesystem *fs, bool logged)
{
	const char *state = logged ? "log followed" : "clean";

	for (unsigned int i = 0; i < fs->devices->len; i++) {
		const struct found *found = found_at(fs, i);
		char *how = fs->devices->len == 1
				? g_strdup_printf("btrfs, %s", state)
				: g_strdup_printf("btrfs, devid %" PRIu64 " of %u devices, %s",
						  found->super.device, fs->devices->len, state);

		found->member->how = how;
	}
}

static void map_filesystem(const struct filesystem *fs)
{
	g_autoptr(GArray) members = g_array_new(false, false, sizeof(struct btrfs_member));
	g_autoptr(GError) cause = NULL;
	bool logged;

	for (unsigned int i = 0; i < fs->devices->len; i++) {
		const struct found *found = found_at(fs, i);
		struct btrfs_member member = { found->member->volume, found->super };

		g_array_append_val(members, member);
	}
	if (btrfs_map(members, &logged, &cause))
		settle(fs, logged);
	else
		carry_all_whole(fs, cause->message);
}

static void assemble_filesystem(const struct filesystem *fs, bool last, GPtrArray *warnings)
{
	g_autofree char *obstacle = NULL;

	if (!last && count_different(fs) < count_wanted(fs))
		return;
	obstacle = find_obstacle(fs);
	if (!obstacle) {
		map_filesystem(fs);
		return;
	}
	carry_all_whole(fs, obstacle);
	g_ptr_array_add(warnings, g_strdup_printf("btrfs %s%s(%s) is carried whole: %s",
						  found_at(fs, 0)->super.label,
						  found_at(fs, 0)->super.label[0] ? " " : "",
						  fs->uuid, obstacle));
}

/* Of the filesystem of the first of @found, the devices; they are taken out. */
static void take_filesystem(GPtrArray *found, struct filesystem *fs)
{
	const struct found *first = g_ptr_array_index(found, 0);

	fs->uuid = uuid_text(first->super.fsid);
	for (unsigned int i = 0; i < found->len;) {
		const struct found *other = g_ptr_array_index(found, i);

		if (memcmp(other->super.fsid, first->super.fsid, sizeof(first->super.fsid)) == 0)
			g_ptr_array_add(fs->devices, g_ptr_array_steal_index(found, i));
		else
			i++;
	}
}

static void btrfs_assemble(GPtrArray *members, bool last, GPtrArray *volumes, GPtrArray *warnings)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

	for (unsigned int i = 0; i < members->len; i++) {
		struct found *f = read_member(g_ptr_array_index(members, i));

		if (f)
			g_ptr_array_add(found, f);
	}
	while (found->len > 0) { /* ends: the first is taken out each time */
		g_autoptr(GPtrArray) devices = g_ptr_array_new_with_free_func(g_free);
		g_autofree char *uuid = NULL;
		struct filesystem fs = { .devices = devices };

		take_filesystem(found, &fs);
		uuid = fs.uuid;
		assemble_filesystem(&fs, last, warnings);
	}
}

static const char *const btrfs_contents[] = { "btrfs", NULL };

const struct map_layer map_layer_btrfs = {
	.name = "btrfs",
	.contents = btrfs_contents,
	.assemble = btrfs_assemble,
};
