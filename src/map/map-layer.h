/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes made of other volumes: LVM's logical volumes on physical ones, md's arrays on members.
 *
 * Each layer is one file that exports one const table.  To add one: write that file, list it in
 * layer-assembly.c and meson.build, and give the tests volumes of it.
 */
#pragma once

#include "map/volume.h"

/* A volume that holds what a layer reads. */
struct layer_member {
	Volume *volume; /* borrowed */

	/* NULL until the layer has settled it, then what the user is told; owned. */
	char *how;
	char *group; /* with it: the id of the array or group that it is of; NULL: none; owned */
};

/* Frees what it owns, not itself. */
void layer_member_clear(struct layer_member *member);

/* A volume that a layer found on its members. */
struct layer_volume {
	Volume *volume; /* owned; its name is "vg0/root" or "md web:0" */

	/*
	 * NULL: it is to be looked at as any other.  Else the layer has said volume_use() for what
	 * is in use of it, and this is what the user is told; owned.
	 */
	char *how;
	bool may_have_table; /* whether Linux would look for a partition table in it */
};

struct map_layer {
	const char *name;            /* "lvm" */
	const char *const *contents; /* libblkid's names of its members; NULL ends */

	/*
	 * Look at all the @members (of struct layer_member *) found so far on all the disks, and
	 * settle those about which all is known: say volume_use() for the layer's own metadata
	 * there, set their how, and add a struct layer_volume * (layer_volume_new()) for all that
	 * is made of them to @volumes.  What no volume covers is not carried.  The others stay
	 * unsettled: it is asked again with more members, and a last time with @last.
	 *
	 * Of volumes in several copies, it is asked with one copy at a time, so that what lies on
	 * none is shown to it once for each.
	 *
	 * A member that must be carried whole is settled by layer_carry_whole(); what is unsettled
	 * after the last time is.  So is, by the caller, a whole group of which a member is found
	 * when others were settled: nobody knows which of them are in use.  @warnings (of char *)
	 * takes what the user should know.
	 */
	void (*assemble)(GPtrArray *members, bool last, GPtrArray *volumes, GPtrArray *warnings);
};

/* Takes over @volume and @how. */
struct layer_volume *layer_volume_new(Volume *volume, char *how);
void layer_volume_free(void *volume);

/* All of it is in use, and how is "carried whole: " and @why. */
void layer_carry_whole(struct layer_member *member, const char *why);

extern const struct map_layer map_layer_btrfs;
extern const struct map_layer map_layer_lvm;
extern const struct map_layer map_layer_md;
