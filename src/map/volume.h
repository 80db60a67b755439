/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run of bytes that is looked at as one thing: a disk, a partition, a logical volume, an array.
 *
 * A volume lies on disks, or it is made of segments that lie on other volumes, to any depth:
 *
 *	root (ext4)      [---- linear ----][-- striped --]
 *	                   |                 |         |
 *	sda2, sdb1       [.XXXX......XXXXX....]     [..XXXXX..]
 *	                   |                          |
 *	sda, sdb         [..........................][........]   --> the used map of each disk
 *
 * Its bytes can be read, and said to be in use, without knowing of what it is made.
 */
#pragma once

#include "base/blkdev.h"
#include "map/used-map.h"

/* Deeper stacks are nobody's; volume_new() callers check before they build on a volume. */
#define VOLUME_MAX_DEPTH 8

typedef struct {
	char *name;         /* for messages; owned */
	uint64_t size;      /* bytes */
	unsigned int depth; /* 0: a disk; else one more than the deepest that it lies on */
	unsigned int copy;  /* see below */
	const Blkdev *disk; /* of depth 0: borrowed, and ... */
	UsedMap *used;      /* ... where volume_use() notes what is in use; borrowed */
	GArray *segments;   /* of what volume.c knows; NULL: depth 0 */
} Volume;

/*
 * An array whose mirrors may differ is several volumes, and what is found in each is looked at by
 * itself: one copy does not know of another.  They are counted from 1 on; what lies on a copy has
 * its number, and all else has 0.
 */

/* Where a part of a volume lies: at @offset of @volume, which is borrowed and must live on. */
struct volume_place {
	const Volume *volume;
	uint64_t offset; /* bytes */
};

Volume *volume_new_disk(const Blkdev *disk, UsedMap *used);

/* An empty one, to be filled by volume_add_*() from its start to its end, without a gap. */
Volume *volume_new(const char *name);

/* The next @length bytes lie at @place. */
bool volume_add_linear(Volume *volume, uint64_t length, struct volume_place place, GError **error);

/* They are dealt out in turn, @stripe bytes at a time, to @n_places.  @length is whole stripes. */
bool volume_add_striped(Volume *volume, uint64_t length, uint64_t stripe,
			const struct volume_place *places, unsigned int n_places, GError **error);

/* They lie at each of @n_places.  Reads go to the one at @read_from; all of them are in use. */
bool volume_add_mirrored(Volume *volume, uint64_t length, const struct volume_place *places,
			 unsigned int n_places, unsigned int read_from, GError **error);

/*
 * They lie somewhere that nobody here can follow: reading them is WHERRY_ERROR_UNSUPPORTED, and of
 * them nothing is ever in use.  Whoever adds them sees to it that they are carried.
 */
bool volume_add_hidden(Volume *volume, uint64_t length, GError **error);

/* All of them fail with WHERRY_ERROR_DAMAGED when the place lies beyond the end of its volume. */

/* A part of another: a partition. */
Volume *volume_new_part(const char *name, const Volume *below, uint64_t offset, uint64_t size,
			GError **error);

/* Read @len bytes at @offset of the volume.  Beyond its end is WHERRY_ERROR_DAMAGED. */
bool volume_read(const Volume *volume, uint64_t offset, void *buf, size_t len, GError **error);

/* [@offset, @offset + @length) is in use, wherever it lies; beyond the end nothing is. */
void volume_use(const Volume *volume, uint64_t offset, uint64_t length);

/* How many bytes of it are in use; of a mirror, those of the copy that is read. */
uint64_t volume_count_used(const Volume *volume, uint64_t offset, uint64_t length);

/*
 * Append where on @volume bytes of [@where) of @disk lie, of struct extent, in no order; of a
 * mirror, those of any of its copies count.  False: there would be more than @max, and some are
 * left out.
 */
bool volume_find(const Volume *volume, const Blkdev *disk, const struct extent *where,
		 unsigned int max, GArray *ret);

/* Bytes of a disk, which is borrowed. */
struct volume_piece {
	const Blkdev *disk;
	uint64_t offset, length;
};

/*
 * Where its bytes lie on disks, in their order: of struct volume_piece, owned by the caller.
 * WHERRY_ERROR_UNSUPPORTED: in more than @max pieces, on more than one copy, or nobody knows.
 */
GArray *volume_list_pieces(const Volume *volume, unsigned int max, GError **error);

/* Whether the whole volume is one run of bytes of one disk, and which. */
bool volume_is_run(const Volume *volume, const Blkdev **ret_disk, uint64_t *ret_offset);

void volume_free(Volume *volume);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Volume, volume_free)
