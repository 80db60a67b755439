/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the bytes of a logical volume lie, by its segments; a part of layer-lvm-group.c. */
#pragma once

#include "map/layer-lvm-group.h"

/* What the names in a segment may mean; all borrowed. */
struct lvm_scope {
	LvmGroup *group;
	GHashTable *pvs;  /* name to index + 1 */
	GHashTable *lvs;  /* name to struct lvm_lv * */
	GHashTable *uses; /* struct lvm_lv * to char *, owned: what another one needs it for */
};

/*
 * Read the segments in @section, the whole of @lv in the metadata.  Of what is not linear or
 * striped lv->whole says what it is, and whatever it names is noted in scope->uses.
 */
bool lvm_segments_read(const struct lvm_scope *scope, struct lvm_lv *lv,
		       const struct lvm_node *section, GError **error);

void lvm_segment_clear(void *segment);

/* @text, from a disk, for a message: as it is, or words for something that cannot be printed. */
const char *lvm_printable(const char *text);
