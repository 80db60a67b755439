/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux software RAID.  Of the levels only mirrors are followed: the array lies on each member from
 * an offset of its own on.
 *
 * Where the mirrors are alike, the array is looked at once.  Where they may differ, nobody can say
 * here which of them the kernel will take for each block, so that it is looked at on each of them,
 * and what any of them says is in use is carried on all.
 */
#include "map/map-layer.h"

#include "base/error.h"
#include "map/layer-md-super.h"

#include <inttypes.h>
#include <string.h>

/* More are nobody's, and each would be looked at. */
#define MAX_MIRRORS 16u

struct md_member {
	struct layer_member *member; /* borrowed */
	struct md_super super;
};

/* Those members of one array that are here. */
struct array {
	GPtrArray *members;               /* of struct md_member *, owned by the caller */
	const struct md_super *super;     /* what they agree on: that of the first, borrowed */
	unsigned int in_sync, rebuilding; /* how many */
	uint64_t events;                  /* the newest */
};

static char *level_name(int32_t level)
{
	switch (level) {
	case -1:
		return g_strdup("linear md");
	case -4:
		return g_strdup("md multipath");
	case 0:
	case 4:
	case 5:
	case 6:
	case 10:
		return g_strdup_printf("RAID%" PRIi32, level);
	default:
		return g_strdup_printf("md of level %" PRIi32, level);
	}
}

static char *set_text(const struct md_super *super)
{
	GString *text = g_string_new(NULL);

	for (size_t i = 0; i < sizeof(super->set_id); i++)
		g_string_append_printf(text, "%02x", super->set_id[i]);
	return g_string_free(text, false);
}

/* What a member says, or NULL when it is settled: of no array that could be followed. */
static struct md_member *read_member(struct layer_member *member)
{
	g_autofree struct md_member *found = g_new0(struct md_member, 1);
	g_autoptr(GError) cause = NULL;

	found->member = member;
	if (!md_super_read(member->volume, &found->super, &cause)) {
		layer_carry_whole(member, cause->message);
		return NULL;
	}
	if (found->super.level != MD_LEVEL_RAID1) {
		g_autofree char *level = level_name(found->super.level);

		layer_carry_whole(member, level);
		return NULL;
	}
	if (found->super.state == MD_OUT) {
		layer_carry_whole(member, "RAID1 member that is not in use");
		return NULL;
	}
	g_free(member->group);
	member->group = set_text(&found->super);
	return g_steal_pointer(&found);
}

static struct md_member *member_at(const struct array *array, unsigned int i)
{
	return g_ptr_array_index(array->members, i);
}

static bool is_mirror(const struct md_member *m)
{
	return m->super.state != MD_SPARE;
}

static void carry_all_whole(const struct array *array, const char *why)
{
	for (unsigned int i = 0; i < array->members->len; i++)
		layer_carry_whole(member_at(array, i)->member, why);
}

static bool agree(const struct md_super *a, const struct md_super *b)
{
	return a->version == b->version && a->data_size == b->data_size && a->mirrors == b->mirrors;
}

/* Why nothing can be said of the array at all, or NULL. */
static const char *find_contradiction(const struct array *array)
{
	if (array->super->mirrors > MAX_MIRRORS)
		return "RAID1 of very many members";
	for (unsigned int i = 1; i < array->members->len; i++) {
		const struct md_member *a = member_at(array, i);

		if (!agree(&a->super, array->super))
			return "RAID1 whose members do not agree";
		for (unsigned int j = 0; j < i; j++) {
			const struct md_member *b = member_at(array, j);

			if (memcmp(a->super.member_id, b->super.member_id,
				   sizeof(a->super.member_id)) == 0)
				return "RAID1 of which there are two copies of one member";
			if (is_mirror(a) && is_mirror(b) && a->super.role == b->super.role)
				return "RAID1 of which two members have the same place";
		}
	}
	return NULL;
}

enum difference {
	DIFFERENCE_NONE,
	DIFFERENCE_BITMAP,
	DIFFERENCE_ALONE,
	DIFFERENCE_STOPPED,
	DIFFERENCE_EVENTS,
	DIFFERENCE_REBUILDING,
	DIFFERENCE_MISSING, /* the highest is told */
};

static const char *const difference_words[] = {
	[DIFFERENCE_BITMAP] = "its bitmap is not clear",
	[DIFFERENCE_ALONE] = "a member was alone",
	[DIFFERENCE_STOPPED] = "it was not stopped in sync",
	[DIFFERENCE_EVENTS] = "its event counts differ",
	[DIFFERENCE_REBUILDING] = "a member is being rebuilt",
	[DIFFERENCE_MISSING] = "a member is missing",
};

/* What the superblock of one member says of the others. */
static enum difference find_difference_of(const struct array *array, const struct md_super *super)
{
	if (super->events != array->events)
		return DIFFERENCE_EVENTS;
	if (!super->stopped)
		return DIFFERENCE_STOPPED;
	/* Each of two could have gone on without the other, and come to the same count. */
	if (super->members != super->mirrors)
		return DIFFERENCE_ALONE;
	return DIFFERENCE_NONE;
}

/*
 * Why the mirrors may differ, or NULL when they are alike.  @error: it cannot be said where the
 * array's own things are.
 */
static const char *find_difference(const struct array *array, GError **error)
{
	enum difference found = DIFFERENCE_NONE;

	if (array->rebuilding > 0)
		found = DIFFERENCE_REBUILDING;
	else if (array->in_sync < array->super->mirrors)
		found = DIFFERENCE_MISSING;
	for (unsigned int i = 0; i < array->members->len; i++) {
		const struct md_member *m = member_at(array, i);
		int clear;

		if (m->super.state != MD_IN_SYNC)
			continue;
		clear = md_bitmap_is_clean(m->member->volume, &m->super, error);
		if (clear < 0)
			return NULL;
		if (clear == 0)
			found = MAX(found, DIFFERENCE_BITMAP);
		found = MAX(found, find_difference_of(array, &m->super));
	}
	return difference_words[found];
}

/* Copies of copies have no number of their own. */
static bool is_on_copies(const struct array *array)
{
	for (unsigned int i = 0; i < array->members->len; i++)
		if (member_at(array, i)->member->volume->copy != 0)
			return true;
	return false;
}

/* All but the data: the superblock, the bitmap, the list of bad blocks, and what is behind. */
static void use_metadata(const struct md_member *m)
{
	uint64_t end = m->super.data_offset + m->super.data_size;

	volume_use(m->member->volume, 0, m->super.data_offset);
	volume_use(m->member->volume, end, m->member->volume->size - end);
}

/* The array, read from @from; NULL: failed. */
static Volume *make_volume(const struct array *array, const struct md_member *from, bool alone,
			   GError **error)
{
	struct volume_place places[MAX_MIRRORS];
	unsigned int n = 0, read_from = 0;
	g_autofree char *name = NULL;
	g_autoptr(Volume) volume = NULL;

	name = g_strdup_printf(alone ? "md %s" : "md %s, as on %s", from->super.name,
			       from->member->volume->name);
	volume = volume_new(name);
	for (unsigned int i = 0; i < array->members->len; i++) {
		const struct md_member *m = member_at(array, i);

		if (!is_mirror(m))
			continue;
		if (m == from)
			read_from = n;
		g_assert(n < MAX_MIRRORS); /* no two have the same role */
		places[n++] = (struct volume_place){ m->member->volume, m->super.data_offset };
	}
	if (!volume_add_mirrored(volume, from->super.data_size, places, n, read_from, error))
		return NULL;
	return g_steal_pointer(&volume);
}

/* One volume when the mirrors are alike, else one for each that is in sync. */
static bool add_volumes(const struct array *array, bool alike, GPtrArray *volumes, GError **error)
{
	unsigned int copy = 0;

	for (unsigned int i = 0; i < array->members->len; i++) {
		const struct md_member *m = member_at(array, i);
		bool alone = alike || array->in_sync == 1;
		struct layer_volume *found;
		Volume *volume;

		if (m->super.state != MD_IN_SYNC)
			continue;
		volume = make_volume(array, m, alone, error);
		if (!volume)
			return false;
		if (!alone)
			volume->copy = ++copy;
		found = layer_volume_new(volume, NULL);
		found->may_have_table = true;
		g_ptr_array_add(volumes, found);
		if (alone)
			break;
	}
	return true;
}

/* The kernel leaves out an update of a spare when there is nothing but its count to write. */
static bool is_current_spare(const struct array *array, const struct md_member *m)
{
	return m->super.events == array->events || m->super.events + 1 == array->events;
}

static void settle(const struct array *array, const char *difference)
{
	for (unsigned int i = 0; i < array->members->len; i++) {
		const struct md_member *m = member_at(array, i);

		if (!is_mirror(m) && !is_current_spare(array, m)) {
			layer_carry_whole(m->member, "spare of RAID1 whose event counts differ");
			continue;
		}
		use_metadata(m);
		if (!is_mirror(m))
			m->member->how = g_strdup("md RAID1, spare: its metadata only");
		else if (difference)
			m->member->how = g_strdup_printf("md RAID1, not clean: %s", difference);
		else
			m->member->how = g_strdup("md RAID1, clean");
	}
}

static void assemble_array(const struct array *array, bool last, GPtrArray *volumes,
			   GPtrArray *warnings)
{
	unsigned int mirrors = array->in_sync + array->rebuilding;
	const char *contradiction = find_contradiction(array), *difference;
	g_autoptr(GError) cause = NULL;

	if (contradiction) {
		carry_all_whole(array, contradiction);
		return;
	}
	if (mirrors < array->super->mirrors && !last)
		return;
	if (array->in_sync == 0) {
		carry_all_whole(array, "RAID1 of which no member in sync is here");
		return;
	}
	difference = find_difference(array, &cause);
	if (difference && array->in_sync > 1 && is_on_copies(array)) {
		carry_all_whole(array, "RAID1 that is not clean, on another that is not");
		return;
	}
	if (cause || !add_volumes(array, !difference, volumes, &cause)) {
		carry_all_whole(array, cause->message);
		return;
	}
	settle(array, difference);
	if (difference)
		g_ptr_array_add(warnings, g_strdup_printf("md %s is not clean: %s (%u of %" PRIu32
							  " members are here)",
							  array->super->name, difference, mirrors,
							  array->super->mirrors));
}

/* Of the array of the first of @members, those that are in it; they are taken out. */
static void take_array(GPtrArray *members, struct array *array)
{
	const struct md_member *first = g_ptr_array_index(members, 0);

	array->super = &first->super;
	for (unsigned int i = 0; i < members->len;) {
		struct md_member *m = g_ptr_array_index(members, i);

		if (memcmp(m->super.set_id, first->super.set_id, sizeof(m->super.set_id)) != 0) {
			i++;
			continue;
		}
		if (is_mirror(m))
			array->events = MAX(array->events, m->super.events);
		array->in_sync += m->super.state == MD_IN_SYNC;
		array->rebuilding += m->super.state == MD_REBUILDING;
		g_ptr_array_add(array->members, g_ptr_array_steal_index(members, i));
	}
}

static void md_assemble(GPtrArray *members, bool last, GPtrArray *volumes, GPtrArray *warnings)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);

	for (unsigned int i = 0; i < members->len; i++) {
		struct md_member *m = read_member(g_ptr_array_index(members, i));

		if (m)
			g_ptr_array_add(found, m);
	}
	while (found->len > 0) { /* ends: the first is taken out each time */
		g_autoptr(GPtrArray) of_array = g_ptr_array_new_with_free_func(g_free);
		struct array array = { .members = of_array };

		take_array(found, &array);
		assemble_array(&array, last, volumes, warnings);
	}
}

static const char *const md_contents[] = { "linux_raid_member", NULL };

const struct map_layer map_layer_md = {
	.name = "md",
	.contents = md_contents,
	.assemble = md_assemble,
};
