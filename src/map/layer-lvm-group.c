/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What LVM would refuse to read is refused here, and some things more: a group that is not
 * understood is carried whole.
 */
#include "map/layer-lvm-group.h"

#include "base/error.h"
#include "map/layer-lvm-segment.h"

#include <inttypes.h>
#include <string.h>

enum group_flag {
	FLAG_NONE = 0,
	FLAG_SHARED = 1 << 0,
	FLAG_MISSING = 1 << 1,
	FLAG_VISIBLE = 1 << 2,
	FLAG_SPECIAL = 1 << 3, /* the volume is not what its segments say, or is about to change */
};

struct flag {
	const char *name;
	enum group_flag means;
};

/* Of these lists of LVM's (flags.c) "status" must be known, or nobody may use the group. */
static const struct flag group_flags[] = {
	{ "READ", FLAG_NONE },        { "WRITE", FLAG_NONE },    { "RESIZEABLE", FLAG_NONE },
	{ "EXPORTED", FLAG_NONE },    { "PVMOVE", FLAG_NONE },   { "WRITE_LOCKED", FLAG_NONE },
	{ "CLUSTERED", FLAG_SHARED }, { "SHARED", FLAG_SHARED }, { NULL },
};

static const struct flag pv_flags[] = {
	{ "ALLOCATABLE", FLAG_NONE },
	{ "EXPORTED", FLAG_NONE },
	{ "MISSING", FLAG_MISSING },
	{ NULL },
};

static const struct flag lv_flags[] = {
	{ "READ", FLAG_NONE },
	{ "WRITE", FLAG_NONE },
	{ "VISIBLE", FLAG_VISIBLE },
	{ "FIXED_MINOR", FLAG_NONE },
	{ "WRITE_LOCKED", FLAG_NONE },
	{ "ACTIVATION_SKIP", FLAG_NONE },
	{ "PVMOVE", FLAG_SPECIAL },
	{ "LOCKED", FLAG_SPECIAL },
	{ "NOTSYNCED", FLAG_SPECIAL },
	{ "REBUILD", FLAG_SPECIAL },
	{ "RESHAPE", FLAG_SPECIAL },
	{ "RESHAPE_DATA_OFFSET", FLAG_SPECIAL },
	{ "RESHAPE_DELTA_DISKS_PLUS", FLAG_SPECIAL },
	{ "RESHAPE_DELTA_DISKS_MINUS", FLAG_SPECIAL },
	{ "REMOVE_AFTER_RESHAPE", FLAG_SPECIAL },
	{ "WRITEMOSTLY", FLAG_SPECIAL },
	{ "ERROR_WHEN_FULL", FLAG_SPECIAL },
	{ "METADATA_FORMAT", FLAG_SPECIAL },
	{ "CACHE_VOL", FLAG_SPECIAL },
	{ "CACHE_USES_CACHEVOL", FLAG_SPECIAL },
	{ NULL },
};

static void group_pv_free(void *p)
{
	struct lvm_group_pv *pv = p;

	g_free(pv->name);
	g_free(pv->device);
	g_free(pv);
}

static void lv_free(void *p)
{
	struct lvm_lv *lv = p;

	g_clear_pointer(&lv->segments, g_array_unref);
	g_free(lv->name);
	g_free(lv->whole);
	g_free(lv);
}

static const struct flag *find_flag(const struct flag *known, const struct lvm_node *node)
{
	for (; node->kind == LVM_STRING && known->name; known++)
		if (strcmp(known->name, node->u.string) == 0)
			return known;
	return NULL;
}

/* Adds to *@ret what the names in the array @key of @section mean. */
static bool read_flags(const struct lvm_node *section, const char *key, const struct flag *known,
		       unsigned int *ret, GError **error)
{
	const struct lvm_node *array = lvm_node_find(section, key, LVM_ARRAY, error);

	if (!array)
		return false;
	for (const struct lvm_node *node = array->u.first; node; node = node->next) {
		const struct flag *flag = find_flag(known, node);

		if (!flag) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "%s has the unknown flag %s", section->key,
				    node->kind == LVM_STRING ? lvm_printable(node->u.string)
							     : "that is no string");
			return false;
		}
		*ret |= flag->means;
	}
	return true;
}

static bool read_all_flags(const struct lvm_node *section, const struct flag *known,
			   unsigned int *ret, GError **error)
{
	*ret = 0;
	return read_flags(section, "status", known, ret, error) &&
	       (!lvm_node_has(section, "flags") || read_flags(section, "flags", known, ret, error));
}

static bool read_uuid(const struct lvm_node *section, char ret[LVM_UUID_SIZE + 1], GError **error)
{
	const char *text = lvm_node_string(section, "id", error);

	if (!text)
		return false;
	if (!lvm_uuid_parse(text, strlen(text), ret)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "%s has the UUID %s",
			    section->key, lvm_printable(text));
		return false;
	}
	return true;
}

/* Everything up to its last extent can be counted in bytes. */
static bool check_pv_size(const LvmGroup *group, const struct lvm_group_pv *pv, GError **error)
{
	uint64_t bytes;

	if (__builtin_mul_overflow(pv->count, group->extent_size, &bytes) ||
	    __builtin_add_overflow(bytes, pv->start, &bytes)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRIu64 " extents of %" PRIu64 " bytes from %" PRIu64 " on",
			    pv->name, pv->count, group->extent_size, pv->start);
		return false;
	}
	return true;
}

static bool read_pv(const struct lvm_scope *scope, const struct lvm_node *section, GError **error)
{
	struct lvm_group_pv *pv = g_new0(struct lvm_group_pv, 1);
	const char *device = lvm_node_string(section, "device", NULL);
	unsigned int flags;

	g_ptr_array_add(scope->group->pvs, pv);
	pv->name = g_strdup(section->key);
	pv->device = device ? g_strdup(lvm_printable(device)) : NULL;
	if (!read_uuid(section, pv->uuid, error) ||
	    !read_all_flags(section, pv_flags, &flags, error) ||
	    !lvm_node_number(section, "pe_start", UINT64_MAX >> 10, &pv->start, error) ||
	    !lvm_node_number(section, "pe_count", UINT32_MAX, &pv->count, error))
		return false;
	pv->start *= LVM_SECTOR;
	pv->missing = flags & FLAG_MISSING;
	if (!g_hash_table_insert(scope->pvs, pv->name, GUINT_TO_POINTER(scope->group->pvs->len))) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "two physical volumes have the name %s", pv->name);
		return false;
	}
	return check_pv_size(scope->group, pv, error);
}

static bool add_lv(const struct lvm_scope *scope, const struct lvm_node *section, GError **error)
{
	struct lvm_lv *lv = g_new0(struct lvm_lv, 1);

	g_ptr_array_add(scope->group->lvs, lv);
	lv->name = g_strdup(section->key);
	lv->segments = g_array_new(false, false, sizeof(struct lvm_segment));
	g_array_set_clear_func(lv->segments, lvm_segment_clear);
	if (scope->group->lvs->len > LVM_MAX_LVS ||
	    !g_hash_table_insert(scope->lvs, lv->name, lv)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "more than %u logical volumes, or two of the name %s", LVM_MAX_LVS,
			    lv->name);
		return false;
	}
	return true;
}

static bool check_lv_size(const LvmGroup *group, const struct lvm_lv *lv, GError **error)
{
	if (lv->count > LVM_MAX_LV_SIZE / group->extent_size) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "%s has %" PRIu64 " extents of %" PRIu64 " bytes, more than 8 PiB",
			    lv->name, lv->count, group->extent_size);
		return false;
	}
	return true;
}

static bool read_lv(const struct lvm_scope *scope, struct lvm_lv *lv,
		    const struct lvm_node *section, GError **error)
{
	unsigned int flags;

	if (!read_all_flags(section, lv_flags, &flags, error) ||
	    !lvm_segments_read(scope, lv, section, error) ||
	    !check_lv_size(scope->group, lv, error))
		return false;
	if (flags & FLAG_SPECIAL)
		lv->mark = "marked by LVM for something else";
	else if (!(flags & FLAG_VISIBLE) && !lv->mark)
		lv->mark = "hidden volume of LVM";
	return true;
}

typedef bool (*member_fn)(const struct lvm_scope *scope, const struct lvm_node *section,
			  GError **error);

static bool read_each(const struct lvm_scope *scope, const struct lvm_node *section,
		      member_fn read_one, GError **error)
{
	for (const struct lvm_node *node = section->u.first; node; node = node->next) {
		if (node->kind != LVM_SECTION || strlen(node->key) > LVM_MAX_NAME) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s' holds '%.127s', which is no section of a short name",
				    section->key, node->key);
			return false;
		}
		if (!read_one(scope, node, error))
			return false;
	}
	return true;
}

/* First the names of all, for a segment may speak of a later one; then what each is; and last
 * whether another one needs it. */
static bool read_lvs(const struct lvm_scope *scope, const struct lvm_node *lvs, GError **error)
{
	unsigned int i = 0;

	if (!read_each(scope, lvs, add_lv, error))
		return false;
	for (const struct lvm_node *node = lvs->u.first; node; node = node->next)
		if (!read_lv(scope, g_ptr_array_index(scope->group->lvs, i++), node, error))
			return false;

	for (i = 0; i < scope->group->lvs->len; i++) {
		struct lvm_lv *lv = g_ptr_array_index(scope->group->lvs, i);
		const char *use = g_hash_table_lookup(scope->uses, lv);

		if (!lv->whole)
			lv->whole = g_strdup(use ? use : lv->mark);
	}
	return true;
}

static int compare_areas(const void *a, const void *b)
{
	const struct lvm_area *x = a, *y = b;

	if (x->pv != y->pv)
		return (x->pv > y->pv) - (x->pv < y->pv);
	return (x->first > y->first) - (x->first < y->first);
}

static void collect_areas(const struct lvm_lv *lv, GArray *areas)
{
	for (unsigned int i = 0; i < lv->segments->len; i++) {
		const struct lvm_segment *segment =
		    &g_array_index(lv->segments, struct lvm_segment, i);

		g_array_append_vals(areas, segment->areas, segment->n_areas);
	}
}

static bool check_overlaps(const LvmGroup *group, GError **error)
{
	g_autoptr(GArray) areas = g_array_new(false, false, sizeof(struct lvm_area));

	for (unsigned int i = 0; i < group->lvs->len; i++)
		collect_areas(g_ptr_array_index(group->lvs, i), areas);
	g_array_sort(areas, compare_areas);
	for (unsigned int i = 1; i < areas->len; i++) {
		const struct lvm_area *last = &g_array_index(areas, struct lvm_area, i - 1);
		const struct lvm_area *area = last + 1;
		const struct lvm_group_pv *pv = g_ptr_array_index(group->pvs, area->pv);

		if (area->pv == last->pv && area->first < last->first + last->count) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "extent %" PRIu64 " of %s has two owners", area->first,
				    pv->name);
			return false;
		}
	}
	return true;
}

/* What else might stand there could have extents of its own. */
static bool check_sections(const struct lvm_node *vg, GError **error)
{
	static const char *const known[] = { "physical_volumes", "logical_volumes",
					     "historical_logical_volumes", NULL };

	for (const struct lvm_node *node = vg->u.first; node; node = node->next) {
		if (node->kind == LVM_SECTION && !g_strv_contains(known, node->key)) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "%s has an unknown section %s", vg->key, node->key);
			return false;
		}
	}
	return true;
}

static bool read_head(LvmGroup *group, const struct lvm_node *vg, GError **error)
{
	const char *format = lvm_node_string(vg, "format", NULL);
	const char *lock_type = lvm_node_string(vg, "lock_type", NULL);
	unsigned int flags;

	group->name = g_strdup(vg->key);
	if ((format && strcmp(format, "lvm2") != 0) || (!format && lvm_node_has(vg, "format"))) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "%s is not of the format lvm2", vg->key);
		return false;
	}
	if (!read_uuid(vg, group->uuid, error) || !check_sections(vg, error) ||
	    !read_all_flags(vg, group_flags, &flags, error) ||
	    !lvm_node_number(vg, "seqno", UINT32_MAX, &group->seqno, error) ||
	    !lvm_node_number(vg, "extent_size", UINT32_MAX, &group->extent_size, error))
		return false;
	group->extent_size *= LVM_SECTOR;
	group->shared = flags & FLAG_SHARED || (lvm_node_has(vg, "lock_type") &&
						(!lock_type || strcmp(lock_type, "none") != 0));
	if (group->extent_size == 0)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "%s has extents of 0 bytes",
			    vg->key);
	return group->extent_size != 0;
}

static bool read_group(LvmGroup *group, const struct lvm_node *vg, GError **error)
{
	g_autoptr(GHashTable) pvs = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) lvs = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) uses = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	struct lvm_scope scope = { group, pvs, lvs, uses };
	const struct lvm_node *section;

	if (!read_head(group, vg, error))
		return false;
	section = lvm_node_find(vg, "physical_volumes", LVM_SECTION, error);
	if (!section || !read_each(&scope, section, read_pv, error))
		return false;
	if (!lvm_node_has(vg, "logical_volumes"))
		return true;
	section = lvm_node_find(vg, "logical_volumes", LVM_SECTION, error);
	return section && read_lvs(&scope, section, error) && check_overlaps(group, error);
}

/* The one section of the text; NULL: it is no metadata of LVM2, or holds more. */
static const struct lvm_node *find_vg(const struct lvm_node *root, GError **error)
{
	const char *contents = lvm_node_string(root, "contents", error);
	const struct lvm_node *vg = NULL;
	unsigned int n = 0;
	uint64_t version;

	if (!contents || !lvm_node_number(root, "version", INT64_MAX, &version, error))
		return NULL;
	for (const struct lvm_node *node = root->u.first; node; node = node->next) {
		if (node->kind != LVM_SECTION)
			continue;
		vg = node;
		n++;
	}
	if (strcmp(contents, "Text Format Volume Group") != 0 || version != 1 || n != 1 ||
	    strlen(vg->key) > LVM_MAX_NAME) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "LVM metadata of version %" PRIu64 " with %u groups", version, n);
		return NULL;
	}
	return vg;
}

LvmGroup *lvm_group_parse(const char *data, size_t len, GError **error)
{
	g_autoptr(LvmText) text = lvm_text_new(data, len, error);
	g_autoptr(LvmGroup) group = g_new0(LvmGroup, 1);
	const struct lvm_node *vg;

	if (!text)
		return NULL;
	group->pvs = g_ptr_array_new_with_free_func(group_pv_free);
	group->lvs = g_ptr_array_new_with_free_func(lv_free);
	vg = find_vg(lvm_text_root(text), error);
	if (!vg || !read_group(group, vg, error))
		return NULL;
	return g_steal_pointer(&group);
}

void lvm_group_free(LvmGroup *group)
{
	if (!group)
		return;
	g_clear_pointer(&group->pvs, g_ptr_array_unref);
	g_clear_pointer(&group->lvs, g_ptr_array_unref);
	g_free(group->name);
	g_free(group);
}
