/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What inspect found, for people and for machines. */
#pragma once

#include "capture/plan.h"
#include "source/facts.h"

/* One disk that was looked at. */
struct inspected {
	char *path;             /* owned */
	struct plan_disk *plan; /* borrowed; NULL: could not be opened */
	char *failure;          /* why it could not be read; owned */
};

/* All that was found. */
typedef struct {
	Facts *facts;
	GPtrArray *disks; /* of struct inspected * */
	StorageMap *map;  /* of those that could be opened */
} Inspection;

/* Both write to stdout.  @verbose: names and paths of each disk, too. */
void inspect_print_text(const Inspection *inspection, bool verbose);
void inspect_print_json(const Inspection *inspection);
