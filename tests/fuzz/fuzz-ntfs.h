/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NTFS as the sectors of it (fuzz_lay_out()), and what guards its records put right after
 * something was changed, or nothing would be tried behind them.  tests/fuzz/record-ntfs makes such
 * a file.
 */
#pragma once

#include "fuzz-volume.h"

#include <string.h>

#define NTFS_SECTOR 512u

static inline uint16_t ntfs_get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

/* Each sector of a record ends with the number that the record begins its list with. */
static inline void ntfs_mend_record(uint8_t *record, size_t left)
{
	uint16_t list = ntfs_get16(record + 4), count = ntfs_get16(record + 6);

	if (list % 2 != 0 || list + 2u * count > NTFS_SECTOR - 2 ||
	    count * NTFS_SECTOR > left + NTFS_SECTOR)
		return;
	for (unsigned int i = 1; i < count; i++)
		memcpy(record + i * NTFS_SECTOR - 2, record + list, 2);
}

/* @volume: FUZZ_VOLUME_SIZE bytes; the first records become those of the mirror. */
static inline void ntfs_mend(uint8_t *volume)
{
	uint64_t cluster = (uint64_t)ntfs_get16(volume + 11) * volume[13];
	uint64_t mft = ntfs_get16(volume + 48) * cluster,
		 mirror = ntfs_get16(volume + 56) * cluster;

	for (size_t at = NTFS_SECTOR; at + 1024 <= FUZZ_VOLUME_SIZE / 8; at += NTFS_SECTOR)
		if (memcmp(volume + at, "FILE", 4) == 0 || memcmp(volume + at, "INDX", 4) == 0 ||
		    memcmp(volume + at, "RSTR", 4) == 0)
			ntfs_mend_record(volume + at, FUZZ_VOLUME_SIZE - at);
	if (mft + 4096 <= FUZZ_VOLUME_SIZE && mirror + 4096 <= FUZZ_VOLUME_SIZE)
		memmove(volume + mirror, volume + mft, 4096);
}
