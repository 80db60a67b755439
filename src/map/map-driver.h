/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which bytes of a volume does its format use?
 *
 * Each format is one file that exports one const table.  To add one: write that file, list it in
 * storage-map.c and meson.build, and give the tests a volume of it.
 */
#pragma once

#include "map/map-options.h"
#include "map/volume.h"

/* What a driver found. */
struct map_found {
	char *how;     /* "ext4, clean": how the map was made; owned by the caller */
	char *warning; /* what the user should know, or NULL; owned by the caller */
	bool resumes;  /* it holds a hibernated system, which needs all that it has swapped out */
	bool mounted;  /* Linux had it mounted last, and did not unmount it */
};

/* @path: as it is on the disk: bytes but NUL.  False: that is enough. */
typedef bool (*map_file_fn)(unsigned int range, const char *path, void *userdata);

struct map_driver {
	const char *const *contents; /* libblkid's names of what it reads; NULL ends */
	bool may_swap; /* a system may have swapped out to it: options->resumed changes the map */

	/*
	 * Say volume_use() for every byte of @volume in use, metadata included, and set @ret.
	 * @content is libblkid's name, one of @contents.
	 *
	 * In doubt a byte is in use: copying too much costs time, copying too little costs the
	 * user's files.  On any inconsistency or unknown feature it fails: the caller then carries
	 * the whole volume and gives the message as the reason.  What was added by then does no
	 * harm.
	 */
	bool (*map)(const Volume *volume, const char *content, const struct map_options *options,
		    struct map_found *ret, GError **error);

	/*
	 * Tell @found of each file that has a byte of @ranges, of struct extent, by their index; of
	 * one file and range once.  Ends early when that takes too long.  NULL: the format cannot
	 * be asked.
	 */
	void (*files)(const Volume *volume, const GArray *ranges, map_file_fn found,
		      void *userdata);
};

extern const struct map_driver map_exfat;
extern const struct map_driver map_ext;
extern const struct map_driver map_fat;
extern const struct map_driver map_ntfs;
extern const struct map_driver map_swap;
extern const struct map_driver map_xfs;
