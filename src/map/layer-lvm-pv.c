/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LVM itself makes do with whatever copy of the metadata is whole, and repairs the others.  Here a
 * damaged one is an error: it might have been the newest.
 */
#include "map/layer-lvm-pv.h"

#include "base/error.h"
#include "base/le.h"
#include "map/layer-lvm-text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define LABEL_SECTORS   4u /* the label is in one of the first */
#define LABEL_ID        "LABELONE"
#define LABEL_TYPE      "LVM2 001"
#define EXTENSION_MAX   2u /* 1: boot loader areas; 2: flags */
#define EXTENSION_USED  1u /* flag: it belongs to a volume group */
#define MDA_MAGIC       " LVM2 x[5A%r0N*>"
#define MDA_VERSION     1u
#define MDA_HEADER_SIZE UINT64_C(512)
#define LOCN_IGNORED    1u /* flag: what is there may be old */
#define LOCN_COMMITTED  0  /* of the two; the other is of a change that has not happened */

struct label_header {
	char id[8];
	le64 sector;
	le32 crc; /* of all that follows in the sector */
	le32 offset;
	char type[8];
};
static_assert(sizeof(struct label_header) == 32, "label.h, struct label_header");

struct disk_locn {
	le64 offset; /* bytes; 0 ends a list */
	le64 size;   /* bytes; of a data area 0: to the end */
};

struct pv_header {
	char uuid[LVM_UUID_SIZE];
	le64 device_size;
	/* Then two lists of struct disk_locn, data areas and metadata areas, and the extension. */
};
static_assert(sizeof(struct pv_header) == 40, "layout.h, struct pv_header");

struct pv_header_extension {
	le32 version;
	le32 flags;
	/* Then a list of struct disk_locn, boot loader areas. */
};

struct raw_locn {
	le64 offset; /* bytes, from the start of the area */
	le64 size;   /* bytes; beyond the end of the area it goes on behind the header */
	le32 checksum;
	le32 flags;
};

struct mda_header {
	le32 crc; /* of all that follows in the 512 bytes */
	char magic[16];
	le32 version;
	le64 start; /* bytes, on the physical volume */
	le64 size;  /* bytes */
	struct raw_locn locations[2];
	uint8_t rest[MDA_HEADER_SIZE - 88];
};
static_assert(offsetof(struct mda_header, locations) == 40, "layout.h, struct mda_header");
static_assert(sizeof(struct mda_header) == MDA_HEADER_SIZE, "layout.h, MDA_HEADER_SIZE");

uint32_t lvm_crc(uint32_t crc, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

char *lvm_uuid_text(const char *uuid)
{
	return g_strdup_printf("%.6s-%.4s-%.4s-%.4s-%.4s-%.4s-%.6s", uuid, uuid + 6, uuid + 10,
			       uuid + 14, uuid + 18, uuid + 22, uuid + 26);
}

bool lvm_uuid_parse(const char *text, size_t len, char ret[LVM_UUID_SIZE + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '-')
			continue;
		if (n == LVM_UUID_SIZE ||
		    !(g_ascii_isalnum(text[i]) || text[i] == '!' || text[i] == '#'))
			return false;
		ret[n++] = text[i];
	}
	ret[n] = '\0';
	return n == LVM_UUID_SIZE;
}

/* Whether @sector, the @number-th, holds a label that LVM would take. */
static bool is_label(const uint8_t *sector, unsigned int number)
{
	const size_t start = offsetof(struct label_header, offset);
	struct label_header label;

	memcpy(&label, sector, sizeof(label));
	return memcmp(label.id, LABEL_ID, sizeof(label.id)) == 0 &&
	       memcmp(label.type, LABEL_TYPE, sizeof(label.type)) == 0 &&
	       le64_get(label.sector) == number &&
	       le32_get(label.crc) == lvm_crc(LVM_CRC_START, sector + start, LVM_SECTOR - start);
}

/* Reads the sector with the label. */
static bool find_label(const Volume *volume, uint8_t *sector, GError **error)
{
	uint8_t sectors[LABEL_SECTORS * LVM_SECTOR];
	unsigned int n = 0;

	if (!volume_read(volume, 0, sectors, sizeof(sectors), error))
		return false;
	for (unsigned int i = 0; i < LABEL_SECTORS; i++) {
		if (!is_label(sectors + i * LVM_SECTOR, i))
			continue;
		memcpy(sector, sectors + i * LVM_SECTOR, LVM_SECTOR);
		n++;
	}
	if (n != 1)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "LVM with %u labels that are right", n);
	return n == 1;
}

/* The next @len bytes of the label's sector; NULL: it is at its end. */
static const uint8_t *take(const uint8_t *sector, uint64_t *at, size_t len, GError **error)
{
	if (*at > LVM_SECTOR || len > LVM_SECTOR - *at) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an LVM header that needs %zu bytes at %" PRIu64 " of its sector", len,
			    *at);
		return NULL;
	}
	*at += len;
	return sector + *at - len;
}

static bool check_area(const Volume *volume, struct extent area, GError **error)
{
	if (area.length == 0 || area.offset > volume->size ||
	    area.length > volume->size - area.offset) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an LVM area of %" PRIu64 " bytes at %" PRIu64
			    " on a volume of %" PRIu64,
			    area.length, area.offset, volume->size);
		return false;
	}
	return true;
}

/* A list of areas.  They lie on @volume; NULL: that is not asked, as their size may be unsaid. */
static bool take_areas(const uint8_t *sector, uint64_t *at, const Volume *volume, GArray *areas,
		       GError **error)
{
	for (;;) { /* ends: the sector does */
		const uint8_t *bytes = take(sector, at, sizeof(struct disk_locn), error);
		struct disk_locn locn;
		struct extent area;

		if (!bytes)
			return false;
		memcpy(&locn, bytes, sizeof(locn));
		area = (struct extent){ le64_get(locn.offset), le64_get(locn.size) };
		if (area.offset == 0)
			return true;
		if (volume && !check_area(volume, area, error))
			return false;
		g_array_append_val(areas, area);
	}
}

/* Older versions of LVM have none, and left zeros there. */
static bool take_extension(const uint8_t *sector, uint64_t *at, const Volume *volume, LvmPv *pv,
			   GError **error)
{
	struct pv_header_extension extension;
	const uint8_t *bytes;
	uint32_t version, flags;

	if (LVM_SECTOR - *at < sizeof(extension))
		return true;
	bytes = take(sector, at, sizeof(extension), error);
	memcpy(&extension, bytes, sizeof(extension));
	version = le32_get(extension.version);
	flags = le32_get(extension.flags);
	if (version == 0)
		return true;
	if (version > EXTENSION_MAX || (flags & ~EXTENSION_USED) != 0) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_UNSUPPORTED,
			    "an LVM header with extension %" PRIu32 " and flags 0x%" PRIx32,
			    version, flags);
		return false;
	}
	return take_areas(sector, at, volume, pv->areas, error);
}

LvmPv *lvm_pv_read_label(const Volume *volume, GError **error)
{
	g_autoptr(GArray) data = g_array_new(false, false, sizeof(struct extent));
	g_autoptr(LvmPv) pv = g_new0(LvmPv, 1);
	uint8_t sector[LVM_SECTOR];
	struct label_header label;
	const uint8_t *bytes;
	uint64_t at;

	pv->areas = g_array_new(false, false, sizeof(struct extent));
	pv->texts = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	if (!find_label(volume, sector, error))
		return NULL;
	memcpy(&label, sector, sizeof(label));
	at = le32_get(label.offset);
	bytes = take(sector, &at, sizeof(struct pv_header), error);
	if (!bytes)
		return NULL;
	if (!lvm_uuid_parse((const char *)bytes, LVM_UUID_SIZE, pv->uuid)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "LVM with a UUID that is none");
		return NULL;
	}
	if (!take_areas(sector, &at, NULL, data, error) ||
	    !take_areas(sector, &at, volume, pv->areas, error))
		return NULL;
	if (data->len > 0)
		pv->data_start = g_array_index(data, struct extent, 0).offset;
	pv->n_metadata = pv->areas->len;
	if (!take_extension(sector, &at, volume, pv, error))
		return NULL;
	return g_steal_pointer(&pv);
}

static bool check_mda(const struct mda_header *header, struct extent area, GError **error)
{
	const char *wrong = NULL;

	if (lvm_crc(LVM_CRC_START, header->magic, MDA_HEADER_SIZE - sizeof(header->crc)) !=
	    le32_get(header->crc))
		wrong = "a wrong checksum";
	else if (memcmp(header->magic, MDA_MAGIC, sizeof(header->magic)) != 0 ||
		 le32_get(header->version) != MDA_VERSION)
		wrong = "an unknown magic or version";
	else if (le64_get(header->start) != area.offset || le64_get(header->size) != area.length)
		wrong = "another place or size than the label says";
	else if (area.length <= MDA_HEADER_SIZE)
		wrong = "no room for more than its header";
	else if (le32_get(header->locations[LOCN_COMMITTED].flags) & ~LOCN_IGNORED)
		wrong = "unknown flags";
	if (wrong)
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "an LVM metadata area at %" PRIu64 " with %s", area.offset, wrong);
	return wrong == NULL;
}

/* The text at @offset of @area, in two pieces when it goes on behind the header. */
static bool read_ring(const Volume *volume, struct extent area, uint64_t offset, uint8_t *buf,
		      size_t size, GError **error)
{
	size_t first = (size_t)MIN(size, area.length - offset);

	return volume_read(volume, area.offset + offset, buf, first, error) &&
	       volume_read(volume, area.offset + MDA_HEADER_SIZE, buf + first, size - first, error);
}

static bool read_text(LvmPv *pv, const Volume *volume, struct extent area,
		      const struct raw_locn *locn, GError **error)
{
	uint64_t offset = le64_get(locn->offset), size = le64_get(locn->size);
	g_autofree uint8_t *buf = NULL;

	if (offset < MDA_HEADER_SIZE || offset >= area.length || size == 0 ||
	    size > LVM_TEXT_MAX_SIZE || size > area.length - MDA_HEADER_SIZE) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "LVM metadata of %" PRIu64 " bytes at %" PRIu64
			    " of an area of %" PRIu64,
			    size, offset, area.length);
		return false;
	}
	buf = g_malloc((size_t)size);
	if (!read_ring(volume, area, offset, buf, (size_t)size, error))
		return false;
	if (lvm_crc(LVM_CRC_START, buf, (size_t)size) != le32_get(locn->checksum)) {
		g_set_error(error, WHERRY_ERROR, WHERRY_ERROR_DAMAGED,
			    "LVM metadata at %" PRIu64 " with a wrong checksum",
			    area.offset + offset);
		return false;
	}
	g_ptr_array_add(pv->texts, g_bytes_new_take(g_steal_pointer(&buf), (size_t)size));
	return true;
}

bool lvm_pv_read_texts(LvmPv *pv, const Volume *volume, GError **error)
{
	for (unsigned int i = 0; i < pv->n_metadata; i++) {
		struct extent area = g_array_index(pv->areas, struct extent, i);
		const struct raw_locn *locn;
		struct mda_header header;

		if (!volume_read(volume, area.offset, &header, sizeof(header), error) ||
		    !check_mda(&header, area, error))
			return false;
		locn = &header.locations[LOCN_COMMITTED];
		if (le32_get(locn->flags) & LOCN_IGNORED)
			continue;
		if (le64_get(locn->offset) == 0 && le64_get(locn->size) == 0)
			pv->has_empty = true;
		else if (!read_text(pv, volume, area, locn, error))
			return false;
	}
	return true;
}

void lvm_pv_free(LvmPv *pv)
{
	if (!pv)
		return;
	g_clear_pointer(&pv->texts, g_ptr_array_unref);
	g_clear_pointer(&pv->areas, g_array_unref);
	g_free(pv);
}
