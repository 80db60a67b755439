/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is refused here that QEMU would take is what we never write and cannot vouch for: a header
 * extension that we do not know, say, may be known to the QEMU that runs the VM.
 */
#include "image/qcow2-image.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The first features of a header that we refuse, in the order in which they are looked for. */
static bool check_features(const struct qcow2_image *image, const struct qcow2_header *header,
			   GError **error)
{
	uint64_t incompatible = be64_get(header->incompatible_features);
	const char *what = NULL;

	if (be64_get(header->backing_file_offset) != 0 || be32_get(header->backing_file_size) != 0)
		what = "a backing file";
	else if (incompatible & QCOW2_INCOMPAT_DATA_FILE)
		what = "an external data file";
	else if (incompatible & QCOW2_INCOMPAT_EXTENDED_L2)
		what = "extended L2 entries";
	else if (be32_get(header->crypt_method) != 0)
		what = "encryption";
	else if (be32_get(header->nb_snapshots) != 0 || be64_get(header->snapshots_offset) != 0)
		what = "snapshots";
	else if (be64_get(header->autoclear_features) != 0)
		what = "auto-clear features";
	if (what) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': an image with %s is not taken", image->name, what);
		return false;
	}
	if (incompatible & (QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED, "'%s' is marked as %s",
			    image->name,
			    incompatible & QCOW2_INCOMPAT_CORRUPT ? "corrupt" : "not closed");
		return false;
	}
	if (incompatible & ~QCOW2_INCOMPAT_COMPRESSION) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': unknown incompatible features 0x%" PRIx64, image->name,
			    incompatible & ~QCOW2_INCOMPAT_COMPRESSION);
		return false;
	}
	return true;
}

static bool check_shape(const struct qcow2_image *image, const struct qcow2_header *header,
			GError **error)
{
	uint32_t version = be32_get(header->version);
	uint32_t cluster_bits = be32_get(header->cluster_bits);
	uint32_t refcount_order = be32_get(header->refcount_order);
	uint32_t length = be32_get(header->header_length);

	if (be32_get(header->magic) != QCOW2_MAGIC) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' is no qcow2 image: it begins with 0x%08" PRIx32, image->name,
			    be32_get(header->magic));
		return false;
	}
	if (version != QCOW2_VERSION) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': qcow2 version %" PRIu32 " is not taken, only %u", image->name,
			    version, QCOW2_VERSION);
		return false;
	}
	if (length < QCOW2_HEADER_LENGTH_MIN || length > IMAGE_CLUSTER_SIZE || length % 8 != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': header length %" PRIu32 " is not %u to %u by 8", image->name,
			    length, QCOW2_HEADER_LENGTH_MIN, IMAGE_CLUSTER_SIZE);
		return false;
	}
	if (cluster_bits != QCOW2_CLUSTER_BITS || refcount_order != QCOW2_REFCOUNT_ORDER) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': clusters of 2^%" PRIu32 " bytes with refcounts of 2^%" PRIu32
			    " bits are not taken, only 2^%u and 2^%u",
			    image->name, cluster_bits, refcount_order, QCOW2_CLUSTER_BITS,
			    QCOW2_REFCOUNT_ORDER);
		return false;
	}
	return true;
}

static bool check_compression(struct qcow2_image *image, const struct qcow2_header *header,
			      GError **error)
{
	bool bit = be64_get(header->incompatible_features) & QCOW2_INCOMPAT_COMPRESSION;
	uint8_t type = 0;

	if (be32_get(header->header_length) > offsetof(struct qcow2_header, compression_type))
		type = header->compression_type;
	if (bit != (type != 0)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': compression type %u contradicts its feature bit, %d",
			    image->name, type, bit);
		return false;
	}
	if (type > QCOW2_COMPRESSION_ZSTD) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': compression type %u is not taken, only zstd (%u)", image->name,
			    type, QCOW2_COMPRESSION_ZSTD);
		return false;
	}
	image->zstd = type == QCOW2_COMPRESSION_ZSTD;
	return true;
}

/* The area of header extensions, in the first cluster behind the header. */
static bool check_extensions(const struct qcow2_image *image, const uint8_t *cluster, uint64_t at,
			     GError **error)
{
	struct qcow2_extension extension;

	/* Ends, as @at grows by 8 or more. */
	while (at + sizeof(extension) <= IMAGE_CLUSTER_SIZE) {
		uint32_t type, length;

		memcpy(&extension, cluster + at, sizeof(extension));
		type = be32_get(extension.type);
		length = be32_get(extension.length);
		if (type == QCOW2_EXTENSION_END)
			return true;
		if (type != QCOW2_EXTENSION_FEATURE_NAMES) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
				    "'%s': header extension 0x%08" PRIx32 " is not taken",
				    image->name, type);
			return false;
		}
		at += sizeof(extension);
		if (length > IMAGE_CLUSTER_SIZE - at) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': header extension of %" PRIu32 " bytes at %" PRIu64
				    " does not fit into the first cluster",
				    image->name, length, at);
			return false;
		}
		at += (UINT64_C(7) + length) / 8 * 8;
	}
	return true;
}

static bool overlap(uint64_t a_offset, uint64_t a_length, uint64_t b_offset, uint64_t b_length)
{
	return a_offset < b_offset + b_length && b_offset < a_offset + a_length;
}

/* @bytes at @offset: cluster-aligned, behind the header, inside the file. */
static bool check_table(const struct qcow2_image *image, const char *what, uint64_t offset,
			uint64_t bytes, GError **error)
{
	if (offset >= IMAGE_CLUSTER_SIZE && offset % IMAGE_CLUSTER_SIZE == 0 &&
	    bytes <= image->file_size && offset <= image->file_size - bytes)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s': %s of %" PRIu64 " bytes cannot lie at %" PRIu64 " of %" PRIu64 " bytes",
		    image->name, what, bytes, offset, image->file_size);
	return false;
}

static bool set_sizes(struct qcow2_image *image, const struct qcow2_header *header, GError **error)
{
	uint64_t size = be64_get(header->size);
	uint64_t l1_size = be32_get(header->l1_size);
	uint64_t refcount_clusters = be32_get(header->refcount_table_clusters);

	if (size == 0 || size % QCOW2_SECTOR_SIZE != 0 || size > QCOW2_VIRTUAL_SIZE_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': a disk of %" PRIu64 " bytes is not 512 to %" PRIu64 " by 512",
			    image->name, size, QCOW2_VIRTUAL_SIZE_MAX);
		return false;
	}
	image->virtual_size = size;
	image->n_guest_clusters = (size + IMAGE_CLUSTER_SIZE - 1) / IMAGE_CLUSTER_SIZE;
	image->n_l1 = (image->n_guest_clusters + QCOW2_TABLE_ENTRIES - 1) / QCOW2_TABLE_ENTRIES;
	image->l1_offset = be64_get(header->l1_table_offset);
	image->l1_bytes = l1_size * sizeof(be64);
	if (l1_size < image->n_l1 || image->l1_bytes > QCOW2_L1_BYTES_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': an L1 table of %" PRIu64 " entries for a disk of %" PRIu64
			    " bytes, which needs %" PRIu64,
			    image->name, l1_size, size, image->n_l1);
		return false;
	}
	image->refcount_table_offset = be64_get(header->refcount_table_offset);
	image->refcount_table_bytes = refcount_clusters * IMAGE_CLUSTER_SIZE;
	if (refcount_clusters == 0 ||
	    image->refcount_table_bytes > QCOW2_REFCOUNT_TABLE_BYTES_MAX) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': a refcount table of %" PRIu64 " clusters", image->name,
			    refcount_clusters);
		return false;
	}
	return true;
}

static bool load_l1(struct qcow2_image *image, GError **error)
{
	if (!check_table(image, "the L1 table", image->l1_offset, image->l1_bytes, error) ||
	    !check_table(image, "the refcount table", image->refcount_table_offset,
			 image->refcount_table_bytes, error))
		return false;
	if (overlap(image->l1_offset, image->l1_bytes, image->refcount_table_offset,
		    image->refcount_table_bytes)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': the L1 table at %" PRIu64 " and the refcount table at %" PRIu64
			    " overlap",
			    image->name, image->l1_offset, image->refcount_table_offset);
		return false;
	}

	image->l1 = g_try_malloc(image->l1_bytes);
	if (!image->l1) {
		wherry_error_sys(error, ENOMEM, "cannot read '%s'", image->name);
		return false;
	}
	if (!qcow2_image_read(image, image->l1_offset, image->l1, image->l1_bytes, error))
		return false;
	for (uint64_t i = image->n_l1; i < image->l1_bytes / sizeof(be64); i++) {
		if (be64_get(image->l1[i]) != 0) {
			g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
				    "'%s': L1 entry %" PRIu64 " is behind the disk's end",
				    image->name, i);
			return false;
		}
	}
	return true;
}

bool qcow2_image_read(const struct qcow2_image *image, uint64_t offset, void *buf, size_t len,
		      GError **error)
{
	if (offset > image->file_size || len > image->file_size - offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' has %" PRIu64 " bytes, too few for %zu at %" PRIu64, image->name,
			    image->file_size, len, offset);
		return false;
	}
	return image->source.read(image->source.userdata, offset, buf, len, error);
}

bool qcow2_image_open(struct qcow2_image *image, const struct image_source *source,
		      const char *name, GError **error)
{
	g_autofree uint8_t *cluster = g_malloc(IMAGE_CLUSTER_SIZE);
	struct qcow2_header header;

	image->source = *source;
	image->name = g_strdup(name);
	image->file_size = source->size;
	if (image->file_size < IMAGE_CLUSTER_SIZE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s' has %" PRIu64 " bytes, less than one cluster of an image", name,
			    image->file_size);
		return false;
	}
	if (!qcow2_image_read(image, 0, cluster, IMAGE_CLUSTER_SIZE, error))
		return false;

	memcpy(&header, cluster, sizeof(header));
	return check_shape(image, &header, error) && check_features(image, &header, error) &&
	       check_compression(image, &header, error) &&
	       check_extensions(image, cluster, be32_get(header.header_length), error) &&
	       set_sizes(image, &header, error) && load_l1(image, error);
}

bool qcow2_image_check_cluster(const struct qcow2_image *image, uint64_t offset, const char *what,
			       uint64_t i, GError **error)
{
	const char *why = NULL;

	if (offset % IMAGE_CLUSTER_SIZE != 0)
		why = "is not aligned";
	else if (offset < IMAGE_CLUSTER_SIZE)
		why = "is in the header";
	else if (offset > image->file_size - IMAGE_CLUSTER_SIZE)
		why = "reaches past the end of the file";
	else if (overlap(offset, IMAGE_CLUSTER_SIZE, image->l1_offset, image->l1_bytes))
		why = "is in the L1 table";
	else if (overlap(offset, IMAGE_CLUSTER_SIZE, image->refcount_table_offset,
			 image->refcount_table_bytes))
		why = "is in the refcount table";
	if (!why)
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s': %s %" PRIu64 " at %" PRIu64 " of %" PRIu64 " bytes %s", image->name,
		    what, i, offset, image->file_size, why);
	return false;
}

/* The bits of @entry but those of @known are zero, and the copied flag is set. */
static bool check_bits(const struct qcow2_image *image, uint64_t entry, uint64_t known,
		       const char *what, uint64_t i, GError **error)
{
	if ((entry & ~known) == 0 && (entry & QCOW2_COPIED))
		return true;
	g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
		    "'%s': entry 0x%016" PRIx64 " of %s %" PRIu64 " has %s", image->name, entry,
		    what, i, entry & ~known ? "reserved bits set" : "no copied flag");
	return false;
}

int qcow2_image_l1_entry(const struct qcow2_image *image, uint64_t i, uint64_t *ret_offset,
			 GError **error)
{
	uint64_t entry = be64_get(image->l1[i]), offset = entry & QCOW2_OFFSET_MASK;

	if (entry == 0)
		return 0;
	if (!check_bits(image, entry, QCOW2_COPIED | QCOW2_OFFSET_MASK, "L2 table", i, error) ||
	    !qcow2_image_check_cluster(image, offset, "L2 table", i, error))
		return -1;
	*ret_offset = offset;
	return 1;
}

static bool decode_packed(const struct qcow2_image *image, uint64_t index, uint64_t entry,
			  struct qcow2_place *ret, GError **error)
{
	uint64_t offset = entry & QCOW2_PACKED_OFFSET_MASK;
	uint64_t more = entry >> QCOW2_PACKED_OFFSET_BITS & QCOW2_PACKED_SECTORS_MAX;
	uint64_t end = (offset / QCOW2_SECTOR_SIZE + 1 + more) * QCOW2_SECTOR_SIZE;

	if (!image->zstd) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "'%s': guest cluster %" PRIu64 " is compressed by zlib, not zstd",
			    image->name, index);
		return false;
	}
	if ((entry & QCOW2_COPIED) || offset < IMAGE_CLUSTER_SIZE || end > image->file_size ||
	    more > IMAGE_CLUSTER_SIZE / QCOW2_SECTOR_SIZE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "'%s': entry 0x%016" PRIx64 " of compressed guest cluster %" PRIu64
			    " says bytes %" PRIu64 " to %" PRIu64 " of %" PRIu64,
			    image->name, entry, index, offset, end, image->file_size);
		return false;
	}
	*ret = (struct qcow2_place){ QCOW2_KIND_PACKED, offset, end - offset };
	return true;
}

bool qcow2_image_l2_entry(const struct qcow2_image *image, uint64_t index, be64 raw,
			  struct qcow2_place *ret, GError **error)
{
	const uint64_t known = QCOW2_COPIED | QCOW2_OFFSET_MASK | QCOW2_ZERO;
	uint64_t entry = be64_get(raw), offset = entry & QCOW2_OFFSET_MASK;
	enum qcow2_kind kind = entry & QCOW2_ZERO ? QCOW2_KIND_ZERO : QCOW2_KIND_PLAIN;

	if (entry & QCOW2_COMPRESSED)
		return decode_packed(image, index, entry, ret, error);
	if (entry == 0 || entry == QCOW2_ZERO) {
		kind = entry == 0 ? QCOW2_KIND_NONE : QCOW2_KIND_ZERO;
		*ret = (struct qcow2_place){ .kind = kind };
		return true;
	}
	if (!check_bits(image, entry, known, "guest cluster", index, error) ||
	    !qcow2_image_check_cluster(image, offset, "guest cluster", index, error))
		return false;
	*ret = (struct qcow2_place){ kind, offset, IMAGE_CLUSTER_SIZE };
	return true;
}

void qcow2_image_clear(struct qcow2_image *image)
{
	g_clear_pointer(&image->l1, g_free);
	g_clear_pointer(&image->name, g_free);
}
