/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume group as its metadata describes it, checked as far as that goes without its disks: no
 * extent has two owners, no segment of a volume is missing.
 *
 * What the members mean is told by LVM2 2.03's lib/format_text/import_vsn1.c and flags.c, and the
 * text_import() of each type of segment.
 */
#pragma once

#include "map/layer-lvm-pv.h"
#include "map/layer-lvm-text.h"

/* Larger ones are nobody's, and longer names no LVM's (NAME_LEN). */
#define LVM_MAX_LVS     16384u
#define LVM_MAX_LV_SIZE (UINT64_C(8) << 50) /* bytes */
#define LVM_MAX_NAME    127u

/* A physical volume, as the group knows it. */
struct lvm_group_pv {
	char *name; /* in the metadata: "pv0"; owned */
	char uuid[LVM_UUID_SIZE + 1];
	char *device;   /* where it was last seen: "/dev/sda2"; NULL: it is not said; owned */
	uint64_t start; /* bytes; of its first extent */
	uint64_t count; /* extents */
	bool missing;   /* LVM has given it up */
};

/* Extents of a physical volume. */
struct lvm_area {
	unsigned int pv; /* index */
	uint64_t first;
	uint64_t count;
};

/* A part of a logical volume. */
struct lvm_segment {
	uint64_t count;  /* extents, of the logical volume */
	uint64_t stripe; /* bytes; of one with more than one area */
	unsigned int n_areas;
	struct lvm_area *areas; /* owned */
	bool direct;            /* linear or striped on them, and on nothing else */
};

struct lvm_lv {
	char *name;       /* owned */
	uint64_t count;   /* extents */
	GArray *segments; /* of struct lvm_segment, in their order, without a gap */
	char *whole;      /* why it must be carried whole: "thin pool"; NULL: no reason; owned */
	const char
	    *mark;     /* what its flags say against reading it as a volume of its own; or NULL */
	bool relation; /* no volume, but what LVM keeps of how two others belong together */
};

typedef struct {
	char *name; /* owned */
	char uuid[LVM_UUID_SIZE + 1];
	uint64_t seqno;       /* counts the changes of the metadata */
	uint64_t extent_size; /* bytes */
	bool shared;          /* between machines */
	GPtrArray *pvs;       /* of struct lvm_group_pv * */
	GPtrArray *lvs;       /* of struct lvm_lv * */
} LvmGroup;

LvmGroup *lvm_group_parse(const char *text, size_t len, GError **error);

void lvm_group_free(LvmGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvmGroup, lvm_group_free)
