/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is written from its start to its end goes to the medium as it grows: past the page
 * cache where that is possible, else with no more of it on its way than the medium takes in half a
 * second.  So the page cache does not fill up, a flush is short, and who is told to end need not
 * wait for a slow medium.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Memory, place and length of what goes past the page cache are multiples of this. */
#define WRITE_BEHIND_ALIGN 4096u

struct write_behind {
	int direct;       /* the file once more, past the page cache; -1: not possible */
	uint64_t waited;  /* bytes of the file that are on the medium */
	uint64_t sent;    /* ... or on their way */
	uint64_t allowed; /* bytes that may be on their way */
};

/* The first @from bytes of @fd, which is open for writing, are none of ours. */
void write_behind_init(struct write_behind *behind, int fd, uint64_t from);

/*
 * Write @data behind what was written before (what lies between is none of ours, either); it goes
 * on its way, and leaves the page cache when it is there.  That it is there only io_flush() says.
 * A failure may be that of what was put before; io_flush() does not see it again.
 */
bool write_behind_put(struct write_behind *behind, int fd, const char *name, uint64_t offset,
		      const void *data, size_t len, GError **error);

/* Wait until all of that is there: a flush is short then. */
bool write_behind_drain(struct write_behind *behind, int fd, const char *name, GError **error);

void write_behind_clear(struct write_behind *behind);
