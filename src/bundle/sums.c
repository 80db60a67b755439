/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sums file of one disk: header, chunks, leaves.  Layout: docs/bundle.md.
 *
 *   0        64                    64 + 40 * chunks               end
 *   | header | chunk | chunk | ... | leaf | leaf | leaf | ...     |
 */
#include "bundle/sums.h"

#include "base/autofd.h"
#include "base/error.h"
#include "base/io.h"
#include "base/le.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUMS_MAGIC   "WHRYSUMS"
#define SUMS_VERSION 1
#define MAX_DISK     (UINT64_C(1) << 51)
#define MAX_IMAGE    (UINT64_C(1) << 53)

/* So many are written or read at a time. */
#define BATCH 1024

/* Bytes that sums_keep_leaves() reads at a time; the header is in the first. */
#define KEEP_SIZE (UINT64_C(256) << 10)

struct sums_header {
	uint8_t magic[8];
	le32 version;
	le32 zero;
	le64 chunk_size;  /* bytes */
	le64 leaf_size;   /* bytes */
	le64 disk_size;   /* bytes */
	le64 image_size;  /* bytes */
	le64 chunk_count; /* in this file: chunks that are all zero are not */
	le64 leaf_count;
};
static_assert(offsetof(struct sums_header, chunk_size) == 16, "no padding");
static_assert(sizeof(struct sums_header) == 64, "no padding");

struct sums_chunk {
	le64 index;
	struct digest digest;
};
static_assert(sizeof(struct sums_chunk) == 40, "no padding");

struct sums_writer {
	int fd;     /* borrowed */
	char *name; /* owned */
	uint64_t disk_size;
	uint64_t next;   /* the lowest index that may come */
	uint64_t chunks; /* that came */
	struct sums_chunk batch[BATCH];
	size_t n_batch;
};

struct sums_reader {
	int fd;     /* borrowed */
	char *name; /* owned */
	uint64_t disk_size, image_size;
	uint64_t chunks, leaves;
	uint64_t next;  /* the lowest index that may come */
	uint64_t taken; /* chunks */
	struct sums_chunk batch[BATCH];
};

static uint64_t pieces(uint64_t size, uint64_t piece)
{
	return size / piece + (size % piece > 0);
}

static uint64_t chunks_end(uint64_t chunks)
{
	return sizeof(struct sums_header) + chunks * sizeof(struct sums_chunk);
}

struct place {
	int fd;
	const char *name;
	uint64_t offset;
};

static bool copy_digests(struct place from, struct place to, uint64_t n, GError **error)
{
	g_autofree struct digest *batch = g_new(struct digest, BATCH);

	for (uint64_t i = 0; i < n; i += BATCH) {
		uint64_t at = i * sizeof(*batch);
		size_t len = (size_t)MIN(BATCH, n - i) * sizeof(*batch);

		if (!io_pread(from.fd, from.name, from.offset + at, batch, len, error) ||
		    !io_pwrite(to.fd, to.name, to.offset + at, batch, len, error))
			return false;
	}
	return true;
}

SumsWriter *sums_writer_new(int fd, const char *name, uint64_t disk_size, GError **error)
{
	const struct sums_header none = { 0 };
	SumsWriter *writer;

	g_assert(disk_size > 0 && disk_size <= MAX_DISK);
	if (!io_pwrite(fd, name, 0, &none, sizeof(none), error))
		return NULL;
	writer = g_new0(SumsWriter, 1);
	writer->fd = fd;
	writer->name = g_strdup(name);
	writer->disk_size = disk_size;
	return writer;
}

static bool write_batch(SumsWriter *writer, GError **error)
{
	uint64_t at = chunks_end(writer->chunks - writer->n_batch);
	size_t len = writer->n_batch * sizeof(writer->batch[0]);

	writer->n_batch = 0;
	return io_pwrite(writer->fd, writer->name, at, writer->batch, len, error);
}

bool sums_writer_put(SumsWriter *writer, uint64_t index, const struct digest *digest,
		     GError **error)
{
	g_assert(index >= writer->next && index < pieces(writer->disk_size, SUMS_CHUNK_SIZE));
	writer->next = index + 1;
	writer->batch[writer->n_batch++] = (struct sums_chunk){ le64_make(index), *digest };
	writer->chunks++;
	return writer->n_batch < BATCH || write_batch(writer, error);
}

bool sums_writer_finish(SumsWriter *writer, uint64_t image_size, int leaves_fd,
			const char *leaves_name, GError **error)
{
	const struct place from = { leaves_fd, leaves_name, 0 };
	const struct place to = { writer->fd, writer->name, chunks_end(writer->chunks) };
	uint64_t leaves = pieces(image_size, SUMS_LEAF_SIZE);
	const struct sums_header header = {
		.magic = SUMS_MAGIC,
		.version = le32_make(SUMS_VERSION),
		.chunk_size = le64_make(SUMS_CHUNK_SIZE),
		.leaf_size = le64_make(SUMS_LEAF_SIZE),
		.disk_size = le64_make(writer->disk_size),
		.image_size = le64_make(image_size),
		.chunk_count = le64_make(writer->chunks),
		.leaf_count = le64_make(leaves),
	};

	g_assert(image_size > 0 && image_size <= MAX_IMAGE);
	return write_batch(writer, error) && copy_digests(from, to, leaves, error) &&
	       io_flush(writer->fd, writer->name, error) &&
	       io_pwrite(writer->fd, writer->name, 0, &header, sizeof(header), error) &&
	       io_flush(writer->fd, writer->name, error);
}

bool sums_writer_checkpoint(SumsWriter *writer, uint64_t *ret_chunks, GError **error)
{
	if (!write_batch(writer, error) || !io_flush(writer->fd, writer->name, error))
		return false;
	*ret_chunks = writer->chunks;
	return true;
}

uint64_t sums_writer_next(const SumsWriter *writer)
{
	return writer->next;
}

bool sums_writer_entry(SumsWriter *writer, uint64_t i, uint64_t *ret_index, struct digest *ret,
		       GError **error)
{
	struct sums_chunk chunk;

	g_assert(i < writer->chunks - writer->n_batch);
	if (!io_pread(writer->fd, writer->name, chunks_end(i), &chunk, sizeof(chunk), error))
		return false;
	*ret_index = le64_get(chunk.index);
	*ret = chunk.digest;
	return true;
}

SumsWriter *sums_writer_resume(int fd, const char *name, uint64_t disk_size, uint64_t chunks,
			       GError **error)
{
	g_autoptr(SumsWriter) writer = sums_writer_new(fd, name, disk_size, error);
	struct digest digest;
	uint64_t last;

	if (!writer)
		return NULL;
	if (chunks > pieces(disk_size, SUMS_CHUNK_SIZE)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' cannot have sums of %" PRIu64 " chunks", name, chunks);
		return NULL;
	}
	writer->chunks = chunks;
	if (chunks > 0) {
		if (!sums_writer_entry(writer, chunks - 1, &last, &digest, error))
			return NULL;
		writer->next = last + 1;
	}
	if (ftruncate(fd, (off_t)chunks_end(chunks)) < 0) {
		wherry_error_sys(error, errno, "cannot cut '%s'", name);
		return NULL;
	}
	return g_steal_pointer(&writer);
}

uint64_t sums_size_bound(uint64_t chunks, uint64_t image_size)
{
	return chunks_end(chunks) + 2 * pieces(image_size, SUMS_LEAF_SIZE) * sizeof(struct digest);
}

void sums_writer_free(SumsWriter *writer)
{
	if (!writer)
		return;
	g_free(writer->name);
	g_free(writer);
}

static bool G_GNUC_PRINTF(3, 4)
    damaged(const SumsReader *reader, GError **error, const char *format, ...)
{
	g_autofree char *what = NULL;
	va_list ap;

	va_start(ap, format);
	what = g_strdup_vprintf(format, ap);
	va_end(ap);
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "'%s' %s", reader->name, what);
	return false;
}

/* What kind of file it is; the sizes are for read_sizes(). */
static bool check_kind(const SumsReader *reader, const struct sums_header *header, GError **error)
{
	static const uint8_t nothing[sizeof(header->magic)];
	uint64_t chunk_size = le64_get(header->chunk_size);
	uint64_t leaf_size = le64_get(header->leaf_size);

	if (memcmp(header->magic, nothing, sizeof(nothing)) == 0)
		return damaged(reader, error, "was never finished: its header is empty");
	if (memcmp(header->magic, SUMS_MAGIC, sizeof(header->magic)) != 0)
		return damaged(reader, error,
			       "is no sums file: it does not begin with " SUMS_MAGIC);
	if (le32_get(header->version) > SUMS_VERSION) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s' has version %" PRIu32 ", this program knows up to %d",
			    reader->name, le32_get(header->version), SUMS_VERSION);
		return false;
	}
	if (le32_get(header->version) != SUMS_VERSION || le32_get(header->zero) != 0)
		return damaged(reader, error, "has version %" PRIu32 " and %" PRIu32 " behind it",
			       le32_get(header->version), le32_get(header->zero));
	if (chunk_size != SUMS_CHUNK_SIZE || leaf_size != SUMS_LEAF_SIZE)
		return damaged(reader, error,
			       "has chunks of %" PRIu64 " and leaves of %" PRIu64
			       " bytes, not %" PRIu64 " and %" PRIu64,
			       chunk_size, leaf_size, SUMS_CHUNK_SIZE, SUMS_LEAF_SIZE);
	return true;
}

/* After this the counts are those of a file of @file_size bytes, and no product of them wraps. */
static bool read_sizes(SumsReader *reader, const struct sums_header *header, uint64_t file_size,
		       GError **error)
{
	uint64_t disk = le64_get(header->disk_size), image = le64_get(header->image_size);
	uint64_t chunks = le64_get(header->chunk_count), leaves = le64_get(header->leaf_count);
	uint64_t end;

	if (disk == 0 || disk > MAX_DISK || image == 0 || image > MAX_IMAGE)
		return damaged(reader, error,
			       "is for a disk of %" PRIu64 " and an image of %" PRIu64 " bytes",
			       disk, image);
	if (chunks > pieces(disk, SUMS_CHUNK_SIZE))
		return damaged(reader, error,
			       "has %" PRIu64 " chunks of a disk of %" PRIu64 " bytes", chunks,
			       disk);
	if (leaves != pieces(image, SUMS_LEAF_SIZE))
		return damaged(reader, error,
			       "has %" PRIu64 " leaves of an image of %" PRIu64 " bytes", leaves,
			       image);
	end = chunks_end(chunks) + leaves * sizeof(struct digest);
	if (end != file_size)
		return damaged(reader, error,
			       "has %" PRIu64 " bytes, but %" PRIu64 " chunks and %" PRIu64
			       " leaves make %" PRIu64,
			       file_size, chunks, leaves, end);

	reader->disk_size = disk;
	reader->image_size = image;
	reader->chunks = chunks;
	reader->leaves = leaves;
	return true;
}

SumsReader *sums_reader_new(int fd, const char *name, GError **error)
{
	g_autoptr(SumsReader) reader = g_new0(SumsReader, 1);
	struct sums_header header;
	struct stat st;

	reader->fd = fd;
	reader->name = g_strdup(name);
	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", name);
		return NULL;
	}
	if (!io_pread(fd, name, 0, &header, sizeof(header), error) ||
	    !check_kind(reader, &header, error) ||
	    !read_sizes(reader, &header, (uint64_t)st.st_size, error))
		return NULL;
	return g_steal_pointer(&reader);
}

uint64_t sums_reader_disk_size(const SumsReader *reader)
{
	return reader->disk_size;
}

uint64_t sums_reader_image_size(const SumsReader *reader)
{
	return reader->image_size;
}

int sums_reader_next(SumsReader *reader, uint64_t *ret_index, struct digest *ret, GError **error)
{
	size_t n = MIN(BATCH, reader->chunks - reader->taken);
	const struct sums_chunk *chunk = &reader->batch[reader->taken % BATCH];
	uint64_t index;

	if (n == 0)
		return 0;
	if (reader->taken % BATCH == 0 &&
	    !io_pread(reader->fd, reader->name, chunks_end(reader->taken), reader->batch,
		      n * sizeof(reader->batch[0]), error))
		return -1;

	index = le64_get(chunk->index);
	if (index < reader->next || index >= pieces(reader->disk_size, SUMS_CHUNK_SIZE)) {
		(void)damaged(reader, error,
			      "has chunk %" PRIu64 " where %" PRIu64 " to %" PRIu64 " can follow",
			      index, reader->next, pieces(reader->disk_size, SUMS_CHUNK_SIZE) - 1);
		return -1;
	}
	reader->next = index + 1;
	reader->taken++;
	*ret_index = index;
	*ret = chunk->digest;
	return 1;
}

bool sums_reader_leaf(SumsReader *reader, uint64_t index, struct digest *ret, GError **error)
{
	struct digest digest;

	if (index >= reader->leaves)
		return damaged(reader, error, "has no leaf %" PRIu64 ", only %" PRIu64, index,
			       reader->leaves);
	if (!io_pread(reader->fd, reader->name, chunks_end(reader->chunks) + index * sizeof(digest),
		      &digest, sizeof(digest), error))
		return false;
	*ret = digest;
	return true;
}

bool sums_reader_copy_leaves(const SumsReader *reader, int fd, const char *name, GError **error)
{
	const struct place from = { reader->fd, reader->name, chunks_end(reader->chunks) };
	const struct place to = { fd, name, 0 };

	return copy_digests(from, to, reader->leaves, error);
}

static const char *keep_dir(void)
{
	return g_getenv("TMPDIR") ?: "/var/tmp"; /* /tmp may be memory */
}

static int make_nameless(const char *name, GError **error)
{
	const char *dir = keep_dir();
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		wherry_error_sys(error, errno, "cannot keep '%s' in a file in '%s'", name, dir);
	return fd;
}

static bool write_kept(int kept, const char *name, uint64_t at, const uint8_t *buf, size_t len,
		       GError **error)
{
	if (io_pwrite(kept, name, at, buf, len, error))
		return true;
	g_prefix_error(error, "keeping '%s' in a file in '%s': ", name, keep_dir());
	return false;
}

/* The bytes [@at, @at + @len) of the sums file; those of @kept are of the same size already. */
static bool keep(int kept, const char *name, uint64_t from, uint64_t at, const uint8_t *buf,
		 size_t len, GError **error)
{
	size_t skip = from > at ? (size_t)MIN(from - at, len) : 0;

	return len == skip || write_kept(kept, name, at + skip, buf + skip, len - skip, error);
}

/* The header, from a first buffer, decides where the leaves are; what is held is what is read. */
static bool keep_header(int kept, const char *name, const uint8_t *buf, uint64_t size,
			uint64_t *ret_leaves_at, GError **error)
{
	g_autoptr(SumsReader) reader = NULL;

	if (ftruncate(kept, (off_t)size) < 0) {
		wherry_error_sys(error, errno, "cannot keep '%s'", name);
		return false;
	}
	if (!write_kept(kept, name, 0, buf, sizeof(struct sums_header), error))
		return false;
	reader = sums_reader_new(kept, name, error);
	if (!reader)
		return false;
	*ret_leaves_at = chunks_end(reader->chunks);
	return true;
}

static bool keep_all(int kept, int fd, const char *name, uint64_t size, struct digest *ret,
		     GError **error)
{
	g_autofree uint8_t *buf = g_malloc(KEEP_SIZE);
	g_autoptr(Digester) digester = digester_new();
	uint64_t leaves_at = 0;

	for (uint64_t at = 0; at < size; at += KEEP_SIZE) {
		size_t len = (size_t)MIN(KEEP_SIZE, size - at);

		if (!io_pread(fd, name, at, buf, len, error))
			return false;
		if (at == 0 && !keep_header(kept, name, buf, size, &leaves_at, error))
			return false;
		if (!keep(kept, name, leaves_at, at, buf, len, error))
			return false;
		digester_add(digester, buf, len);
	}
	*ret = digester_finish(digester);
	return true;
}

int sums_keep_leaves(int fd, const char *name, uint64_t size, const struct digest *want,
		     GError **error)
{
	autofd int kept = -1;
	struct digest got;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot examine '%s'", name);
		return -1;
	}
	if ((uint64_t)st.st_size != size || size < sizeof(struct sums_header)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' has %" PRIu64 " bytes, but %" PRIu64 " were recorded", name,
			    (uint64_t)st.st_size, size);
		return -1;
	}
	kept = make_nameless(name, error);
	if (kept < 0 || !keep_all(kept, fd, name, size, &got, error))
		return -1;
	if (!digest_equal(&got, want)) {
		g_autofree char *got_hex = digest_to_hex(&got), *want_hex = digest_to_hex(want);

		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DIFFERENT,
			    "'%s' was altered: its SHA-256 is %s, but %s was recorded", name,
			    got_hex, want_hex);
		return -1;
	}
	return g_steal_fd(&kept);
}

void sums_reader_free(SumsReader *reader)
{
	if (!reader)
		return;
	g_free(reader->name);
	g_free(reader);
}
