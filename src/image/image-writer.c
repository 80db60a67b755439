/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file grows at its end, cluster by cluster, through a window of one leaf:
 *
 *   0             4 MiB                      window_start        open  end
 *   | first leaf  | leaves, written, hashed  | clusters  | plain | ##.. |
 *   | in memory   |                          | in memory         ^ packed_offset
 *
 * Plain clusters and tables take whole clusters at the end.  Compressed ones are packed, byte after
 * byte, into the open cluster, and run on into the next where that is the one behind it.  An open
 * cluster that a plain one or a table was put behind stays open for what still fits in, until its
 * window is written.  Each image_writer_put() takes at most one cluster more: either a new one, or
 * one to run on into, since compressed data is shorter than a cluster.
 *
 * What stands alone, an L2 table or a refcount block, goes into the stream once it is complete.
 *
 * Two L2 entries may lead to the same compressed bytes: each counts once in the refcount of every
 * cluster that they touch, and QEMU takes it off there when a guest overwrites one of the two.
 */
#include "image/image-writer-priv.h"

#include "base/error.h"
#include "base/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Shorter is no zstd frame, by its magic number alone. */
#define FRAME_SIZE_MIN 4

/*
 * Bytes can be shared only where refcounts are still open: in the last 256 GiB of the file, which
 * is 8 MiB of counts, in each checkpoint, too.
 */
#define DEDUPE_RANGES 128u

static uint64_t div_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return div_up(n, to) * to;
}

ImageWriter *image_writer_alloc(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
				bool compressed, GError **error)
{
	g_autoptr(ImageWriter) writer = g_new0(ImageWriter, 1);

	g_assert(virtual_size > 0 && virtual_size % QCOW2_SECTOR_SIZE == 0);
	g_assert(virtual_size <= QCOW2_VIRTUAL_SIZE_MAX);
	writer->fd = fd;
	writer->name = g_strdup(name);
	writer->virtual_size = virtual_size;
	writer->n_guest_clusters = div_up(virtual_size, IMAGE_CLUSTER_SIZE);
	writer->compressed = compressed;
	writer->n_l1 = writer->l2_index = div_up(writer->n_guest_clusters, QCOW2_TABLE_ENTRIES);
	writer->leaves = leaf_writer_new(fd, writer->name);
	writer->sums = sums;
	writer->refcounts = image_refcounts_new();
	writer->window = leaf_alloc(error);
	if (!writer->window)
		return NULL;
	writer->l1 = g_try_malloc0(round_up(writer->n_l1 * sizeof(be64), IMAGE_CLUSTER_SIZE));
	if (!writer->l1) {
		wherry_error_sys(error, ENOMEM, "cannot write '%s'", name);
		return NULL;
	}
	return g_steal_pointer(&writer);
}

ImageWriter *image_writer_new(int fd, const char *name, LeafSums *sums, uint64_t virtual_size,
			      bool compressed, GError **error)
{
	g_autoptr(ImageWriter) writer =
	    image_writer_alloc(fd, name, sums, virtual_size, compressed, error);
	struct stat st;

	if (!writer)
		return NULL;
	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot stat '%s'", name);
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "cannot write an image to '%s', which is no empty file", name);
		return NULL;
	}

	/* The header's cluster, which is filled last. */
	memset(writer->window, 0, IMAGE_CLUSTER_SIZE);
	writer->end = IMAGE_CLUSTER_SIZE;
	image_refcounts_add(writer->refcounts, 0, IMAGE_CLUSTER_SIZE);
	return g_steal_pointer(&writer);
}

void image_writer_close_cluster(ImageWriter *writer)
{
	if (writer->packed_offset < writer->packed_end)
		memset(writer->window + (writer->packed_offset - writer->window_start), 0,
		       writer->packed_end - writer->packed_offset);
	writer->packed_offset = writer->packed_end;
}

/* Sum the first @len bytes of the window, write what is ours of them, and begin another one. */
static bool write_window(ImageWriter *writer, size_t len, GError **error)
{
	uint64_t from = MAX(writer->window_start, writer->base);
	struct digest digest = digest_of(writer->window, len);

	return leaf_sums_put(writer->sums, &digest, error) &&
	       leaf_writer_put(writer->leaves, writer->window_start,
			       (size_t)(from - writer->window_start), len, &writer->window, error);
}

bool image_writer_write_first(const ImageWriter *writer, uint64_t len, GError **error)
{
	uint64_t head = MIN(len, IMAGE_CLUSTER_SIZE);

	return leaf_writer_write(writer->leaves, head, writer->first + head, len - head, error) &&
	       io_pwrite(writer->fd, writer->name, 0, writer->first, head, error);
}

/* The window is full, and more is to come. */
static bool advance_window(ImageWriter *writer, GError **error)
{
	uint64_t next = writer->window_start + IMAGE_LEAF_SIZE;

	if (writer->packed_end <= next)
		image_writer_close_cluster(writer);
	if (writer->first) {
		if (!write_window(writer, IMAGE_LEAF_SIZE, error))
			return false;
	} else { /* its digest comes with its header */
		writer->first = g_steal_pointer(&writer->window);
		writer->window = leaf_alloc(error);
		if (!writer->window)
			return false;
	}
	writer->window_start = next;
	return true;
}

/* Put @data at @offset of the file, which is in the window or right behind it. */
static bool emit(ImageWriter *writer, uint64_t offset, const void *data, size_t len, GError **error)
{
	const uint8_t *from = data;

	while (len > 0) {
		size_t at, n;

		if (offset == writer->window_start + IMAGE_LEAF_SIZE &&
		    !advance_window(writer, error))
			return false;
		at = offset - writer->window_start;
		n = MIN(len, IMAGE_LEAF_SIZE - at);
		memcpy(writer->window + at, from, n);
		from += n;
		offset += n;
		len -= n;
	}
	return true;
}

/* Let the file grow to @end. */
static bool grow(ImageWriter *writer, uint64_t end, GError **error)
{
	if (end > QCOW2_FILE_SIZE_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "cannot write '%s': the image would take %" PRIu64
			    " bytes, more than the %" PRIu64 " that refcounts can be kept of",
			    writer->name, end, QCOW2_FILE_SIZE_MAX);
		return false;
	}
	writer->end = end;
	return true;
}

/* One more reference to each cluster that @len bytes at @offset touch. */
static void count(ImageWriter *writer, uint64_t offset, uint64_t len)
{
	if (writer->refcounts)
		image_refcounts_add(writer->refcounts, offset, len);
}

/* Take @n clusters at the end, each with one reference. */
static bool take_clusters(ImageWriter *writer, uint64_t n, uint64_t *ret_offset, GError **error)
{
	uint64_t offset = writer->end;

	if (!grow(writer, offset + n * IMAGE_CLUSTER_SIZE, error))
		return false;
	count(writer, offset, n * IMAGE_CLUSTER_SIZE);
	*ret_offset = offset;
	return true;
}

bool image_writer_append(ImageWriter *writer, const void *data, uint64_t n, uint64_t *ret_offset,
			 GError **error)
{
	uint64_t offset;

	if (!take_clusters(writer, n, &offset, error) ||
	    !emit(writer, offset, data, n * IMAGE_CLUSTER_SIZE, error))
		return false;
	*ret_offset = offset;
	return true;
}

/* Its refcount may be at its end before its bytes are: with short frames that many share. */
static bool is_open_cluster_full(const ImageWriter *writer)
{
	return writer->refcounts && writer->packed_offset < writer->packed_end &&
	       !image_refcounts_has_room(writer->refcounts, writer->packed_offset, 1);
}

static bool append_packed(ImageWriter *writer, const void *data, size_t len, uint64_t *ret_offset,
			  GError **error)
{
	uint64_t offset;

	if ((writer->packed_end != writer->end &&
	     len > writer->packed_end - writer->packed_offset) ||
	    is_open_cluster_full(writer)) {
		image_writer_close_cluster(writer);
		writer->packed_offset = writer->packed_end = writer->end;
	}
	offset = writer->packed_offset;
	if (offset + len > writer->packed_end) {
		uint64_t end = round_up(offset + len, IMAGE_CLUSTER_SIZE);

		if (!grow(writer, end, error))
			return false;
		writer->packed_end = end;
	}
	writer->packed_offset = offset + len;
	count(writer, offset, len);
	*ret_offset = offset;
	return emit(writer, offset, data, len, error);
}

/*
 * Append the refcount block of the oldest range, if it is time.  Called before whatever else is
 * appended: in between, the file never grows by a whole range, so one block at a time is enough.
 */
static bool seal_range(ImageWriter *writer, GError **error)
{
	uint64_t range_end = image_refcounts_range_end(writer->refcounts), offset;

	if (!image_refcounts_is_full(writer->refcounts, writer->end))
		return true;
	if (writer->packed_offset < writer->packed_end && writer->packed_end <= range_end)
		return true; /* its open cluster can still get more */

	if (!take_clusters(writer, 1, &offset, error))
		return false;
	image_refcounts_seal(writer->refcounts, offset, writer->block);
	return emit(writer, offset, writer->block, sizeof(writer->block), error);
}

static bool write_l2(ImageWriter *writer, GError **error)
{
	uint64_t offset;

	if (writer->l2_index == writer->n_l1)
		return true;
	if (!seal_range(writer, error) ||
	    !image_writer_append(writer, writer->l2, 1, &offset, error))
		return false;
	writer->l1[writer->l2_index] = be64_make(offset | QCOW2_COPIED);
	writer->l2_index = writer->n_l1;
	return true;
}

/* The L2 entry of a compressed cluster. */
static uint64_t packed_entry(uint64_t offset, size_t len)
{
	uint64_t first = offset / QCOW2_SECTOR_SIZE, last = (offset + len - 1) / QCOW2_SECTOR_SIZE;

	return QCOW2_COMPRESSED | (last - first) << QCOW2_PACKED_OFFSET_BITS | offset;
}

bool image_writer_store(ImageWriter *writer, const void *data, size_t len, bool compressed,
			uint64_t *ret_entry, GError **error)
{
	uint64_t offset;

	g_assert(compressed
		     ? writer->compressed && len >= FRAME_SIZE_MIN && len < IMAGE_CLUSTER_SIZE
		     : len == IMAGE_CLUSTER_SIZE);
	if (compressed) {
		if (!append_packed(writer, data, len, &offset, error))
			return false;
		*ret_entry = packed_entry(offset, len);
		return true;
	}
	if (!image_writer_append(writer, data, 1, &offset, error))
		return false;
	*ret_entry = offset | QCOW2_COPIED;
	return true;
}

/* Make room in the tables for guest cluster @index. */
static bool begin_put(ImageWriter *writer, uint64_t index, GError **error)
{
	g_assert(!writer->finished);
	g_assert(index >= writer->next_index && index < writer->n_guest_clusters);

	if (index / QCOW2_TABLE_ENTRIES != writer->l2_index) {
		if (!write_l2(writer, error))
			return false;
		memset(writer->l2, 0, sizeof(writer->l2));
		writer->l2_index = index / QCOW2_TABLE_ENTRIES;
	}
	return seal_range(writer, error);
}

static void end_put(ImageWriter *writer, uint64_t index, uint64_t entry)
{
	writer->l2[index % QCOW2_TABLE_ENTRIES] = be64_make(entry);
	writer->next_index = index + 1;
}

bool image_writer_put(ImageWriter *writer, uint64_t index, const void *data, size_t len,
		      bool compressed, GError **error)
{
	uint64_t entry;

	if (!begin_put(writer, index, error) ||
	    !image_writer_store(writer, data, len, compressed, &entry, error))
		return false;
	end_put(writer, index, entry);
	return true;
}

void image_writer_set_queue(ImageWriter *writer, uint64_t bytes)
{
	leaf_writer_set_queue(writer->leaves, bytes);
}

bool image_writer_dedupe(ImageWriter *writer, size_t n_frames, GError **error)
{
	g_assert(!writer->frames);
	writer->frames = frame_table_new(n_frames);
	if (!writer->frames) {
		wherry_error_sys(error, ENOMEM, "cannot remember %zu clusters of '%s'", n_frames,
				 writer->name);
		return false;
	}
	image_refcounts_keep_open(writer->refcounts, DEDUPE_RANGES);
	return true;
}

bool image_writer_put_frame(ImageWriter *writer, uint64_t index, const void *frame, size_t len,
			    const struct fingerprint *fingerprint, GError **error)
{
	uint64_t offset;

	g_assert(writer->compressed && len >= FRAME_SIZE_MIN && len < IMAGE_CLUSTER_SIZE);
	if (!writer->frames)
		return image_writer_put(writer, index, frame, len, true, error);
	if (!begin_put(writer, index, error))
		return false;
	if (frame_table_find(writer->frames, fingerprint, &offset) &&
	    image_refcounts_has_room(writer->refcounts, offset, len)) {
		image_refcounts_add(writer->refcounts, offset, len);
		writer->shared += len;
	} else {
		if (!append_packed(writer, frame, len, &offset, error))
			return false;
		frame_table_put(writer->frames, fingerprint, offset);
	}
	end_put(writer, index, packed_entry(offset, len));
	return true;
}

uint64_t image_table_clusters(uint64_t n_entries)
{
	return div_up(n_entries, QCOW2_TABLE_ENTRIES);
}

uint64_t image_refcount_ranges(uint64_t end, uint64_t sealed)
{
	uint64_t n_ranges = sealed, want = sealed + 1;

	/* Ends, as more clusters never need fewer ranges, and a range is more than all of them. */
	while (n_ranges != want) {
		uint64_t n_clusters;

		n_ranges = want;
		n_clusters = n_ranges - sealed + image_table_clusters(n_ranges);
		want = div_up(end + n_clusters * IMAGE_CLUSTER_SIZE, QCOW2_REFCOUNTS_BYTES);
	}
	return n_ranges;
}

/*
 * The refcount blocks of the ranges that are open and the table of them all, which have to count
 * themselves, too; these very clusters may reach into one range more.
 */
static bool write_refcount_table(ImageWriter *writer, uint64_t *ret_offset, uint64_t *ret_clusters,
				 GError **error)
{
	uint64_t sealed = image_refcounts_sealed(writer->refcounts);
	uint64_t n_ranges = image_refcount_ranges(writer->end, sealed), offset;
	uint64_t n_clusters = image_table_clusters(n_ranges);
	g_autofree be64 *table = NULL;

	if (!take_clusters(writer, n_ranges - sealed + n_clusters, &offset, error))
		return false;

	for (; sealed < n_ranges; sealed++, offset += IMAGE_CLUSTER_SIZE) {
		image_refcounts_seal(writer->refcounts, offset, writer->block);
		if (!emit(writer, offset, writer->block, sizeof(writer->block), error))
			return false;
	}
	table = g_malloc0(n_clusters * IMAGE_CLUSTER_SIZE);
	for (uint64_t i = 0; i < n_ranges; i++)
		table[i] = image_refcounts_table_entry(writer->refcounts, i);
	*ret_offset = offset;
	*ret_clusters = n_clusters;
	return emit(writer, offset, table, n_clusters * IMAGE_CLUSTER_SIZE, error);
}

static struct qcow2_header make_header(const ImageWriter *writer, uint64_t l1_offset,
				       uint64_t refcount_offset, uint64_t refcount_clusters)
{
	struct qcow2_header header = {
		.magic = be32_make(QCOW2_MAGIC),
		.version = be32_make(QCOW2_VERSION),
		.cluster_bits = be32_make(QCOW2_CLUSTER_BITS),
		.size = be64_make(writer->virtual_size),
		.l1_size = be32_make((uint32_t)writer->n_l1),
		.l1_table_offset = be64_make(l1_offset),
		.refcount_table_offset = be64_make(refcount_offset),
		.refcount_table_clusters = be32_make((uint32_t)refcount_clusters),
		.refcount_order = be32_make(QCOW2_REFCOUNT_ORDER),
		.header_length = be32_make(QCOW2_HEADER_LENGTH),
	};

	if (writer->compressed) {
		header.incompatible_features = be64_make(QCOW2_INCOMPAT_COMPRESSION);
		header.compression_type = QCOW2_COMPRESSION_ZSTD;
	}
	return header;
}

/*
 * All else is on the medium before the leaf with the header is: else a power cut could leave an
 * image that looks whole.
 */
static bool write_first_leaf(ImageWriter *writer, const struct qcow2_header *header, GError **error)
{
	size_t len = MIN(writer->end, IMAGE_LEAF_SIZE);
	struct digest digest;

	memcpy(writer->first, header, sizeof(*header));
	digest = digest_of(writer->first, len);
	return leaf_writer_wait(writer->leaves, error) &&
	       leaf_sums_finish(writer->sums, &digest, error) &&
	       io_flush(writer->fd, writer->name, error) &&
	       image_writer_write_first(writer, len, error) &&
	       io_flush(writer->fd, writer->name, error);
}

bool image_writer_finish(ImageWriter *writer, uint64_t *ret_size, GError **error)
{
	uint64_t n_l1_clusters = image_table_clusters(writer->n_l1);
	uint64_t l1_offset, refcount_offset, refcount_clusters;
	struct qcow2_header header;

	g_assert(!writer->finished);
	writer->finished = true;
	if (!write_l2(writer, error))
		return false;
	image_writer_close_cluster(writer);
	if (!seal_range(writer, error) ||
	    !image_writer_append(writer, writer->l1, n_l1_clusters, &l1_offset, error) ||
	    !seal_range(writer, error) ||
	    !write_refcount_table(writer, &refcount_offset, &refcount_clusters, error))
		return false;

	if (!writer->first) {
		writer->first = g_steal_pointer(&writer->window);
	} else if (!write_window(writer, writer->end - writer->window_start, error)) {
		return false;
	}
	header = make_header(writer, l1_offset, refcount_offset, refcount_clusters);
	if (!write_first_leaf(writer, &header, error))
		return false;
	*ret_size = writer->end;
	return true;
}

uint64_t image_writer_next(const ImageWriter *writer)
{
	return writer->next_index;
}

uint64_t image_writer_size(const ImageWriter *writer)
{
	return writer->end;
}

uint64_t image_writer_unwritten(const ImageWriter *writer)
{
	struct stat st;

	if (fstat(writer->fd, &st) < 0 || (uint64_t)st.st_size >= writer->end)
		return 0;
	return writer->end - (uint64_t)st.st_size;
}

uint64_t image_writer_shared(const ImageWriter *writer)
{
	return writer->shared;
}

/*
 * A put takes at most one cluster (see above), whatever its data.  An L2 table has at least one
 * data cluster in it.  Then the header, the L1 table, and the refcounts of all of these, which
 * count themselves.
 */
uint64_t image_size_bound(uint64_t virtual_size, uint64_t data_clusters)
{
	uint64_t n_guest = div_up(virtual_size, IMAGE_CLUSTER_SIZE);
	uint64_t n_l1 = div_up(n_guest, QCOW2_TABLE_ENTRIES);
	uint64_t n_data = MIN(data_clusters, n_guest);
	uint64_t n = 1 + n_data + MIN(n_data, n_l1) + div_up(n_l1, QCOW2_TABLE_ENTRIES);
	uint64_t total = n, last = 0;

	/* Ends, as a range of 32,768 clusters asks for less than two more. */
	while (total != last) {
		uint64_t n_ranges = div_up(total, QCOW2_REFCOUNTS);

		last = total;
		total = n + n_ranges + image_table_clusters(n_ranges);
	}
	return total * IMAGE_CLUSTER_SIZE;
}

void image_writer_free(ImageWriter *writer)
{
	if (!writer)
		return;
	image_refcounts_free(writer->refcounts);
	frame_table_free(writer->frames);
	leaf_writer_free(writer->leaves);
	g_free(writer->l1);
	free(writer->window);
	free(writer->first);
	g_free(writer->name);
	g_free(writer);
}
