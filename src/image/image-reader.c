/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Guest clusters, one by one.  What the tables say is judged in qcow2-image.c. */
#include "image/image-reader.h"

#include "base/error.h"
#include "base/io.h"
#include "image/image-check.h"
#include "image/qcow2-image.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

/* A frame of less than a cluster, the start of its first sector and the rest of its last. */
#define PACKED_LENGTH_MAX (IMAGE_CLUSTER_SIZE + QCOW2_SECTOR_SIZE)

struct image_reader {
	struct qcow2_image image;
	int fd;             /* of image_reader_new(); borrowed */
	ZSTD_DCtx *context; /* owned */
	uint64_t l2_index;  /* of the L2 table in l2; image.n_l1: none */
	be64 l2[QCOW2_TABLE_ENTRIES];
	uint8_t packed[PACKED_LENGTH_MAX];
};

/* @reader is owned, and freed when its image is refused. */
static ImageReader *open_image(ImageReader *made, const struct image_source *source,
			       const char *name, GError **error)
{
	g_autoptr(ImageReader) reader = made;

	reader->context = ZSTD_createDCtx();
	g_assert(reader->context);
	if (!qcow2_image_open(&reader->image, source, name, error))
		return NULL;
	reader->l2_index = reader->image.n_l1;
	return g_steal_pointer(&reader);
}

ImageReader *image_reader_new_from(const struct image_source *source, const char *name,
				   GError **error)
{
	return open_image(g_new0(ImageReader, 1), source, name, error);
}

static bool read_file(void *userdata, uint64_t offset, void *buf, size_t len, GError **error)
{
	const ImageReader *reader = userdata;

	return io_pread(reader->fd, reader->image.name, offset, buf, len, error);
}

ImageReader *image_reader_new(int fd, const char *name, GError **error)
{
	struct image_source source = { .read = read_file };
	ImageReader *reader;
	struct stat st;

	if (fstat(fd, &st) < 0) {
		wherry_error_sys(error, errno, "cannot stat '%s'", name);
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_INVALID_INPUT,
			    "'%s' is no regular file", name);
		return NULL;
	}
	reader = g_new0(ImageReader, 1);
	reader->fd = fd;
	source.size = (uint64_t)st.st_size;
	source.userdata = reader;
	return open_image(reader, &source, name, error);
}

uint64_t image_reader_virtual_size(const ImageReader *reader)
{
	return reader->image.virtual_size;
}

/* 1: L2 table @i is in l2; 0: there is none; -1: failed. */
static int load_l2(ImageReader *reader, uint64_t i, GError **error)
{
	const struct qcow2_image *image = &reader->image;
	uint64_t offset;
	int r;

	if (i == reader->l2_index)
		return 1;
	r = qcow2_image_l1_entry(image, i, &offset, error);
	if (r <= 0)
		return r;
	reader->l2_index = image->n_l1; /* half of it may be overwritten */
	if (!qcow2_image_read(image, offset, reader->l2, sizeof(reader->l2), error))
		return -1;
	reader->l2_index = i;
	return 1;
}

static bool read_packed(ImageReader *reader, uint64_t index, const struct qcow2_place *place,
			void *buf, GError **error)
{
	const struct qcow2_image *image = &reader->image;
	size_t length, n;

	g_assert(place->length <= sizeof(reader->packed));
	if (!qcow2_image_read(image, place->offset, reader->packed, place->length, error))
		return false;
	length = ZSTD_findFrameCompressedSize(reader->packed, place->length);
	n = ZSTD_isError(length) ? length
				 : ZSTD_decompressDCtx(reader->context, buf, IMAGE_CLUSTER_SIZE,
						       reader->packed, length);
	if (n == IMAGE_CLUSTER_SIZE)
		return true;
	if (ZSTD_isError(n))
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': cannot decompress guest cluster %" PRIu64 " at %" PRIu64 ": %s",
			    image->name, index, place->offset, ZSTD_getErrorName(n));
	else
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': guest cluster %" PRIu64 " at %" PRIu64
			    " decompresses to %zu bytes, not %u",
			    image->name, index, place->offset, n, IMAGE_CLUSTER_SIZE);
	return false;
}

int image_reader_cluster(ImageReader *reader, uint64_t index, void *buf, GError **error)
{
	const struct qcow2_image *image = &reader->image;
	uint64_t start = index * IMAGE_CLUSTER_SIZE;
	struct qcow2_place place;
	int r;

	g_assert(index < image->n_guest_clusters);
	r = load_l2(reader, index / QCOW2_TABLE_ENTRIES, error);
	if (r <= 0)
		return r;
	if (!qcow2_image_l2_entry(image, index, reader->l2[index % QCOW2_TABLE_ENTRIES], &place,
				  error))
		return -1;

	switch (place.kind) {
	case QCOW2_KIND_NONE:
	case QCOW2_KIND_ZERO:
		return 0;
	case QCOW2_KIND_PLAIN:
		if (!qcow2_image_read(image, place.offset, buf, place.length, error))
			return -1;
		break;
	case QCOW2_KIND_PACKED:
		if (!read_packed(reader, index, &place, buf, error))
			return -1;
		break;
	}
	if (image->virtual_size - start < IMAGE_CLUSTER_SIZE)
		memset((uint8_t *)buf + (image->virtual_size - start), 0,
		       IMAGE_CLUSTER_SIZE - (image->virtual_size - start));
	return 1;
}

int image_reader_next(ImageReader *reader, uint64_t from, uint64_t *ret_index, GError **error)
{
	const struct qcow2_image *image = &reader->image;
	uint64_t index = from;

	while (index < image->n_guest_clusters) {
		struct qcow2_place place;
		int r = load_l2(reader, index / QCOW2_TABLE_ENTRIES, error);

		if (r < 0)
			return -1;
		if (r == 0) {
			index = (index / QCOW2_TABLE_ENTRIES + 1) * QCOW2_TABLE_ENTRIES;
			continue;
		}
		if (!qcow2_image_l2_entry(image, index, reader->l2[index % QCOW2_TABLE_ENTRIES],
					  &place, error))
			return -1;
		if (place.kind == QCOW2_KIND_PLAIN || place.kind == QCOW2_KIND_PACKED) {
			*ret_index = index;
			return 1;
		}
		index++;
	}
	return 0;
}

int image_reader_end(ImageReader *reader, uint64_t index, uint64_t *ret_end, GError **error)
{
	const struct qcow2_image *image = &reader->image;
	struct qcow2_place place;
	int r = load_l2(reader, index / QCOW2_TABLE_ENTRIES, error);

	g_assert(index < image->n_guest_clusters);
	if (r <= 0)
		return r;
	if (!qcow2_image_l2_entry(image, index, reader->l2[index % QCOW2_TABLE_ENTRIES], &place,
				  error))
		return -1;
	if (place.kind != QCOW2_KIND_PLAIN && place.kind != QCOW2_KIND_PACKED)
		return 0;
	*ret_end = place.offset + place.length;
	return 1;
}

bool image_reader_check(ImageReader *reader, GError **error)
{
	return image_check(&reader->image, NULL, error);
}

void image_reader_free(ImageReader *reader)
{
	if (!reader)
		return;
	qcow2_image_clear(&reader->image);
	ZSTD_freeDCtx(reader->context);
	g_free(reader);
}
