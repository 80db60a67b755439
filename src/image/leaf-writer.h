/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full leaves of an image file go to the medium in a thread of their own: whoever fills the next
 * one does not wait for it, as long as no more are on their way than it takes in two seconds.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct leaf_writer LeafWriter;

/* @fd, @name: of the file, borrowed until leaf_writer_free(); @name is for messages. */
LeafWriter *leaf_writer_new(int fd, const char *name);

/* Bytes that may be on their way, at most; 16 MiB if it is not called. */
void leaf_writer_set_queue(LeafWriter *writer, uint64_t bytes);

/* Memory for a leaf, IMAGE_LEAF_SIZE bytes, for free(); NULL: there is none. */
uint8_t *leaf_alloc(GError **error);

/*
 * The leaf at @offset of the file begins with @len bytes of *@buffer, of which the first @skip are
 * in the file already.  *@buffer, from leaf_alloc(), is taken over, and is another one then.  A
 * failure may be that of a leaf before.
 */
bool leaf_writer_put(LeafWriter *writer, uint64_t offset, size_t skip, size_t len, uint8_t **buffer,
		     GError **error);

/* Wait until all of them are on the medium: a flush is short then. */
bool leaf_writer_wait(LeafWriter *writer, GError **error);

/* After leaf_writer_wait(): these bytes, too. */
bool leaf_writer_write(LeafWriter *writer, uint64_t offset, const void *data, size_t len,
		       GError **error);

/* What waits is not written any more. */
void leaf_writer_free(LeafWriter *writer);
