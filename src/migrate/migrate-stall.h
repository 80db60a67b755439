/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a migration get further?  Disks: their bytes grow.  Memory: what is left is a saw-tooth, so
 * after the first pass only its low-water mark at the end of each pass counts.
 */
#pragma once

#include "cloud/cloud-migrate.h"

struct migrate_stall {
	uint64_t limit_ms; /* 0: never stalled */
	bool postcopy;     /* set by the caller: there are no passes any more, only bytes */
	enum cloud_phase phase;
	uint64_t best;      /* disks: most bytes done; memory: fewest left at the end of a pass */
	uint64_t first;     /* iteration at which memory began */
	uint64_t iteration; /* of the last look */
	int64_t since_ms;   /* when it last got further */
};

/* @now_ms: of a clock that nobody sets. */
void migrate_stall_init(struct migrate_stall *stall, uint64_t limit_ms, int64_t now_ms);

/* True: for limit_ms it has not got further.  A look that failed is given as the last one. */
bool migrate_stall_look(struct migrate_stall *stall, const struct cloud_progress *progress,
			int64_t now_ms);
