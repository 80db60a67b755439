/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map of a whole disk: its partition table, the volumes in it, and which bytes must be carried.
 *
 *	disk --> partition table --> volume --> what it holds --> driver --> used map
 *	  \          (gaps)             \           (unknown: all of it)       /
 *	   `----------------------------- all of it, when in doubt ----------'
 */
#pragma once

#include "base/blkdev.h"
#include "map/used-map.h"

/* One partition, or a disk without a table. */
struct map_volume {
	unsigned int number; /* of the partition; 0: the disk itself */
	uint64_t offset;     /* bytes, on the disk */
	uint64_t size;       /* bytes */
	uint64_t used;       /* bytes that are carried */
	char *type;          /* in the table: "0x83" or a GUID in lower case; NULL: no table */
	char *uuid;          /* of the partition, in lower case; NULL: none */
	char *label;         /* of the partition; NULL: none */
	char *content;       /* libblkid's name: "ext4", "vfat", "xfs"; NULL: not known */
	char *how;           /* how the map was made: "ext4, clean", "carried whole: ..." */
};

typedef struct {
	const char *table;    /* "gpt", "mbr" or "none" */
	char *table_id;       /* NULL: none */
	uint32_t sector_size; /* bytes: what the disk says, or the table of a file */
	bool boot_code;       /* whether its first sector holds what a BIOS could start */
	GPtrArray *volumes;   /* of struct map_volume *, by offset; never NULL */
	GPtrArray *warnings;  /* of char *: what the user should know; never NULL */
	UsedMap *used;        /* owned */
} DiskMap;

/*
 * Fails only when @disk cannot be read at all; everything else ends in a map that carries more.
 * @disk is read, and not needed afterwards.
 */
DiskMap *disk_map_read(const Blkdev *disk, GError **error);

void disk_map_free(DiskMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DiskMap, disk_map_free)
