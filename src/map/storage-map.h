/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of all the disks of a machine: their partition tables, the volumes in them, those that
 * lie across them, and which bytes must be carried.
 *
 *	disk --> partition table --> volume --> what it holds --> driver --> used map
 *	  \          (gaps)            | ^  \      (unknown: all of it)       /
 *	   \                     layer `-'   \                               /
 *	    `--------------------------------- all of it, when in doubt ----'
 */
#pragma once

#include "base/blkdev.h"
#include "map/map-options.h"
#include "map/map-driver.h"
#include "map/used-map.h"

/* A partition, a disk without a table, or a volume that a layer makes of others. */
struct map_volume {
	unsigned int number; /* of the partition; 0: none */
	uint64_t offset;     /* bytes, on the disk; 0 when it is on a layer */
	uint64_t size;       /* bytes */
	uint64_t used;       /* bytes that are carried; of a mirror, those of one copy */
	char *type;          /* in the table: "0x83" or a GUID in lower case; NULL: no table */
	char *uuid;          /* of the partition, in lower case; NULL: none */
	char *label;         /* of the partition; NULL: none */
	char *content;       /* libblkid's name: "ext4", "vfat", "xfs"; NULL: not known */
	char *content_uuid;  /* of the filesystem, or what else it is; NULL: none */
	char *how;           /* how the map was made: "ext4, clean", "carried whole: ..." */

	const char *layer; /* "lvm", "md"; NULL: it lies on one disk */
	char *name;        /* on a layer: "vg0/root"; else NULL */
};

typedef struct {
	const char *table;    /* "gpt", "mbr" or "none" */
	char *table_id;       /* NULL: none */
	uint32_t sector_size; /* bytes: what the disk says, or the table of a file */
	bool boot_code;       /* whether its first sector holds what a BIOS could start */
	GPtrArray *volumes;   /* of struct map_volume *, by offset; never NULL */
	GPtrArray *warnings;  /* of char *: what the user should know; never NULL */
	UsedMap *used;        /* owned */
	char *failure;        /* why nothing could be read at all, and the rest is empty; or NULL */
} DiskMap;

/* A volume, and what is told of it: for who asks more of it. */
struct map_place {
	const Volume *volume;          /* borrowed */
	const struct map_volume *info; /* borrowed */
};

/* Of a volume that is to be mounted. */
#define MAP_DIRTY_MAX_PIECES 4096u

/* A volume that is carried whole, but would not be if it had been mounted and unmounted. */
struct map_dirty {
	char *name;     /* of the volume: each time the same */
	char *content;  /* libblkid's name, which is also the kernel's */
	GArray *pieces; /* of struct volume_piece, in its order; NULL: ... */
	char *why_not;  /* ... why nobody can list them */
};

typedef struct {
	GPtrArray *disks;    /* of DiskMap *, in the order of the disks; never NULL */
	GPtrArray *volumes;  /* of struct map_volume *: those on a layer; never NULL */
	GPtrArray *warnings; /* of char *: what is of no single disk; never NULL */

	GPtrArray *places; /* of struct map_place *: all that was looked at */
	GPtrArray *kept;   /* of Volume *: of what they are made; owned */
	GPtrArray *dirty;  /* of struct map_dirty *, whose disks are borrowed; never NULL */
	bool resumes;      /* a hibernated system goes on with the volumes as they are */
} StorageMap;

/* The driver of what libblkid calls @content; NULL: there is none. */
const struct map_driver *storage_map_driver(const char *content);

/*
 * Whatever is not understood ends in a map that carries more.  The disks are borrowed, and are read
 * again only by who asks a place.  @options NULL: what is chosen when nobody chooses.
 */
StorageMap *storage_map_read(const Blkdev *const *disks, unsigned int n_disks,
			     const struct map_options *options);

void storage_map_free(StorageMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StorageMap, storage_map_free)
