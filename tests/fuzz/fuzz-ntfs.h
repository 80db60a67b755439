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
static inline void ntfs_mend_record(int fd, uint64_t offset)
{
	uint8_t record[9 * NTFS_SECTOR];
	ssize_t size = pread(fd, record, sizeof(record), (off_t)offset);
	uint16_t list = ntfs_get16(record + 4), count = ntfs_get16(record + 6);

	if (size < (ssize_t)NTFS_SECTOR ||
	    (memcmp(record, "FILE", 4) != 0 && memcmp(record, "INDX", 4) != 0 &&
	     memcmp(record, "RSTR", 4) != 0) ||
	    list % 2 != 0 || list + 2u * count > NTFS_SECTOR - 2 ||
	    (count - 1) * (ssize_t)NTFS_SECTOR > size)
		return;
	for (unsigned int i = 1; i < count; i++)
		g_assert_cmpint(pwrite(fd, record + list, 2, (off_t)(offset + i * NTFS_SECTOR - 2)),
				==, 2);
}

/* @data: what was laid out.  The first records become those of the mirror. */
static inline void ntfs_mend(int fd, const uint8_t *data, size_t size)
{
	uint8_t boot[NTFS_SECTOR], records[4096];
	uint64_t cluster, mft, mirror;

	for (size_t at = 0; at + FUZZ_RECORD_SIZE <= size; at += FUZZ_RECORD_SIZE) {
		uint64_t offset = le32_get(*(const le32 *)(data + at)) * UINT64_C(512);

		if (offset < FUZZ_VOLUME_SIZE)
			ntfs_mend_record(fd, offset);
	}
	g_assert_cmpint(pread(fd, boot, sizeof(boot), 0), ==, sizeof(boot));
	cluster = (uint64_t)ntfs_get16(boot + 11) * boot[13];
	mft = ntfs_get16(boot + 48) * cluster;
	mirror = ntfs_get16(boot + 56) * cluster;
	if (MAX(mft, mirror) + sizeof(records) > FUZZ_VOLUME_SIZE)
		return;
	g_assert_cmpint(pread(fd, records, sizeof(records), (off_t)mft), ==, sizeof(records));
	g_assert_cmpint(pwrite(fd, records, sizeof(records), (off_t)mirror), ==, sizeof(records));
}
