/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long work tells how far it is, and is told to stop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *phase;  /* what is being done: "reading the maps", "copying"; borrowed */
	const char *item;   /* on what: a disk, a file; borrowed; NULL: on all */
	uint64_t done;      /* bytes of @item */
	uint64_t total;     /* bytes of @item */
	uint64_t all_done;  /* bytes of all items together */
	uint64_t all_total; /* the same for the whole phase; 0: not known yet */

	/* Bytes a second, where whoever does it measures them; else 0. */
	uint64_t rate;       /* done */
	uint64_t dirty_rate; /* done, and to be done once more */
};

/*
 * Called often (some times a second or more), from the thread that called the long function.
 * False asks it to end: it then fails with WHERRY_ERROR_CANCELLED.
 */
typedef bool (*progress_fn)(const struct progress *now, void *userdata);
