/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What inspect found, for people and for machines. */
#pragma once

#include "capture/plan.h"
#include "source/facts.h"

/* One disk that was looked at. */
struct inspected {
	char *path;             /* owned */
	struct plan_disk *plan; /* borrowed; NULL: could not be read */
	char *failure;          /* why not; owned */
};

/* @disks: of struct inspected *.  Both write to stdout.  @verbose: names and paths of each, too. */
void inspect_print_text(const Facts *facts, const GPtrArray *disks, bool verbose);
void inspect_print_json(const Facts *facts, const GPtrArray *disks);
