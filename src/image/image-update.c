/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A writer whose file is there already: its window begins with the last leaf of the old state, of
 * which nothing is written again.  L2 tables that change are appended as new ones, and so are the
 * L1 table and all refcounts, which are counted anew once the new tables stand.
 */
#include "image/image-update.h"

#include "base/error.h"
#include "base/io.h"
#include "image/image-check.h"
#include "image/image-count.h"
#include "image/image-writer-priv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static_assert(IMAGE_HEADER_SIZE == QCOW2_HEADER_LENGTH, "all of the header that is ours");

struct image_update {
	int fd; /* borrowed */
	struct qcow2_image old;
	ImageWriter *writer; /* owned; its L2 table is the one being changed */
	bool l2_changed;     /* since it was loaded */
	bool changed;        /* anything, since the beginning */
	uint64_t unused;     /* bytes of the old state */
	uint8_t header[IMAGE_HEADER_SIZE];
};

/* ---- The old state ---- */

static bool read_file(void *userdata, uint64_t offset, void *buf, size_t len, GError **error)
{
	const ImageUpdate *update = userdata;

	return io_pread(update->fd, update->old.name, offset, buf, len, error);
}

static bool open_old(ImageUpdate *update, int fd, const char *name, uint64_t size, LeafSums *sums,
		     GError **error)
{
	const struct image_source source = { size, read_file, update };
	ImageWriter *writer;

	update->fd = fd;
	if (!qcow2_image_open(&update->old, &source, name, error))
		return false;
	writer =
	    image_writer_alloc(fd, name, sums, update->old.virtual_size, update->old.zstd, error);
	if (!writer)
		return false;
	update->writer = writer;
	g_clear_pointer(&writer->refcounts, image_refcounts_free);
	memcpy(writer->l1, update->old.l1, writer->n_l1 * sizeof(be64));
	return image_check(&update->old, &update->unused, error);
}

/* Read leaf @i of the old state into @buf; it must be the one that was recorded. */
static bool read_leaf(const ImageUpdate *update, uint64_t i, uint8_t *buf, GError **error)
{
	const struct qcow2_image *old = &update->old;
	uint64_t start = i * IMAGE_LEAF_SIZE;
	size_t len = (size_t)MIN(IMAGE_LEAF_SIZE, old->file_size - start);
	struct digest got, want;

	if (!leaf_sums_get(update->writer->sums, i, &want, error) ||
	    !qcow2_image_read(old, start, buf, len, error))
		return false;
	got = digest_of(buf, len);
	memset(buf + len, 0, IMAGE_LEAF_SIZE - len);
	if (digest_equal(&got, &want))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
		    "'%s' was altered between bytes %" PRIu64 " and %" PRIu64
		    ": an update would hide that; verify the bundle, capture anew",
		    old->name, start, start + len);
	return false;
}

/* The writer stands where the old state ends. */
static bool load_leaves(ImageUpdate *update, GError **error)
{
	ImageWriter *writer = update->writer;
	uint64_t last = (update->old.file_size - 1) / IMAGE_LEAF_SIZE;

	writer->base = update->old.file_size;
	writer->end =
	    (writer->base + IMAGE_CLUSTER_SIZE - 1) / IMAGE_CLUSTER_SIZE * IMAGE_CLUSTER_SIZE;
	writer->packed_offset = writer->packed_end = writer->end;
	writer->window_start = last * IMAGE_LEAF_SIZE;
	if (!read_leaf(update, last, writer->window, error))
		return false;
	if (last > 0) {
		writer->first = leaf_alloc(error);
		if (!writer->first || !read_leaf(update, 0, writer->first, error))
			return false;
	}
	memcpy(update->header, writer->first ?: writer->window, sizeof(update->header));
	return leaf_sums_resume(writer->sums, MAX(last, 1), NULL, error);
}

ImageUpdate *image_update_new(int fd, const char *name, uint64_t size, LeafSums *sums,
			      GError **error)
{
	g_autoptr(ImageUpdate) update = g_new0(ImageUpdate, 1);

	if (!open_old(update, fd, name, size, sums, error) || !load_leaves(update, error))
		return NULL;
	if (ftruncate(fd, (off_t)size) < 0) {
		wherry_error_sys(error, errno, "cannot cut '%s'", name);
		return NULL;
	}
	return g_steal_pointer(&update);
}

uint64_t image_update_virtual_size(const ImageUpdate *update)
{
	return update->old.virtual_size;
}

bool image_update_compressed(const ImageUpdate *update)
{
	return update->old.zstd;
}

/* ---- Guest clusters ---- */

/* The table that was changed becomes a new one; one that is empty now, none. */
static bool write_l2(ImageUpdate *update, GError **error)
{
	ImageWriter *writer = update->writer;
	static const be64 none[QCOW2_TABLE_ENTRIES];
	uint64_t offset;

	if (!update->l2_changed)
		return true;
	update->l2_changed = false;
	if (memcmp(writer->l2, none, sizeof(none)) == 0) {
		writer->l1[writer->l2_index] = be64_make(0);
		return true;
	}
	if (!image_writer_append(writer, writer->l2, 1, &offset, error))
		return false;
	writer->l1[writer->l2_index] = be64_make(offset | QCOW2_COPIED);
	return true;
}

static bool load_l2(ImageUpdate *update, uint64_t l1_index, GError **error)
{
	ImageWriter *writer = update->writer;
	uint64_t offset;
	int r;

	if (writer->l2_index == l1_index)
		return true;
	if (!write_l2(update, error))
		return false;
	writer->l2_index = l1_index;
	r = qcow2_image_l1_entry(&update->old, l1_index, &offset, error);
	if (r == 0)
		memset(writer->l2, 0, sizeof(writer->l2));
	return r == 0 || (r > 0 && qcow2_image_read(&update->old, offset, writer->l2,
						    sizeof(writer->l2), error));
}

static void set_entry(ImageUpdate *update, uint64_t index, uint64_t entry)
{
	update->writer->l2[index % QCOW2_TABLE_ENTRIES] = be64_make(entry);
	update->writer->next_index = index + 1;
	update->l2_changed = update->changed = true;
}

bool image_update_put(ImageUpdate *update, uint64_t index, const void *data, size_t len,
		      bool compressed, GError **error)
{
	ImageWriter *writer = update->writer;
	uint64_t entry;

	g_assert(!writer->finished);
	g_assert(index >= writer->next_index && index < writer->n_guest_clusters);
	if (!load_l2(update, index / QCOW2_TABLE_ENTRIES, error) ||
	    !image_writer_store(writer, data, len, compressed, &entry, error))
		return false;
	set_entry(update, index, entry);
	return true;
}

bool image_update_clear(ImageUpdate *update, uint64_t index, GError **error)
{
	ImageWriter *writer = update->writer;

	g_assert(!writer->finished);
	g_assert(index >= writer->next_index && index < writer->n_guest_clusters);
	if (!load_l2(update, index / QCOW2_TABLE_ENTRIES, error))
		return false;
	if (be64_get(writer->l2[index % QCOW2_TABLE_ENTRIES]) != 0)
		set_entry(update, index, 0);
	return true;
}

/* ---- The new state ---- */

/* What is in memory of the file goes into it, but for what the old state has of it. */
static bool write_out(ImageWriter *writer, GError **error)
{
	uint64_t from = MAX(writer->window_start, writer->base);
	size_t skip = (size_t)(from - writer->window_start);

	if (!leaf_writer_wait(writer->leaves, error))
		return false;
	if (writer->first && writer->base < IMAGE_LEAF_SIZE &&
	    !io_pwrite(writer->fd, writer->name, writer->base, writer->first + writer->base,
		       IMAGE_LEAF_SIZE - writer->base, error))
		return false;
	return from >= writer->end ||
	       io_pwrite(writer->fd, writer->name, from, writer->window + skip,
			 (size_t)(writer->end - from), error);
}

/* What the new tables say, where they will have ended. */
static struct qcow2_image new_image(const ImageUpdate *update, uint64_t l1_offset,
				    uint64_t n_ranges)
{
	const ImageWriter *writer = update->writer;
	struct qcow2_image image = update->old;

	image.l1 = writer->l1;
	image.l1_offset = l1_offset;
	image.l1_bytes = writer->n_l1 * sizeof(be64);
	image.refcount_table_offset = writer->end + n_ranges * IMAGE_CLUSTER_SIZE;
	image.refcount_table_bytes = image_table_clusters(n_ranges) * IMAGE_CLUSTER_SIZE;
	image.file_size = image.refcount_table_offset + image.refcount_table_bytes;
	return image;
}

/* The block of range @i, of a file of @image's size; what nothing refers to is added to @unused. */
static void fill_block(ImageUpdate *update, const ImageCount *count,
		       const struct qcow2_image *image, uint64_t i)
{
	for (uint64_t j = 0; j < QCOW2_REFCOUNTS; j++) {
		uint64_t cluster = i * QCOW2_REFCOUNTS + j;
		uint16_t n = image_count_get(count, cluster);

		update->writer->block[j] = be16_make(n);
		if (n == 0 && cluster < image->file_size / IMAGE_CLUSTER_SIZE)
			update->unused += IMAGE_CLUSTER_SIZE;
	}
}

/* Blocks, then their table; @image is the new state with them. */
static bool write_refcounts(ImageUpdate *update, const struct qcow2_image *image, uint64_t n_ranges,
			    GError **error)
{
	ImageWriter *writer = update->writer;
	uint64_t start = writer->end, offset;
	g_autofree be64 *table = g_malloc0(image->refcount_table_bytes);
	g_autoptr(ImageCount) count =
	    image_count_new(image, image->file_size / IMAGE_CLUSTER_SIZE, error);

	if (!count)
		return false;
	update->unused = 0;
	for (uint64_t i = 0; i < n_ranges; i++) {
		if (i * QCOW2_REFCOUNTS % IMAGE_COUNT_PASS == 0) {
			image_count_start(count, i * QCOW2_REFCOUNTS);
			if (!image_count_guest(count, error) ||
			    !image_count_add(count, start, image->file_size - start, true, error))
				return false;
		}
		fill_block(update, count, image, i);
		if (!image_writer_append(writer, writer->block, 1, &offset, error))
			return false;
		table[i] = be64_make(offset);
	}
	return image_writer_append(writer, table, image_table_clusters(n_ranges), &offset, error);
}

static void patch_header(ImageUpdate *update, const struct qcow2_image *image)
{
	struct qcow2_header header;

	memcpy(&header, update->header, sizeof(header));
	header.l1_size = be32_make((uint32_t)update->writer->n_l1);
	header.l1_table_offset = be64_make(image->l1_offset);
	header.refcount_table_offset = be64_make(image->refcount_table_offset);
	header.refcount_table_clusters =
	    be32_make((uint32_t)(image->refcount_table_bytes / IMAGE_CLUSTER_SIZE));
	memcpy(update->header, &header, sizeof(header));
}

static bool write_tables(ImageUpdate *update, GError **error)
{
	ImageWriter *writer = update->writer;
	struct qcow2_image image;
	uint64_t l1_offset, n_ranges;

	if (!write_l2(update, error))
		return false;
	image_writer_close_cluster(writer);
	if (!image_writer_append(writer, writer->l1, image_table_clusters(writer->n_l1), &l1_offset,
				 error) ||
	    !write_out(writer, error)) /* they are read again, to be counted */
		return false;
	n_ranges = image_refcount_ranges(writer->end, 0);
	image = new_image(update, l1_offset, n_ranges);
	if (!write_refcounts(update, &image, n_ranges, error) || !write_out(writer, error))
		return false;
	patch_header(update, &image);
	return true;
}

/* The first and the last leaf were in memory. */
static bool finish_leaves(ImageUpdate *update, GError **error)
{
	ImageWriter *writer = update->writer;
	uint8_t *first = writer->first ?: writer->window;
	struct digest digest =
	    digest_of(writer->window, (size_t)(writer->end - writer->window_start));

	if (writer->first && !leaf_sums_put(writer->sums, &digest, error))
		return false;
	memcpy(first, update->header, sizeof(update->header));
	digest = digest_of(first, (size_t)MIN(writer->end, IMAGE_LEAF_SIZE));
	return leaf_sums_finish(writer->sums, &digest, error);
}

bool image_update_finish(ImageUpdate *update, struct image_state *ret, GError **error)
{
	ImageWriter *writer = update->writer;

	g_assert(!writer->finished);
	writer->finished = true;
	if (!update->changed)
		writer->end = writer->base;
	else if (!write_tables(update, error))
		return false;
	if (!finish_leaves(update, error) || !io_flush(writer->fd, writer->name, error))
		return false;
	ret->size = writer->end;
	ret->unused = update->unused;
	memcpy(ret->header, update->header, sizeof(ret->header));
	return true;
}

uint64_t image_update_appended(const ImageUpdate *update)
{
	return update->writer->end - update->writer->base;
}

uint64_t image_update_unwritten(const ImageUpdate *update)
{
	return image_writer_unwritten(update->writer);
}

void image_update_free(ImageUpdate *update)
{
	if (!update)
		return;
	image_writer_free(update->writer);
	qcow2_image_clear(&update->old);
	g_free(update);
}
