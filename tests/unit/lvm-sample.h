/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Physical volumes of LVM2 byte by byte, for what LVM itself would not write. */
#pragma once

#include "map/layer-lvm-pv.h"

#include <string.h>

#define SAMPLE_AREA      4096u  /* of metadata, on each disk */
#define SAMPLE_AREA_SIZE 61440u /* up to the first extent, at 64 KiB */
#define SAMPLE_HEADER    512u   /* of a metadata area; the text lies behind it */

static inline void sample_put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static inline void sample_put64(uint8_t *at, uint64_t value)
{
	sample_put32(at, (uint32_t)value);
	sample_put32(at + 4, (uint32_t)(value >> 32));
}

static inline uint64_t sample_get(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = bytes - 1; i >= 0; i--)
		value = value << 8 | at[i];
	return value;
}

/* The checksum of the label in the 512 bytes at @sector. */
static inline void sample_seal_label(uint8_t *sector)
{
	sample_put32(sector + 16, lvm_crc(LVM_CRC_START, sector + 20, 492));
}

/* That of the header of a metadata area in the 512 bytes at @header. */
static inline void sample_seal_area(uint8_t *header)
{
	sample_put32(header, lvm_crc(LVM_CRC_START, header + 4, 508));
}

/* With a data area at 64 KiB and one metadata area. */
static inline void sample_label(uint8_t *sector, unsigned int number, const char *uuid,
				uint64_t size)
{
	memset(sector, 0, 512);
	memcpy(sector, "LABELONE", 8);
	sample_put64(sector + 8, number);
	sample_put32(sector + 20, 32);
	memcpy(sector + 24, "LVM2 001", 8);
	memcpy(sector + 32, uuid, LVM_UUID_SIZE);
	sample_put64(sector + 64, size);
	sample_put64(sector + 72, 65536);
	sample_put64(sector + 104, SAMPLE_AREA);
	sample_put64(sector + 112, SAMPLE_AREA_SIZE);
	sample_put32(sector + 136, 2);
	sample_put32(sector + 140, 1);
	sample_seal_label(sector);
}

/* @size bytes of text at @offset of the area. */
static inline void sample_area(uint8_t *header, uint64_t offset, uint64_t size, uint32_t text_crc)
{
	memset(header, 0, 512);
	memcpy(header + 4, " LVM2 x[5A%r0N*>", 16);
	sample_put32(header + 20, 1);
	sample_put64(header + 24, SAMPLE_AREA);
	sample_put64(header + 32, SAMPLE_AREA_SIZE);
	sample_put64(header + 40, offset);
	sample_put64(header + 48, size);
	sample_put32(header + 56, text_crc);
	sample_seal_area(header);
}
