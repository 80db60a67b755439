/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LVM2: logical volumes, linear or striped over extents of physical ones.  Extents of none are
 * free.
 *
 * A group is mapped when all its physical volumes are there, each once, and all copies of its
 * metadata are the same: where they differ, LVM would take the newest and repair the others, but a
 * disk that has missed a change may have missed its data, too.
 *
 * Exported groups and those of other machines (system_id) are mapped as any: on disk they are the
 * same.  One that is shared between machines is not: another one may change it at any time.
 */
#include "map/map-layer.h"

#include "base/error.h"
#include "map/layer-lvm-group.h"

#include <inttypes.h>
#include <string.h>

#define LABEL_END (4 * LVM_SECTOR)

struct found_group;

struct found_pv {
	struct layer_member *member; /* borrowed */
	LvmPv *pv;
	char *failure;             /* why its metadata cannot be read; NULL: it can */
	struct found_group *group; /* borrowed; the one that it belongs to, as far as it is known */
	bool twice;                /* another one has the same UUID */
};

struct found_group {
	LvmGroup *group;
	GBytes *text;   /* of which it was read */
	GPtrArray *pvs; /* of struct found_pv *, borrowed, in the order of group->pvs */
	char *why;      /* it must be carried whole; NULL: no reason yet */
	bool user_acts; /* the user can do something about that */
};

typedef struct {
	GPtrArray *pvs;      /* of struct found_pv * */
	GPtrArray *groups;   /* of struct found_group * */
	GHashTable *by_uuid; /* of struct found_pv *; one of those with the same */
	size_t text_size;    /* of all different texts, which together are bounded as one is */
} Assembly;

static void found_pv_free(void *p)
{
	struct found_pv *found = p;

	lvm_pv_free(found->pv);
	g_free(found->failure);
	g_free(found);
}

static void found_group_free(void *p)
{
	struct found_group *found = p;

	lvm_group_free(found->group);
	g_bytes_unref(found->text);
	g_clear_pointer(&found->pvs, g_ptr_array_unref);
	g_free(found->why);
	g_free(found);
}

static void assembly_clear(Assembly *assembly)
{
	g_clear_pointer(&assembly->by_uuid, g_hash_table_unref);
	g_clear_pointer(&assembly->groups, g_ptr_array_unref);
	g_clear_pointer(&assembly->pvs, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Assembly, assembly_clear)

/* The first reason stays. */
static void G_GNUC_PRINTF(2, 3) doubt(struct found_group *found, const char *format, ...)
{
	va_list args;

	if (found->why)
		return;
	va_start(args, format);
	found->why = g_strdup_vprintf(format, args);
	va_end(args);
}

static struct found_pv *find_pv(const Assembly *assembly, const char *uuid)
{
	return g_hash_table_lookup(assembly->by_uuid, uuid);
}

/* "abcdef-0123-... (/dev/sdb1)"; owned by the caller. */
static char *pv_words(const struct lvm_group_pv *pv)
{
	g_autofree char *uuid = lvm_uuid_text(pv->uuid);

	return pv->device ? g_strdup_printf("%s (%s)", uuid, pv->device) : g_steal_pointer(&uuid);
}

/* It belongs to @group, by its own metadata or by that of others. */
static void claim(struct found_pv *found, struct found_group *group)
{
	static const char *const words = "a physical volume is in two volume groups, %s and %s";

	if (found->group && found->group != group) {
		const char *first = found->group->group->name, *second = group->group->name;

		doubt(found->group, words, first, second);
		doubt(group, words, first, second);
	}
	found->group = group;
}

static struct found_group *find_group(const Assembly *assembly, const LvmGroup *group)
{
	for (unsigned int i = 0; i < assembly->groups->len; i++) {
		struct found_group *found = g_ptr_array_index(assembly->groups, i);

		if (strcmp(found->group->uuid, group->uuid) == 0)
			return found;
	}
	return NULL;
}

/* Takes over @group, which was read of @text and is a second copy if there is @found already. */
static struct found_group *add_group(Assembly *assembly, struct found_group *found, LvmGroup *group,
				     GBytes *text)
{
	if (!found) {
		found = g_new0(struct found_group, 1);
		found->group = group;
		found->text = g_bytes_ref(text);
		found->pvs = g_ptr_array_new();
		g_ptr_array_add(assembly->groups, found);
		return found;
	}
	doubt(found, "the copies of its metadata differ, with changes %" PRIu64 " and %" PRIu64,
	      found->group->seqno, group->seqno);
	if (group->seqno > found->group->seqno) {
		LvmGroup *older = found->group;

		found->group = group;
		group = older;
	}
	lvm_group_free(group);
	return found;
}

static void add_text(Assembly *assembly, struct found_pv *pv, GBytes *text)
{
	g_autoptr(GError) cause = NULL;
	LvmGroup *group;
	const void *data;
	size_t len;

	if (pv->failure)
		return;
	for (unsigned int i = 0; i < assembly->groups->len; i++) {
		struct found_group *found = g_ptr_array_index(assembly->groups, i);

		if (g_bytes_equal(found->text, text)) {
			claim(pv, found);
			return;
		}
	}
	data = g_bytes_get_data(text, &len);
	assembly->text_size += len;
	if (assembly->text_size > LVM_TEXT_MAX_SIZE) {
		pv->failure = g_strdup_printf("LVM metadata, with that of other groups more than "
					      "%zu bytes",
					      LVM_TEXT_MAX_SIZE);
		return;
	}
	group = lvm_group_parse(data, len, &cause);
	if (group)
		claim(pv, add_group(assembly, find_group(assembly, group), group, text));
	else
		pv->failure = g_strdup(cause->message);
}

static void add_member(Assembly *assembly, struct layer_member *member)
{
	g_autoptr(GError) cause = NULL, failure = NULL;
	LvmPv *pv = lvm_pv_read_label(member->volume, &cause);
	struct found_pv *found, *twin;

	if (!pv) {
		layer_carry_whole(member, cause->message);
		return;
	}
	found = g_new0(struct found_pv, 1);
	found->member = member;
	found->pv = pv;
	g_ptr_array_add(assembly->pvs, found);
	twin = find_pv(assembly, pv->uuid);
	if (twin)
		found->twice = twin->twice = true;
	else
		g_hash_table_insert(assembly->by_uuid, pv->uuid, found);
	if (!lvm_pv_read_texts(pv, member->volume, &failure))
		found->failure = g_strdup(failure->message);
	for (unsigned int i = 0; i < pv->texts->len; i++)
		add_text(assembly, found, g_ptr_array_index(pv->texts, i));
	g_ptr_array_set_size(pv->texts, 0); /* may be large, and is not needed any more */
}

/* Returns whether all of the group was found.  Those that are missing are a reason in any case. */
static bool find_pvs(const Assembly *assembly, struct found_group *group)
{
	bool complete = true;

	g_ptr_array_set_size(group->pvs, 0);
	for (unsigned int i = 0; i < group->group->pvs->len; i++) {
		const struct lvm_group_pv *pv = g_ptr_array_index(group->group->pvs, i);
		struct found_pv *found = find_pv(assembly, pv->uuid);
		g_autofree char *words = pv_words(pv);

		if (found && g_ptr_array_find(group->pvs, found, NULL)) {
			doubt(group, "it counts physical volume %s twice", words);
		} else if (found) {
			claim(found, group);
		} else {
			complete = false;
			group->user_acts = !group->why;
			doubt(group, "its physical volume %s is not among the disks", words);
		}
		g_ptr_array_add(group->pvs, found);
	}
	return complete;
}

static bool overlaps(struct extent area, uint64_t start, uint64_t end)
{
	return area.offset < end && area.offset + area.length > start;
}

/* Where the extents are, against what the label says, and how large the volume is. */
static void check_places(struct found_group *group, const struct lvm_group_pv *pv,
			 const struct found_pv *found)
{
	uint64_t end = pv->start + pv->count * group->group->extent_size;
	uint64_t data_start = found->pv->data_start;
	g_autofree char *words = pv_words(pv);

	if (end > found->member->volume->size)
		doubt(group, "physical volume %s needs %" PRIu64 " bytes and has %" PRIu64, words,
		      end, found->member->volume->size);
	if (pv->start < LABEL_END || (data_start != 0 && data_start != pv->start))
		doubt(group,
		      "the extents of physical volume %s start at %" PRIu64
		      ", and by its label at %" PRIu64,
		      words, pv->start, data_start);
	for (unsigned int i = 0; i < found->pv->areas->len; i++)
		if (overlaps(g_array_index(found->pv->areas, struct extent, i), pv->start, end))
			doubt(group, "physical volume %s has metadata among its extents", words);
}

static void check_pv(struct found_group *group, const struct lvm_group_pv *pv,
		     const struct found_pv *found)
{
	g_autofree char *words = pv_words(pv);

	if (found->twice || pv->missing)
		group->user_acts = !group->why;
	if (found->twice)
		doubt(group, "physical volume %s is there twice", words);
	if (pv->missing)
		doubt(group, "LVM has marked physical volume %s as missing", words);
	if (found->failure)
		doubt(group, "physical volume %s has %s", words, found->failure);
	if (found->pv->has_empty)
		doubt(group, "physical volume %s has an empty copy of the metadata", words);
	check_places(group, pv, found);
}

static void check_group(const Assembly *assembly, struct found_group *group)
{
	if (group->group->shared) {
		group->user_acts = !group->why;
		doubt(group, "other machines share it and may write to it while it is read");
	}
	for (unsigned int i = 0; i < group->pvs->len; i++)
		if (g_ptr_array_index(group->pvs, i))
			check_pv(group, g_ptr_array_index(group->group->pvs, i),
				 g_ptr_array_index(group->pvs, i));
	for (unsigned int i = 0; i < assembly->pvs->len; i++) {
		struct found_pv *found = g_ptr_array_index(assembly->pvs, i);

		if (found->group == group && !g_ptr_array_find(group->pvs, found, NULL) &&
		    !found->twice)
			doubt(group, "a physical volume has its metadata, which does not name it");
	}
}

static struct volume_place place_of(const struct found_group *group, const struct lvm_area *area)
{
	const struct lvm_group_pv *pv = g_ptr_array_index(group->group->pvs, area->pv);
	const struct found_pv *found = g_ptr_array_index(group->pvs, area->pv);

	return (struct volume_place){ found->member->volume,
				      pv->start + area->first * group->group->extent_size };
}

static bool add_segment(const struct found_group *group, const struct lvm_segment *segment,
			Volume *volume, GError **error)
{
	uint64_t length = segment->count * group->group->extent_size;
	g_autofree struct volume_place *places = NULL;

	if (!segment->direct)
		return volume_add_hidden(volume, length, error);
	places = g_new0(struct volume_place, segment->n_areas);
	for (unsigned int i = 0; i < segment->n_areas; i++)
		places[i] = place_of(group, &segment->areas[i]);
	if (segment->n_areas == 1)
		return volume_add_linear(volume, length, places[0], error);
	return volume_add_striped(volume, length, segment->stripe, places, segment->n_areas, error);
}

static Volume *make_volume(const struct found_group *group, const struct lvm_lv *lv, GError **error)
{
	g_autofree char *name = g_strdup_printf("%s/%s", group->group->name, lv->name);
	g_autoptr(Volume) volume = volume_new(name);

	for (unsigned int i = 0; i < lv->segments->len; i++)
		if (!add_segment(group, &g_array_index(lv->segments, struct lvm_segment, i), volume,
				 error))
			return NULL;
	return g_steal_pointer(&volume);
}

/* Returns them all, or NULL. */
static GPtrArray *make_volumes(const struct found_group *group, GError **error)
{
	g_autoptr(GPtrArray) volumes = g_ptr_array_new_with_free_func(layer_volume_free);

	for (unsigned int i = 0; i < group->group->lvs->len; i++) {
		const struct lvm_lv *lv = g_ptr_array_index(group->group->lvs, i);
		char *how = lv->whole ? g_strdup_printf("carried whole: %s", lv->whole) : NULL;
		Volume *volume = lv->relation ? NULL : make_volume(group, lv, error);

		if (volume) {
			g_ptr_array_add(volumes, layer_volume_new(volume, how));
			continue;
		}
		g_free(how);
		if (!lv->relation)
			return NULL;
	}
	return g_steal_pointer(&volumes);
}

static void use_extents(const struct found_group *group, const struct lvm_lv *lv)
{
	for (unsigned int i = 0; i < lv->segments->len; i++) {
		const struct lvm_segment *segment =
		    &g_array_index(lv->segments, struct lvm_segment, i);

		for (unsigned int j = 0; j < segment->n_areas; j++) {
			struct volume_place place = place_of(group, &segment->areas[j]);

			volume_use(place.volume, place.offset,
				   segment->areas[j].count * group->group->extent_size);
		}
	}
}

/* All but its extents. */
static void use_pv(const struct found_group *group, const struct lvm_group_pv *pv,
		   const struct found_pv *found)
{
	const Volume *volume = found->member->volume;
	uint64_t end = pv->start + pv->count * group->group->extent_size;

	volume_use(volume, 0, pv->start);
	volume_use(volume, end, volume->size - end);
	found->member->how = g_strdup_printf("LVM, volume group %s", group->group->name);
}

/* And any that is counted to it, also by mistake, and any copy of it. */
static void carry_group(const Assembly *assembly, const struct found_group *group,
			GPtrArray *warnings)
{
	const char *name = group->group->name;
	g_autofree char *why = g_strdup_printf("volume group %s: %s", name, group->why);

	for (unsigned int i = 0; i < assembly->pvs->len; i++) {
		struct found_pv *found = g_ptr_array_index(assembly->pvs, i);
		struct found_pv *first = find_pv(assembly, found->pv->uuid);

		if (found->group == group || g_ptr_array_find(group->pvs, first, NULL))
			layer_carry_whole(found->member, why);
	}
	if (group->user_acts)
		g_ptr_array_add(warnings, g_strdup_printf("volume group %s is carried whole: %s",
							  name, group->why));
}

static void map_group(const Assembly *assembly, struct found_group *group, GPtrArray *volumes,
		      GPtrArray *warnings)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GPtrArray) made = group->why ? NULL : make_volumes(group, &cause);

	if (!made) {
		if (cause)
			doubt(group, "%s", cause->message);
		carry_group(assembly, group, warnings);
		return;
	}
	for (unsigned int i = 0; i < group->pvs->len; i++)
		use_pv(group, g_ptr_array_index(group->group->pvs, i),
		       g_ptr_array_index(group->pvs, i));
	for (unsigned int i = 0; i < group->group->lvs->len; i++) {
		const struct lvm_lv *lv = g_ptr_array_index(group->group->lvs, i);

		if (lv->whole)
			use_extents(group, lv);
	}
	g_ptr_array_extend_and_steal(volumes, g_steal_pointer(&made));
}

/* Those that no group of those that are there knows. */
static void carry_others(const Assembly *assembly)
{
	for (unsigned int i = 0; i < assembly->pvs->len; i++) {
		const struct found_pv *found = g_ptr_array_index(assembly->pvs, i);

		if (!found->member->how)
			layer_carry_whole(found->member,
					  found->failure ? found->failure
							 : "LVM physical volume in no known group");
	}
}

static void tell_groups(const Assembly *assembly)
{
	for (unsigned int i = 0; i < assembly->pvs->len; i++) {
		const struct found_pv *found = g_ptr_array_index(assembly->pvs, i);

		if (!found->group)
			continue;
		g_free(found->member->group);
		found->member->group = g_strdup(found->group->group->uuid);
	}
}

static void lvm_assemble(GPtrArray *members, bool last, GPtrArray *volumes, GPtrArray *warnings)
{
	g_auto(Assembly) assembly = {
		.pvs = g_ptr_array_new_with_free_func(found_pv_free),
		.groups = g_ptr_array_new_with_free_func(found_group_free),
		.by_uuid = g_hash_table_new(g_str_hash, g_str_equal),
	};
	g_autoptr(GPtrArray) ready = g_ptr_array_new();

	for (unsigned int i = 0; i < members->len; i++)
		add_member(&assembly, g_ptr_array_index(members, i));
	for (unsigned int i = 0; i < assembly.groups->len; i++) {
		struct found_group *group = g_ptr_array_index(assembly.groups, i);

		if (find_pvs(&assembly, group) || last)
			g_ptr_array_add(ready, group);
	}
	for (unsigned int i = 0; i < ready->len; i++)
		check_group(&assembly, g_ptr_array_index(ready, i));
	for (unsigned int i = 0; i < ready->len; i++)
		map_group(&assembly, g_ptr_array_index(ready, i), volumes, warnings);
	if (last)
		carry_others(&assembly);
	tell_groups(&assembly);
}

static const char *const lvm_contents[] = { "LVM2_member", NULL };

const struct map_layer map_layer_lvm = {
	.name = "lvm",
	.contents = lvm_contents,
	.assemble = lvm_assemble,
};
