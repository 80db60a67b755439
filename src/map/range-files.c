/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each volume of a map is asked where the ranges lie in it, and its driver what lies there. */
#include "map/range-files.h"

/* In one volume; the ranges of a striped one are many. */
#define MAX_PARTS 65536u

typedef struct {
	GPtrArray *files;     /* of GPtrArray * of char *, or NULL; borrowed */
	unsigned int n_named; /* in all */
	char *where;          /* "partition 1"; owned */
	GArray *origins;      /* of unsigned int: the range of each part; owned */
} Naming;

static void naming_clear(Naming *naming)
{
	g_free(naming->where);
	g_clear_pointer(&naming->origins, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Naming, naming_clear)

static char *describe(const struct map_volume *info)
{
	if (info->name)
		return g_strdup(info->name);
	if (info->number == 0)
		return g_strdup("the disk");
	return g_strdup_printf("partition %u", info->number);
}

/* As it is, if a person can read it on one line; owned by the caller. */
static char *clean_path(const char *path)
{
	bool clean = g_utf8_validate(path, -1, NULL);

	for (size_t i = 0; clean && path[i];
	     i += g_unichar_to_utf8(g_utf8_get_char(path + i), NULL))
		clean = g_unichar_isprint(g_utf8_get_char(path + i));
	return clean ? g_strdup(path) : g_strescape(path, NULL);
}

static void free_strings(void *strings)
{
	if (strings)
		g_ptr_array_unref(strings);
}

static bool add_file(unsigned int part, const char *path, void *userdata)
{
	Naming *naming = userdata;
	unsigned int range = g_array_index(naming->origins, unsigned int, part);
	GPtrArray **names = (GPtrArray **)&naming->files->pdata[range];
	g_autofree char *clean = clean_path(path);
	g_autofree char *text = g_strdup_printf("%s: %s", naming->where, clean);

	if (!*names)
		*names = g_ptr_array_new_with_free_func(g_free);
	if ((*names)->len > RANGE_FILES_MAX ||
	    g_ptr_array_find_with_equal_func(*names, text, g_str_equal, NULL))
		return true;
	g_ptr_array_add(*names, (*names)->len == RANGE_FILES_MAX ? g_strdup("and more")
								 : g_steal_pointer(&text));
	return ++naming->n_named < RANGE_FILES_MAX_TOTAL;
}

static void ask_place(Naming *naming, const struct map_place *place, const Blkdev *disk,
		      const GArray *ranges)
{
	const struct map_driver *driver =
	    place->info->content ? storage_map_driver(place->info->content) : NULL;
	g_autoptr(GArray) parts = g_array_new(false, false, sizeof(struct extent));
	bool all = true;

	if (!driver || !driver->files)
		return;
	g_array_set_size(naming->origins, 0);
	for (unsigned int i = 0; all && i < ranges->len; i++) {
		all = volume_find(place->volume, disk, &g_array_index(ranges, struct extent, i),
				  MAX_PARTS, parts);
		while (naming->origins->len < parts->len) /* ends: it grows */
			g_array_append_val(naming->origins, i);
	}
	if (parts->len == 0)
		return;
	g_free(naming->where);
	naming->where = describe(place->info);
	driver->files(place->volume, parts, add_file, naming);
}

GPtrArray *range_files(const StorageMap *map, const Blkdev *disk, const GArray *ranges)
{
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(free_strings);
	g_auto(Naming) naming = { .files = files };

	g_ptr_array_set_size(files, (int)ranges->len);
	naming.origins = g_array_new(false, false, sizeof(unsigned int));
	for (unsigned int i = 0; i < map->places->len && naming.n_named < RANGE_FILES_MAX_TOTAL;
	     i++)
		ask_place(&naming, g_ptr_array_index(map->places, i), disk, ranges);
	return g_steal_pointer(&files);
}
