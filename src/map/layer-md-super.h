/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a member of a Linux software RAID ("md") says of itself and of its array.
 *
 * The layouts are those of the kernel's include/uapi/linux/raid/md_p.h (mdp_super_t, which is
 * version 0.90, and struct mdp_superblock_1) and drivers/md/md-bitmap.h (bitmap_super_t); what the
 * fields mean is in drivers/md/md.c, super_90_load(), super_1_load() and the like.
 */
#pragma once

#include "map/volume.h"

#define MD_LEVEL_RAID1 1

/* Where the superblock lies; 0.90 and 1.0 are at the end, 1.1 at the start, 1.2 at 4 KiB. */
enum md_version {
	MD_0_90,
	MD_1_0,
	MD_1_1,
	MD_1_2,
};

enum md_state {
	MD_IN_SYNC,    /* the array is read from it */
	MD_REBUILDING, /* it is being filled from the others */
	MD_SPARE,      /* nothing of the array is on it */
	MD_OUT,        /* faulty, or of a kind that a mirror has not */
};

struct md_super {
	enum md_version version;
	uint64_t offset; /* bytes: of the superblock, on the member */
	int32_t level;

	/* What follows is set of RAID1 only. */
	uint8_t set_id[16];    /* of the array */
	uint8_t member_id[16]; /* of the member */
	char name[48];         /* of the array, printable: "web:0", "5" */
	uint32_t mirrors;      /* how many members a whole array has */
	enum md_state state;
	unsigned int
	    role; /* which of the mirrors it is, unless a spare or out; less than mirrors */
	unsigned int members; /* how many, spares aside, the array had when this was written */
	uint64_t events;      /* counts the changes of the array's state */
	uint64_t data_offset; /* bytes: where the array lies on the member, ... */
	uint64_t data_size;   /* ... which is checked: [data_offset, + data_size) is on the member,
				 and no metadata in it */
	bool stopped;         /* the array was stopped in order, and no resync was under way */
	bool has_bitmap;
	uint64_t bitmap_offset; /* bytes, on the member */
};

/*
 * Read and check the superblock of @member.  It fails with what makes it impossible to say where
 * the array lies: WHERRY_ERROR_DAMAGED or _UNSUPPORTED.
 */
bool md_super_read(const Volume *member, struct md_super *ret, GError **error);

/*
 * Whether the write-intent bitmap of @member says that all the mirrors are alike.  1: yes, or there
 * is no bitmap.  0: no.  -1: failed; it cannot be read, or part of it lies where the data is.
 */
int md_bitmap_is_clean(const Volume *member, const struct md_super *super, GError **error);
