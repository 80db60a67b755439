/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that is written from its start to its end goes to the medium as it grows, no more of it
 * being on its way than the medium takes in half a second: so the page cache does not fill up, a
 * flush is short, and who is told to end need not wait for a slow medium.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct write_behind {
	uint64_t waited;  /* bytes of the file that are on the medium */
	uint64_t sent;    /* ... or on their way */
	uint64_t allowed; /* bytes that may be on their way */
};

/* The first @from bytes are none of ours. */
void write_behind_init(struct write_behind *behind, uint64_t from);

/*
 * Write @data behind what was written before (what lies between is none of ours, either); it goes
 * on its way, and leaves the page cache when it is there.  That it is there only io_flush() says.
 */
bool write_behind_put(struct write_behind *behind, int fd, const char *name, uint64_t offset,
		      const void *data, size_t len, GError **error);

/* Wait until all of that is there: a flush is short then. */
void write_behind_drain(struct write_behind *behind, int fd);
