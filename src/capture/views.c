/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When one of several filesystems cannot be mounted, its snapshots may hold half of what it did:
 * all of them are made anew for the others.
 */
#include "capture/views.h"

#include "base/autofd.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/io.h"
#include "bundle/journal.h"
#include "capture/snapshot-store.h"
#include "map/volume.h"
#include "source/mapped-device.h"
#include "source/snapshot.h"

#include <inttypes.h>
#include <sys/stat.h>

#define COPY_SIZE ((size_t)1 << 20)

/* Of one disk. */
struct view {
	struct plan_disk *disk; /* borrowed */
	unsigned int number;    /* of the disk */
	int store;              /* owned */
	Snapshot *snapshot;     /* owned */
};

struct views {
	GPtrArray *list; /* of struct view * */
	bool shown;      /* the disks are read through them */
};

static void view_free(void *p)
{
	struct view *view = p;

	snapshot_free(view->snapshot);
	autofd_clear(&view->store);
	g_free(view);
}

static Views *views_empty(void)
{
	Views *views = g_new0(Views, 1);

	views->list = g_ptr_array_new_with_free_func(view_free);
	return views;
}

static struct view *find_view(const Views *views, const Blkdev *disk)
{
	for (unsigned int i = 0; i < views->list->len; i++) {
		struct view *view = g_ptr_array_index(views->list, i);

		if (view->disk->dev == disk)
			return view;
	}
	return NULL;
}

static bool touches(const struct map_dirty *dirty, const Blkdev *disk)
{
	for (unsigned int i = 0; i < dirty->pieces->len; i++)
		if (g_array_index(dirty->pieces, struct volume_piece, i).disk == disk)
			return true;
	return false;
}

static bool is_wanted(const GPtrArray *wanted, const Blkdev *disk)
{
	for (unsigned int i = 0; i < wanted->len; i++)
		if (touches(g_ptr_array_index(wanted, i), disk))
			return true;
	return false;
}

static struct view *add_view(Views *views, const GPtrArray *disks, unsigned int number, int store)
{
	struct view *view = g_new0(struct view, 1);

	view->disk = g_ptr_array_index(disks, number);
	view->number = number;
	view->store = store;
	g_ptr_array_add(views->list, view);
	return view;
}

static bool start_view(struct view *view, GError **error)
{
	view->snapshot =
	    snapshot_new(view->disk->dev, view->disk->map->sector_size, view->store, error);
	return view->snapshot != NULL;
}

/* Of each disk on which one of @wanted lies. */
static Views *start_views(const GPtrArray *disks, const GPtrArray *wanted, const char *target,
			  GError **error)
{
	g_autoptr(Views) views = views_empty();

	for (unsigned int i = 0; i < disks->len; i++) {
		const struct plan_disk *disk = g_ptr_array_index(disks, i);
		int store;

		if (!is_wanted(wanted, disk->dev))
			continue;
		store = snapshot_store_open(target, disks->len, error);
		if (store < 0 || !start_view(add_view(views, disks, i, store), error))
			return NULL;
	}
	return g_steal_pointer(&views);
}

static bool replay(const Views *views, const struct map_dirty *dirty, GError **error)
{
	unsigned int n = dirty->pieces->len;
	g_autofree struct snapshot_piece *pieces = g_new0(struct snapshot_piece, n);

	for (unsigned int i = 0; i < n; i++) {
		const struct volume_piece *piece =
		    &g_array_index(dirty->pieces, struct volume_piece, i);

		pieces[i] = (struct snapshot_piece){
			.snapshot = find_view(views, piece->disk)->snapshot,
			.offset = piece->offset,
			.length = piece->length,
		};
	}
	return snapshot_mount(dirty->content, pieces, n, error) && views_check(views, error);
}

static void note_whole(GPtrArray *warnings, const struct map_dirty *dirty, const char *why)
{
	g_ptr_array_add(warnings,
			g_strdup_printf("%s holds %s whose log is to be replayed, which only a "
					"mount of a snapshot does, and that cannot be: %s; it is "
					"carried whole",
					dirty->name, dirty->content, why));
}

/* One is not @wanted any more: it cannot be replayed. */
static void give_up(GPtrArray *wanted, unsigned int i, GPtrArray *warnings, const GError *cause)
{
	note_whole(warnings, g_ptr_array_index(wanted, i), cause->message);
	g_ptr_array_remove_index(wanted, i);
}

/* Those of @wanted that can be are replayed; the others are dropped from it, with a warning. */
static Views *replay_all(const GPtrArray *disks, GPtrArray *wanted, const char *target,
			 GPtrArray *warnings)
{
	while (wanted->len > 0) { /* ends: each turn but the last drops one */
		g_autoptr(GError) cause = NULL;
		g_autoptr(Views) views = start_views(disks, wanted, target, &cause);
		unsigned int i = 0;

		while (views && i < wanted->len &&
		       replay(views, g_ptr_array_index(wanted, i), &cause))
			i++;
		if (views && i == wanted->len)
			return g_steal_pointer(&views);
		give_up(wanted, i, warnings, cause);
	}
	return NULL;
}

static GPtrArray *list_wanted(const StorageMap *map, GPtrArray *warnings)
{
	g_autoptr(GPtrArray) wanted = g_ptr_array_new();
	g_autoptr(GError) cause = NULL;

	if (map->resumes)
		g_set_error(
		    &cause, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
		    "a hibernated system, which the VM will resume, goes on with it as it is");
	else
		(void)mapped_device_available(&cause);
	for (unsigned int i = 0; i < map->dirty->len; i++) {
		struct map_dirty *dirty = g_ptr_array_index(map->dirty, i);

		if (cause || !dirty->pieces)
			note_whole(warnings, dirty, cause ? cause->message : dirty->why_not);
		else
			g_ptr_array_add(wanted, dirty);
	}
	return g_steal_pointer(&wanted);
}

/* From here on the disks are read through the views, and the map is what they show. */
static bool show(Views *views, const GPtrArray *disks, const struct map_options *options,
		 StorageMap **map, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	struct map_options chosen = *options;

	for (unsigned int i = 0; i < (*map)->dirty->len; i++) {
		const struct map_dirty *dirty = g_ptr_array_index((*map)->dirty, i);

		g_ptr_array_add(names, g_strdup(dirty->name));
	}
	for (unsigned int i = 0; i < views->list->len; i++) {
		struct view *view = g_ptr_array_index(views->list, i);
		Blkdev *dev = snapshot_open(view->snapshot, error);

		if (!dev)
			return false;
		view->disk->origin = view->disk->dev;
		view->disk->dev = dev;
		views->shown = true;
	}
	storage_map_free(*map);
	chosen.replayed = names;
	*map = plan_map(disks, &chosen);
	for (unsigned int i = 0; i < disks->len; i++) {
		struct plan_disk *disk = g_ptr_array_index(disks, i);

		if (disk->map->failure)
			plan_carry_whole(disk); /* the copy says what cannot be read */
	}
	return true;
}

/* What a killed capture has left keeps the disks busy, and read-only. */
static void sweep(void)
{
	if (mapped_device_available(NULL))
		mapped_device_sweep();
}

Views *views_new(const GPtrArray *disks, const struct map_options *options, const char *target,
		 StorageMap **map)
{
	g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) wanted = list_wanted(*map, warnings);
	g_autoptr(Views) views = NULL;
	g_autoptr(GError) cause = NULL;

	sweep();
	views = replay_all(disks, wanted, target, warnings);
	if (views && !show(views, disks, options, map, &cause)) {
		while (wanted->len > 0)
			give_up(wanted, 0, warnings, cause);
		g_clear_pointer(&views, views_free);
	}
	while (warnings->len > 0)
		g_ptr_array_add((*map)->warnings, g_ptr_array_steal_index(warnings, 0));
	return g_steal_pointer(&views);
}

static char *store_name(unsigned int number)
{
	return g_strdup_printf("disk-%u.store", number);
}

/* What @view keeps is copied from @from to @to, and its digest becomes that of the disk's view. */
static bool copy_store(const struct view *view, int from, int to, uint64_t size, GError **error)
{
	g_autofree uint8_t *buf = g_malloc(COPY_SIZE);
	g_autofree char *name = store_name(view->number);
	g_autoptr(Digester) digester = digester_new();
	struct digest digest;

	for (uint64_t at = 0; at < size; at += COPY_SIZE) {
		size_t n = (size_t)MIN(COPY_SIZE, size - at);

		if (!io_pread(from, name, at, buf, n, error) ||
		    !io_pwrite(to, name, at, buf, n, error))
			return false;
		digester_add(digester, buf, n);
	}
	digest = digester_finish(digester);
	g_free(view->disk->view);
	view->disk->view = digest_to_hex(&digest);
	return true;
}

bool views_save(const Views *views, const Bundle *bundle, GError **error)
{
	for (unsigned int i = 0; i < views->list->len; i++) {
		const struct view *view = g_ptr_array_index(views->list, i);
		g_autofree char *name = store_name(view->number);
		int64_t used = snapshot_used(view->snapshot, error);
		autofd int fd = -1;

		if (used < 0)
			return false;
		fd = bundle_create_file(bundle, name, error);
		if (fd < 0 || !copy_store(view, view->store, fd, (uint64_t)used, error) ||
		    !io_flush(fd, name, error))
			return false;
	}
	return true;
}

/* 1: there was one for disk @number; 0: none; -1: failed. */
static int load_view(Views *views, const Bundle *bundle, const GPtrArray *disks,
		     unsigned int number, const char *target, GError **error)
{
	g_autofree char *name = store_name(number);
	g_autoptr(GError) cause = NULL;
	autofd int fd = bundle_open_file(bundle, name, &cause);
	struct view *view;
	struct stat st;
	int store;

	if (fd < 0 && g_error_matches(cause, WHERRY_ERROR, WHERRY_ERROR_NOT_FOUND))
		return 0;
	if (fd < 0) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return -1;
	}
	store = snapshot_store_open(target, disks->len, error);
	if (store < 0)
		return -1;
	view = add_view(views, disks, number, store);
	if (fstat(fd, &st) < 0 || !copy_store(view, fd, view->store, (uint64_t)st.st_size, error) ||
	    !start_view(view, error))
		return -1;
	return 1;
}

int views_load(const Bundle *bundle, const GPtrArray *disks, const struct map_options *options,
	       const char *target, StorageMap **map, Views **ret, GError **error)
{
	g_autoptr(Views) views = views_empty();

	sweep();
	for (unsigned int i = 0; i < disks->len; i++)
		if (load_view(views, bundle, disks, i, target, error) < 0) {
			g_prefix_error(error,
				       "cannot go on with the snapshots of '%s': ", bundle->path);
			return -1;
		}
	if (views->list->len == 0)
		return 0;
	if (!show(views, disks, options, map, error))
		return -1;
	*ret = g_steal_pointer(&views);
	return 1;
}

bool views_check(const Views *views, GError **error)
{
	for (unsigned int i = 0; i < views->list->len; i++) {
		const struct view *view = g_ptr_array_index(views->list, i);

		if (snapshot_used(view->snapshot, error) < 0)
			return false;
	}
	return true;
}

void views_remove(const Bundle *bundle, unsigned int n_disks)
{
	for (unsigned int i = 0; i < n_disks; i++) {
		g_autofree char *name = store_name(i);

		journal_remove(bundle, name);
	}
}

void views_free(Views *views)
{
	if (!views)
		return;
	for (unsigned int i = 0; views->shown && i < views->list->len; i++) {
		struct plan_disk *disk = ((struct view *)g_ptr_array_index(views->list, i))->disk;

		if (!disk->origin)
			continue;
		blkdev_free(disk->dev); /* or the snapshot would be in use */
		disk->dev = g_steal_pointer(&disk->origin);
		g_clear_pointer(&disk->view, g_free);
	}
	g_ptr_array_unref(views->list);
	g_free(views);
}
