/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a writer keeps in memory goes to the medium: its two leaves into the file, at their places,
 * the sums of the others into theirs, and the rest into the state.
 */
#include "image/image-writer-priv.h"

#include "base/error.h"
#include "base/io.h"
#include "base/zero.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* Followed by the L1 table and the refcounts. */
struct writer_state {
	be64 virtual_size;
	be64 compressed;
	be64 next_index;
	be64 end, packed_offset, packed_end;
	be64 window_start;
	be64 l2_index;
	be64 shared;
	struct digest first, window; /* of what the file holds of them */
	struct digest sums;          /* the chain of those before the window */
	be64 l2[QCOW2_TABLE_ENTRIES];
};

/* How many bytes of the window are in the file. */
static size_t window_len(const ImageWriter *writer)
{
	return (size_t)MIN(writer->end - writer->window_start, IMAGE_LEAF_SIZE);
}

/* What is left of the open cluster is zero, as far as it is in the window. */
static void wipe_open_cluster(ImageWriter *writer)
{
	uint64_t end = MIN(writer->packed_end, writer->window_start + IMAGE_LEAF_SIZE);

	if (writer->packed_offset < end && writer->packed_offset >= writer->window_start)
		memset(writer->window + (writer->packed_offset - writer->window_start), 0,
		       end - writer->packed_offset);
}

/* Of the window only the last cluster is left to the flush. */
static bool save_window(ImageWriter *writer, GError **error)
{
	size_t len = window_len(writer), most = len - MIN(len, IMAGE_CLUSTER_SIZE);

	return leaf_writer_write(writer->leaves, writer->window_start, writer->window, most,
				 error) &&
	       io_pwrite(writer->fd, writer->name, writer->window_start + most,
			 writer->window + most, len - most, error);
}

static bool save_bytes(ImageWriter *writer, GError **error)
{
	if (!leaf_writer_wait(writer->leaves, error))
		return false;
	if (writer->first && !writer->first_saved &&
	    !image_writer_write_first(writer, IMAGE_LEAF_SIZE, error))
		return false;
	writer->first_saved = writer->first != NULL;
	wipe_open_cluster(writer);
	return save_window(writer, error) && io_flush(writer->fd, writer->name, error);
}

bool image_writer_checkpoint(ImageWriter *writer, GByteArray *state, GError **error)
{
	struct writer_state *head;
	unsigned int at = state->len;
	struct digest sums;

	g_assert(!writer->finished);
	if (!save_bytes(writer, error) || !leaf_sums_checkpoint(writer->sums, &sums, error))
		return false;
	g_byte_array_set_size(state, at + (unsigned int)sizeof(*head));
	head = (struct writer_state *)(void *)(state->data + at);
	*head = (struct writer_state){
		.virtual_size = be64_make(writer->virtual_size),
		.compressed = be64_make(writer->compressed),
		.next_index = be64_make(writer->next_index),
		.end = be64_make(writer->end),
		.packed_offset = be64_make(writer->packed_offset),
		.packed_end = be64_make(writer->packed_end),
		.window_start = be64_make(writer->window_start),
		.l2_index = be64_make(writer->l2_index),
		.shared = be64_make(writer->shared),
		.window = digest_of(writer->window, window_len(writer)),
		.sums = sums,
	};
	if (writer->first)
		head->first = digest_of(writer->first, IMAGE_LEAF_SIZE);
	memcpy(head->l2, writer->l2, sizeof(head->l2));
	g_byte_array_append(state, (const uint8_t *)writer->l1,
			    (unsigned int)(writer->n_l1 * sizeof(be64)));
	image_refcounts_save(writer->refcounts, state);
	return true;
}

/* A state was written by us, but it lay on a medium since. */
static bool state_fits(const ImageWriter *writer, const struct writer_state *head)
{
	uint64_t start = writer->window_start, end = writer->end;

	return be64_get(head->virtual_size) == writer->virtual_size &&
	       be64_get(head->compressed) == writer->compressed &&
	       writer->next_index <= writer->n_guest_clusters && writer->l2_index <= writer->n_l1 &&
	       end <= QCOW2_FILE_SIZE_MAX && end % IMAGE_CLUSTER_SIZE == 0 &&
	       start % IMAGE_LEAF_SIZE == 0 && start < end && end - start <= IMAGE_LEAF_SIZE &&
	       writer->packed_end % IMAGE_CLUSTER_SIZE == 0 && writer->packed_end <= end &&
	       (writer->packed_offset == writer->packed_end ||
		(writer->packed_offset >= start && writer->packed_offset < writer->packed_end));
}

/* Take over the numbers and tables of @state. */
static bool load_state(ImageWriter *writer, const uint8_t *state, size_t len,
		       struct writer_state *head)
{
	size_t l1_bytes = writer->n_l1 * sizeof(be64), used;

	if (len < sizeof(*head) + l1_bytes)
		return false;
	memcpy(head, state, sizeof(*head));
	writer->next_index = be64_get(head->next_index);
	writer->end = be64_get(head->end);
	writer->packed_offset = be64_get(head->packed_offset);
	writer->packed_end = be64_get(head->packed_end);
	writer->window_start = be64_get(head->window_start);
	writer->l2_index = be64_get(head->l2_index);
	writer->shared = be64_get(head->shared);
	memcpy(writer->l2, head->l2, sizeof(writer->l2));
	state += sizeof(*head);
	len -= sizeof(*head) + l1_bytes;
	memcpy(writer->l1, state, l1_bytes);
	if (!state_fits(writer, head))
		return false;
	image_refcounts_free(writer->refcounts);
	writer->refcounts = image_refcounts_restore(state + l1_bytes, len, &used);
	if (!writer->refcounts || used != len)
		return false;
	return image_refcounts_sealed(writer->refcounts) <= writer->end / QCOW2_REFCOUNTS_BYTES;
}

/* The header may be there, if the writer died when it had all but finished: it is none yet. */
static bool clear_header(ImageWriter *writer, uint8_t *first_leaf, GError **error)
{
	if (is_zero(first_leaf, IMAGE_CLUSTER_SIZE))
		return true;
	memset(first_leaf, 0, IMAGE_CLUSTER_SIZE);
	return io_pwrite(writer->fd, writer->name, 0, first_leaf, IMAGE_CLUSTER_SIZE, error) &&
	       io_flush(writer->fd, writer->name, error);
}

/*
 * The window and the first leaf, as they were at the checkpoint: what came into the open cluster
 * since is taken out again.
 */
static bool load_bytes(ImageWriter *writer, const struct writer_state *head, GError **error)
{
	struct digest window, first = { 0 };

	if (!io_pread(writer->fd, writer->name, writer->window_start, writer->window,
		      window_len(writer), error))
		return false;
	if (writer->window_start > 0) {
		writer->first = leaf_alloc(error);
		writer->first_saved = true;
		if (!writer->first ||
		    !io_pread(writer->fd, writer->name, 0, writer->first, IMAGE_LEAF_SIZE, error))
			return false;
	}
	if (!clear_header(writer, writer->first ? writer->first : writer->window, error))
		return false;
	wipe_open_cluster(writer);
	window = digest_of(writer->window, window_len(writer));
	if (writer->first)
		first = digest_of(writer->first, IMAGE_LEAF_SIZE);
	if (digest_equal(&window, &head->window) && digest_equal(&first, &head->first))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s' does not hold what was written until the last checkpoint: the medium has "
		    "lost it, or it was altered",
		    writer->name);
	return false;
}

ImageWriter *image_writer_resume(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
				 bool compressed, const void *state, size_t len, GError **error)
{
	g_autoptr(ImageWriter) writer =
	    image_writer_alloc(fd, name, sums, virtual_size, compressed, error);
	struct writer_state head;

	if (!writer)
		return NULL;
	if (!load_state(writer, state, len, &head)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "the journal of '%s' is not one of an image of %" PRIu64 " bytes", name,
			    virtual_size);
		return NULL;
	}
	if (!load_bytes(writer, &head, error) ||
	    !leaf_sums_resume(sums, MAX(writer->window_start / IMAGE_LEAF_SIZE, 1), &head.sums,
			      error))
		return NULL;
	if (ftruncate(fd, (off_t)(writer->window_start + window_len(writer))) < 0) {
		wherry_error_sys(error, errno, "cannot cut '%s'", name);
		return NULL;
	}
	return g_steal_pointer(&writer);
}
