/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an LVM2 physical volume says of itself:
 *
 *	0       2048                          pe_start              behind the last extent
 *	[label ][ metadata area: header, text ][ extents of pe_size ... ][ maybe a 2nd metadata area
 *]
 *
 * The layout is that of LVM2 2.03's lib/label/label.h (label_header) and lib/format_text/layout.h
 * (pv_header, pv_header_extension, mda_header, raw_locn).  All numbers are little-endian; sectors
 * are of 512 bytes, whatever those of the disk are.
 */
#pragma once

#include "base/extent.h"
#include "map/volume.h"

#define LVM_SECTOR    UINT64_C(512)
#define LVM_UUID_SIZE 32

typedef struct {
	char uuid[LVM_UUID_SIZE + 1]; /* without dashes */
	uint64_t data_start;          /* bytes; of its first data area; 0: it names none */
	GArray *areas;           /* of struct extent: those for metadata, and the boot loader's */
	unsigned int n_metadata; /* the first so many of them are for metadata */
	GPtrArray *texts;        /* of GBytes *: the committed metadata of each that is in use */
	bool has_empty;          /* one that is in use holds none */
} LvmPv;

/* The label and what it points to, without the metadata areas. */
LvmPv *lvm_pv_read_label(const Volume *volume, GError **error);

/* What is in the metadata areas; on failure all that is known is who the physical volume is. */
bool lvm_pv_read_texts(LvmPv *pv, const Volume *volume, GError **error);

/*
 * The checksum of all these structures and of the text (lib/misc/crc.c): that of Ethernet, not
 * inverted at the end, from LVM_CRC_START or that of the bytes before.
 */
#define LVM_CRC_START 0xf597a6cfu
uint32_t lvm_crc(uint32_t crc, const void *data, size_t len);

/* As LVM prints them, "abcdef-0123-...", from 32 characters; owned by the caller. */
char *lvm_uuid_text(const char *uuid);

/* From either form to 32 characters and a 0.  False: it is no UUID of LVM's. */
bool lvm_uuid_parse(const char *text, size_t len, char ret[LVM_UUID_SIZE + 1]);

void lvm_pv_free(LvmPv *pv);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LvmPv, lvm_pv_free)
