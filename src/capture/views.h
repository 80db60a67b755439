/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views: disks as they are when the filesystems on them that only a mount brings in order have been
 * mounted and unmounted.  They are snapshots; the disks themselves are only read.
 *
 * As long as there are views, dev of their struct plan_disk is the snapshot, so that the map and
 * the bytes of all that lies on the disk come from one and the same view.  What the snapshots keep
 * of the replay is saved in the unfinished bundle: a capture that goes on sees what it saw before,
 * and replays nothing a second time.
 */
#pragma once

#include "bundle/bundle.h"
#include "capture/plan.h"

typedef struct views Views;

/*
 * Make views for what *@map, which is of @disks, calls dirty, and the map anew.  What cannot be
 * replayed stays as it is, carried whole, with a warning in the map.  @target: a directory on the
 * medium, for when memory is short.  NULL: no view was needed, or none could be made.
 */
Views *views_new(const GPtrArray *disks, const struct map_options *options, const char *target,
		 StorageMap **map);

/*
 * The same for a capture that goes on: those that the unfinished @bundle knows of, as they were.
 * 1: *@ret is set; 0: there were none; -1: failed.
 */
int views_load(const Bundle *bundle, const GPtrArray *disks, const struct map_options *options,
	       const char *target, StorageMap **map, Views **ret, GError **error);

/* Before the bundle can be resumed. */
bool views_save(const Views *views, const Bundle *bundle, GError **error);

/*
 * Asked after the last read.  False: a snapshot was full or failed, and nothing that was read of it
 * can be believed.
 */
bool views_check(const Views *views, GError **error);

/* A saved view is not needed any more. */
void views_remove(const Bundle *bundle, unsigned int n_disks);

/* The disks are what they were, also when nothing else may be left of the views. */
void views_free(Views *views);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Views, views_free)
