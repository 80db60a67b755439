/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts right the checksums of what a fuzzer has changed, or nothing would be tried behind them. */
#pragma once

#include "map/partition-gpt-priv.h"

#include <glib.h>
#include <string.h>

static inline void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* Of entries of the usual number and size behind the header. */
static inline void mend_gpt(uint8_t *data, size_t size, size_t sector)
{
	uint8_t *header;

	if (size < 2 * sector + 128 * 128)
		return;
	header = data + sector;
	if (memcmp(header, "EFI PART", 8) != 0)
		return;
	put32(header + 88, gpt_crc32(data + 2 * sector, 128 * 128));
	put32(header + 16, 0);
	put32(header + 16, gpt_crc32(header, 92));
}

/* Of the boot region and of its backup, whose boot sector becomes that of the first. */
static inline void mend_exfat(uint8_t *data, size_t size)
{
	uint32_t sector, sum = 0;

	if (size < 512 || memcmp(data + 3, "EXFAT   ", 8) != 0 || data[108] < 9 || data[108] > 12)
		return;
	sector = 1u << data[108];
	if (size < (size_t)24 * sector)
		return;
	for (uint32_t i = 0; i < 11 * sector; i++)
		if (i != 106 && i != 107 && i != 112)
			sum = (sum << 31 | sum >> 1) + data[i];
	for (uint32_t i = 0; i < sector; i += 4)
		put32(data + 11 * sector + i, sum);
	memcpy(data + 12 * sector, data, 12 * sector);
}
