/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Only segments that are linear or striped on physical volumes are followed.  Of all others it is
 * enough to know which other volumes they name, however they name them: those are carried whole.
 */
#include "map/layer-lvm-segment.h"

#include "base/error.h"

#include <inttypes.h>
#include <string.h>

const char *lvm_printable(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!g_ascii_isgraph(text[i]) || i == 255)
			return "(not printable)";
	return len > 0 ? text : "(empty)";
}

void lvm_segment_clear(void *segment)
{
	g_free(((struct lvm_segment *)segment)->areas);
}

/* What a type of segment is, as people call it; owned by the caller. */
static char *describe(const char *type, const struct lvm_node *segment)
{
	static const struct {
		const char *type, *words;
	} names[] = {
		{ "cache", "cached volume" },   { "cache-pool", "cache pool" },
		{ "error", "error segments" },  { "integrity", "volume with integrity" },
		{ "mirror", "mirror" },         { "thin-pool", "thin pool" },
		{ "vdo", "VDO volume" },        { "vdo-pool", "VDO pool" },
		{ "writecache", "writecache" }, { "zero", "zero segments" },
	};
	size_t len = strcspn(type, "+"); /* behind it stand flags */
	const char *pool = lvm_node_string(segment, "thin_pool", NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (len == strlen(names[i].type) && memcmp(type, names[i].type, len) == 0)
			return g_strdup(names[i].words);
	if (strcmp(type, "thin") == 0 && pool)
		return g_strdup_printf("thin volume in %s", lvm_printable(pool));
	if (g_str_has_prefix(type, "raid") && g_ascii_isdigit(type[4]))
		return g_strdup_printf("RAID%.*s", (int)strspn(type + 4, "0123456789"), type + 4);
	return g_strdup_printf("segments of type %s", lvm_printable(type));
}

/* @lv of the group is named by a segment of @user, which is a @what, as its @key. */
static void note_use(const struct lvm_scope *scope, struct lvm_lv *lv, const struct lvm_lv *user,
		     const char *what, const char *key)
{
	char *words;

	if (g_hash_table_contains(scope->uses, lv))
		return;
	if (user->relation && strcmp(key, "origin") == 0)
		words = g_strdup("origin of a snapshot");
	else if (user->relation)
		words = g_strdup("snapshot");
	else
		words = g_strdup_printf("part of %s (%s)", user->name, what);
	g_hash_table_insert(scope->uses, lv, words);
}

/*
 * Note every logical volume that is named by @node or in it.  Who names extents of a physical
 * volume in a way of its own cannot be followed, and then nobody knows what is free.
 */
static bool note_names(const struct lvm_scope *scope, const struct lvm_lv *lv, const char *what,
		       const struct lvm_node *node, const char *key, GError **error)
{
	struct lvm_lv *named;

	if (node->kind == LVM_SECTION || node->kind == LVM_ARRAY) {
		for (const struct lvm_node *n = node->u.first; n; n = n->next)
			if (!note_names(scope, lv, what, n, n->key ? n->key : key, error))
				return false;
		return true;
	}
	if (node->kind != LVM_STRING || strcmp(key, "type") == 0 || strcmp(key, "tags") == 0)
		return true;
	if (g_hash_table_contains(scope->pvs, node->u.string)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "%s, a %s, lies on %s in an unknown way", lv->name, what,
			    node->u.string);
		return false;
	}
	named = g_hash_table_lookup(scope->lvs, node->u.string);
	if (named)
		note_use(scope, named, lv, what, key);
	return true;
}

static bool add_area(const struct lvm_scope *scope, const struct lvm_lv *lv,
		     struct lvm_segment *segment, unsigned int pv, uint64_t first, uint64_t count,
		     GError **error)
{
	const struct lvm_group_pv *on = g_ptr_array_index(scope->group->pvs, pv);

	if (first > on->count || count > on->count - first) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRIu64 " extents at %" PRIu64 " of %s, which has %" PRIu64,
			    lv->name, count, first, on->name, on->count);
		return false;
	}
	segment->areas[segment->n_areas++] = (struct lvm_area){ pv, first, count };
	return true;
}

static unsigned int count_items(const struct lvm_node *array)
{
	unsigned int n = 0;

	for (const struct lvm_node *item = array->u.first; item; item = item->next)
		n++;
	return n;
}

/*
 * An array of names, each with the number of an extent: @count extents on a physical volume, or a
 * logical one, with which the segment is no longer direct.
 */
static bool read_areas(const struct lvm_scope *scope, const struct lvm_lv *lv, const char *what,
		       const struct lvm_node *array, uint64_t count, struct lvm_segment *segment,
		       GError **error)
{
	segment->areas = g_new0(struct lvm_area, count_items(array) / 2);
	for (const struct lvm_node *item = array->u.first; item; item = item->next->next) {
		const struct lvm_node *start = item->next;
		struct lvm_lv *below;
		unsigned int pv;

		if (item->kind != LVM_STRING || !start || start->kind != LVM_NUMBER ||
		    start->u.number < 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "%s has no list of names and numbers as '%s'", lv->name,
				    array->key);
			return false;
		}
		pv = GPOINTER_TO_UINT(g_hash_table_lookup(scope->pvs, item->u.string));
		below = g_hash_table_lookup(scope->lvs, item->u.string);
		if (pv != 0) {
			if (!add_area(scope, lv, segment, pv - 1, (uint64_t)start->u.number, count,
				      error))
				return false;
		} else if (below) {
			note_use(scope, below, lv, what, array->key);
			segment->direct = false;
		} else {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "%s lies on %s, which there is not", lv->name,
				    lvm_printable(item->u.string));
			return false;
		}
	}
	return true;
}

/* Members that a later LVM might add could change what the others mean. */
static bool has_only_known(const struct lvm_node *node)
{
	static const char *const known[] = {
		"start_extent", "extent_count", "type", "stripe_count",
		"stripe_size",  "stripes",      "tags", NULL,
	};

	for (const struct lvm_node *n = node->u.first; n; n = n->next)
		if (!g_strv_contains(known, n->key))
			return false;
	return true;
}

static bool read_striped(const struct lvm_scope *scope, const struct lvm_lv *lv,
			 const struct lvm_node *node, struct lvm_segment *segment, GError **error)
{
	const struct lvm_node *stripes = lvm_node_find(node, "stripes", LVM_ARRAY, error);
	uint64_t n = 0, stripe = 0;

	if (!stripes || !lvm_node_number(node, "stripe_count", UINT32_MAX, &n, error))
		return false;
	if (n > 1 && !lvm_node_number(node, "stripe_size", UINT32_MAX, &stripe, error))
		return false;
	if (n == 0 || count_items(stripes) != 2 * n || segment->count % n != 0 ||
	    (n > 1 && stripe == 0)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRIu64 " extents in %" PRIu64 " stripes of %" PRIu64
			    " sectors with %u names and numbers",
			    lv->name, segment->count, n, stripe, count_items(stripes));
		return false;
	}
	segment->stripe = stripe * LVM_SECTOR;
	segment->direct = has_only_known(node);
	return read_areas(scope, lv, "made of other volumes", stripes, segment->count / n, segment,
			  error);
}

/* A mirror of the old kind; one that pvmove has made lies on physical volumes itself. */
static bool read_mirror(const struct lvm_scope *scope, const struct lvm_lv *lv,
			const struct lvm_node *node, struct lvm_segment *segment, GError **error)
{
	const struct lvm_node *mirrors = lvm_node_find(node, "mirrors", LVM_ARRAY, error);

	if (!mirrors || !read_areas(scope, lv, "mirror", mirrors, segment->count, segment, error))
		return false;
	for (const struct lvm_node *n = node->u.first; n; n = n->next)
		if (n != mirrors && !note_names(scope, lv, "mirror", n, n->key, error))
			return false;
	return true;
}

static bool read_by_type(const struct lvm_scope *scope, struct lvm_lv *lv, const char *type,
			 const struct lvm_node *node, struct lvm_segment *segment, GError **error)
{
	g_autofree char *what = NULL;
	bool ok;

	if (strcmp(type, "striped") == 0 || strcmp(type, "linear") == 0) {
		ok = read_striped(scope, lv, node, segment, error);
		if (ok && !has_only_known(node))
			lv->mark = "of segments that are not known in full";
		else if (ok && !segment->direct && !lv->whole)
			lv->whole = g_strdup("made of other volumes");
		return ok;
	}
	what = describe(type, node);
	if (strcmp(type, "snapshot") == 0)
		lv->relation = true;
	ok = strcmp(type, "mirror") == 0 ? read_mirror(scope, lv, node, segment, error)
					 : note_names(scope, lv, what, node, node->key, error);
	if (!lv->whole)
		lv->whole = g_steal_pointer(&what);
	return ok;
}

/* They are numbered from 1, and each starts where the one before ends. */
static bool read_segment(const struct lvm_scope *scope, struct lvm_lv *lv,
			 const struct lvm_node *node, GError **error)
{
	g_autofree char *name = g_strdup_printf("segment%u", lv->segments->len + 1);
	const char *type = lvm_node_string(node, "type", error);
	struct lvm_segment segment = { 0 };
	uint64_t start;
	bool ok;

	if (!type || !lvm_node_number(node, "start_extent", UINT32_MAX, &start, error) ||
	    !lvm_node_number(node, "extent_count", UINT32_MAX, &segment.count, error))
		return false;
	if (strcmp(node->key, name) != 0 || start != lv->count || segment.count == 0 ||
	    segment.count > UINT32_MAX - start) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %" PRIu64 " extents at %" PRIu64 " as %s, where %s at %" PRIu64
			    " was due",
			    lv->name, segment.count, start, node->key, name, lv->count);
		return false;
	}
	ok = read_by_type(scope, lv, type, node, &segment, error);
	lv->count += segment.count;
	g_array_append_val(lv->segments, segment); /* also when it is not complete: to be freed */
	return ok;
}

bool lvm_segments_read(const struct lvm_scope *scope, struct lvm_lv *lv,
		       const struct lvm_node *section, GError **error)
{
	uint64_t n;

	if (!lvm_node_number(section, "segment_count", UINT32_MAX, &n, error))
		return false;
	for (const struct lvm_node *node = section->u.first; node; node = node->next)
		if (node->kind == LVM_SECTION && !read_segment(scope, lv, node, error))
			return false;
	if (lv->segments->len != n || n == 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "%s has %u segments, not %" PRIu64, lv->name, lv->segments->len, n);
		return false;
	}
	return true;
}
